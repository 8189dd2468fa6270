"""Outputs of any fitted classifier in a given space."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from .._pickling import make_picklable
from .._process import ignoring
from .._randomness import isolated
from ..estimators.channels import Expected
from ..invariant import InvariantModule, uncompiled

if TYPE_CHECKING:
    from .inputs import Windows

SPACES = ("probability", "logit", "embedding")
BATCH = 64
LINEAR = (nn.Linear, nn.modules.conv._ConvNd)


class _Heard(NamedTuple):
    """Outputs of an estimator and of its network, and inputs of the last layer."""

    probabilities: np.ndarray | None
    output: np.ndarray
    embedding: np.ndarray | None


class FittedModel:
    """A fitted model as a function from signals to probabilities and outputs in a space.

    A call does not change the model, its training mode or the global random state.

    Parameters
    ----------
    model : estimator | nn.Module
        Anything fitted with ``predict_proba``, or a torch module that returns logits.
    space : str
        One of ``SPACES``.
    windows : Windows
        Signals that the model takes. The first examples are used to inspect its outputs.
    """

    def __init__(self, model: BaseEstimator | nn.Module, space: str, windows: Windows) -> None:
        if space not in SPACES:
            raise ValueError(f"space must be one of {', '.join(SPACES)}; got {space!r}.")
        _check_fitted(model)
        self.model: Any = model  # an estimator, or a network
        self.space, self.name = space, type(model).__name__
        self.two_dimensional = windows.ndim == 2 or _takes_rows(model, windows.X.shape)
        self.network = model if isinstance(model, nn.Module) else _find_network(model)
        if self.network is not None:
            make_picklable(self.network)
        self.gives_probabilities = False
        self.last_layer: nn.Module | None = None
        probe = windows.X[: min(4, len(windows.X))]
        if self.network is not None and (self.network is model or space == "logit"):
            heard = self._listen(self.network, probe)
            self.gives_probabilities = _are_probabilities(heard.output)
        if space == "embedding":
            self.last_layer = self._find_last_layer(probe)

    def __call__(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compute probabilities and outputs.

        Parameters
        ----------
        X : ndarray, shape (n_examples, n_channels, n_times)
            Signals.

        Returns
        -------
        probabilities : ndarray, shape (n_examples, n_classes)
            Probabilities of the classes.
        outputs : ndarray, shape (n_examples, n_outputs)
            Outputs in the space.
        """
        found = [self._one_batch(X[i : i + BATCH]) for i in range(0, len(X), BATCH)]
        probabilities, outputs = (np.concatenate(part) for part in zip(*found, strict=True))
        if not np.isfinite(outputs).all():
            raise ValueError(
                f"{self.name} returns NaN or infinite values in the space {self.space!r}."
            )
        return probabilities, outputs

    def _one_batch(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        network = self.network
        if network is None or (network is not self.model and self.space == "probability"):
            with self._at_rest():
                probabilities = self._predict(X)
                logits = self._decide(X) if self.space == "logit" else None
            return probabilities, probabilities if logits is None else self._centre(logits)
        heard = self._listen(network, X)
        logits = self._as_logits(heard.output)
        probabilities = _softmax(logits) if heard.probabilities is None else heard.probabilities
        if self.space == "probability":
            return probabilities, probabilities
        if heard.embedding is not None:
            return probabilities, heard.embedding
        return probabilities, self._centre(logits)

    @contextmanager
    def _at_rest(self) -> Iterator[None]:
        """Use evaluation mode inside, and restore modes and global generators afterwards."""
        with ExitStack() as stack:
            device = "cpu" if self.network is None else _first_tensor(self.network).device
            # first, because this serialises threads, which may share the network
            stack.enter_context(isolated(0, device=device))
            stack.enter_context(torch.no_grad())
            if self.network is not None:
                for part in self.network.modules():
                    if isinstance(part, InvariantModule):  # hooks do not run in compiled layers
                        stack.enter_context(uncompiled(part))
                stack.callback(_restore, {m: m.training for m in self.network.modules()})
                self.network.eval()
            yield

    # estimators -------------------------------------------------------------------------------
    def _input(self, X: np.ndarray) -> np.ndarray:
        if self.network is not None and self.network is not self.model:
            X = X.astype(_numpy_dtype(self.network), copy=False)
        return X.reshape(len(X), -1) if self.two_dimensional else X

    def _predict(self, X: np.ndarray) -> np.ndarray:
        probabilities = np.asarray(self._ask(self.model.predict_proba, X), dtype=np.float64)
        if probabilities.ndim != 2 or len(probabilities) != len(X):
            raise ValueError(
                f"predict_proba of {self.name} must return one row of probabilities for each of "
                f"{len(X)} examples, got an array of shape {probabilities.shape}."
            )
        if not _are_probabilities(probabilities):
            raise ValueError(
                f"predict_proba of {self.name} returns values that are not probabilities. For a "
                "skorch net, set predict_nonlinearity, or pass its module_."
            )
        return probabilities

    def _decide(self, X: np.ndarray) -> np.ndarray:
        if not hasattr(self.model, "decision_function"):
            raise ValueError(
                f"{self.name} has no logits: it is no network and has no decision_function. Use "
                "space='probability'."
            )
        return np.asarray(self._ask(self.model.decision_function, X), dtype=np.float64)

    def _ask(self, method: Callable[[np.ndarray], Any], X: np.ndarray) -> Any:
        signals = self._input(X)
        try:
            # transformed signals may be small; the original signals were checked
            with ignoring(("The median standard deviation", UserWarning)):
                return method(signals)
        except Exception as error:
            shape = ", ".join(["n_examples", *map(str, signals.shape[1:])])
            reason = str(error).strip().splitlines()
            raise ValueError(
                f"{self.name} fails on signals of shape ({shape}); is that the shape as in fit? "
                f"({type(error).__name__}: {reason[0] if reason else 'no message'})."
            ) from error

    # networks ---------------------------------------------------------------------------------
    def _listen(self, network: nn.Module, X: np.ndarray) -> _Heard:
        """Run the model, and record outputs of its network and inputs of the last layer."""
        outputs: list[Tensor] = []
        embeddings: list[Tensor] = []
        now: list[Tensor] = []

        def hear_input(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            now.append(arguments[0].cpu().double())

        def hear_output(
            _: nn.Module, arguments: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]
        ) -> None:
            output = output[0] if isinstance(output, tuple) else output
            outputs.append(output.cpu().double())
            if self.last_layer is not None:
                embeddings.append(self._mean_input(network, now, len(output)))
                now.clear()

        with self._at_rest(), ExitStack() as stack:
            # ignores calls of its layers outside of its forward pass, such as shape checks
            stack.callback(network.register_forward_pre_hook(lambda *_: now.clear()).remove)
            stack.callback(network.register_forward_hook(hear_output).remove)
            if self.last_layer is not None:
                stack.callback(self.last_layer.register_forward_pre_hook(hear_input).remove)
            if network is self.model:
                probabilities = None
                self._ask(lambda signals: _run(network, signals), X)
            else:
                probabilities = self._predict(X)
        output = self._in_order(outputs, len(X))
        if output.ndim != 2 or output.shape[1] < 2:
            raise ValueError(
                f"{type(network).__name__} must return logits of shape (n_examples, "
                f"n_classes), with two classes or more; got {tuple(output.shape)} for {len(X)} "
                "examples. Wrap it in a module that does."
            )
        embedding = self._in_order(embeddings, len(X)).numpy() if embeddings else None
        return _Heard(probabilities, output.numpy(), embedding)

    def _in_order(self, parts: list[Tensor], n_examples: int) -> Tensor:
        """Concatenate recorded batches; the last may be padded, as our estimators do."""
        n_heard = sum(map(len, parts))
        if not parts or not 0 <= n_heard - n_examples < len(parts[-1]):
            raise ValueError(
                f"The network in {self.name} was called for {n_heard} examples instead of "
                f"{n_examples}, so its outputs cannot be told apart. Use space='probability'."
            )
        return torch.cat(parts)[:n_examples]

    @staticmethod
    def _mean_input(network: nn.Module, inputs: list[Tensor], n_examples: int) -> Tensor:
        """Return the input of the last layer, averaged over transformed copies if there are any."""
        if getattr(network, "copies_at_once", 1) > 1:
            inputs = [copy for several in inputs for copy in several.split(n_examples)]
        if not inputs or any(len(part) != n_examples for part in inputs):
            raise ValueError(
                f"The last linear layer of {type(network).__name__} is not called once for "
                "each example, so its input is no embedding. Use space='probability'."
            )
        return torch.stack([part.flatten(1) for part in inputs]).mean(dim=0)

    def _find_last_layer(self, X: np.ndarray) -> nn.Module:
        if self.network is None:
            raise ValueError(
                f"{self.name} has no embedding: it is no torch network. Use space='probability'."
            )
        called: list[nn.Module] = []
        with ExitStack() as stack:
            for part in self.network.modules():
                if isinstance(part, LINEAR):
                    hook = part.register_forward_pre_hook(lambda layer, _: called.append(layer))
                    stack.callback(hook.remove)
            self._listen(self.network, X)
        if not called:
            raise ValueError(
                f"{type(self.network).__name__} has no linear or convolutional layer whose input "
                "could be its embedding. Use space='probability'."
            )
        return called[-1]

    def _as_logits(self, output: np.ndarray) -> np.ndarray:
        # logarithm of the output of a network that ends in a softmax
        return np.log(np.maximum(output, 1e-30)) if self.gives_probabilities else output

    @staticmethod
    def _centre(logits: np.ndarray) -> np.ndarray:
        if logits.ndim != 2 or logits.shape[1] < 3:
            raise ValueError(
                "Logits are defined up to a constant, so those of two classes are one number, "
                "whose direction is only a sign. Use space='probability', or 'embedding'."
            )
        return logits - logits.mean(axis=1, keepdims=True)


def expected_by(model: BaseEstimator | nn.Module) -> Expected:
    """Return the known properties of the signals that a model was fitted on.

    Parameters
    ----------
    model : estimator | nn.Module
        The model. Estimators and searches of eeginv, and Braindecode networks, hold properties.

    Returns
    -------
    expected : Expected
        Names of channels and sampling frequency, as far as they are known.
    """
    fitted: Any = getattr(model, "best_estimator_", model)
    owner = f"{type(fitted).__name__} was fitted with"
    if hasattr(fitted, "ch_names_") and hasattr(fitted, "sfreq_"):
        return Expected(owner, fitted.ch_names_, fitted.sfreq_, getattr(fitted, "scale_", None))
    network = fitted if isinstance(fitted, nn.Module) else getattr(fitted, "module_", None)
    if not any(base.__module__.startswith("braindecode.") for base in type(network).__mro__):
        return Expected(owner)
    channels, sfreq = (_told(network, name) for name in ("chs_info", "sfreq"))
    names = [channel.get("ch_name") for channel in channels or []]
    return Expected(owner, names if names and None not in names else None, sfreq)


def _told(network: nn.Module | None, name: str) -> Any:
    """Return a property of the signals from a Braindecode network, None if it has none."""
    try:
        return getattr(network, name, None)
    except ValueError:  # raised by Braindecode if it was not given
        return None


def _check_fitted(model: BaseEstimator | nn.Module) -> None:
    if isinstance(model, nn.Module):
        return
    name = type(model).__name__
    if isinstance(model, type):
        raise TypeError(
            f"Expected a fitted model, got the class {model.__name__}: make and fit it."
        )
    if hasattr(model, "fit"):
        try:
            check_is_fitted(model)
        except NotFittedError as error:
            raise NotFittedError(f"This {name} is not fitted: call fit(X, y) first.") from error
    if not hasattr(model, "predict_proba"):
        raise TypeError(
            f"Expected a classifier with predict_proba or a torch.nn.Module, got {name}. A support "
            "vector machine, for one, has it inside CalibratedClassifierCV."
        )


def _takes_rows(model: BaseEstimator | nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether a model was fitted on flattened signals."""
    n_features = getattr(model, "n_features_in_", None)
    return n_features == shape[1] * shape[2] and n_features != shape[1]


def _find_network(model: BaseEstimator | nn.Module) -> nn.Module | None:
    """Find the torch module inside an estimator, None if there is none."""
    model = getattr(model, "best_estimator_", model)
    if isinstance(model, Pipeline):
        return _find_network(model[-1])
    module = getattr(model, "module_", None)
    return module if isinstance(module, nn.Module) else None


def _restore(modes: dict[nn.Module, bool]) -> None:
    for part, mode in modes.items():
        part.training = mode


def _run(network: nn.Module, signals: np.ndarray) -> Tensor:
    first = _first_tensor(network)
    # a copy, which a network may change in place
    return network(torch.tensor(signals, dtype=first.dtype, device=first.device))


def _first_tensor(network: nn.Module) -> Tensor:
    values = (*network.parameters(), *network.buffers())
    return next((value for value in values if value.is_floating_point()), torch.empty(0))


def _numpy_dtype(network: nn.Module) -> type[np.floating]:
    return np.float64 if _first_tensor(network).dtype == torch.float64 else np.float32


def _are_probabilities(values: np.ndarray) -> bool:
    values = np.asarray(values)
    return bool((values >= 0).all() and (np.abs(values.sum(axis=1) - 1) < 1e-3).all())


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
