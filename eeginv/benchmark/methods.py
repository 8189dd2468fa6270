"""The methods that are compared: one function and one line in ``METHODS`` each."""

import time
from dataclasses import dataclass, field

import numpy as np

from ..augmentation import Augmentation, TrivialAugment
from ..estimators import InvariantClassifier
from ..search import (
    ADDASearch,
    AutoAugmentSearch,
    CADDASearch,
    DADASearch,
    DDASSearch,
    FastAutoAugmentSearch,
    FasterAutoAugmentSearch,
    RandAugmentSearch,
)
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
    copies : Augmentation | None
        Whose copies are averaged over in the second scoring; None is the model's own.
    """

    model: InvariantClassifier
    seconds_search: float = 0.0
    seconds_fit: float = 0.0
    policy_history: list = field(default_factory=list)
    copies: Augmentation | None = None


def _timed_fit(model, X, y, groups):
    start = time.perf_counter()
    model.fit(X, y, groups=groups)
    return Fitted(model, 0.0, time.perf_counter() - start, model.policy_history_)


def fit_none(options, X, y, groups):
    """No augmentation; averaged over full-strength copies of the random augmentation, if at all."""
    fitted = _timed_fit(InvariantClassifier(augmentation=None, **options), X, y, groups)
    transforms = default_transforms(options["sfreq"])
    fitted.copies = TrivialAugment(transforms, random_state=0)
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


def fit_dada(options, X, y, groups):
    """DADA on held-out subjects (windows, where there is only one).

    Half of the epochs of the final training, on half of the subjects; the network learns alone in
    the first half of them.
    """
    return _followed(DADASearch, options, X, y, groups)


def fit_adda(options, X, y, groups):
    """ADDA on held-out subjects (windows, where there is only one); epochs as for DADA."""
    return _followed(ADDASearch, options, X, y, groups)


def fit_cadda(options, X, y, groups):
    """CADDA, a policy for each class, on held-out subjects (windows); epochs as for DADA."""
    return _followed(CADDASearch, options, X, y, groups)


def fit_fasteraa(options, X, y, groups):
    """Faster AutoAugment towards held-out subjects (windows); epochs as for DADA."""
    return _followed(FasterAutoAugmentSearch, options, X, y, groups)


def _followed(cls, options, X, y, groups):
    """Search along a gradient of sub-policies, and train under what was found."""
    epochs = max(2, options["max_epochs"] // 2)
    search = cls(
        InvariantClassifier(**options),
        search_epochs=epochs,
        warmup_epochs=epochs // 2,
        random_state=options["random_state"],
    )
    search.fit(X, y, groups=groups if len(np.unique(groups)) > 1 else None)
    return Fitted(search.best_estimator_, search.search_time_, search.refit_time_, search.schedule_)


def fit_autoaugment(options, X, y, groups):
    """AutoAugment on held-out subjects (windows, where there is only one).

    Sixteen children of half of the subjects and a quarter of the epochs: two plain trainings, less
    what is given up.
    """
    epochs = max(2, options["max_epochs"] // 4)
    return _searched(AutoAugmentSearch, options, X, y, groups, n_trials=16, child_epochs=epochs)


def fit_fastaa(options, X, y, groups):
    """Fast AutoAugment on held-out subjects (windows, where there is only one).

    Two networks on six tenths of the subjects, and sixty policies scored for each: one plain
    training and a half.
    """
    return _searched(FastAutoAugmentSearch, options, X, y, groups, n_folds=2, n_trials=60)


def fit_randaugment(options, X, y, groups):
    """RandAugment on held-out subjects (windows, where there is only one).

    Ten children of half of the subjects and a quarter of the epochs: one plain training and a
    quarter, less what is given up.
    """
    epochs = max(2, options["max_epochs"] // 4)
    return _searched(RandAugmentSearch, options, X, y, groups, child_epochs=epochs)


def _searched(cls, options, X, y, groups, **settings):
    """Search by trials, in this process, and train under what was found."""
    search = cls(
        InvariantClassifier(**options), n_jobs=1, random_state=options["random_state"], **settings
    )
    search.fit(X, y, groups=groups if len(np.unique(groups)) > 1 else None)
    return Fitted(search.best_estimator_, search.search_time_, search.refit_time_, [search.policy_])


METHODS = {
    "none": fit_none,
    "trivial": fit_trivial,
    "augnet": fit_augnet,
    "augerino": fit_augerino,
    "ddas": fit_ddas,
    "dada": fit_dada,
    "adda": fit_adda,
    "cadda": fit_cadda,
    "fasteraa": fit_fasteraa,
    "autoaugment": fit_autoaugment,
    "fastaa": fit_fastaa,
    "randaugment": fit_randaugment,
}

# Controls without a training of their own, made of two runs on the same subjects and seed: the
# network of the first, averaged over copies under the policy that the second has learned. They
# show what averaging alone brings of a learned policy.
DERIVED = {"none_learned": ("none", "augnet")}
