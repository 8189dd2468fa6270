"""The data of a search, and its split into inner windows and held-out ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from torch import nn

from ..estimators import Trainer
from ..estimators.lazy import LazyWindows, as_tensor
from ..transforms import Transform


@dataclass
class Problem:
    """The data of a search.

    Parameters
    ----------
    trainer : Trainer
        Builds and trains networks.
    transforms : list of Transform
        The candidates.
    X : Tensor | LazyWindows, shape (n_windows, n_channels, n_times)
        Signals, on the device of the search or on disk.
    y : Tensor of int, shape (n_windows,)
        Encoded labels.
    weight : Tensor, shape (n_windows,)
        Weights of the windows. Those of the inner windows have a mean of one.
    inner, outer : ndarray of int
        Rows to train on, and held-out rows.
    groups : ndarray, shape (n_windows,) | None
        Subjects, for searches that split again.
    """

    trainer: Trainer
    transforms: list[Transform]
    X: torch.Tensor | LazyWindows
    y: torch.Tensor
    weight: torch.Tensor
    inner: np.ndarray
    outer: np.ndarray
    groups: np.ndarray | None = None

    @property
    def device(self) -> torch.device:
        """Device of the search."""
        return self.y.device

    def signals(self, rows: torch.Tensor) -> torch.Tensor:
        """Return windows on the device of the search.

        Parameters
        ----------
        rows : Tensor of int, shape (n_examples,)
            Indices of the windows.

        Returns
        -------
        X : Tensor, shape (n_examples, n_channels, n_times)
            The windows.
        """
        if isinstance(self.X, LazyWindows):
            return as_tensor(self.X[rows.cpu()]).to(self.device)
        return self.X[rows]

    def make_network(self, n_extra_outputs: int = 0) -> nn.Module:
        """Build a network in training mode, with weights from torch's global generator.

        Parameters
        ----------
        n_extra_outputs : int
            Number of outputs besides those of the classes.

        Returns
        -------
        network : nn.Module
            The network, on the device of the search.
        """
        module = self.trainer.build(0, n_extra_outputs=n_extra_outputs)
        return module.to(self.trainer.device).train()


def split(
    trainer: Trainer, y: np.ndarray, groups: np.ndarray | None, held_out: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split windows into inner ones and held-out ones, by subject where there are subjects.

    Parameters
    ----------
    trainer : Trainer
        Checks that both sides have all classes.
    y : ndarray of int, shape (n_windows,)
        Encoded labels.
    groups : ndarray, shape (n_windows,) | None
        Subjects. None splits windows, stratified by class.
    held_out : float
        Share of the subjects, or of the windows, to hold out.
    seed : int
        Seed of the split.

    Returns
    -------
    inner, outer : ndarray of int
        Rows to train on, and held-out rows.
    """
    if groups is not None and len(np.unique(groups)) < 2:
        raise ValueError(
            "Policies are judged on held-out subjects, but groups has only one subject. Pass "
            "groups=None to hold out windows of the same subject."
        )
    splitter = StratifiedShuffleSplit if groups is None else GroupShuffleSplit
    options = {"n_splits": 1, "test_size": held_out, "random_state": seed}
    inner, outer = next(splitter(**options).split(y, y, groups))
    trainer.check_sides(y, inner, outer)
    return inner, outer
