"""Training of the methods, and its results."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from .. import search
from ..augmentation import Augmentation, TrivialAugment
from ..estimators import InvariantClassifier
from ..policy import Policy


@dataclass
class Fitted:
    """A trained method.

    Parameters
    ----------
    model : InvariantClassifier
        The classifier.
    seconds_search, seconds_fit : float
        Time of the search for a policy and of the (final) training, in s.
    policy_history : list of Policy
        The policy after each epoch.
    copies : Augmentation | None
        Augmentation for predictions averaged over copies. None takes that of the model.
    """

    model: InvariantClassifier
    seconds_search: float = 0.0
    seconds_fit: float = 0.0
    policy_history: list[Policy] = field(default_factory=list)
    copies: Augmentation | None = None


# A method is trained by a function of the options of InvariantClassifier, signals, labels and
# subjects. It returns Fitted. The functions below make such functions.


# Arguments: options of an estimator with its candidates (a search has candidates of its own if
# none are given), signals, labels and subjects.
Fit: TypeAlias = Callable[[dict[str, Any], np.ndarray, np.ndarray, np.ndarray], Fitted]


def with_augmentation(augmentation: str | None) -> Fit:
    """Make a function that trains a classifier once.

    Parameters
    ----------
    augmentation : str | None
        Its augmentation. If None, predictions averaged over copies use random copies of full
        strength.

    Returns
    -------
    fit : callable
        The function.
    """

    def fit(options: dict[str, Any], X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Fitted:
        candidates = options["transforms"]
        if augmentation is None:  # without augmentation, candidates would be an error
            options = {name: value for name, value in options.items() if name != "transforms"}
        start = time.perf_counter()
        model = InvariantClassifier(augmentation=augmentation, **options)
        model.fit(X, y, groups=groups)
        fitted = Fitted(model, 0.0, time.perf_counter() - start, model.policy_history_)
        if augmentation is None:
            fitted.copies = TrivialAugment(candidates, random_state=0)
        return fitted

    return fit


def with_search(
    name: str, budget: Callable[[int], dict[str, Any]] | None = None, **parameters: Any
) -> Fit:
    """Make a function that searches a policy on held-out subjects, and trains a classifier with it.

    With a single subject, windows are held out.

    Parameters
    ----------
    name : str
        Name in ``eeginv.search.SEARCHES``.
    budget : callable | None
        Function from the epochs of the final training to further parameters of the search.
    **parameters : object
        Parameters of the search. Others have their default values.

    Returns
    -------
    fit : callable
        The function.
    """

    def fit(options: dict[str, Any], X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Fitted:
        cls = getattr(search, search.SEARCHES[name])
        options = dict(options)
        settings = {**parameters, "transforms": options.pop("transforms", None)}
        settings |= budget(options["max_epochs"]) if budget else {}
        if "n_jobs" in cls._get_param_names():
            settings["n_jobs"] = 1  # runs are parallel, so searches are not
        found = cls(
            InvariantClassifier(**options), random_state=options["random_state"], **settings
        )
        found.fit(X, y, groups=groups if len(np.unique(groups)) > 1 else None)
        history = getattr(found, "schedule_", [found.policy_])
        return Fitted(found.best_estimator_, found.search_time_, found.refit_time_, history)

    return fit


def quarter(epochs: int) -> dict[str, int]:
    """Give a gradient-based search a quarter of the epochs of the final training.

    Parameters
    ----------
    epochs : int
        Epochs of the final training.

    Returns
    -------
    parameters : dict
        Parameters of the search.
    """
    return {"search_epochs": max(2, epochs // 4)}


def half(epochs: int) -> dict[str, int]:
    """Give a search half of the epochs, of which the first half is a warm-up.

    Parameters
    ----------
    epochs : int
        Epochs of the final training.

    Returns
    -------
    parameters : dict
        Parameters of the search.
    """
    epochs = max(2, epochs // 2)
    return {"search_epochs": epochs, "warmup_epochs": epochs // 2}


def quarter_each(epochs: int) -> dict[str, int]:
    """Give each training of a trial-based search a quarter of the epochs of the final training.

    Parameters
    ----------
    epochs : int
        Epochs of the final training.

    Returns
    -------
    parameters : dict
        Parameters of the search.
    """
    return {"child_epochs": max(2, epochs // 4)}
