"""Transient waveforms of sleep EEG, one row per event, and their placement in a recording.

A waveform function takes one value per event in each parameter, shape (n_events,), and returns
(n_events, n_samples) with unit amplitude.
"""

from __future__ import annotations

import numpy as np


def draw_onsets(
    rates: np.ndarray, sfreq: float, rng: np.random.Generator, epoch_seconds: float = 30.0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw event times from a Poisson process whose rate is constant within each epoch.

    Parameters
    ----------
    rates : ndarray, shape (n_epochs,)
        Expected number of events per epoch.
    sfreq : float
        Sampling frequency in Hz.
    rng : numpy.random.Generator
        Random number generator.
    epoch_seconds : float
        Length of an epoch in seconds.

    Returns
    -------
    onsets : ndarray of int, shape (n_events,)
        First sample of each event.
    epochs : ndarray of int, shape (n_events,)
        Epoch in which each event starts.
    """
    epochs = np.repeat(np.arange(len(rates)), rng.poisson(rates))
    seconds = (epochs + rng.random(len(epochs))) * epoch_seconds
    return (seconds * sfreq).astype(int), epochs


def place(waveforms: np.ndarray, onsets: np.ndarray, n_times: int) -> np.ndarray:
    """Add waveforms (n_events, n_samples) to an empty signal, and crop them at its end."""
    length = waveforms.shape[1]
    index = onsets[:, None] + np.arange(length)
    signal = np.bincount(index.ravel(), weights=waveforms.ravel(), minlength=n_times)
    return signal[:n_times]


def _seconds(duration: float, sfreq: float) -> np.ndarray:
    return np.arange(round(duration * sfreq)) / sfreq


def spindle(
    frequency: np.ndarray, duration: np.ndarray, phase: np.ndarray, sfreq: float
) -> np.ndarray:
    """Make oscillations with a bell-shaped envelope, of a duration in s (at most 2)."""
    time = _seconds(2.0, sfreq) - 1.0
    bell = np.exp(-0.5 * (4 * time / duration[:, None]) ** 2)
    return bell * np.cos(2 * np.pi * frequency[:, None] * time + phase[:, None])


def k_complex(duration: np.ndarray, sfreq: float) -> np.ndarray:
    """Make steep negative peaks followed by a longer positive wave, of about a duration in s."""
    time = _seconds(2.0, sfreq) / duration[:, None]
    negative = np.exp(-0.5 * ((time - 0.25) / 0.07) ** 2)
    positive = 0.55 * np.exp(-0.5 * ((time - 0.65) / 0.17) ** 2)
    return positive - negative


def slow_wave(duration: np.ndarray, sfreq: float) -> np.ndarray:
    """Make cycles of a duration in s (at most 2): narrow negative half, wide positive half."""
    time = _seconds(2.0, sfreq) / duration[:, None]
    negative = np.where(time < 0.4, np.sin(np.pi * time / 0.4), 0.0)
    positive = np.where((time >= 0.4) & (time < 1), np.sin(np.pi * (time - 0.4) / 0.6), 0.0)
    return 0.6 * positive - negative


def theta_burst(
    frequency: np.ndarray, decay: np.ndarray, phase: np.ndarray, mirrored: np.ndarray, sfreq: float
) -> np.ndarray:
    """Make oscillations that start abruptly and decay (in s), or their mirror image in time.

    Their frequency falls by 2 Hz during the decay. Envelope and frequency change are not affected
    by a sign flip or a frequency shift, but by time reversal and random phases.
    """
    time = _seconds(4.0, sfreq)
    envelope = (1 - np.exp(-time / 0.03)) * np.exp(-time / decay[:, None])
    # Integral of a frequency that falls from 1 Hz above to 1 Hz below the mean.
    cycles = (frequency[:, None] - 1) * time + 2 * decay[:, None] * (
        1 - np.exp(-time / decay[:, None])
    )
    wave = envelope * np.cos(2 * np.pi * cycles + phase[:, None])
    return np.where(mirrored[:, None], wave[:, ::-1], wave)


def eye_movement(decay: np.ndarray, mirrored: np.ndarray, sfreq: float) -> np.ndarray:
    """Make negative steps with a slow return (decay in s), or their mirror image in time."""
    time = _seconds(4.0, sfreq)
    wave = -(1 - np.exp(-time / 0.05)) * np.exp(-time / decay[:, None])
    return np.where(mirrored[:, None], wave[:, ::-1], wave)


def blink(duration: np.ndarray, sfreq: float) -> np.ndarray:
    """Make symmetric, bell-shaped negative peaks of about a duration in s."""
    time = _seconds(1.0, sfreq) - 0.5
    return -np.exp(-0.5 * (4 * time / duration[:, None]) ** 2)


def movement(n_events: int, sfreq: float, rng: np.random.Generator) -> np.ndarray:
    """Draw artefacts of 4 s: large slow waves with muscle activity, in a bell-shaped envelope."""
    time = _seconds(4.0, sfreq)
    bell = np.sin(np.pi * time / 4.0) ** 2
    frequency = rng.uniform(0.3, 1.5, (n_events, 3, 1))
    phase = rng.uniform(0, 2 * np.pi, (n_events, 3, 1))
    swings = np.cos(2 * np.pi * frequency * time + phase).sum(axis=1)
    return bell * (swings + 0.3 * rng.standard_normal(swings.shape))
