"""Search spaces: the parameters of trials, and their policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...policy import Policy, PolicyEntry
from ..operations import make_operations, sequence_policy

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from ...transforms import Transform
    from .trial import Params

_STEP = 0.05


class TrialSpace:
    """Base class of search spaces, from which the policies of trials come."""

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return the distribution that Optuna draws each parameter from, a dict by name."""
        raise NotImplementedError(f"{type(self).__name__} must define distributions.")

    def policy(self, params: Params) -> Policy:
        """Return the policy of the parameters of a trial, a dict."""
        raise NotImplementedError(f"{type(self).__name__} must define policy.")

    def grid(self) -> list[Params] | None:
        """Return the parameters of all trials, a list of dict, or None if they are sampled."""
        return None


class SubPolicySpace(TrialSpace):
    """Policies that consist of a number of sub-policies, each a sequence of operations.

    The parameters of a trial are, for each position in each sub-policy, the operation, its
    probability, and its strength as a share of the range. The strength has no effect on on/off
    operations.

    Parameters
    ----------
    transforms : list of Transform
        The candidates. Only their types and ranges count.
    n_sub_policies : int
        Number of sub-policies. Each example draws one of them.
    n_operations : int
        Number of operations in a sub-policy.

    Examples
    --------
    >>> from eeginv.search.by_trials.space import SubPolicySpace
    >>> from eeginv.transforms import GaussianNoise, SignFlip
    >>> space = SubPolicySpace([SignFlip(), GaussianNoise()], n_sub_policies=1, n_operations=1)
    >>> params = {"operation_0_0": "SignFlip", "probability_0_0": 0.3, "strength_0_0": 1.0}
    >>> space.policy(params)
    Policy(SignFlip(0.3) x 1.00; probability=1)
    """

    def __init__(
        self, transforms: Sequence[Transform], n_sub_policies: int, n_operations: int
    ) -> None:
        self._places = [
            [f"{sub_policy}_{stage}" for stage in range(n_operations)]
            for sub_policy in range(n_sub_policies)
        ]
        self._operations: dict[str, PolicyEntry] = {}
        for operation in make_operations(transforms, n_levels=1):
            name, number = operation.transform, 1
            while name in self._operations:  # Several of one type, with different configurations.
                number += 1
                name = f"{operation.transform} {number}"
            self._operations[name] = operation

    def distributions(self) -> dict[str, BaseDistribution]:
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        distributions: dict[str, BaseDistribution] = {}
        for place in sum(self._places, []):
            distributions[f"operation_{place}"] = CategoricalDistribution(tuple(self._operations))
            distributions[f"probability_{place}"] = FloatDistribution(0.0, 1.0, step=_STEP)
            distributions[f"strength_{place}"] = FloatDistribution(_STEP, 1.0, step=_STEP)
        return distributions

    def policy(self, params: Params) -> Policy:
        return Policy.mixture(
            sequence_policy(
                [self._operation(params, place) for place in places],
                [round(params[f"probability_{place}"], 7) for place in places],
            )
            for places in self._places
        )

    def _operation(self, params: Params, place: str) -> PolicyEntry:
        operation = self._operations[params[f"operation_{place}"]]
        if operation.binary:
            return operation
        return replace(operation, extent=round(operation.extent * params[f"strength_{place}"], 7))
