"""Windows of two classes, which a rhythm tells apart, and a small classifier of them."""

import numpy as np
import torch
from torch import nn

from eeginv import InvariantClassifier

SFREQ = 64.0


def recordings(n=48, channels=2, times=128, seed=0):
    """Two classes: a rhythm at 8 Hz or at 14 Hz."""
    rng = np.random.default_rng(seed)
    y = np.tile(["alpha", "spindle"], n // 2)
    time = np.arange(times) / SFREQ
    frequency = np.where(y == "alpha", 8.0, 14.0)
    phase = rng.uniform(0, 2 * np.pi, n)
    wave = np.sin(2 * np.pi * frequency[:, None] * time + phase[:, None])
    X = wave[:, None, :] + 0.5 * rng.standard_normal((n, channels, times))
    return X.astype(np.float32), y, np.repeat(np.arange(6), n // 6)


class Network(nn.Module):
    """Small, and of any shape."""

    def __init__(self, n_chans, n_times, n_outputs):
        super().__init__()
        self.n_times = n_times
        self.layers = nn.Sequential(
            nn.Conv1d(n_chans, 8, 16), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten()
        )
        self.head = nn.Linear(8, n_outputs)

    def forward(self, X):
        return self.head(self.layers(X))


def classifier(**kwargs):
    options = {"sfreq": SFREQ, "max_epochs": 3, "batch_size": 16, "n_copies": 4, "random_state": 0}
    return InvariantClassifier(**{"backbone": Network, "lr": 0.01, **options, **kwargs})


def weights(estimator):
    return [value for value in estimator.module_.state_dict().values()]


def same_weights(a, b):
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))
