"""Inputs and results of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skorch.history import History

    from ..invariant import InvariantModule
    from ..policy import Policy
    from .lazy import Windows
    from .net import WeightedNet


@dataclass(frozen=True)
class TrainingData:
    """Training data of an estimator, checked and encoded.

    Parameters
    ----------
    X : ndarray of float32 | LazyWindows, shape (n_windows, n_channels, n_times)
        Signals.
    target : ndarray, shape (n_windows,) or (n_windows, n_outputs)
        Encoded labels, or standardised values.
    weight : ndarray, shape (n_windows,)
        Weights of the windows, at least 0.
    groups : ndarray, shape (n_windows,) | None
        Subjects.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.estimators import TrainingData
    >>> TrainingData(np.zeros((4, 2, 8), "float32"), np.array([0, 1, 0, 1]), np.ones(4)).groups
    """

    X: Windows
    target: np.ndarray
    weight: np.ndarray
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Training:
    """Result of a training.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net that trained the module.
    policies : list of Policy
        The policy after each epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import InvariantClassifier
    >>> from eeginv.estimators import Trainer
    >>> trainer = Trainer(InvariantClassifier(augmentation="trivial", sfreq=128, max_epochs=2))
    >>> data = trainer.prepare(np.zeros((8, 2, 640)), np.arange(8) % 2)
    >>> training = trainer.train(trainer.build(seed=0), data, rows=np.arange(8))
    >>> len(training.policies)
    2
    """

    net: WeightedNet
    policies: list[Policy]

    @property
    def module(self) -> InvariantModule:
        """The trained InvariantModule."""
        return self.net.module_

    @property
    def history(self) -> History:
        """Losses of each epoch."""
        return self.net.history
