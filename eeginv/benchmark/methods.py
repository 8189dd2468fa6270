"""The methods that are compared: one function and one line in ``METHODS`` each."""

import time
from dataclasses import dataclass, field

import numpy as np

from ..augmentation import TrivialAugment
from ..estimators import InvariantClassifier
from ..search import DDASSearch
from ..transforms import default_transforms


@dataclass
class Fitted:
    """A trained method.

    Parameters
    ----------
    model : InvariantClassifier
        The classifier.
    seconds_search, seconds_fit : float
        Time of the search for a policy and of the (final) training.
    policy_history : list of Policy
        The course of the policy.
    """

    model: InvariantClassifier
    seconds_search: float = 0.0
    seconds_fit: float = 0.0
    policy_history: list = field(default_factory=list)


def _timed_fit(model, X, y, groups):
    start = time.perf_counter()
    model.fit(X, y, groups=groups)
    return Fitted(model, 0.0, time.perf_counter() - start, model.policy_history_)


def fit_none(options, X, y, groups):
    """No augmentation; averaged over the copies of the random augmentation, if asked to average."""
    fitted = _timed_fit(InvariantClassifier(augmentation=None, **options), X, y, groups)
    transforms = default_transforms(options["sfreq"])
    fitted.model.module_.augmentation = TrivialAugment(transforms, random_state=0)
    return fitted


def fit_trivial(options, X, y, groups):
    """Random augmentation (TrivialAugment): nothing is learned."""
    return _timed_fit(InvariantClassifier(augmentation="trivial", **options), X, y, groups)


def fit_augnet(options, X, y, groups):
    """AugNet."""
    return _timed_fit(InvariantClassifier(augmentation="augnet", **options), X, y, groups)


def fit_augerino(options, X, y, groups):
    """Augerino."""
    return _timed_fit(InvariantClassifier(augmentation="augerino", **options), X, y, groups)


def fit_ddas(options, X, y, groups):
    """DDAS on held-out subjects, or on held-out windows where there is only one subject.

    The search takes a quarter of the epochs of the final training.
    """
    if len(np.unique(groups)) < 2:
        groups = None
    search = DDASSearch(
        InvariantClassifier(**options),
        search_epochs=max(2, options["max_epochs"] // 4),
        random_state=options["random_state"],
    )
    search.fit(X, y, groups=groups)
    return Fitted(search.best_estimator_, search.search_time_, search.refit_time_, search.schedule_)


METHODS = {
    "none": fit_none,
    "trivial": fit_trivial,
    "augnet": fit_augnet,
    "augerino": fit_augerino,
    "ddas": fit_ddas,
}
