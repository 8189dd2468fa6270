"""RandAugment: a grid over the number of operations and their common strength."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import ParameterGrid

from ..policy import Policy
from .by_trials.children import ChildSearch
from .by_trials.space import TrialSpace
from .declared import count
from .operations import make_operations

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from ..transforms import Transform
    from .by_trials.trial import Params
    from .problem import Problem


class RandAugmentSearch(ChildSearch):
    """Choose the number of random operations and their common strength on a grid [1]_.

    A number of operations is applied to each example, one after the other. Each operation is drawn
    from all candidates with equal probabilities. All have the same strength, as a share of the
    range of each transform. An on/off transform, once drawn, is applied with that share of its
    ``max_probability``. For each point of the grid, a child network is trained from scratch on the
    inner subjects, and its balanced accuracy on the held-out subjects is the score.

    Parameters
    ----------
    n_operations : sequence of int
        Numbers of operations to try.
    strengths : sequence of float
        Strengths to try, as shares of the ranges, above 0 and at most 1.

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

    n_operations: Sequence[int] = (1, 2)
    strengths: Sequence[float] = (0.2, 0.4, 0.6, 0.8, 1.0)
    round_size: int = count(5)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("n_operations", "strengths"):
            value: Sequence[float] = getattr(self, name)
            if not np.iterable(value) or not len(value):
                raise ValueError(f"{name} must be a sequence of values to try, got {value!r}.")
        for number in self.n_operations:
            if isinstance(number, bool) or int(number) != number or number < 1:
                raise ValueError(f"n_operations must be whole numbers above 0, got {number!r}.")
        for strength in self.strengths:
            if not 0 < strength <= 1:
                raise ValueError(f"strengths must be above 0 and at most 1, got {strength!r}.")

    def _space(self, problem: Problem) -> TrialSpace:
        return StrengthGrid(problem.transforms, self.n_operations, self.strengths)


class StrengthGrid(TrialSpace):
    """Policies that apply a number of random operations of one common strength.

    Parameters
    ----------
    transforms : list of Transform
        The candidates. Only their types and ranges count.
    n_operations : sequence of int
        Numbers of operations.
    strengths : sequence of float
        Strengths, as shares of the ranges.
    """

    def __init__(
        self,
        transforms: Sequence[Transform],
        n_operations: Sequence[int],
        strengths: Sequence[float],
    ) -> None:
        self._operations = make_operations(transforms, n_levels=1)
        self._ranges = [transform.max_strength for transform in transforms]
        self._values: dict[str, Sequence[float]] = {
            "n_operations": [int(number) for number in n_operations],
            "strength": [float(strength) for strength in strengths],
        }

    def distributions(self) -> dict[str, BaseDistribution]:
        from optuna.distributions import CategoricalDistribution

        return {name: CategoricalDistribution(values) for name, values in self._values.items()}

    def grid(self) -> list[Params] | None:
        return list(ParameterGrid(self._values))

    def policy(self, params: Params) -> Policy:
        weight = round(1 / len(self._operations), 7)
        return Policy(
            replace(
                operation,
                extent=round(largest * params["strength"], 7),
                weight=weight,
                layer=layer,
            )
            for layer in range(params["n_operations"])
            for operation, largest in zip(self._operations, self._ranges, strict=True)
        )
