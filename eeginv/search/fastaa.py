"""Fast AutoAugment: search by density matching, without child trainings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import joblib
import numpy as np
from sklearn.metrics import balanced_accuracy_score

from .._process import call_all
from ..augmentation import PolicyAugmentation
from .by_trials.children import ChildTraining, predict
from .by_trials.search import SampledSearch
from .declared import count, share
from .problem import Problem, split

if TYPE_CHECKING:
    from torch import nn

    from ..estimators.training import Trainer
    from ..policy import Policy
    from .by_trials.trial import Report


class FastAutoAugmentSearch(SampledSearch):
    """Search policies whose augmented signals a network still classifies correctly [1]_.

    In each of several folds, one network is trained without augmentation on the inner subjects. The
    score of a policy is the balanced accuracy of this network on augmented windows of the held-out
    subjects. It estimates the expectation over the draws of the policy: each window draws its own
    sub-policy, and no draw is selected for its success. A tree-structured Parzen estimator (Optuna)
    proposes policies, and the best ones of all folds are mixed. No network is trained under a
    policy until the final training.

    Parameters
    ----------
    n_folds : int
        Number of folds, each with a network and a random choice of held-out subjects. A search that
        continues from its storage trains the networks again.
    n_draws : int
        Number of draws of the policy for each held-out window.

    Notes
    -----
    The identity has almost the best possible score. The score tells transforms that preserve the
    label from those that do not, but it does not say which ones help in training. The published
    code scores each image by the best of the five sub-policies instead of their mean, and so it
    cannot detect that one of them is harmful.

    References
    ----------
    .. [1] Lim, S., Kim, I., Kim, T., Kim, C., & Kim, S. (2019). Fast AutoAugment. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import FastAutoAugmentSearch, InvariantClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> prototype = InvariantClassifier(sfreq=128, max_epochs=1)
    >>> options = {"n_folds": 2, "n_trials": 2, "n_best": 1, "random_state": 0}
    >>> search = FastAutoAugmentSearch(prototype, **options)
    >>> len(search.fit(X, y, groups=np.repeat([0, 1, 2, 3], 10)).policy_.branches)
    10
    """

    n_folds: int = count(5)
    n_draws: int = count(1)
    n_trials: int = count(200)
    n_best: int = count(10)
    held_out: float = share(0.4)

    def _objectives(self, problem: Problem, seed: int) -> list[Callable[[Policy, Report], float]]:
        y = problem.y.cpu().numpy()
        trainings = []
        for fold in range(self.n_folds):
            fold_seed = int(np.random.SeedSequence([seed, fold]).generate_state(1)[0]) >> 1
            sides = problem.inner, problem.outer
            if fold > 0:  # The first fold has the split of the problem.
                sides = split(problem.trainer, y, problem.groups, self.held_out, fold_seed)
            trainings.append(ChildTraining(problem, *sides, self.child_epochs, fold_seed))
        calls = (joblib.delayed(training.train)(None) for training in trainings)
        networks = dict(call_all(calls, self.n_jobs))
        return [
            DensityMatching(
                training.trainer, networks[fold], *training.held_out(), self.n_draws, training.seed
            )
            for fold, training in enumerate(trainings)
        ]


class DensityMatching:
    """Scores policies by a network that was trained without augmentation.

    Parameters
    ----------
    trainer : Trainer
        Trained the network.
    network : nn.Module
        The network.
    X : ndarray, shape (n_windows, n_channels, n_times)
        Held-out signals.
    y : ndarray of int, shape (n_windows,)
        Their encoded labels.
    n_draws : int
        Number of draws of a policy for each window.
    seed : int
        Seed of the draws.
    """

    def __init__(
        self,
        trainer: Trainer,
        network: nn.Module,
        X: np.ndarray,
        y: np.ndarray,
        n_draws: int,
        seed: int,
    ) -> None:
        self.trainer, self.network, self.X, self.y = trainer, network, X, y
        self.n_draws, self.seed = n_draws, seed

    def __sizeof__(self) -> int:
        return self.X.nbytes + self.y.nbytes  # For Dask, as in ChildTraining.

    def __call__(self, policy: Policy, report: Report) -> float:
        """Return the mean score over the draws of a policy. Each window has its own draws.

        Parameters
        ----------
        policy : Policy
            The policy.
        report : Report
            It is not used, because there are no epochs.

        Returns
        -------
        score : float
            Balanced accuracy on the augmented windows.
        """
        device = self.trainer.device
        with self.trainer.isolated(self.seed):
            # All policies have the same seed, so that their scores differ less by chance.
            augmentation = PolicyAugmentation(policy, random_state=self.seed).to(device)
            predicted = [
                predict(self.network, self.X, device, lambda X: augmentation.sample(X)[0])
                for _ in range(self.n_draws)
            ]
        return balanced_accuracy_score(np.tile(self.y, self.n_draws), np.concatenate(predicted))
