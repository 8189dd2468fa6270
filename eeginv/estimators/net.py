"""The skorch net of the estimators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import skorch
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping
from torch import Tensor, nn
from torch.utils.data import default_collate
from tqdm.auto import tqdm

from ..augmentation import PerExampleLoss
from ..augmentation.diagnosis import explain_not_finite
from ..policy import Policy
from .lazy import Windows, lazily

if TYPE_CHECKING:
    from .training_data import TrainingData


class SignalDataset(torch.utils.data.Dataset):
    """Dataset of signals with targets and weights, for the iterators of skorch.

    Parameters
    ----------
    X : ndarray of float32 | LazyWindows, shape (n_examples, n_channels, n_times)
        Signals. They are neither copied nor read before they are used.
    y : ndarray, shape (n_examples,) or (n_examples, n_outputs)
        Targets.
    weight : ndarray, shape (n_examples,)
        Weights of the examples.
    """

    def __init__(self, X: Windows, y: np.ndarray, weight: np.ndarray) -> None:
        self.X = lazily(X)
        self.y = torch.as_tensor(y)
        self.weight = torch.as_tensor(weight, dtype=torch.float32)

    @classmethod
    def of_rows(cls, data: TrainingData, rows: np.ndarray, scale: float) -> Self:
        """Make a dataset of some windows.

        Parameters
        ----------
        data : TrainingData
            All windows.
        rows : ndarray of int
            Rows of the windows.
        scale : float
            Number by which weights are divided.

        Returns
        -------
        dataset : SignalDataset
            The windows.
        """
        return cls(lazily(data.X)[rows], data.target[rows], data.weight[rows] / scale)

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return torch.from_numpy(self.X[index]), (self.y[index], self.weight[index])

    def __getitems__(self, indices: list[int]) -> _Batch:
        # one read for a batch, in place of one for each window
        X = torch.from_numpy(self.X[indices].load())
        return _Batch((X, (self.y[indices], self.weight[indices])))


class _Batch(tuple[Any, ...]):
    """A batch that needs no collation."""


def as_batch(items: Any) -> Any:
    """Collate items, unless they are a batch already.

    Parameters
    ----------
    items : list | tuple
        What a dataset returned for the indices of a batch.

    Returns
    -------
    batch : tuple | list
        Signals, and targets with weights.
    """
    return tuple(items) if isinstance(items, _Batch) else default_collate(items)


def hold(data: TrainingData, rows: np.ndarray | None, scale: float) -> Callable[..., Any] | None:
    """Return the validation split of a net, with given held-out windows.

    Parameters
    ----------
    data : TrainingData
        All windows.
    rows : ndarray of int | None
        Rows of the held-out windows.
    scale : float
        Number by which weights are divided.

    Returns
    -------
    split : callable | None
        For ``train_split`` of skorch.
    """
    from skorch.helper import predefined_split

    if rows is None:
        return None
    return predefined_split(SignalDataset.of_rows(data, rows, scale))


class CrossEntropy(nn.Module):
    """Cross-entropy of each example, and of each position of an output along time."""

    chance = "cross_entropy"  # the chance level has a formula

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(output, target, reduction="none")


class SquaredError(nn.Module):
    """Mean squared error of each example."""

    chance = "squared_error"

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return (output - target.reshape(output.shape)).square().flatten(1).mean(dim=1)


def _is_of_callback(stop: KeyboardInterrupt) -> bool:
    """Whether a callback raised this to end the training, as skorch's early stopping does."""
    trace = stop.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and isinstance(trace.tb_frame.f_locals.get("self"), Callback)


class WeightedNet(skorch.NeuralNet):
    """A skorch net whose loss is the weighted mean of per-example losses."""

    def fit_loop(self, *args: Any, **kwargs: Any) -> Any:
        # skorch ends an interrupted training as if it had finished
        try:
            return super().fit_loop(*args, **kwargs)
        except KeyboardInterrupt as stop:
            self.interrupted_ = not _is_of_callback(stop)
            raise

    def notify(self, method_name: str, **kwargs: Any) -> None:
        if method_name != "on_epoch_end":
            super().notify(method_name, **kwargs)
            return
        stop = None  # in skorch, callbacks after one that stops the training miss its last epoch
        self.on_epoch_end(self, **kwargs)
        for _, callback in self.callbacks_:
            try:
                callback.on_epoch_end(self, **kwargs)
            except KeyboardInterrupt as error:
                if not _is_of_callback(error):
                    raise
                stop = stop or error
        if stop is not None:
            raise stop

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        _, (target, _) = batch
        self.module_.example_labels = target.to(self.device)
        try:
            return super().train_step_single(batch, **fit_params)
        finally:
            self.module_.example_labels = None

    def get_loss(
        self, y_pred: Tensor, y_true: Sequence[Tensor], X: Any = None, training: bool = False
    ) -> Tensor:
        target, weight = (part.to(self.device) for part in y_true)
        loss = PerExampleLoss(self.criterion_)(y_pred, target, weight)
        if training and not torch.isfinite(loss):
            augmentation = self.module_.augmentation
            labels: dict[str, Any] = (
                {"labels": target} if getattr(augmentation, "takes_labels", False) else {}
            )
            X = torch.as_tensor(X).to(self.device)
            raise ValueError(explain_not_finite(augmentation, X, output=y_pred, **labels))
        return loss

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if getattr(self, "module_", None) is self.module:  # skorch would write both
            del state["module"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "module" not in state:
            self.module = self.module_


class StopAfterWarmup(EarlyStopping):
    """Early stopping that ignores the warm-up of the augmentation.

    Epochs of the warm-up are not counted and not restored, because their policy is the initial one.
    """

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        augmentation = net.module_.augmentation
        if augmentation is None or not augmentation.held:
            super().on_epoch_end(net, **kwargs)


class Progress(Callback):
    """Callback that updates schedules, records the policy of each epoch and shows a progress bar.

    Parameters
    ----------
    bar : bool
        Whether to show the bar.
    """

    def __init__(self, bar: bool = False) -> None:
        self.bar = bar

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.policies_: list[Policy] = []
        self.bar_ = tqdm(total=net.max_epochs, unit="epoch", disable=not self.bar)

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        augmentation = net.module_.augmentation
        if augmentation is not None:
            augmentation.set_progress((len(net.history) - 1) / net.max_epochs)

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        augmentation = net.module_.augmentation
        if augmentation is not None:
            self.policies_.append(augmentation.policy())
        row = net.history[-1]
        self.bar_.set_postfix(
            {k: f"{row[k]:.3f}" for k in ("train_loss", "valid_loss") if k in row}
        )
        self.bar_.update()

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        self.bar_.close()
        del self.bar_  # it holds a stream, which cannot be pickled
