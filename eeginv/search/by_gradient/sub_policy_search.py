"""Base class of searches over sub-policies whose choices learn by RELAX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from ..declared import count, positive, share
from .policy_step import PolicyStep
from .search import GradientSearch, Learner
from .sub_policies import Stages, SubPolicies

if TYPE_CHECKING:
    from ...policy import Policy
    from ..problem import Problem


class SubPolicySearch(GradientSearch):
    """Base class of gradient searches over :class:`SubPolicies`.

    A subclass defines ``_sub_policies(problem)`` and ``_learner(problem)``, which returns a
    :class:`SubPolicyLearner`.

    Parameters
    ----------
    n_operations : int
        Number of operations in a sub-policy, which are applied one after the other.
    strength_lr : float
        Learning rate of strengths, as shares of their ranges (Adam).
    control_lr : float
        Learning rate of the control variate (Adam).
    temperature : float
        Temperature of the relaxed choices that the control variate sees.
    probability : float
        Initial probability of applying an operation once it is chosen.
    strength : float
        Initial strength of each operation, as a share of its range.

    Attributes
    ----------
    history_ : list of dict
        Means over each epoch: training loss (``inner_loss``), held-out loss (``outer_loss``), mean
        square of the gradient estimates (``spread``) and probability of applying an operation
        (``probability``).
    """

    n_operations: int = count(2)
    strength_lr: float = positive(5e-3)
    control_lr: float = positive(1e-2)
    temperature: float = positive(0.5)
    probability: float = share(0.5)
    strength: float = share(0.5)

    def _sub_policies(self, problem: Problem) -> SubPolicies:
        raise NotImplementedError(f"{type(self).__name__} must define _sub_policies.")


class StagedSearch(SubPolicySearch):
    """Base class of searches whose sub-policies choose one of all candidates in each stage.

    Parameters
    ----------
    n_policies : int
        Number of sub-policies. Each example draws one, with equal probabilities.
    """

    n_policies: int = count(1)
    warmup_epochs: int = count(5, at_least=0)

    def _class_frequencies(self, problem: Problem) -> list[float] | None:
        """Return the frequencies of the classes if each has sub-policies of its own."""
        return None

    def _sub_policies(self, problem: Problem) -> SubPolicies:
        return Stages(
            problem.transforms,
            self.n_operations,
            self.n_policies,
            self._class_frequencies(problem),
            self.probability,
            self.strength,
        )


class SubPolicyLearner(Learner):
    """Base class of learners whose policy is a set of sub-policies.

    Parameters
    ----------
    search : SubPolicySearch
        The search, whose parameters are used.
    problem : Problem
        The data.
    sub_policies : SubPolicies
        The sub-policies that learn.
    """

    search: SubPolicySearch
    policy_step: PolicyStep
    optimizers: Sequence[torch.optim.Optimizer] = ()

    def _make_policy_step(self, sub_policies: SubPolicies) -> None:
        search = self.search
        self.policy_step = PolicyStep(
            sub_policies,
            search.policy_rate(self.problem),
            search.strength_lr,
            search.control_lr,
            search.temperature,
        ).to(self.problem.device)

    def policy(self) -> Policy:
        return self.policy_step.sub_policies.policy()
