"""Transforms of the channel axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .base import Transform
from .binary import BinaryTransform, Involution
from .draws import Draws, Noise
from .montage import mirror_permutation


def check_probability(max_magnitude: float) -> None:
    """Raise an error if the end of the range is not a probability."""
    if max_magnitude > 1:
        raise ValueError(f"max_magnitude is a probability, at most 1; got {max_magnitude}.")


def check_channels(X: Tensor, ch_names: Sequence[str]) -> int:
    """Return the number of channels, or raise an error if it differs from the number of names."""
    if X.shape[1] != len(ch_names):
        raise ValueError(f"Expected {len(ch_names)} channels ({ch_names}), got {X.shape[1]}.")
    return len(ch_names)


class ChannelsDropout(Transform):
    """Set channels to zero, each independently.

    Parameters
    ----------
    magnitude : float
        Initial probability with which a channel is dropped.
    max_magnitude : float
        Largest probability.

    Notes
    -----
    A dropped channel is exactly zero, and the others do not change (no rescaling). The output is
    therefore a discontinuous function of the probability. The gradient with respect to the
    probability is a score-function estimate, from ``log_prob``. The gradient with respect to the
    signal is exact.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import ChannelsDropout
    >>> t = ChannelsDropout(0.5)
    >>> X = torch.ones(1000, 2, 1)
    >>> round(float(t(X, torch.Generator().manual_seed(0)).mean()), 1)
    0.5
    """

    family = "spatial"
    loses_information = True
    keeps_time = True
    continuous = False

    def __init__(self, magnitude: float = 0.2, max_magnitude: float = 1.0) -> None:
        check_probability(max_magnitude)
        super().__init__(magnitude, max_magnitude)

    def _draw(self, draws: Draws) -> Noise:
        return {"uniform": draws.uniform(draws.n_channels)}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        return X * (noise["uniform"].unsqueeze(-1) >= strength).to(X.dtype)

    def _events(self, noise: Noise, strength: Tensor) -> Tensor:
        return noise["uniform"] < strength


class ChannelsShuffle(Transform):
    """Select channels, each independently, and permute the selected ones at random [1]_.

    Parameters
    ----------
    magnitude : float
        Initial probability with which a channel is selected.
    max_magnitude : float
        Largest probability.

    Notes
    -----
    A single selected channel keeps its place. A random permutation can also leave some of several
    selected channels in place. The output is a discontinuous function of the probability. The
    gradient with respect to the probability is a score-function estimate, from ``log_prob``. The
    gradient with respect to the signal is exact.

    References
    ----------
    .. [1] Saeed, A., Grangier, D., Pietquin, O., & Zeghidour, N. (2020). Learning from
       heterogeneous EEG signals with differentiable channel reordering. arXiv:2010.13694.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import ChannelsShuffle
    >>> X = torch.arange(4.0).reshape(1, 4, 1)
    >>> shuffled = ChannelsShuffle(1.0)(X)
    >>> shuffled.flatten().sort().values
    tensor([0., 1., 2., 3.])
    """

    family = "spatial"
    loses_information = True
    keeps_time = True
    continuous = False

    def __init__(self, magnitude: float = 0.2, max_magnitude: float = 1.0) -> None:
        check_probability(max_magnitude)
        super().__init__(magnitude, max_magnitude)

    def _draw(self, draws: Draws) -> Noise:
        return {
            "uniform": draws.uniform(draws.n_channels),
            "order": draws.uniform(draws.n_channels),
        }

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        n_examples, n_channels, n_times = X.shape
        picked = noise["uniform"] < strength.squeeze(-1)
        position = torch.arange(n_channels, device=X.device)
        # places in order, and channels in random order, both with the selected ones first
        places = torch.where(picked, position, position + n_channels).argsort(dim=1)
        channels = torch.where(picked, noise["order"], 1 + position).argsort(dim=1)
        source = torch.zeros_like(places).scatter(1, places, channels)
        rows = source + n_channels * torch.arange(n_examples, device=X.device).unsqueeze(1)
        return X.reshape(-1, n_times).index_select(0, rows.reshape(-1)).reshape(X.shape)

    def _events(self, noise: Noise, strength: Tensor) -> Tensor:
        return noise["uniform"] < strength


class ChannelsSymmetry(BinaryTransform):
    """Exchange the left and the right side of the head [1]_.

    Parameters
    ----------
    ch_names : list of str
        Names of the channels, in the order of the signals. See
        :func:`~eeginv.transforms.mirror_permutation` for accepted names. Channels without a
        partner, such as those of the midline, do not change.
    probability : float
        Initial probability with which an example is mirrored.
    max_probability : float
        Largest probability.

    Notes
    -----
    The gradient with respect to the probability is a score-function estimate, from ``log_prob``.
    The gradient with respect to the signal is exact.

    References
    ----------
    .. [1] Deiss, O., Biswal, S., Jin, J., Sun, H., Westover, M. B., & Sun, J. (2018). HAMLET:
       interpretable human and machine co-learning technique. arXiv:1803.09702.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import ChannelsSymmetry
    >>> t = ChannelsSymmetry(["C3", "Cz", "C4"])
    >>> X = torch.tensor([[[3.0], [0.0], [4.0]]])
    >>> t.transform(X, t.draw(X), strength=1.0).flatten()
    tensor([4., 0., 3.])
    """

    family = "spatial"
    keeps_time = True
    _permutation: Tensor

    def __init__(
        self, ch_names: Sequence[str], probability: float = 0.5, max_probability: float = 0.5
    ) -> None:
        super().__init__(probability, max_probability)
        permutation = torch.tensor(mirror_permutation(ch_names))
        self.ch_names = list(ch_names)
        self.register_buffer("_permutation", permutation, persistent=False)

    def config(self) -> dict[str, Any]:
        return {"ch_names": self.ch_names, **super().config()}

    def _transform_unless(self, X: Tensor, spared: Tensor) -> Tensor:
        check_channels(X, self.ch_names)
        return Involution.apply(X, spared.to(X.dtype), self._mirror_unless)

    def _mirror_unless(self, X: Tensor, spared: Tensor) -> Tensor:
        return X.index_select(1, self._permutation).lerp_(X, spared)


class ChannelsMix(Transform):
    """Mix the channels by a random matrix near the identity.

    It models variations of the recording: gains, cross-talk, and a slightly different reference.

    Parameters
    ----------
    magnitude : float
        Initial root mean square change of the signal, relative to the signal, for channels of equal
        power.
    max_magnitude : float
        Largest change.

    Notes
    -----
    The output is ``X + magnitude * G X``. The matrix ``G`` is drawn for each example, with
    independent normal entries of variance ``1 / n_channels``.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import ChannelsMix
    >>> X = torch.randn(200, 4, 100, generator=torch.Generator().manual_seed(0))
    >>> change = ChannelsMix(0.3)(X, torch.Generator().manual_seed(0)) - X
    >>> round(change.square().mean().sqrt().item(), 2)
    0.3
    """

    family = "spatial"
    loses_information = True
    keeps_time = True

    def __init__(self, magnitude: float = 0.1, max_magnitude: float = 0.5) -> None:
        super().__init__(magnitude, max_magnitude)

    def _draw(self, draws: Draws) -> Noise:
        return {"normal": draws.normal(draws.n_channels, draws.n_channels)}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        mixing = strength * noise["normal"] / math.sqrt(X.shape[1])
        return torch.baddbmm(X, mixing.expand(X.shape[0], -1, -1), X)
