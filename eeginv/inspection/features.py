"""Signal features of the direction of time, the sign, the spectrum and relations of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .inputs import read_windows

if TYPE_CHECKING:
    from .._typing import SignalsLike

N_BANDS = 16
N_PARTS = 32  # of a window, for its envelope
LAGS = (1, 4, 16)  # samples
BATCH = 64
TINY = 1e-30


def signal_features(X: SignalsLike) -> np.ndarray:
    """Compute features of each example that are sensitive to transforms.

    They describe the direction of time (skewness of differences and of changes of the envelope,
    trend, which channel leads), the sign (offset, skewness), the spectrum (power and centre of
    frequency bands), the shape (kurtosis, variation of the envelope), and the relation of channels
    (correlations).

    Parameters
    ----------
    X : array-like, shape (n_examples, n_channels, n_times) | mne.Epochs | windows dataset
        Signals of at least eight samples.

    Returns
    -------
    features : ndarray, shape (n_examples, n_features)
        Finite numbers. The features of an example do not depend on other examples.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.inspection import signal_features
    >>> X = np.random.default_rng(0).normal(size=(5, 2, 100))
    >>> signal_features(X).shape
    (5, 96)
    """
    X = read_windows(X).X
    if X.shape[2] < 8:
        raise ValueError(f"Features need windows of at least 8 samples, got {X.shape[2]}.")
    parts = (_features(X[i : i + BATCH].astype(np.float64)) for i in range(0, len(X), BATCH))
    return np.concatenate(list(parts))


def _features(X: np.ndarray) -> np.ndarray:
    mean = X.mean(axis=2, keepdims=True)
    centred = X - mean
    scale = np.sqrt(np.square(centred).mean(axis=2, keepdims=True))
    # flat channels remain zero
    shape = centred / np.where(scale > 0, scale, 1)
    blocks = [
        _log(np.square(scale)),
        mean / np.where(scale > 0, scale, 1),
        *_moments(shape),
        *(part for lag in LAGS for part in _moments(_difference(shape, lag))),
        *_in_time(shape),
        *_spectrum(shape),
    ]
    per_channel = np.concatenate(blocks, axis=2).reshape(len(X), -1)
    return np.concatenate([per_channel, *_between_channels(shape)], axis=1)


def _moments(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the skewness, and log1p of the kurtosis."""
    X = X - X.mean(axis=2, keepdims=True)
    variance = np.square(X).mean(axis=2, keepdims=True)
    variance = np.where(variance > 0, variance, 1)
    skewness = (X**3).mean(axis=2, keepdims=True) / variance**1.5
    kurtosis = (X**4).mean(axis=2, keepdims=True) / variance**2
    return skewness, np.log1p(kurtosis)


def _difference(X: np.ndarray, lag: int) -> np.ndarray:
    return X[:, :, lag:] - X[:, :, :-lag] if lag < X.shape[2] else np.zeros_like(X)


def _in_time(X: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return trends of signal and envelope, and variation and skewness of the envelope."""
    n_parts = min(N_PARTS, X.shape[2] // 2)
    time = np.linspace(-1, 1, X.shape[2])
    parts = np.array_split(np.arange(X.shape[2]), n_parts)
    starts = [part[0] for part in parts]
    lengths = np.array([len(part) for part in parts])
    envelope = _log(np.add.reduceat(np.square(X), starts, axis=2) / lengths + 1e-6)
    position = np.linspace(-1, 1, n_parts)
    return (
        (X * time).mean(axis=2, keepdims=True),
        (envelope * position).mean(axis=2, keepdims=True),
        envelope.std(axis=2, keepdims=True),
        envelope.min(axis=2, keepdims=True),
        *_moments(np.diff(envelope, axis=2)),
    )


def _spectrum(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the log power of frequency bands, and the centre of power in each."""
    n_times = X.shape[2]
    power = np.square(np.abs(np.fft.rfft(X * np.hanning(n_times), axis=2)))[:, :, 1:]
    n_frequencies = power.shape[2]
    # narrower at low frequencies, where most EEG rhythms are
    edges = np.round(np.linspace(0, 1, N_BANDS + 1) ** 2 * n_frequencies).astype(int)
    edges = np.unique(edges)
    starts = edges[:-1]
    place = np.concatenate([np.linspace(-1, 1, n) for n in np.diff(edges)])
    total = np.add.reduceat(power, starts, axis=2)
    centre = np.add.reduceat(power * place, starts, axis=2) / np.where(total > 0, total, 1)
    return _log(total), centre


def _between_channels(X: np.ndarray) -> list[np.ndarray]:
    """Return correlations, and lagged differences that tell which channel leads."""
    first, second = np.triu_indices(X.shape[1], k=1)
    n_times = X.shape[2]
    correlation = (X @ X.transpose(0, 2, 1))[:, first, second] / n_times
    blocks = [np.arctanh(np.clip(correlation, -0.999999, 0.999999))]
    for lag in LAGS:
        if lag < n_times:
            lagged = X[:, :, :-lag] @ X[:, :, lag:].transpose(0, 2, 1) / n_times
            blocks.append(lagged[:, first, second] - lagged[:, second, first])
    return blocks


def _log(power: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(power, TINY))
