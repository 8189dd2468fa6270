"""A generator of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .base import Transform
from .draws import Draws, Noise
from .exponential import matrix_exponential

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class ChannelsGenerator(Transform):
    """Mix the channels by the exponential of a matrix, times a random coordinate.

    A matrix ``G`` generates the group of the matrices ``expm(c * G)`` for all real ``c``: rotations
    if it is antisymmetric, gains if it is diagonal, a shear if its square is zero. The coordinate
    is uniform in [-magnitude, magnitude].

    Parameters
    ----------
    matrix : array-like, shape (n_channels, n_channels)
        The generator, per unit of the magnitude.
    magnitude : float
        Initial largest coordinate, in ``unit``.
    max_magnitude : float
        Upper end of its range.
    unit : str
        Unit of the coordinate, for policies and pictures.

    Notes
    -----
    Several such matrices, and :class:`AmplitudeScale`, can be drawn jointly:
    ``Augerino(transforms, joint=True)``. The registry does not hold this transform, as there is no
    matrix that fits all recordings, but policies know it by name, and hold the matrix.

    Examples
    --------
    A rotation of two channels into each other, by up to 30 degrees:

    >>> import math
    >>> import torch
    >>> from eeginv.transforms import ChannelsGenerator
    >>> degree = math.pi / 180
    >>> turn = [[0, -degree], [degree, 0]]
    >>> t = ChannelsGenerator(turn, magnitude=30.0, max_magnitude=90.0, unit="deg")
    >>> X, one_end = torch.tensor([[[1.0], [0.0]]]), {"uniform": torch.ones(1)}
    >>> t.transform(X, one_end, strength=30.0).flatten()
    tensor([0.8660, 0.5000])
    """

    family = "spatial"
    keeps_time = True
    group = "channels"
    _matrix: Tensor

    def __init__(
        self, matrix: ArrayLike, magnitude: float = 0.1, max_magnitude: float = 1.0, unit: str = "1"
    ) -> None:
        matrix = torch.as_tensor(matrix, dtype=torch.float64).detach().clone()
        if matrix.ndim != 2 or len(matrix) != matrix.shape[1] or not len(matrix):
            raise ValueError(
                "matrix must be square, of shape (n_channels, n_channels), got shape "
                f"{tuple(matrix.shape)}."
            )
        if not torch.isfinite(matrix).all():
            raise ValueError("matrix must be finite, but some of its entries are not.")
        if not matrix.any():
            raise ValueError("A matrix of zeros changes nothing: give at least one other entry.")
        super().__init__(magnitude, max_magnitude)
        self.unit = str(unit)
        self.matrix = matrix.tolist()
        # made from the arguments, so not part of the state
        self.register_buffer("_matrix", matrix.float(), persistent=False)

    def config(self) -> dict[str, Any]:
        return {"matrix": self.matrix, **super().config(), "unit": self.unit}

    def _draw(self, draws: Draws) -> Noise:
        return {"uniform": draws.symmetric()}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        return mix_channels(X, matrix_exponential(self._algebra(X, noise, strength)))

    def _algebra(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        n_channels = len(self.matrix)
        if X.shape[1] != n_channels:
            raise ValueError(
                f"Expected {n_channels} channels, the size of the matrix, got {X.shape[1]}."
            )
        return strength * noise["uniform"].reshape(-1, 1, 1) * self._matrix.to(X.dtype)


def mix_channels(X: Tensor, matrix: Tensor) -> Tensor:
    """Multiply signals by matrices, such that the identity leaves them as they are to the last bit.

    Parameters
    ----------
    X : Tensor, shape (n_examples, n_channels, n_times)
        Signals.
    matrix : Tensor, shape (n_examples or 1, n_channels, n_channels)
        The matrices.

    Returns
    -------
    X_mixed : Tensor, same shape as X
        The mixed signals.
    """
    change = matrix - torch.eye(X.shape[1], dtype=matrix.dtype, device=matrix.device)
    return torch.baddbmm(X, change.expand(X.shape[0], -1, -1), X)
