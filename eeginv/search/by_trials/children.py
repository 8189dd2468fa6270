"""Child trainings: a network is trained from scratch under a policy and scored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor, nn

from ...estimators import TrainingData
from ...estimators.callbacks import without_held_out
from ...estimators.lazy import LazyWindows, Windows
from .search import TrialSearch

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

    from ...policy import Policy
    from ..problem import Problem
    from .trial import Report

_BATCH = 256


class ChildTraining:
    """Trains networks on some windows under a policy, and scores them on others.

    All children start from the same weights and see the same batches, so that their scores differ
    only by their policies.

    Parameters
    ----------
    problem : Problem
        The data, and the trainer of the children.
    inner, outer : ndarray of int
        Rows to train on and to score on.
    epochs : int | None
        Number of epochs of a training. None takes that of the estimator.
    seed : int
        Seed of weights, batches and augmentation.
    """

    def __init__(
        self, problem: Problem, inner: np.ndarray, outer: np.ndarray, epochs: int | None, seed: int
    ) -> None:
        self.inner, self.outer, self.seed = inner, outer, seed
        settings = {} if epochs is None else {"max_epochs": epochs}
        callbacks = without_held_out(problem.trainer.estimator.callbacks)
        self.trainer = problem.trainer.with_settings(
            validation=None, patience=None, callbacks=callbacks, verbose=0, **settings
        )
        # Arrays, which joblib shares with its workers without copying.
        X, y, weight = problem.X, problem.y.cpu().numpy(), problem.weight.cpu().numpy()
        windows = X if isinstance(X, LazyWindows) else X.cpu().numpy()
        self._data = TrainingData(windows, y, weight)

    def __sizeof__(self) -> int:
        # Dask sends large objects to each worker once, not with every trial.
        return n_bytes(self._data.X, self._data.target, self._data.weight)

    def train(self, policy: Policy | None, callbacks: Sequence[Callback] = ()) -> nn.Module:
        """Train a network.

        Parameters
        ----------
        policy : Policy | None
            The policy. None does not augment.
        callbacks : sequence of skorch.callbacks.Callback
            Callbacks besides those of the estimator.

        Returns
        -------
        network : nn.Module
            The backbone.
        """
        trainer = self.trainer.with_settings(augmentation=policy)
        with trainer.isolated(self.seed):
            module = trainer.build(self.seed)
            return trainer.train(module, self._data, self.inner, None, callbacks).module.backbone

    def held_out(self) -> tuple[Windows, np.ndarray]:
        """Return the held-out windows.

        Returns
        -------
        X : ndarray | LazyWindows, shape (n_held_out, n_channels, n_times)
            Signals.
        y : ndarray of int, shape (n_held_out,)
            Encoded labels.
        """
        return self._data.X[self.outer], self._data.target[self.outer]

    def score(self, network: nn.Module) -> float:
        """Score a network on the unchanged held-out windows.

        Parameters
        ----------
        network : nn.Module
            The backbone.

        Returns
        -------
        score : float
            Balanced accuracy.
        """
        X, y = self.held_out()
        with self.trainer.isolated(self.seed):
            predicted = predict(network, X, self.trainer.device)
        return balanced_accuracy_score(y, predicted)

    def __call__(self, policy: Policy, report: Report) -> float:
        """Train a network under a policy and score it.

        Parameters
        ----------
        policy : Policy
            The policy.
        report : Report
            Receives the score after each epoch if it needs it.

        Returns
        -------
        score : float
            Balanced accuracy after the last epoch.
        """
        callbacks = [_ReportScore(self, report)] if report.wants_every_epoch else []
        return self.score(self.train(policy, callbacks))


class ChildSearch(TrialSearch):
    """Base class of searches by trials whose objective is a child training.

    Parameters
    ----------
    prune : bool
        Whether to stop a child whose score is below the median of the others at the same epoch.
    """

    prune: bool = True

    def _objectives(self, problem: Problem, seed: int) -> list[Callable[[Policy, Report], float]]:
        return [ChildTraining(problem, problem.inner, problem.outer, self.child_epochs, seed)]

    def _pruner(self) -> BasePruner | None:
        from optuna.pruners import MedianPruner

        # The scores of the first epochs carry little information.
        epochs = self.child_epochs or self.estimator.max_epochs
        return MedianPruner(n_startup_trials=5, n_warmup_steps=epochs // 3) if self.prune else None


class _ReportScore(Callback):
    """Reports the score after each epoch."""

    def __init__(self, training: ChildTraining, report: Report) -> None:
        self.training, self.report = training, report

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # Estimators copy callbacks, but the search waits for this report.

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        network = net.module_.backbone
        self.report(self.training.score(network), len(net.history))
        network.train()


def n_bytes(*arrays: Windows) -> int:
    """Return the number of bytes of arrays that are in memory.

    Parameters
    ----------
    *arrays : ndarray | LazyWindows
        Arrays. Those on disk count nothing, because only their paths are sent.

    Returns
    -------
    n_bytes : int
        The number.
    """
    return sum(part.nbytes for part in arrays if not isinstance(part, LazyWindows))


def predict(
    network: nn.Module,
    X: Windows,
    device: str | torch.device,
    transform: Callable[[Tensor], Tensor] | None = None,
) -> np.ndarray:
    """Predict classes in evaluation mode.

    Parameters
    ----------
    network : nn.Module
        Maps signals to one output for each class.
    X : ndarray | LazyWindows, shape (n_windows, n_channels, n_times)
        Signals.
    device : str | torch.device
        Device of the network.
    transform : callable | None
        Applied to each batch of signals first.

    Returns
    -------
    classes : ndarray of int, shape (n_windows,)
        The classes of the largest outputs.
    """
    network.eval()
    classes = []
    with torch.no_grad():
        for start in range(0, len(X), _BATCH):
            # A copy: torch warns of the read-only arrays that joblib shares with its workers.
            batch = torch.from_numpy(np.array(X[start : start + _BATCH])).to(device)
            output = network(batch if transform is None else transform(batch))
            if not torch.isfinite(output).all():
                raise ValueError("the network's outputs for held-out windows are not finite.")
            classes.append(output.argmax(dim=1))
    return torch.cat(classes).cpu().numpy()
