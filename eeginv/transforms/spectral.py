"""Transforms of the spectrum."""

import math

import torch

from .base import Transform


def fast_length(n):
    """Smallest even length of at least n whose only prime factors are 2, 3 and 5."""
    n += n % 2
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 2


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
    The real part of the analytic signal times ``exp(2 i pi shift t)``, with the Hilbert transform
    computed on the zero-padded, centred signal in float32 (float64 for float64 signals). The
    mean of each channel is kept where it is: an offset does not become a tone. Content that
    would be moved below 0 Hz or above the Nyquist frequency is folded back.

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
    >>> shifted = FrequencyShift(sfreq=100).apply(X, {"uniform": torch.ones(1)}, magnitude=2.0)
    >>> int(torch.fft.rfft(shifted[0, 0]).abs().argmax()) / 10  # Hz
    12.0
    """

    family = "spectral"
    unit = "Hz"

    def __init__(self, sfreq, magnitude=0.5, max_magnitude=3.0):
        if not sfreq > 0:
            raise ValueError(f"sfreq must be positive, in Hz; got {sfreq}.")
        super().__init__(magnitude, max_magnitude)
        if max_magnitude > sfreq / 2:
            raise ValueError(
                f"max_magnitude ({max_magnitude} Hz) is above the Nyquist frequency "
                f"({sfreq / 2} Hz)."
            )
        self.sfreq = float(sfreq)

    def config(self):
        return {"sfreq": self.sfreq, **super().config()}

    def _draw(self, draws):
        return {"uniform": 2 * draws.uniform() - 1}

    def _transform(self, X, noise, strength):
        n_times = X.shape[-1]
        centred = X - X.mean(dim=-1, keepdim=True)
        n_fft = fast_length(n_times + n_times // 4)
        hilbert = torch.fft.irfft(-1j * torch.fft.rfft(centred, n=n_fft), n=n_fft)[..., :n_times]
        # time runs from the middle of the window, so that the phase turns least
        time = (torch.arange(n_times, device=X.device, dtype=X.dtype) - n_times / 2) / self.sfreq
        angle = 2 * math.pi * strength * noise["uniform"].reshape(-1, 1, 1) * time
        # the difference to X, so that a shift of zero is the identity to the last bit
        return X + centred * (torch.cos(angle) - 1) - hilbert * torch.sin(angle)


class FTSurrogate(Transform):
    """Randomise the phases of the Fourier transform and keep its amplitudes [1]_.

    Parameters
    ----------
    magnitude : float
        Initial strength: phases are moved by angles uniform in [-pi, pi] times it.
    max_magnitude : float
        Largest strength; at 1 the phases are uniform on the circle.
    channel_indep : bool
        Whether each channel gets phases of its own. If not, phase differences between channels
        are kept.

    Notes
    -----
    The offset, and the Nyquist frequency where the number of samples is even, keep their phase. The
    angles are centred at every strength, so that there is no systematic rotation.

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

    def __init__(self, magnitude=0.1, max_magnitude=1.0, channel_indep=False):
        if max_magnitude > 1:
            raise ValueError(f"max_magnitude is a share of the circle, at most 1: {max_magnitude}.")
        super().__init__(magnitude, max_magnitude)
        self.channel_indep = bool(channel_indep)

    def config(self):
        return {**super().config(), "channel_indep": self.channel_indep}

    def _draw(self, draws):
        n_channels = draws.n_channels if self.channel_indep else 1
        n_inner = (draws.n_times - 1) // 2  # frequencies strictly between 0 and Nyquist
        return {"uniform": 2 * draws.uniform(n_channels, n_inner) - 1}

    def _transform(self, X, noise, strength):
        n_times = X.shape[-1]
        angle = math.pi * strength * noise["uniform"]
        rotation = torch.complex(torch.cos(angle) - 1, torch.sin(angle))
        spectrum = torch.fft.rfft(X)
        n_inner = angle.shape[-1]
        change = torch.nn.functional.pad(
            spectrum[..., 1 : n_inner + 1] * rotation, (1, spectrum.shape[-1] - n_inner - 1)
        )
        # the difference to X, so that a strength of zero is the identity to the last bit
        return X + torch.fft.irfft(change, n=n_times)
