"""Windows of two classes, which the first of their channels tells apart, in every form."""

import mne
import numpy as np
import pandas as pd
import torch
from braindecode.datasets import BaseConcatDataset, RawDataset
from braindecode.preprocessing import create_fixed_length_windows
from torch import nn

from eeginv import InvariantClassifier
from eeginv.estimators.lazy import InMemory

SFREQ, N_TIMES, LABELS = 64.0, 64, np.array(["rest", "task"])


def signals(n=32, n_channels=2, seed=0):
    """Signals in µV, whose first channel has a rhythm of 20 Hz for the second class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = 5 * rng.standard_normal((n, n_channels, N_TIMES))
    time = np.arange(N_TIMES) / SFREQ
    X[:, 0] += 20 * y[:, None] * np.sin(2 * np.pi * (20 * time + rng.random((n, 1))))
    return X, y


def epochs(X, y, names=("C3", "C4"), types="eeg", sfreq=SFREQ, unit=1e-6):
    """Epochs in V of signals in µV."""
    info = mne.create_info(list(names), sfreq, types)
    events = np.column_stack([np.arange(len(y)), np.zeros(len(y), int), y])
    return mne.EpochsArray(unit * X, info, events, event_id={"rest": 0, "task": 1}, verbose="error")


def recording(X, y, names=("C3", "C4"), types="eeg", sfreq=SFREQ, unit=1e-6, **description):
    """Windows of one recording: signals in V, side by side, and their targets."""
    info = mne.create_info(list(names), sfreq, types)
    raw = mne.io.RawArray(unit * np.concatenate(X, axis=1), info, verbose="error")
    whole = BaseConcatDataset([RawDataset(raw, pd.Series(description, dtype=object))])
    cut = create_fixed_length_windows(
        whole, window_size_samples=N_TIMES, window_stride_samples=N_TIMES, on_last_window="drop"
    )
    part = cut.datasets[0]
    part.y = [int(label) for label in y]
    part.metadata["target"] = part.y
    return part


def dataset(X, y, subjects=None, **options):
    """Give a windows dataset of one recording a subject."""
    subjects = np.zeros(len(y), int) if subjects is None else np.asarray(subjects)
    parts = [
        recording(X[subjects == s], y[subjects == s], subject=int(s), **options)
        for s in np.unique(subjects)
    ]
    return BaseConcatDataset(parts)


class Powers(nn.Module):
    """Logits from the logarithm of the power of each channel in eight bands."""

    def __init__(self, n_chans, n_outputs):
        super().__init__()
        self.norm = nn.BatchNorm1d(8 * n_chans)
        self.head = nn.Linear(8 * n_chans, n_outputs)

    def forward(self, X):
        spectrum = torch.fft.rfft(X - X.mean(dim=-1, keepdim=True)).abs().square()[..., 1:]
        bands = spectrum.unflatten(-1, (8, -1)).mean(dim=-1)
        return self.head(self.norm((bands + 1).log().flatten(1)))


def classifier(**options):
    """Return a classifier that learns these classes in a second."""
    settings = {"max_epochs": 12, "batch_size": 8, "lr": 0.05, "n_copies": 0, "random_state": 0}
    settings |= {"backbone": Powers, "augmentation": None, **options}
    return InvariantClassifier(**settings)


class Watched(InMemory):
    """Lazy windows in memory that count the windows of each read."""

    def __init__(self, values):
        super().__init__(values)
        object.__setattr__(self, "sizes", [])

    def read(self, rows):
        self.sizes.append(len(rows))
        return super().read(rows)
