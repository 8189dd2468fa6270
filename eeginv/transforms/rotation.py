"""Rotations of the sensors on the head."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .base import Transform
from .draws import Draws, Noise
from .montage import channel_positions
from .spatial import check_channels
from .splines import rotation_series


class SensorsRotation(Transform):
    """Base class of the rotations about the three axes."""

    family = "spatial"
    unit = "deg"
    keeps_time = True
    group = "sensors"
    axis: int
    _series: Tensor

    def __init__(
        self, ch_names: Sequence[str], magnitude: float = 10.0, max_magnitude: float = 30.0
    ) -> None:
        super().__init__(magnitude, max_magnitude)
        positions = torch.tensor(channel_positions(ch_names), dtype=torch.float64)
        self.ch_names = list(ch_names)
        series = torch.cat(rotation_series(positions, self.axis)).flatten(1)
        # computed from the names, so not part of the state
        self.register_buffer("_series", series.float(), persistent=False)

    def config(self) -> dict[str, Any]:
        return {"ch_names": self.ch_names, **super().config()}

    def _draw(self, draws: Draws) -> Noise:
        return {"uniform": draws.symmetric()}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        n_channels = check_channels(X, self.ch_names)
        angle = math.pi / 180 * strength.squeeze(-1) * noise["uniform"].unsqueeze(-1)
        order = torch.arange(1, 1 + len(self._series) // 2, device=X.device, dtype=X.dtype)
        waves = torch.cat([torch.cos(order * angle) - 1, torch.sin(order * angle)], dim=1)
        change = (waves @ self._series.to(X.dtype)).reshape(-1, n_channels, n_channels)
        return torch.baddbmm(X, change.expand(X.shape[0], -1, -1), X)

    def _algebra(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        angle = math.pi / 180 * strength.reshape(-1) * noise["uniform"]
        turn = angle.new_zeros(3, 3)
        first, second = (self.axis + 1) % 3, (self.axis + 2) % 3
        turn[first, second], turn[second, first] = -1, 1
        return angle[:, None, None] * turn


class SensorsXRotation(SensorsRotation):
    """Rotate the sensors about the axis from ear to ear, as by a shift of the cap [1]_.

    The angle is uniform in [-magnitude, magnitude].

    Parameters
    ----------
    ch_names : list of str
        Names of the channels, in the order of the signals. See
        :func:`~eeginv.transforms.channel_positions` for accepted names.
    magnitude : float
        Initial largest angle, in degrees.
    max_magnitude : float
        Upper end of the range of the magnitude, in degrees.

    Notes
    -----
    The signals at the new positions are interpolated with spherical splines. With the interpolation
    matrix ``W(angle)``, the output is ``X + (W(angle) - W(0)) X``. The part of the signal that the
    regularised splines cannot represent therefore does not change, and an angle of zero is the
    identity. ``W`` is evaluated from its finite Fourier series in the angle. Rotations about the
    three axes form a group.

    References
    ----------
    .. [1] Krell, M. M., & Kim, S. K. (2017). Rotational data augmentation for
       electroencephalographic data. EMBC.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import SensorsXRotation
    >>> X = torch.ones(1, 4, 10)  # a constant field does not change
    >>> turned = SensorsXRotation(["C3", "Cz", "C4", "Pz"])(X)
    >>> bool(torch.allclose(turned, X, atol=1e-5))
    True
    """

    axis = 0


class SensorsYRotation(SensorsRotation):
    """Rotate the sensors about the axis from back to front, as by a shift of the cap [1]_.

    The angle is uniform in [-magnitude, magnitude].

    Parameters
    ----------
    ch_names : list of str
        Names of the channels, in the order of the signals. See
        :func:`~eeginv.transforms.channel_positions` for accepted names.
    magnitude : float
        Initial largest angle, in degrees.
    max_magnitude : float
        Upper end of the range of the magnitude, in degrees.

    Notes
    -----
    The signals at the new positions are interpolated with spherical splines. With the interpolation
    matrix ``W(angle)``, the output is ``X + (W(angle) - W(0)) X``. The part of the signal that the
    regularised splines cannot represent therefore does not change, and an angle of zero is the
    identity. ``W`` is evaluated from its finite Fourier series in the angle. Rotations about the
    three axes form a group.

    References
    ----------
    .. [1] Krell, M. M., & Kim, S. K. (2017). Rotational data augmentation for
       electroencephalographic data. EMBC.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import SensorsYRotation
    >>> X = torch.ones(1, 4, 10)  # a constant field does not change
    >>> turned = SensorsYRotation(["C3", "Cz", "C4", "Pz"])(X)
    >>> bool(torch.allclose(turned, X, atol=1e-5))
    True
    """

    axis = 1


class SensorsZRotation(SensorsRotation):
    """Rotate the sensors about the axis from neck to vertex, as by a shift of the cap [1]_.

    The angle is uniform in [-magnitude, magnitude].

    Parameters
    ----------
    ch_names : list of str
        Names of the channels, in the order of the signals. See
        :func:`~eeginv.transforms.channel_positions` for accepted names.
    magnitude : float
        Initial largest angle, in degrees.
    max_magnitude : float
        Upper end of the range of the magnitude, in degrees.

    Notes
    -----
    The signals at the new positions are interpolated with spherical splines. With the interpolation
    matrix ``W(angle)``, the output is ``X + (W(angle) - W(0)) X``. The part of the signal that the
    regularised splines cannot represent therefore does not change, and an angle of zero is the
    identity. ``W`` is evaluated from its finite Fourier series in the angle. Rotations about the
    three axes form a group.

    References
    ----------
    .. [1] Krell, M. M., & Kim, S. K. (2017). Rotational data augmentation for
       electroencephalographic data. EMBC.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import SensorsZRotation
    >>> X = torch.ones(1, 4, 10)  # a constant field does not change
    >>> turned = SensorsZRotation(["C3", "Cz", "C4", "Pz"])(X)
    >>> bool(torch.allclose(turned, X, atol=1e-5))
    True
    """

    axis = 2
