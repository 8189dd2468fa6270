"""The data of a search, and its split into inner windows and held-out ones."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

from ..transforms import Transform
from .prototype import Prototype


@dataclass
class Problem:
    """The data of a search.

    Parameters
    ----------
    prototype : Prototype
        Builds and trains networks.
    transforms : list of Transform
        The candidates.
    X : Tensor, shape (n_windows, n_channels, n_times)
        Signals, on the device of the search.
    y : Tensor of int, shape (n_windows,)
        Encoded labels.
    weight : Tensor, shape (n_windows,)
        Weights of the windows. Those of the inner windows have a mean of one.
    inner, outer : ndarray of int
        Rows to train on, and those held out.
    groups : ndarray, shape (n_windows,) | None
        Subjects, for searches that split again.
    """

    prototype: Prototype
    transforms: list[Transform]
    X: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor
    inner: np.ndarray
    outer: np.ndarray
    groups: np.ndarray | None = None

    def make_network(self):
        """Return a new network in training mode, its weights from torch's global generator."""
        return self.prototype.make_network()


def split(prototype, y, groups, held_out, seed):
    """Split windows into inner ones and held-out ones, by subject where there are subjects.

    Parameters
    ----------
    prototype : Prototype
        Checks that both sides have all classes.
    y : ndarray of int, shape (n_windows,)
        Encoded labels.
    groups : ndarray, shape (n_windows,) | None
        Subjects. None splits windows, with the frequencies of the classes on both sides.
    held_out : float
        Share of the subjects, or of the windows, to hold out.
    seed : int
        Seed of the split.

    Returns
    -------
    inner, outer : ndarray of int
        Rows to train on, and those held out.
    """
    if groups is not None and len(np.unique(groups)) < 2:
        raise ValueError(
            "Policies are judged on held-out subjects, but groups has only one subject. Pass "
            "groups=None to hold out windows of the same subject."
        )
    splitter = StratifiedShuffleSplit if groups is None else GroupShuffleSplit
    options = {"n_splits": 1, "test_size": held_out, "random_state": seed}
    inner, outer = next(splitter(**options).split(y, y, groups))
    prototype.check_split(y, inner, outer)
    return inner, outer
