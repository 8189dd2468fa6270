"""RandAugment: a grid over the number of operations and their common strength."""

from dataclasses import replace

import numpy as np
from sklearn.model_selection import ParameterGrid

from ..policy import Policy
from .children import ChildSearch
from .operations import make_operations


class RandAugmentSearch(ChildSearch):
    """Choose how many random operations to apply, and how strong they are, on a grid [1]_.

    Each example undergoes a number of operations in a row, each drawn from all candidates with
    equal probability, all of one strength: a share of the range of each transform. What is there or
    not is applied, once chosen, with that share of its ``max_probability``. A child network is
    trained from scratch for each point of the grid on the inner subjects, and scored on the
    held-out subjects.

    Parameters
    ----------
    estimator : InvariantClassifier
        Prototype: backbone, batch size, class weights, and the training of the children and of the
        final model.
    transforms : list of Transform | None
        Candidates, of which only types and ranges count; None takes
        :func:`~eeginv.transforms.default_transforms`.
    n_operations : sequence of int
        Numbers of operations to try.
    strengths : sequence of float
        Strengths to try, shares of the ranges, above 0 and at most 1.
    child_epochs : int | None
        Length of a child training; None is that of the final one.
    prune : bool
        Whether to give up children that score below the median of the others at the same epoch.
    round_size : int
        Children between which nothing is compared, and which can be trained at the same time. Part
        of the result, in contrast to ``n_jobs``.
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
        The policy of the highest score.
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

    References
    ----------
    .. [1] Cubuk, E. D., Zoph, B., Shlens, J., & Le, Q. V. (2020). RandAugment: Practical automated
       data augmentation with a reduced search space. CVPR Workshops.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import InvariantClassifier, RandAugmentSearch
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> prototype = InvariantClassifier(sfreq=128, max_epochs=1)
    >>> grid = {"n_operations": (1, 2), "strengths": (0.5,)}
    >>> search = RandAugmentSearch(prototype, **grid, random_state=0)
    >>> search.fit(X, y, groups=np.repeat([0, 1, 2, 3], 10)).cv_results_["params"]
    [{'n_operations': 1, 'strength': 0.5}, {'n_operations': 2, 'strength': 0.5}]
    """

    def __init__(
        self,
        estimator,
        *,
        transforms=None,
        n_operations=(1, 2),
        strengths=(0.2, 0.4, 0.6, 0.8, 1.0),
        child_epochs=None,
        prune=True,
        round_size=5,
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
        self.n_operations = n_operations
        self.strengths = strengths
        self.child_epochs = child_epochs
        self.prune = prune
        self.round_size = round_size
        self.held_out = held_out
        self.refit = refit
        self.max_seconds = max_seconds
        self.storage = storage
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    _counts = ("round_size",)
    _n_best = 1

    def _check_parameters(self):
        super()._check_parameters()
        for name in ("n_operations", "strengths"):
            value = getattr(self, name)
            if not np.iterable(value) or not len(value):
                raise ValueError(f"{name} must be a sequence of values to try, got {value!r}.")
        for number in self.n_operations:
            if isinstance(number, bool) or int(number) != number or number < 1:
                raise ValueError(f"n_operations must be whole numbers above 0, got {number!r}.")
        for strength in self.strengths:
            if not 0 < strength <= 1:
                raise ValueError(f"strengths are shares above 0 and at most 1, got {strength!r}.")

    def _fixed_trials(self):
        return list(ParameterGrid(self._grid()))

    def _grid(self):
        return {
            "n_operations": [int(n) for n in self.n_operations],
            "strength": [float(strength) for strength in self.strengths],
        }

    def _distributions(self, problem):
        from optuna.distributions import CategoricalDistribution

        return {name: CategoricalDistribution(values) for name, values in self._grid().items()}

    def _policy(self, problem, params):
        weight = round(1 / len(problem.transforms), 7)
        operations = make_operations(problem.transforms, n_levels=1)
        extents = [
            round(transform.max_magnitude * params["strength"], 7)
            for transform in problem.transforms
        ]
        return Policy(
            replace(operation, extent=extent, weight=weight, layer=layer)
            for layer in range(params["n_operations"])
            for operation, extent in zip(operations, extents, strict=True)
        )
