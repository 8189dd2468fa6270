"""Transforms of the spectrum."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .base import Transform, check_sfreq
from .draws import Draws, Noise
from .fourier import add_filtered, fast_length, turn, turn_phase

# Band-stop filter: attenuation in the band (110 dB), and width of the transitions in Hz.
DEPTH = math.log(10) / 20 * 110
SLOPE = 0.1


class FrequencyShift(Transform):
    """Shift the whole spectrum by a random offset, uniform in [-magnitude, magnitude] [1]_.

    Parameters
    ----------
    sfreq : float
        Sampling frequency of the signals, in Hz.
    magnitude : float
        Initial largest shift, in Hz.
    max_magnitude : float
        Upper end of the range of the magnitude, in Hz.

    Notes
    -----
    The output is the real part of the analytic signal times ``exp(2 i pi shift t)``. The Hilbert
    transform is computed from the centred signal, padded with zeros. The offset of each channel
    (its mean, weighted by a Hann window) is not shifted, so it does not become a sine. Frequencies
    that would be moved below 0 Hz or above the Nyquist frequency are reflected there. The output
    can be differentiated once.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., Paillard, J., & Gramfort, A. (2022). CADDA: Class-wise automatic
       differentiable data augmentation for EEG signals. ICLR.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import FrequencyShift
    >>> time = torch.arange(1000) / 100
    >>> X = torch.sin(2 * torch.pi * 10 * time).reshape(1, 1, -1)
    >>> shifted = FrequencyShift(sfreq=100).transform(X, {"uniform": torch.ones(1)}, strength=2.0)
    >>> int(torch.fft.rfft(shifted[0, 0]).abs().argmax()) / 10  # Hz
    12.0
    """

    family = "spectral"
    unit = "Hz"
    keeps_time = True

    def __init__(self, sfreq: float, magnitude: float = 0.5, max_magnitude: float = 3.0) -> None:
        self.sfreq = check_sfreq(sfreq)
        super().__init__(magnitude, max_magnitude)
        if max_magnitude > sfreq / 2:
            raise ValueError(
                f"max_magnitude ({max_magnitude} Hz) is above the Nyquist frequency "
                f"({sfreq / 2} Hz)."
            )

    def config(self) -> dict[str, Any]:
        return {"sfreq": self.sfreq, **super().config()}

    def _draw(self, draws: Draws) -> Noise:
        return {"uniform": draws.symmetric()}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        step = (2 * math.pi / self.sfreq) * strength.reshape(-1) * noise["uniform"]
        # time is zero at the start of the window: errors of the Hilbert transform at the edges are
        # multiplied by the sine of the angle, so only those at the other edge remain
        n_fft = fast_length(X.shape[-1] + 32)
        return turn_phase(X, step, n_fft)


class FTSurrogate(Transform):
    """Randomise the phases of the Fourier transform and keep its amplitudes [1]_.

    Parameters
    ----------
    magnitude : float
        Initial strength. Phases are shifted by angles that are uniform in [-pi, pi] times the
        strength.
    max_magnitude : float
        Largest strength. At 1, the phases are uniform on the circle.
    channel_indep : bool
        Whether channels are shifted independently. If not, phase differences between channels are
        kept.

    Notes
    -----
    The offset and the Nyquist frequency of an even number of samples keep their phase. The angles
    have mean zero at every strength, so there is no systematic rotation. Each frequency has its own
    delay, which smears events over the window. Outputs along time can therefore not be mapped back.

    References
    ----------
    .. [1] Schwabedal, J. T. C., Snyder, J. C., Cakmak, A., Nemati, S., & Clifford, G. D. (2018).
       Addressing class imbalance in classification problems of noisy signals by using Fourier
       transform surrogates. arXiv:1806.08675.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import FTSurrogate
    >>> X = torch.randn(1, 2, 64, generator=torch.Generator().manual_seed(0))
    >>> amplitude = torch.fft.rfft(FTSurrogate(1.0)(X)).abs()
    >>> bool(torch.allclose(amplitude, torch.fft.rfft(X).abs(), atol=1e-5))
    True
    """

    family = "spectral"
    loses_information = True

    def __init__(
        self, magnitude: float = 0.1, max_magnitude: float = 1.0, channel_indep: bool = False
    ) -> None:
        if max_magnitude > 1:
            raise ValueError(f"max_magnitude is a share of the circle, at most 1: {max_magnitude}.")
        super().__init__(magnitude, max_magnitude)
        self.channel_indep = bool(channel_indep)

    def config(self) -> dict[str, Any]:
        return {**super().config(), "channel_indep": self.channel_indep}

    def _draw(self, draws: Draws) -> Noise:
        n_channels = draws.n_channels if self.channel_indep else 1
        n_inner = (draws.n_times - 1) // 2  # frequencies between 0 and Nyquist, both excluded
        return {"uniform": draws.symmetric(n_channels, n_inner)}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        n_times = X.shape[-1]
        angle = math.pi * strength * noise["uniform"]
        # the offset and the Nyquist frequency of an even number of samples keep their phase
        angle = torch.nn.functional.pad(angle, (1, n_times // 2 - angle.shape[-1]))
        return add_filtered(X, turn(angle))


class BandstopFilter(Transform):
    """Remove a random frequency band from all channels [1]_ [2]_.

    The position of the band is uniform, with its ends at least 1 Hz away from 0 and from
    ``max_freq``.

    Parameters
    ----------
    sfreq : float
        Sampling frequency of the signals, in Hz.
    magnitude : float
        Initial width of the band, in Hz.
    max_magnitude : float
        Largest width, in Hz.
    max_freq : float | None
        Upper limit of the band, in Hz. None takes half the sampling frequency.

    Notes
    -----
    The filter has zero phase and is applied in the frequency domain. Its attenuation is more than
    50 dB at the ends of the band, 100 dB inside, and 1 dB at 0.5 Hz outside. For widths below about
    0.5 Hz it is weaker, and for a width of zero it is the identity. Windows shorter than 5 s do not
    have the frequency resolution for such a filter, so the band is then wider than stated.

    References
    ----------
    .. [1] Cheng, J. Y., Goh, H., Dogrusoz, K., Tuzel, O., & Azemi, E. (2020). Subject-aware
       contrastive learning for biosignals. arXiv:2007.04871.
    .. [2] Mohsenvand, M. N., Izadi, M. R., & Maes, P. (2020). Contrastive representation learning
       for electroencephalogram classification. Machine Learning for Health.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import BandstopFilter
    >>> time = torch.arange(3000) / 100
    >>> X = torch.sin(2 * torch.pi * 25 * time).reshape(1, 1, -1)
    >>> t = BandstopFilter(sfreq=100)  # its band is in the middle, at 25 Hz, for 0.5
    >>> bool(t.transform(X, {"uniform": torch.full((1,), 0.5)}, strength=2.0).abs().max() < 1e-3)
    True
    """

    family = "spectral"
    loses_information = True
    unit = "Hz"
    keeps_time = True

    def __init__(
        self,
        sfreq: float,
        magnitude: float = 1.0,
        max_magnitude: float = 2.0,
        max_freq: float | None = None,
    ) -> None:
        self.sfreq = check_sfreq(sfreq)
        super().__init__(magnitude, max_magnitude)
        self.max_freq = self.sfreq / 2 if max_freq is None else float(max_freq)
        if not 0 < self.max_freq <= self.sfreq / 2:
            raise ValueError(
                f"max_freq must be in (0, {self.sfreq / 2:g}] Hz, half the sampling frequency; "
                f"got {max_freq}."
            )
        if not max_magnitude < self.max_freq - 2:
            raise ValueError(
                f"A band of {max_magnitude:g} Hz, 1 Hz away from 0 and from {self.max_freq:g} Hz, "
                "does not exist: lower max_magnitude."
            )

    def config(self) -> dict[str, Any]:
        return {"sfreq": self.sfreq, **super().config(), "max_freq": self.max_freq}

    def _draw(self, draws: Draws) -> Noise:
        return {"uniform": draws.uniform()}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        n_times = X.shape[-1]
        low = 1 + noise["uniform"].reshape(-1, 1, 1) * (self.max_freq - 2 - strength)
        frequency = torch.arange(n_times // 2 + 1, device=X.device, dtype=X.dtype)
        frequency = frequency * (self.sfreq / n_times)
        box = torch.sigmoid((frequency - low) / SLOPE)
        box = box - torch.sigmoid((frequency - low - strength) / SLOPE)
        return add_filtered(X, torch.expm1(-DEPTH * box))
