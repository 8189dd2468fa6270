"""A small problem that searches are tested on."""

import numpy as np
from torch import nn

from eeginv import InvariantClassifier


class Linear(nn.Module):
    """Smooth, and with batch statistics to watch."""

    def __init__(self, n_chans, n_times, n_outputs):
        super().__init__()
        self.norm = nn.BatchNorm1d(n_chans)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(n_chans * n_times, n_outputs))

    def forward(self, X):
        return self.layers(self.norm(X))


def prototype(**kwargs):
    options = {"sfreq": 64.0, "max_epochs": 2, "batch_size": 8, "n_copies": 2, "random_state": 0}
    return InvariantClassifier(**{"backbone": Linear, **options, **kwargs})


def data(n=64, subjects=4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.tile(["left", "right"], n // 2)
    X = rng.standard_normal((n, 2, 32)) + np.where(y == "left", 0.5, -0.5)[:, None, None]
    return X.astype(np.float32), y, np.repeat(np.arange(subjects), n // subjects)
