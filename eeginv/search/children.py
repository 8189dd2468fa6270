"""Child trainings: a network from scratch under a policy, scored on held-out windows."""

import copy

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from skorch.callbacks import Callback

from .._randomness import isolated
from .trials import TrialSearch

_BATCH = 256


class ChildTraining:
    """Train a network on some windows under a policy, and score it on others.

    All children start from the same weights and see the same batches, so that their scores differ
    by their policies.

    Parameters
    ----------
    problem : Problem
        The data, and the prototype of the children.
    inner, outer : ndarray of int
        Rows to train on and to score on.
    epochs : int | None
        Length of a training; None is that of the prototype.
    seed : int
        Of weights, batches and augmentation.
    """

    def __init__(self, problem, inner, outer, epochs, seed):
        self.inner, self.outer, self.seed = inner, outer, seed
        child = copy.copy(problem.prototype)
        # what follows validation windows has none to follow
        child.set_params(validation=None, patience=None, verbose=0)
        if epochs is not None:
            child.set_params(max_epochs=epochs)
        self._prototype, self.device, self.n_threads = child, child.device, child._n_threads
        # arrays, which joblib hands to its workers without copying
        self._X = problem.X.cpu().numpy()
        self._y = problem.y.cpu().numpy()
        self._weight = problem.weight.cpu().numpy()

    def __sizeof__(self):
        # of the arrays: Dask sends what is large to each worker once, and not with every trial
        return self._X.nbytes + self._y.nbytes + self._weight.nbytes

    def train(self, policy, callbacks=()):
        """Train a network.

        Parameters
        ----------
        policy : Policy | None
            The policy; None does not augment.
        callbacks : sequence of skorch.callbacks.Callback
            Besides those of the prototype.

        Returns
        -------
        network : nn.Module
            The backbone.
        """
        child = copy.copy(self._prototype)
        child.augmentation = policy
        child.callbacks = [*(child.callbacks or []), *callbacks]
        with isolated(self.seed, self.n_threads, self.device):
            module = child._build_module(self.seed)
            child._train(module, self._X, self._y, self._weight, self.inner, None)
        return module.backbone

    def held_out(self):
        """Return the held-out windows.

        Returns
        -------
        X : ndarray, shape (n_held_out, n_channels, n_times)
            Signals.
        y : ndarray of int, shape (n_held_out,)
            Encoded labels.
        """
        return self._X[self.outer], self._y[self.outer]

    def score(self, network):
        """Score a network on the held-out windows, as they are.

        Parameters
        ----------
        network : nn.Module
            The backbone.

        Returns
        -------
        score : float
            Balanced accuracy.
        """
        X, y = self.held_out()
        with isolated(self.seed, self.n_threads, self.device):
            predicted = predict(network, X, self.device)
        return balanced_accuracy_score(y, predicted)

    def __call__(self, policy, report):
        """Train and score.

        Parameters
        ----------
        policy : Policy
            The policy.
        report : Report
            Told the score after each epoch, if it wants to be.

        Returns
        -------
        score : float
            Balanced accuracy after the last epoch.
        """
        watchers = [_Watcher(self, report)] if report.wants_every_epoch else []
        return self.score(self.train(policy, watchers))


class ChildSearch(TrialSearch):
    """A search whose trials are child trainings; not for use by itself.

    Beyond what :class:`~eeginv.search.trials.TrialSearch` needs, its ``__init__`` stores
    ``child_epochs`` and ``prune``.
    """

    def _check_parameters(self):
        super()._check_parameters()
        check_epochs(self.child_epochs)

    def _objectives(self, problem, seed):
        return [ChildTraining(problem, problem.inner, problem.outer, self.child_epochs, seed)]

    def _pruner(self):
        from optuna.pruners import MedianPruner

        # scores of the first epochs say little
        epochs = self.child_epochs or self.estimator.max_epochs
        return MedianPruner(n_startup_trials=5, n_warmup_steps=epochs // 3) if self.prune else None


def check_epochs(epochs):
    """Refuse a length of child trainings that is none."""
    if epochs is not None and (isinstance(epochs, bool) or int(epochs) != epochs or epochs < 1):
        raise ValueError(f"child_epochs must be a whole number above 0, or None, got {epochs!r}.")


class _Watcher(Callback):
    """Report the score after each epoch."""

    def __init__(self, training, report):
        self.training, self.report = training, report

    def __deepcopy__(self, memo):
        return self  # estimators copy callbacks, but this report is what the search waits for

    def on_epoch_end(self, net, **kwargs):
        network = net.module_.backbone
        self.report(self.training.score(network), len(net.history))
        network.train()


def predict(network, X, device, transform=None):
    """Predict classes in evaluation mode.

    Parameters
    ----------
    network : nn.Module
        From signals to one output for each class.
    X : ndarray, shape (n_windows, n_channels, n_times)
        Signals.
    device : str | torch.device
        Where the network is.
    transform : callable | None
        What to do to each batch of signals first.

    Returns
    -------
    classes : ndarray of int, shape (n_windows,)
        The classes of the largest outputs.
    """
    network.eval()
    classes = []
    with torch.no_grad():
        for start in range(0, len(X), _BATCH):
            # a copy: what joblib hands to workers cannot be written to, which torch complains of
            part = torch.from_numpy(np.array(X[start : start + _BATCH])).to(device)
            output = network(part if transform is None else transform(part))
            if not torch.isfinite(output).all():
                raise ValueError("the network's outputs for held-out windows are not finite.")
            classes.append(output.argmax(dim=1))
    return torch.cat(classes).cpu().numpy()
