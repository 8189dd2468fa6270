"""Checks of the parameters of an estimator, and of which have an effect."""

from __future__ import annotations

import inspect
import numbers
import warnings
from typing import TYPE_CHECKING, Any

import torch
from sklearn.exceptions import ConvergenceWarning

from .._precision import check_precision
from ..augmentation import Augmentation, AugNet
from ..transforms.base import check_sfreq
from .augmentation_names import check_augmentation
from .callbacks import check_callbacks

if TYPE_CHECKING:
    from .augmentation_names import AugmentationLike
    from .base import InvariantEstimator


def without_effect(augmentation: AugmentationLike) -> list[str]:
    """Return the parameters of an estimator that have no effect with an augmentation.

    Parameters
    ----------
    augmentation : str | Policy | Augmentation | None
        The augmentation, as it was given to the estimator.

    Returns
    -------
    names : list of str
        Names of parameters.
    """
    if isinstance(augmentation, str):
        of_learning = ["n_layers", "penalty", "warmup", "augmentation_lr"]
        return {"trivial": of_learning, "augerino": ["n_layers"]}.get(augmentation, [])
    names = ["transforms", "n_layers", "penalty", "warmup"]
    learns = isinstance(augmentation, Augmentation) and any(
        parameter.requires_grad for parameter in augmentation.parameters()
    )
    return names if learns else [*names, "augmentation_lr"]


def default_parameters(estimator: InvariantEstimator) -> dict[str, object]:
    """Return the defaults of all parameters, including those that a subclass takes as keywords.

    Parameters
    ----------
    estimator : InvariantClassifier | InvariantRegressor
        The estimator.

    Returns
    -------
    defaults : dict of str to object
        Defaults by name.
    """
    classes: list[Any] = list(type(estimator).__mro__)
    signatures = [inspect.signature(cls.__init__).parameters for cls in classes]
    return {
        name: p.default for parameters in reversed(signatures) for name, p in parameters.items()
    }


def check_parameters(estimator: InvariantEstimator) -> None:
    """Reject invalid parameters, and parameters that would be ignored.

    Parameters
    ----------
    estimator : InvariantClassifier | InvariantRegressor
        The estimator.

    Raises
    ------
    ValueError
        If there are such parameters. The message names them.
    """
    check_device(estimator.device)
    check_augmentation(estimator.augmentation)
    if estimator.sfreq is not None:
        check_sfreq(estimator.sfreq)
    positive: dict[str, Any] = {
        "max_epochs": numbers.Integral,
        "batch_size": numbers.Integral,
        "lr": numbers.Real,
        "augmentation_lr": numbers.Real,
    }
    for name, kind in positive.items():
        value: Any = getattr(estimator, name)
        if not isinstance(value, kind) or isinstance(value, bool) or value <= 0:
            noun = "whole number" if kind is numbers.Integral else "number"
            raise ValueError(f"{name} must be a {noun} above 0, got {value!r}.")
    if estimator.penalty != "auto" and not isinstance(estimator.penalty, numbers.Real):
        raise ValueError(f"penalty must be a number or 'auto', got {estimator.penalty!r}.")
    check_precision(estimator.precision)
    if estimator.compile not in (False, True):
        raise ValueError(f"compile must be True or False, got {estimator.compile!r}.")
    if estimator.lr_schedule not in (None, "cosine"):
        raise ValueError(f"lr_schedule must be 'cosine' or None, got {estimator.lr_schedule!r}.")
    for name in ("n_layers", "patience"):
        value = getattr(estimator, name)
        if value is None or (isinstance(value, numbers.Integral) and int(value) >= 1):
            continue
        raise ValueError(f"{name} must be None or a whole number of at least 1, got {value!r}.")
    check_callbacks(estimator.callbacks, estimator.validation is not None)
    if estimator.patience is not None and estimator.validation is None:
        raise ValueError(
            "patience needs held-out windows to watch: set validation, for instance to 0.2."
        )
    check_effects(estimator)


def check_device(device: str | torch.device) -> None:
    """Raise a ValueError if there is no such device here.

    Parameters
    ----------
    device : str | torch.device
        The device.
    """
    try:
        torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            "device must be a device of torch, such as 'cpu', 'cuda', 'cuda:1' or 'mps'; "
            f"got {device!r}."
        ) from error
    if str(device).startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"device={str(device)!r} needs a GPU, and torch finds none here "
            "(torch.cuda.is_available() is False): use device='cpu', or install a torch with CUDA."
        )


def check_effects(estimator: InvariantEstimator) -> None:
    """Reject parameters that were set but would be ignored.

    Parameters
    ----------
    estimator : InvariantClassifier | InvariantRegressor
        The estimator.

    Raises
    ------
    ValueError
        If there are such parameters. The message names them.
    """
    kind, defaults = estimator.augmentation, default_parameters(estimator)
    names = without_effect(kind)
    ignored = [name for name in names if getattr(estimator, name) != defaults[name]]
    if not ignored:
        return
    given = repr(kind) if kind is None or isinstance(kind, str) else type(kind).__name__
    hint = " It has such settings of its own." if isinstance(kind, AugNet) else ""
    raise ValueError(
        f"With augmentation={given}, {' and '.join(ignored)} would be without effect.{hint} "
        f"Leave {'it' if len(ignored) == 1 else 'them'} at the default; in a grid search, "
        "give param_grid as a list of one grid for each kind of augmentation."
    )


def check_learned(augmentation: Augmentation | None, n_epochs: int, max_epochs: int) -> None:
    """Warn if training ended before its augmentation began to learn.

    Parameters
    ----------
    augmentation : Augmentation | None
        The augmentation, after the training.
    n_epochs, max_epochs : int
        Number of epochs that were run, and its maximum.
    """
    if augmentation is None or not augmentation.held or augmentation.warmup == 1:
        return
    warnings.warn(
        f"The training ended after {n_epochs} of {max_epochs} epochs, within the warm-up (warmup="
        f"{augmentation.warmup:g}): policy_ is the initial one, nothing was learned of it. Train "
        "for more epochs, or lower warmup.",
        ConvergenceWarning,
        stacklevel=2,
    )
