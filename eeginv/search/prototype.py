"""The one place where the searches use the internals of an estimator."""

import copy

from torch import nn

from .._randomness import isolated
from ..transforms.layout import check_made_for


class Prototype:
    """Builds and trains networks as an estimator would.

    Parameters
    ----------
    estimator : InvariantClassifier
        The estimator of a search. It is cloned and stays as it is.
    """

    def __init__(self, estimator):
        self._given = estimator
        self._estimator = estimator._under(None)

    @property
    def device(self):
        """Device of the computation."""
        return self._estimator.device

    @property
    def batch_size(self):
        """Largest number of windows in a batch."""
        return self._estimator.batch_size

    @property
    def classes(self):
        """Labels of the prepared data, shape (n_classes,)."""
        return self._estimator.classes_

    @property
    def criterion(self):
        """Module that computes the loss of each example."""
        return self._estimator._criterion()

    def prepare(self, X, y, groups=None):
        """Check the arguments of ``fit``, and learn the shape of the data and the classes.

        Parameters
        ----------
        X, y, groups : array-like
            As in :meth:`PolicySearch.fit`.

        Returns
        -------
        X, y, weight, groups : ndarray
            Signals, encoded labels, weights and subjects (or None) of the windows.
        """
        return self._estimator._prepare(X, y, groups=groups)

    def isolated(self, seed):
        """Return a context in which torch's global generators are seeded."""
        return isolated(seed, self._estimator._n_threads, self.device)

    def default_transforms(self):
        """Return the default candidates for the prepared data, a list of Transform."""
        return self._estimator._default_transforms()

    def check_candidates(self, transforms):
        """Raise an error if a candidate was made for signals of another kind."""
        for transform in nn.ModuleList(transforms):
            check_made_for(transform, self._estimator.sfreq_, self._estimator.ch_names_)

    def final_estimator(self, augmentation, seed):
        """Return the unfitted estimator of the final training.

        Parameters
        ----------
        augmentation : Augmentation
            Its augmentation.
        seed : int
            Its ``random_state``.

        Returns
        -------
        final : InvariantClassifier
            A clone of the estimator of the search.
        """
        return self._given._under(augmentation).set_params(random_state=seed)

    def check_split(self, y, inner, outer):
        """Raise a ValueError if one side of a split lacks a class."""
        self._estimator._check_sides(y, inner, outer)

    def make_network(self, n_extra_outputs=0):
        """Build a network in training mode, with weights drawn from torch's global generator.

        Parameters
        ----------
        n_extra_outputs : int
            Number of outputs besides those of the classes.

        Returns
        -------
        network : nn.Module
            The network, on the device of the estimator.
        """
        estimator = copy.copy(self._estimator)
        estimator.n_outputs_ = estimator.n_outputs_ + n_extra_outputs
        return estimator._build_module(0).to(self.device).train()

    def child(self, epochs):
        """Return a prototype of child trainings, without validation windows.

        Parameters
        ----------
        epochs : int | None
            Number of epochs of a training. None keeps that of the estimator.

        Returns
        -------
        child : Prototype
            The prototype.
        """
        child = copy.copy(self)
        child._estimator = copy.copy(self._estimator)
        child._estimator.set_params(validation=None, patience=None, verbose=0)
        if epochs is not None:
            child._estimator.set_params(max_epochs=epochs)
        return child

    def train(self, policy, X, y, weight, rows, seed, callbacks=()):
        """Train a network under a policy.

        Parameters
        ----------
        policy : Policy | None
            The policy. None does not augment.
        X, y, weight : ndarray
            From :meth:`prepare`.
        rows : ndarray of int
            Rows to train on.
        seed : int
            Seed of weights, batches and augmentation.
        callbacks : sequence of skorch.callbacks.Callback
            Callbacks in addition to those of the estimator.

        Returns
        -------
        network : nn.Module
            The trained backbone.
        """
        estimator = copy.copy(self._estimator)
        estimator.augmentation = policy
        estimator.callbacks = [*(estimator.callbacks or []), *callbacks]
        with self.isolated(seed):
            module = estimator._build_module(seed)
            estimator._train(module, X, y, weight, rows, None)
        return module.backbone
