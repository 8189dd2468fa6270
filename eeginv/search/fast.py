"""Fast AutoAugment: search by density matching, without child trainings."""

import joblib
import numpy as np
from sklearn.metrics import balanced_accuracy_score

from .._randomness import isolated
from ..augmentation import PolicyAugmentation
from .children import ChildTraining, check_epochs, predict
from .space import SubPolicySpace
from .trials import TrialSearch


class FastAutoAugmentSearch(TrialSearch):
    """Search policies whose signals a network takes for unchanged ones [1]_.

    In each of several folds, a network is trained without augmentation on the inner subjects, once.
    A policy's score is the balanced accuracy of this network on the augmented windows of the
    held-out subjects, whose expectation over the draws of the policy it estimates: each window
    draws its own sub-policy, and no draw is chosen for its success. Policies are proposed by a
    tree-structured Parzen estimator (Optuna); the best ones of all folds are mixed. Nothing is
    trained under a policy until the final model.

    Parameters
    ----------
    estimator : InvariantClassifier
        Prototype: backbone, batch size, class weights, and the training of the folds' networks and
        of the final model.
    transforms : list of Transform | None
        Candidates, of which only types and ranges count; None takes
        :func:`~eeginv.transforms.default_transforms`.
    n_sub_policies : int
        Sub-policies in a policy.
    n_operations : int
        Operations in a sub-policy.
    n_folds : int
        Networks to train, each with a random choice of held-out subjects.
    n_trials : int
        Policies to try in each fold.
    n_draws : int
        Draws of the policy for each held-out window.
    child_epochs : int | None
        Length of the training of a fold's network; None is that of the final one.
    n_best : int
        How many of the best policies of each fold are mixed.
    round_size : int
        Policies that are proposed at a time in each fold: more can be scored at the same time,
        fewer learn more from those before. Part of the result, in contrast to ``n_jobs``.
    held_out : float
        Share of the groups (of the windows, without groups) for the score.
    refit : bool
        Whether to train a final model from scratch on all windows under the found policy.
    max_seconds : float | None
        Stop the search after the round in which so much time has passed.
    storage : path-like | None
        Journal of Optuna that keeps every finished trial; a search with the same parameters and
        data goes on from it after training the networks of the folds again.
    n_jobs : int | None
        Trials at the same time, in processes of joblib. Results do not depend on it.
    verbose : int
        1 shows a progress bar.
    random_state : int | RandomState | None
        Fixes everything random.

    Attributes
    ----------
    policy_ : Policy
        Mixture of the ``n_best`` policies of the highest scores of each fold.
    cv_results_ : dict
        One entry a trial in each of ``params``, ``policy``, ``fold``, ``mean_test_score``
        (balanced accuracy on augmented held-out windows), ``rank_test_score``, ``pruned`` and
        ``mean_fit_time`` (seconds).
    history_ : list of dict
        Score and best score so far, for each trial.
    best_index_ : int
        Row of the best trial in ``cv_results_``; ``best_params_`` and ``best_score_`` are its
        parameters and score.
    best_estimator_ : InvariantClassifier
        The final model (with ``refit``).
    classes_ : ndarray, shape (n_classes,)
        Labels.
    search_time_ : float
        Seconds that the search took, without the final training.
    refit_time_ : float
        Seconds that the final training took.

    Notes
    -----
    The identity is hard to beat by this score: it tells transforms that keep the label from those
    that do not, but does not say which help in training. The published code scores each image by
    the best of the five sub-policies instead of their mean, and so cannot tell that one of them is
    harmful.

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

    def __init__(
        self,
        estimator,
        *,
        transforms=None,
        n_sub_policies=5,
        n_operations=2,
        n_folds=5,
        n_trials=200,
        n_draws=1,
        child_epochs=None,
        n_best=10,
        round_size=10,
        held_out=0.4,
        refit=True,
        max_seconds=None,
        storage=None,
        n_jobs=None,
        verbose=0,
        random_state=None,
    ):
        self.estimator = estimator
        self.transforms = transforms
        self.n_sub_policies = n_sub_policies
        self.n_operations = n_operations
        self.n_folds = n_folds
        self.n_trials = n_trials
        self.n_draws = n_draws
        self.child_epochs = child_epochs
        self.n_best = n_best
        self.round_size = round_size
        self.held_out = held_out
        self.refit = refit
        self.max_seconds = max_seconds
        self.storage = storage
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    _counts = (*TrialSearch._counts, "n_sub_policies", "n_operations", "n_folds", "n_draws")

    def _check_parameters(self):
        super()._check_parameters()
        check_epochs(self.child_epochs)

    def _space(self, problem):
        return SubPolicySpace(problem.transforms, self.n_sub_policies, self.n_operations)

    def _distributions(self, problem):
        return self._space(problem).distributions()

    def _policy(self, problem, params):
        return self._space(problem).policy(params)

    def _objectives(self, problem, seed):
        target, epochs = problem.y.cpu().numpy(), self.child_epochs
        trainings = []
        for fold in range(self.n_folds):
            fold_seed = int(np.random.SeedSequence([seed, fold]).generate_state(1)[0] >> 1)
            sides = problem.inner, problem.outer
            if fold > 0:  # the first fold is the split that is there already
                sides = self._split(problem.prototype, target, problem.groups, fold_seed)
            trainings.append(ChildTraining(problem, *sides, epochs, fold_seed))
        networks = joblib.Parallel(n_jobs=self.n_jobs)(
            joblib.delayed(training.train)(None) for training in trainings
        )
        return [
            DensityMatching(training, network, self.n_draws)
            for training, network in zip(trainings, networks, strict=True)
        ]


class DensityMatching:
    """Score a policy by a network that was trained without one.

    Parameters
    ----------
    training : ChildTraining
        The data, the held-out rows and the seed.
    network : nn.Module
        The network.
    n_draws : int
        Draws of the policy for each held-out window.
    """

    def __init__(self, training, network, n_draws):
        self.network, self.n_draws = network, n_draws
        self.seed, self.device = training.seed, training.device
        self.n_threads = training.n_threads
        self.X, self.y = training.held_out()

    def __sizeof__(self):
        return self.X.nbytes + self.y.nbytes  # as of a ChildTraining

    def __call__(self, policy, report):
        """Score a policy: the mean over its draws, of which each window has its own.

        Parameters
        ----------
        policy : Policy
            The policy.
        report : Report
            Not used: there are no epochs.

        Returns
        -------
        score : float
            Balanced accuracy on the augmented held-out windows.
        """
        with isolated(self.seed, self.n_threads, self.device):
            # the same draws for each policy, as far as they go
            augmentation = PolicyAugmentation(policy, random_state=self.seed).to(self.device)
            predicted = [
                predict(self.network, self.X, self.device, lambda X: augmentation.sample(X)[0])
                for _ in range(self.n_draws)
            ]
        return balanced_accuracy_score(np.tile(self.y, self.n_draws), np.concatenate(predicted))
