"""What all searches share: checks, held-out subjects, the final training, the predictions."""

import hashlib
import time
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, is_classifier
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..augmentation import PolicyAugmentation
from ..estimators.inputs import read_signals
from ..transforms.layout import check_made_for


@dataclass
class Problem:
    """What a search works on.

    Parameters
    ----------
    prototype : InvariantClassifier
        Unfitted, but with all that checking the data has found; it builds networks.
    transforms : list of Transform
        The candidates.
    X : Tensor, shape (n_windows, n_channels, n_times)
        Signals, on the device of the search.
    y : Tensor, shape (n_windows,)
        Labels, encoded.
    weight : Tensor, shape (n_windows,)
        Weights of the windows; those of the inner windows have a mean of one.
    inner, outer : ndarray of int
        Rows to train on, and those held out.
    groups : ndarray, shape (n_windows,) | None
        Subjects, for searches that split again.
    """

    prototype: object
    transforms: list
    X: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor
    inner: np.ndarray
    outer: np.ndarray
    groups: np.ndarray | None = None

    def make_network(self):
        """Return a new network for the signals, in training mode, its weights from torch's seed."""
        return self.prototype._build_module(0).to(self.X.device).train()

    @property
    def criterion(self):
        """The loss of each example."""
        return self.prototype._criterion()

    def fingerprint(self, search, free):
        """Return a text that tells this search on these data from any other.

        Parameters
        ----------
        search : PolicySearch
            The search.
        free : iterable of str
            Its parameters that do not count.

        Returns
        -------
        key : str
            Hexadecimal digits.
        """
        parameters = {k: v for k, v in search.get_params().items() if k not in {*free, "estimator"}}
        # ranges, which the candidates do not show of themselves
        candidates = [(transform.name, transform.config()) for transform in self.transforms]
        # objects show where they are in memory, which is elsewhere the next time
        for name in [k for k in parameters if k.endswith("callbacks") or k.endswith("backbone")]:
            value = parameters.pop(name)
            candidates.append(value if isinstance(value, str) else type(value).__name__)
            if isinstance(value, torch.nn.Module):
                candidates.append([t.cpu().tolist() for t in value.state_dict().values()])
        text = repr([type(search).__name__, sorted(parameters.items()), candidates])
        digest = hashlib.sha256(text.encode())
        for values in (self.X, self.y, self.weight):
            digest.update(values.cpu().numpy().tobytes())
        for rows in (self.inner, self.groups):
            digest.update(repr(None if rows is None else rows.tolist()).encode())
        return digest.hexdigest()


class PolicySearch(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A search for a policy, as a scikit-learn meta-estimator; not for use by itself.

    A search defines ``_search(problem, seed)``, which sets ``policy_``, ``schedule_`` and
    ``history_`` or ``cv_results_``, and isolates what draws from torch's generators (but not what
    waits for other threads, which need them as well). Its ``__init__`` stores ``estimator``,
    ``transforms``, ``held_out``, ``refit`` and ``random_state``. Names in ``_counts`` are
    parameters that must be whole numbers above zero.
    """

    _counts = ()

    def fit(self, X, y=None, groups=None):
        """Search a policy, then train the final model under it.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals.
        y : array-like, shape (n_windows,) | None
            Labels; None takes those that came with X.
        groups : array-like, shape (n_windows,) | None
            Subjects: policies are judged on held-out ones. None takes those that came with X;
            without any, windows are held out.

        Returns
        -------
        self : PolicySearch
            The fitted search.
        """
        self._check_parameters()
        start = time.perf_counter()
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=3)
        prototype = self.estimator._under(None)
        X = read_signals(X)  # once, for the search and the final training
        signals, target, weight, groups = prototype._prepare(X, y, groups=groups)
        transforms = self._candidates(prototype)
        inner, outer = self._split(prototype, target, groups, int(seeds[0]))
        self.classes_ = prototype.classes_
        device = prototype.device
        problem = Problem(
            prototype,
            transforms,
            torch.as_tensor(signals, device=device),
            torch.as_tensor(target, device=device),
            torch.as_tensor((weight / weight[inner].mean()).astype(np.float32), device=device),
            inner,
            outer,
            groups,
        )
        self._search(problem, int(seeds[1]))
        self.search_time_ = time.perf_counter() - start
        if self.refit:
            start = time.perf_counter()
            final = self.estimator._under(self._augmentation())
            final.set_params(random_state=int(seeds[2]))
            self.best_estimator_ = final.fit(X, y, groups=groups)
            self.refit_time_ = time.perf_counter() - start
        return self

    # what a search may change -------------------------------------------------------------------
    def _search(self, problem, seed):
        raise TypeError(f"{type(self).__name__} does not define _search.")

    def _augmentation(self):
        """Return the augmentation of the final training."""
        return PolicyAugmentation(self.policy_)

    def _check_parameters(self):
        name = type(self).__name__
        for parameter in self._counts:
            value = getattr(self, parameter)
            if isinstance(value, bool) or int(value) != value or value < 1:
                raise ValueError(f"{parameter} must be a whole number above 0, got {value!r}.")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out is a share between 0 and 1, got {self.held_out}.")
        if not is_classifier(self.estimator) or not hasattr(self.estimator, "_build_module"):
            raise TypeError(
                f"{name} needs an InvariantClassifier as its estimator, got "
                f"{type(self.estimator).__name__}."
            )
        if self.estimator.transforms is not None:
            raise ValueError(
                f"The transforms of the estimator would be without effect: {name} replaces its "
                "augmentation. Give them to the search, as its own transforms."
            )

    def _candidates(self, prototype):
        given = self.transforms
        transforms = list(prototype._default_transforms() if given is None else given)
        if not transforms:
            raise ValueError("The list of transforms is empty.")
        for transform in torch.nn.ModuleList(transforms):
            check_made_for(transform, prototype.sfreq_, prototype.ch_names_)
        return transforms

    def _split(self, prototype, target, groups, seed):
        options = {"n_splits": 1, "test_size": self.held_out, "random_state": seed}
        if groups is not None and len(np.unique(groups)) < 2:
            raise ValueError(
                "Policies are judged on held-out subjects, but groups has only one; pass "
                "groups=None to hold out windows of the same subject."
            )
        splitter = StratifiedShuffleSplit if groups is None else GroupShuffleSplit
        inner, outer = next(splitter(**options).split(target, target, groups))
        prototype._check_sides(target, inner, outer)
        return inner, outer

    # the final model ----------------------------------------------------------------------------
    def _final(self):
        check_is_fitted(self, "policy_")
        if not self.refit:
            raise ValueError("There is no final model to predict with: refit is False.")
        return self.best_estimator_

    def predict(self, X):
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
        return self._final().predict(X)

    def predict_proba(self, X):
        """Predict probabilities with the final model.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals.

        Returns
        -------
        probabilities : ndarray, shape (n_windows, n_classes)
            Rows sum to one.
        """
        return self._final().predict_proba(X)

    def score(self, X, y=None, sample_weight=None):
        """Compute the accuracy of the final model.

        Parameters
        ----------
        X : array-like, shape (n_windows, n_channels, n_times) | mne.Epochs | windows dataset
            Signals.
        y : array-like, shape (n_windows,) | None
            Labels; None takes those that came with X.
        sample_weight : array-like, shape (n_windows,) | None
            Weights of the windows.

        Returns
        -------
        score : float
            Share of the windows whose label is predicted.
        """
        return self._final().score(X, y, sample_weight)
