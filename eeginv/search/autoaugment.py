"""AutoAugment: black-box search over policies, scored by child trainings."""

from .children import ChildSearch
from .space import SubPolicySpace


class AutoAugmentSearch(ChildSearch):
    """Search an augmentation policy by training a network under each of many [1]_.

    A policy is a mixture of sub-policies, each a sequence of operations with a probability and a
    strength. A child network is trained from scratch under it on the inner subjects, and its
    balanced accuracy on the held-out subjects is the score. In place of a recurrent controller,
    policies are proposed by a tree-structured Parzen estimator [2]_ (Optuna), and children that
    score below the median of the others at the same epoch are given up. The best policies are
    mixed.

    Parameters
    ----------
    estimator : InvariantClassifier
        Prototype: backbone, batch size, class weights, and the training of the children and of the
        final model.
    transforms : list of Transform | None
        Candidates, of which only types and ranges count; None takes
        :func:`~eeginv.transforms.default_transforms`.
    n_sub_policies : int
        Sub-policies in a policy.
    n_operations : int
        Operations in a sub-policy.
    n_trials : int
        Policies to try.
    child_epochs : int | None
        Length of a child training; None is that of the final one.
    prune : bool
        Whether to give children up.
    n_best : int
        How many of the best policies are mixed.
    round_size : int
        Policies that are proposed at a time: more can be trained at the same time, fewer learn more
        from those before. Part of the result, in contrast to ``n_jobs``.
    held_out : float
        Share of the groups (of the windows, without groups) for the score.
    refit : bool
        Whether to train a final model from scratch on all windows under the found policy.
    max_seconds : float | None
        Stop the search after the round in which so much time has passed.
    storage : path-like | None
        Journal of Optuna that keeps every finished trial; a search with the same parameters and
        data goes on from it.
    n_jobs : int | None
        Trials at the same time, in processes of joblib. Results do not depend on it.
    verbose : int
        1 shows a progress bar.
    random_state : int | RandomState | None
        Fixes everything random.

    Attributes
    ----------
    policy_ : Policy
        Mixture of the ``n_best`` policies of the highest scores.
    cv_results_ : dict
        One entry a trial in each of ``params``, ``policy``, ``fold``, ``mean_test_score``
        (balanced accuracy on held-out windows, as they are, after the last epoch),
        ``rank_test_score``, ``pruned`` and ``mean_fit_time`` (seconds).
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
    Costs up to ``n_trials`` child trainings on a share of ``1 - held_out`` of the windows.

    References
    ----------
    .. [1] Cubuk, E. D., Zoph, B., Mané, D., Vasudevan, V., & Le, Q. V. (2019). AutoAugment:
       Learning augmentation strategies from data. CVPR.
    .. [2] Bergstra, J., Bardenet, R., Bengio, Y., & Kegl, B. (2011). Algorithms for hyper-parameter
       optimization. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import AutoAugmentSearch, InvariantClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> prototype = InvariantClassifier(sfreq=128, max_epochs=1)
    >>> search = AutoAugmentSearch(prototype, n_trials=2, n_best=1, random_state=0)
    >>> len(search.fit(X, y, groups=np.repeat([0, 1, 2, 3], 10)).policy_.branches)
    5
    """

    def __init__(
        self,
        estimator,
        *,
        transforms=None,
        n_sub_policies=5,
        n_operations=2,
        n_trials=50,
        child_epochs=None,
        prune=True,
        n_best=5,
        round_size=4,
        held_out=0.5,
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
        self.n_trials = n_trials
        self.child_epochs = child_epochs
        self.prune = prune
        self.n_best = n_best
        self.round_size = round_size
        self.held_out = held_out
        self.refit = refit
        self.max_seconds = max_seconds
        self.storage = storage
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    _counts = (*ChildSearch._counts, "n_sub_policies", "n_operations")

    def _space(self, problem):
        return SubPolicySpace(problem.transforms, self.n_sub_policies, self.n_operations)

    def _distributions(self, problem):
        return self._space(problem).distributions()

    def _policy(self, problem, params):
        return self._space(problem).policy(params)
