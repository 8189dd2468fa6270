"""Searches by the gradient of the held-out loss after one step of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..declared import positive
from .network_step import NetworkStep
from .sub_policy_search import SubPolicyLearner, SubPolicySearch

if TYPE_CHECKING:
    from ..problem import Problem
    from .search import Learner
    from .sub_policies import SubPolicies


class OneStepLearner(SubPolicyLearner):
    """Alternates one step of the network under the policy with one step of the policy.

    The policy follows the gradient of the held-out loss after the step of the network. Its gradient
    comes from the contributions of the examples, each minus that of the unchanged example.
    """

    def __init__(self, search: OneStepSearch, problem: Problem, sub_policies: SubPolicies) -> None:
        super().__init__(search, problem)
        self.network_step = NetworkStep(problem.make_network(), problem, search.search_lr)
        self._make_policy_step(sub_policies)

    def step(self, rows: Tensor, outer_rows: Tensor, learns: bool = True) -> dict[str, float]:
        network_step = self.network_step
        X, outer = self.problem.signals(rows), self.problem.signals(outer_rows)
        losses, spread = network_step.losses, 0.0
        if learns:
            transformed, drawn = self.policy_step.draw(X, self.problem.y[rows])
            after, inner_loss = network_step.after(transformed.detach(), rows)
            outer_gradient, outer_loss = losses.gradient(outer, outer_rows, after)
            gain = network_step.gain(transformed, rows, outer_gradient)
            spread = self.policy_step.step(drawn, gain)
        else:
            after, inner_loss = network_step.after(X, rows)
            with torch.no_grad():
                outer_loss = losses.loss(outer, outer_rows, after).item()
        network_step.assign(after)
        record = {"inner_loss": inner_loss, "outer_loss": outer_loss, "spread": spread}
        return {**record, **self.policy_step.summary()}


class OneStepSearch(SubPolicySearch):
    """Base class of searches by the gradient of the held-out loss after one step.

    A subclass defines ``_sub_policies(problem)``.

    Parameters
    ----------
    search_lr : float
        Learning rate of the network in the search. The network learns by gradient descent without
        momentum. The step of each weight tensor is divided by the running root mean square of its
        gradient.
    """

    search_lr: float = positive(1e-3)

    def _learner(self, problem: Problem) -> Learner:
        return OneStepLearner(self, problem, self._sub_policies(problem))
