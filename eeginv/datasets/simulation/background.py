"""Ongoing activity: Gaussian noise with a time-varying spectrum."""

from __future__ import annotations

import numpy as np

FRAME_SECONDS = 4.0
HOP_SECONDS = 2.0


def frame_times(n_times: int, sfreq: float) -> np.ndarray:
    """Return the centres of the overlapping frames that cover a recording, in s."""
    n_frames = int(np.ceil(n_times / (HOP_SECONDS * sfreq))) + 1
    return np.arange(n_frames) * HOP_SECONDS


def frame_frequencies(sfreq: float) -> np.ndarray:
    """Return the frequencies in Hz at which the spectrum of a frame is given."""
    return np.fft.rfftfreq(int(FRAME_SECONDS * sfreq), 1 / sfreq)


def shaped_noise(
    density: np.ndarray, n_times: int, sfreq: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw noise with a given power spectral density around each frame.

    Independent frames are windowed by half a sine and overlap by half. The squares of the windows
    sum to one, so the density is exact at the centre of each frame and interpolated in between.

    Parameters
    ----------
    density : ndarray, shape (n_frames, n_frequencies)
        One-sided power spectral density, in squared units per Hz, at :func:`frame_times` and
        :func:`frame_frequencies`.
    n_times : int
        Number of samples to return.
    sfreq : float
        Sampling frequency in Hz.
    rng : numpy.random.Generator
        Random number generator.

    Returns
    -------
    noise : ndarray, shape (n_times,)
        The noise.
    """
    n_frames, n_frequencies = density.shape
    length = int(FRAME_SECONDS * sfreq)
    draws = rng.standard_normal((n_frames, 2 * n_frequencies), dtype=np.float32)
    spectrum = draws.view(np.complex64)
    spectrum *= np.sqrt(density * (sfreq * length / 4)).astype(np.float32)
    frames = np.fft.irfft(spectrum, length, axis=1)
    frames *= np.sin(np.pi * (np.arange(length) + 0.5) / length)
    hop = length // 2
    joined = np.zeros((n_frames + 1, hop))
    joined[:-1] += frames[:, :hop]
    joined[1:] += frames[:, hop:]
    # Frame 0 is centred on the first sample.
    return joined.ravel()[hop : hop + n_times]


def aperiodic_density(
    frequencies: np.ndarray, exponent: np.ndarray, level: float | np.ndarray = 1.0
) -> np.ndarray:
    """Compute the density of activity without a rhythm, ``level * (10 / f) ** exponent``.

    The density at 10 Hz does not depend on the exponent. Below 0.5 Hz, the density is flat.

    Parameters
    ----------
    frequencies : ndarray, shape (n_frequencies,)
        Frequencies in Hz.
    exponent : ndarray, shape (n_frames,)
        Exponent of each frame.
    level : float | ndarray, shape (n_frames,)
        Density at 10 Hz, in squared units per Hz.

    Returns
    -------
    density : ndarray, shape (n_frames, n_frequencies)
        Density in squared units per Hz.
    """
    ratio = 10.0 / np.maximum(frequencies, 0.5)
    level = np.broadcast_to(level, np.shape(exponent))
    return level[:, None] * ratio ** np.asarray(exponent)[:, None]


def rhythm_density(
    frequencies: np.ndarray, centre: np.ndarray, rms: np.ndarray, bandwidth: float = 0.5
) -> np.ndarray:
    """Compute the density of a rhythm: a Gaussian peak.

    Parameters
    ----------
    frequencies : ndarray, shape (n_frequencies,)
        Frequencies in Hz.
    centre : ndarray, shape (n_frames,)
        Frequency of the rhythm, in Hz.
    rms : ndarray, shape (n_frames,)
        Root-mean-square amplitude of the rhythm. The area of the peak is its square.
    bandwidth : float
        Standard deviation of the peak, in Hz.

    Returns
    -------
    density : ndarray, shape (n_frames, n_frequencies)
        Density in squared units per Hz.
    """
    distance = (frequencies - np.asarray(centre)[:, None]) / bandwidth
    peak = np.exp(-0.5 * distance**2) / (bandwidth * np.sqrt(2 * np.pi))
    return np.asarray(rms)[:, None] ** 2 * peak


def muscle_density(frequencies: np.ndarray, rms: np.ndarray) -> np.ndarray:
    """Compute the density of muscle tone, which is flat above 15 Hz, with a soft edge.

    Parameters
    ----------
    frequencies : ndarray, shape (n_frequencies,)
        Frequencies in Hz.
    rms : ndarray, shape (n_frames,)
        Root-mean-square amplitude. The area of the density is its square.

    Returns
    -------
    density : ndarray, shape (n_frames, n_frequencies)
        Density in squared units per Hz.
    """
    shape = 1 / (1 + np.exp(-(frequencies - 15.0) / 1.5))
    area = shape.sum() * (frequencies[1] - frequencies[0])
    return np.asarray(rms)[:, None] ** 2 * shape / area


def slow_drift(n_times: int, sfreq: float, rms: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a drift (n_times,) by linear interpolation of independent values every 5 s."""
    knots = np.arange(0.0, n_times / sfreq + 5.0, 5.0)
    return np.interp(np.arange(n_times) / sfreq, knots, rng.normal(0.0, rms, len(knots)))
