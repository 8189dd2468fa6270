"""Adaptation of users' skorch callbacks to nets whose targets carry weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import check_scoring, get_scorer
from torch import Tensor

from .lazy import LazyWindows, as_tensor

if TYPE_CHECKING:
    from skorch import NeuralNet
    from skorch.callbacks import Callback

_BATCH = 64


def check_callbacks(callbacks: Sequence[Any] | None, validates: bool) -> None:
    """Reject, before training, invalid callbacks and scorings without held-out windows.

    Parameters
    ----------
    callbacks : list | None
        The argument of the user.
    validates : bool
        Whether windows are held out.
    """
    from skorch.callbacks import BatchScoring, EpochScoring

    if callbacks is not None and not isinstance(callbacks, (list, tuple)):
        raise TypeError(
            f"callbacks must be a list, got {callbacks!r}. Its members are skorch callbacks, pairs "
            "(name, callback), or names of scorings of scikit-learn such as 'accuracy'."
        )
    for given in callbacks or []:
        if isinstance(given, str):
            _check_scoring_name(given)
            continue
        name, callback = _name_and_callback(given, None)
        monitored = _monitored(callback)
        if monitored.startswith("valid") and not validates:
            raise ValueError(
                f"{type(callback).__name__} monitors {monitored!r} of held-out windows, and there "
                "are none: set validation, for instance to 0.2, or monitor='train_loss'."
            )
        if not isinstance(callback, (EpochScoring, BatchScoring)):
            continue
        if isinstance(callback.scoring, str):
            _check_scoring_name(callback.scoring)
        if not (validates or callback.on_train):
            raise ValueError(
                f"{type(callback).__name__} {name or callback.name or callback.scoring!r} scores "
                "held-out windows, and there are none: set validation, for instance to 0.2, or the "
                "callback's on_train=True."
            )


def without_held_out(callbacks: Sequence[Any] | None) -> list[Any]:
    """Return the callbacks that do not need held-out windows.

    Parameters
    ----------
    callbacks : list | None
        The argument of the user.

    Returns
    -------
    others : list
        Those for a training without held-out windows.
    """
    return [given for given in callbacks or [] if not _needs_held_out(given)]


def _needs_held_out(given: Any) -> bool:
    if isinstance(given, str):
        return False
    _, callback = _name_and_callback(given, None)
    return _monitored(callback).startswith("valid") or not getattr(callback, "on_train", True)


def _monitored(callback: Callback) -> str:
    monitor = getattr(callback, "monitor", None)
    return monitor if isinstance(monitor, str) else ""


def prepare_callbacks(
    callbacks: Sequence[Any] | None, readout: Readout, validates: bool
) -> list[tuple[str, Callback]]:
    """Copy callbacks for one training.

    Parameters
    ----------
    callbacks : list | None
        Members are skorch callbacks, pairs ``(name, callback)``, or names of scorings of
        scikit-learn. A scoring adds the columns ``train_<name>`` and, with held-out windows,
        ``valid_<name>`` to the history.
    readout : Readout
        Converts outputs and targets for scorers.
    validates : bool
        Whether windows are held out.

    Returns
    -------
    prepared : list of tuple
        Names and callbacks.
    """
    from skorch.callbacks import BatchScoring, EpochScoring

    prepared = []
    for number, given in enumerate(callbacks or []):
        if isinstance(given, str):
            for on_train in (True, False) if validates else (True,):
                # scores the network after the epoch, without transforms, as in predict
                scoring = EpochScoring(
                    given,
                    lower_is_better=False,
                    on_train=on_train,
                    use_caching=not on_train,
                    name=f"{'train' if on_train else 'valid'}_{given}",
                )
                prepared.append((scoring.name, _on_labels(scoring, readout)))
            continue
        name, callback = _name_and_callback(given, f"user_{number}")
        callback = copy.deepcopy(callback)
        if isinstance(callback, (EpochScoring, BatchScoring)):
            callback = _on_labels(callback, readout)
        prepared.append((name, callback))
    return prepared


class Readout:
    """Converts outputs and targets of a net to the predictions and targets that scorers take.

    Parameters
    ----------
    classes : ndarray | None
        The classes; None for a regression. Classes that are not numbers are shown as their indices,
        0, 1, ..., because some scorings of scikit-learn need a positive class.
    mean, scale : ndarray | None
        Mean and scale by which a regression standardised its targets.
    single_output : bool
        Whether the targets of a regression are one-dimensional.
    """

    def __init__(
        self,
        classes: np.ndarray | None = None,
        mean: np.ndarray | None = None,
        scale: np.ndarray | None = None,
        single_output: bool = False,
    ) -> None:
        self.classes = classes
        if classes is not None and classes.dtype.kind not in "iufb":
            self.classes = np.arange(len(classes))
        self.mean, self.scale, self.single_output = mean, scale, single_output

    def targets(self, values: np.ndarray) -> np.ndarray:
        """Return targets as the user gave them."""
        return self.classes[values] if self.classes is not None else self._in_units(values)

    def predictions(self, net: NeuralNet, outputs: np.ndarray) -> _Asked:
        """Return the net with ``predict`` and, for classes, ``predict_proba`` of the outputs."""
        if self.classes is None:
            return _Regression(net, self._in_units(outputs))
        return _Classification(net, softmax(outputs.astype(np.float64), axis=1), self.classes)

    def _in_units(self, values: np.ndarray) -> np.ndarray:
        values = values.reshape(len(values), -1) * self.scale + self.mean
        return values[:, 0] if self.single_output else values


def _name_and_callback(given: Any, name: str | None) -> tuple[Any, Callback]:
    from skorch.callbacks import Callback

    callback = given
    if isinstance(given, (list, tuple)) and len(given) == 2 and isinstance(given[0], str):
        name, callback = given
    if isinstance(callback, type) and issubclass(callback, Callback):
        callback = callback()
    if not isinstance(callback, Callback):
        raise TypeError(
            "callbacks must be a list of skorch callbacks, pairs (name, callback), or names of "
            f"scorings of scikit-learn such as 'accuracy'; got {given!r}."
        )
    return name, callback


def _check_scoring_name(name: str) -> None:
    try:
        get_scorer(name)
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{name!r} is no scoring of scikit-learn (sklearn.metrics.get_scorer_names() lists "
            "them); other callbacks are given as objects."
        ) from error


def _on_labels(callback: Callback, readout: Readout) -> Callback:
    """Make a scoring take targets without weights, and predictions instead of outputs."""
    callback.initialize()  # sets its name
    callback.name = callback.name_
    callback.scoring = _Scoring(callback.scoring_, readout)
    callback.target_extractor = _Target(callback.target_extractor)
    return callback


class _Target:
    """Extracts the target from a pair of target and weight."""

    def __init__(self, extractor: Callable[[Any], Any]) -> None:
        self.extractor = extractor

    def __call__(self, y: Any) -> Any:
        return self.extractor(y[0] if isinstance(y, (tuple, list)) else y)


class _Scoring:
    """Calls a scorer with the predictions and targets that it takes."""

    def __init__(self, scoring: Any, readout: Readout) -> None:
        self.scoring, self.readout = scoring, readout

    def __call__(self, net: NeuralNet, X: Any, y: Any) -> float:
        if "forward_iter" in vars(net):  # set by skorch, with the cached outputs of the epoch
            outputs = torch.cat([_first(output).cpu() for output in net.forward_iter(X)])
        elif isinstance(X, torch.Tensor):
            outputs = _outputs(net, X)
        else:
            y, outputs = X.y.numpy(), _outputs(net, X.X)
        model = self.readout.predictions(net, outputs.detach().numpy())
        return check_scoring(model, self.scoring)(model, X, self.readout.targets(y))


def _first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def _outputs(net: NeuralNet, X: Tensor | LazyWindows) -> Tensor:
    # skorch's iterator would draw from torch's generator, and so change the order of training
    parts = [
        _first(net.evaluation_step((as_tensor(X[i : i + _BATCH]), None), training=False)).cpu()
        for i in range(0, len(X), _BATCH)
    ]
    return torch.cat(parts)


class _Asked(BaseEstimator):
    """A fitted estimator with precomputed predictions; other attributes are those of the net."""

    def __init__(self, net: NeuralNet) -> None:
        self.net = net

    def __getattr__(self, name: str) -> Any:
        if name == "net" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.net, name)

    def fit(self, X: Any, y: Any) -> Self:
        return self


class _Classification(ClassifierMixin, _Asked):
    def __init__(self, net: NeuralNet, probabilities: np.ndarray, classes: np.ndarray) -> None:
        super().__init__(net)
        self.probabilities, self.classes_ = probabilities, classes

    def predict_proba(self, X: Any) -> np.ndarray:
        return self.probabilities

    def predict(self, X: Any) -> np.ndarray:
        return self.classes_[self.probabilities.argmax(axis=1)]


class _Regression(RegressorMixin, _Asked):
    def __init__(self, net: NeuralNet, values: np.ndarray) -> None:
        super().__init__(net)
        self.values = values

    def predict(self, X: Any) -> np.ndarray:
        return self.values
