"""Sub-policies as parameters of a trial: operation, probability and strength of each place."""

from dataclasses import replace

from ..policy import Policy
from .operations import make_operations, sequence_policy

_STEP = 0.05


class SubPolicySpace:
    """All policies of so many sub-policies of so many operations.

    Parameters
    ----------
    transforms : list of Transform
        The candidates, of which only types and ranges count.
    n_sub_policies : int
        Sub-policies, of which each example draws one.
    n_operations : int
        Operations in a sub-policy.

    Examples
    --------
    >>> from eeginv.search.space import SubPolicySpace
    >>> from eeginv.transforms import GaussianNoise, SignFlip
    >>> space = SubPolicySpace([SignFlip(), GaussianNoise()], n_sub_policies=1, n_operations=1)
    >>> params = {"operation_0_0": "SignFlip", "probability_0_0": 0.3, "strength_0_0": 1.0}
    >>> space.policy(params)
    Policy(SignFlip(0.3) x 1.00; probability=1)
    """

    def __init__(self, transforms, n_sub_policies, n_operations):
        self.shape = n_sub_policies, n_operations
        self._operations = {}
        for transform in transforms:
            (operation,) = make_operations([transform], n_levels=1)
            name, number = operation.transform, 1
            while name in self._operations:  # several of one type, of different configuration
                number += 1
                name = f"{operation.transform} {number}"
            self._operations[name] = operation

    def distributions(self):
        """Return what Optuna draws from.

        Returns
        -------
        distributions : dict of str to optuna.distributions.BaseDistribution
            For each place in each sub-policy: which operation, with which probability it is
            applied, and its strength as a share of the range (of no effect on operations that are
            there or not).
        """
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        distributions = {}
        for place in self._places():
            distributions[f"operation_{place}"] = CategoricalDistribution(tuple(self._operations))
            distributions[f"probability_{place}"] = FloatDistribution(0.0, 1.0, step=_STEP)
            distributions[f"strength_{place}"] = FloatDistribution(_STEP, 1.0, step=_STEP)
        return distributions

    def policy(self, params):
        """Return the policy that the parameters of a trial mean.

        Parameters
        ----------
        params : dict
            A value for each of :meth:`distributions`.

        Returns
        -------
        policy : Policy
            A mixture of the sub-policies, with equal weights.
        """
        members = []
        for number in range(self.shape[0]):
            operations, probabilities = [], []
            for place in self._places(number):
                operation = self._operations[params[f"operation_{place}"]]
                if not operation.binary:
                    extent = round(operation.extent * params[f"strength_{place}"], 7)
                    operation = replace(operation, extent=extent)
                operations.append(operation)
                probabilities.append(round(params[f"probability_{place}"], 7))
            members.append(sequence_policy(operations, probabilities))
        return Policy.mixture(members)

    def _places(self, number=None):
        numbers = range(self.shape[0]) if number is None else [number]
        return [f"{sub}_{stage}" for sub in numbers for stage in range(self.shape[1])]
