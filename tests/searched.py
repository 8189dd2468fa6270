"""A small problem that searches are tested on."""

import numpy as np
import pytest
from torch import nn

from eeginv import (
    AutoAugmentSearch,
    FastAutoAugmentSearch,
    InvariantClassifier,
    RandAugmentSearch,
    search,
)
from eeginv.search.base import PolicySearch
from eeginv.search.by_trials.search import TrialSearch
from eeginv.transforms import GaussianNoise, SignFlip, TimeReverse


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


SMALL_TRIALS = {
    AutoAugmentSearch: {"n_trials": 5, "n_sub_policies": 2, "n_best": 2, "round_size": 2},
    FastAutoAugmentSearch: {
        "n_trials": 5,
        "n_folds": 2,
        "n_sub_policies": 2,
        "n_best": 2,
        "round_size": 2,
    },
    RandAugmentSearch: {"n_operations": (1, 2), "strengths": (0.5, 1.0), "round_size": 2},
}


def registered(base=PolicySearch):
    """Return the classes in the registry of searches that derive from a class."""
    classes = [getattr(search, name) for name in search.SEARCHES.values()]
    return [cls for cls in classes if issubclass(cls, base)]


every_trial_search = pytest.mark.parametrize("cls", registered(TrialSearch))


def trial_search(cls, estimator=None, **kwargs):
    transforms = [TimeReverse(), SignFlip(), GaussianNoise()]
    options = {"transforms": transforms, "random_state": 0, **SMALL_TRIALS.get(cls, {}), **kwargs}
    return cls(prototype() if estimator is None else estimator, **options)


def scores_of(found):
    return found.cv_results_["mean_test_score"].tolist(), found.cv_results_["params"]
