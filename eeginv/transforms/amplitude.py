"""Transforms of the values of a signal."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .base import Transform
from .binary import BinaryTransform
from .draws import Draws, Noise


class SignFlip(BinaryTransform):
    """Flip the polarity of all channels [1]_.

    Parameters
    ----------
    probability : float
        Initial probability with which an example is flipped.
    max_probability : float
        Largest probability.

    Notes
    -----
    The gradient with respect to the probability is a score-function estimate, from ``log_prob``.
    The gradient with respect to the signal is exact.

    References
    ----------
    .. [1] Rommel, C., Paillard, J., Moreau, T., & Gramfort, A. (2022). Data augmentation for
       learning predictive models on EEG: a systematic comparison. Journal of Neural Engineering.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import SignFlip
    >>> t = SignFlip(probability=0.5)
    >>> X = torch.ones(1, 1, 3)
    >>> t.transform(X, t.draw(X), strength=1.0)
    tensor([[[-1., -1., -1.]]])
    """

    family = "amplitude"
    keeps_time = True

    def _transformed(self, X: Tensor) -> Tensor:
        return -X

    def _transform_unless(self, X: Tensor, spared: Tensor) -> Tensor:
        return X * torch.where(spared, 1.0, -1.0)  # one operation over memory


class AmplitudeScale(Transform):
    """Multiply signals by a random gain, uniform in [-magnitude, magnitude] dB [1]_.

    Parameters
    ----------
    magnitude : float
        Initial largest gain, in dB (20 dB is a factor of ten, 6 dB a factor of two).
    max_magnitude : float
        Upper end of the range of the magnitude, in dB.
    channel_indep : bool
        Whether channels have independent gains. If not, amplitude ratios between channels are kept.

    References
    ----------
    .. [1] Mohsenvand, M. N., Izadi, M. R., & Maes, P. (2020). Contrastive representation learning
       for electroencephalogram classification. Machine Learning for Health.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import AmplitudeScale
    >>> X, one_end = torch.ones(1, 1, 3), {"uniform": torch.ones(1, 1)}
    >>> AmplitudeScale().transform(X, one_end, strength=20.0)
    tensor([[[10., 10., 10.]]])
    """

    family = "amplitude"
    unit = "dB"
    keeps_time = True
    group = "channels"

    def __init__(
        self, magnitude: float = 3.0, max_magnitude: float = 12.0, channel_indep: bool = True
    ) -> None:
        super().__init__(magnitude, max_magnitude)
        self.channel_indep = bool(channel_indep)

    def config(self) -> dict[str, Any]:
        return {**super().config(), "channel_indep": self.channel_indep}

    def _draw(self, draws: Draws) -> Noise:
        return {"uniform": draws.symmetric(draws.n_channels if self.channel_indep else 1)}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        return X * torch.exp(strength * noise["uniform"].unsqueeze(-1) * (math.log(10) / 20))

    def _algebra(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        gain = strength.squeeze(-1) * noise["uniform"] * (math.log(10) / 20)
        return torch.diag_embed(gain.expand(-1, X.shape[1]))


class GaussianNoise(Transform):
    """Add white Gaussian noise.

    Parameters
    ----------
    magnitude : float
        Initial standard deviation, in the unit of the signals.
    max_magnitude : float
        Largest standard deviation. The default is meant for standardised signals.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import GaussianNoise
    >>> t = GaussianNoise(0.1)
    >>> X = torch.zeros(4, 2, 1000)
    >>> round(t(X, torch.Generator().manual_seed(0)).std().item(), 2)
    0.1
    """

    family = "amplitude"
    loses_information = True
    keeps_time = True

    def __init__(self, magnitude: float = 0.1, max_magnitude: float = 1.0) -> None:
        super().__init__(magnitude, max_magnitude)

    def _draw(self, draws: Draws) -> Noise:
        return {"normal": draws.normal(draws.n_channels, draws.n_times)}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        return torch.addcmul(X, strength, noise["normal"])
