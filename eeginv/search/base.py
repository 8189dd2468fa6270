"""Base class of all searches: parameters, checks, final training and predictions."""

from __future__ import annotations

import time
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..augmentation import Augmentation, PolicyAugmentation
from ..augmentation.candidates import check_transforms
from ..estimators import InvariantClassifier, Trainer
from ..estimators.inputs import read_signals
from ..estimators.lazy import LazyWindows
from ..policy import Policy
from ..transforms import Transform
from .declared import DeclaredParameters, positive, share
from .problem import Problem, split

if TYPE_CHECKING:
    from .._typing import ArrayLike, SignalsLike


class PolicySearch(DeclaredParameters, ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """Base class of policy searches, which are scikit-learn meta-estimators.

    A subclass declares its own parameters as annotated attributes and defines
    ``_search(problem, seed)``, which sets ``policy_`` and the record of the search. Code that draws
    from torch's global generators must be inside ``problem.trainer.isolated(seed)``.

    Parameters
    ----------
    estimator : InvariantClassifier
        Prototype of all networks of the search and of the final model: backbone, batch size, class
        weights and training. Its own augmentation is not used.
    transforms : list of Transform | None
        Candidates. Only their types and ranges count. None takes
        :func:`~eeginv.transforms.default_transforms`.
    held_out : float
        Share of the groups to hold out, on which policies are scored. Without groups, share of the
        windows.
    refit : bool
        Whether to train a final model from scratch on all windows, with the policy that was found.
    max_seconds : float | None
        Time limit of the search. The step or round of trials in which it is exceeded is the last.
    verbose : int
        1 shows a progress bar.
    random_state : int | RandomState | None
        Seed of everything random, in the place of that of the estimator.

    Attributes
    ----------
    policy_ : Policy
        The policy that was found.
    best_estimator_ : InvariantClassifier
        The final model. It exists only with ``refit``.
    classes_ : ndarray, shape (n_classes,)
        Labels.
    search_time_ : float
        Duration of the search in seconds, without the final training.
    refit_time_ : float
        Duration of the final training in seconds.

    Examples
    --------
    A search that takes the first candidate:

    >>> from eeginv import AugNet, InvariantClassifier
    >>> from eeginv.search import PolicySearch
    >>> class FirstTransform(PolicySearch):
    ...     '''Take the first candidate.'''
    ...
    ...     def _search(self, problem, seed):
    ...         self.policy_ = AugNet(problem.transforms[:1]).policy()
    >>> FirstTransform(InvariantClassifier("EEGNet"), refit=False).refit
    False
    """

    estimator: InvariantClassifier = field(kw_only=False)
    transforms: list[Transform] | None = None
    held_out: float = share(0.5)
    refit: bool = True
    max_seconds: float | None = positive(None)
    verbose: int = 0
    random_state: int | np.random.RandomState | None = None

    policy_: Policy = field(init=False)
    best_estimator_: InvariantClassifier = field(init=False)
    classes_: np.ndarray = field(init=False)
    search_time_: float = field(init=False)
    refit_time_: float = field(init=False)

    # Parameters that may differ between a search and one that continues from its file.
    resumable: ClassVar[tuple[str, ...]] = ("max_seconds", "verbose", "refit")

    def fit(
        self, X: SignalsLike, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Search a policy, then train the final model with it.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals.
        y : array-like, shape (n_windows,) | None
            Labels. None takes those that came with X.
        groups : array-like, shape (n_windows,) | None
            Subjects. Policies are scored on held-out subjects. None takes those that came with X;
            if there are none, windows are held out.

        Returns
        -------
        self : PolicySearch
            The fitted search.
        """
        self._check_parameters()
        for name in ("best_estimator_", "refit_time_"):  # of other data
            self.__dict__.pop(name, None)
        start = time.perf_counter()
        split_seed, search_seed, refit_seed = (
            int(seed) for seed in check_random_state(self.random_state).randint(2**31 - 1, size=3)
        )
        trainer = Trainer(self.estimator.under(None))
        signals = read_signals(X)  # Once, for the search and the final training.
        data = trainer.prepare(signals, y, groups=groups)
        transforms = self._candidates(trainer)
        inner, outer = split(trainer, data.target, data.groups, self.held_out, split_seed)
        self.classes_ = trainer.estimator.classes_
        weight = (data.weight / data.weight[inner].mean()).astype(np.float32)
        target, weight = (
            torch.as_tensor(values, device=trainer.device) for values in (data.target, weight)
        )
        X = data.X
        if not isinstance(X, LazyWindows):  # torch wants arrays without negative strides
            X = torch.as_tensor(np.require(X, requirements=("C", "W")), device=trainer.device)
        problem = Problem(trainer, transforms, X, target, weight, inner, outer, data.groups)
        self._search(problem, search_seed)
        self.search_time_ = time.perf_counter() - start
        if self.refit:
            start = time.perf_counter()
            final = self.estimator.under(self._augmentation()).set_params(random_state=refit_seed)
            self.best_estimator_ = final.fit(signals, y, groups=data.groups)
            self.refit_time_ = time.perf_counter() - start
        return self

    # methods of subclasses ----------------------------------------------------------------------
    def _search(self, problem: Problem, seed: int) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _search.")

    def _augmentation(self) -> Augmentation:
        """Return the augmentation of the final training."""
        return PolicyAugmentation(self.policy_)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not isinstance(self.estimator, InvariantClassifier):
            raise TypeError(
                f"{type(self).__name__} needs an InvariantClassifier as its estimator, got "
                f"{type(self.estimator).__name__}."
            )
        if self.estimator.transforms is not None:
            raise ValueError(
                "The transforms of the estimator would be without effect: "
                f"{type(self).__name__} replaces its augmentation. Give them to the search, as its "
                "own transforms."
            )

    def _candidates(self, trainer: Trainer) -> list[Transform]:
        given = self.transforms
        transforms = check_transforms(trainer.default_transforms() if given is None else given)
        if not transforms:
            raise ValueError("The list of transforms is empty.")
        trainer.check_candidates(transforms)
        return transforms

    # predictions of the final model -------------------------------------------------------------
    def _final_model(self) -> InvariantClassifier:
        check_is_fitted(self, "policy_")
        if not self.refit or not hasattr(self, "best_estimator_"):
            why = "the last fit had none or failed" if self.refit else "refit is False"
            raise ValueError(f"There is no final model to predict with, because {why}.")
        return self.best_estimator_

    def predict(self, X: SignalsLike) -> np.ndarray:
        """Predict labels with the final model.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals.

        Returns
        -------
        labels : ndarray, shape (n_windows,)
            Members of ``classes_``.
        """
        return self._final_model().predict(X)

    def predict_proba(self, X: SignalsLike) -> np.ndarray:
        """Predict probabilities with the final model.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals.

        Returns
        -------
        probabilities : ndarray, shape (n_windows, n_classes)
            Probabilities of the classes. Rows sum to one.
        """
        return self._final_model().predict_proba(X)

    def score(
        self, X: SignalsLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Compute the accuracy of the final model.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals.
        y : array-like, shape (n_windows,) | None
            Labels. None takes those that came with X.
        sample_weight : array-like, shape (n_windows,) | None
            Weights of the windows.

        Returns
        -------
        score : float
            Share of the windows whose label is predicted.
        """
        return self._final_model().score(X, y, sample_weight)


class TimeLimit:
    """Time limit of a search. The time starts when the object is created.

    Parameters
    ----------
    seconds : float | None
        The limit. None sets none.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self._start = seconds, time.perf_counter()

    def is_over(self) -> bool:
        """Return whether the time is over."""
        return self.seconds is not None and time.perf_counter() - self._start > self.seconds

    def error(self, event: str) -> ValueError:
        """Return the error for a time limit that was exceeded before an event."""
        return ValueError(
            f"max_seconds ({self.seconds:g}) was over before {event}. Raise it, or pass None."
        )
