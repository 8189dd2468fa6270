"""DDAS: policy search by the one-step meta-gradient of the expected training loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..augmentation import Augmentation, PolicyAugmentation
from .by_gradient.network_step import NetworkStep
from .by_gradient.search import GradientSearch, Learner
from .declared import count, positive, share
from .operations import Operations, make_operations, product_policy

if TYPE_CHECKING:
    from ..policy import Policy
    from .problem import Problem


class DDASSearch(GradientSearch):
    """Search an augmentation policy on held-out subjects by a one-step meta-gradient [1]_.

    The network takes one step of gradient descent on the expected loss under the policy, and the
    policy follows the gradient of the held-out loss after that step. The expected loss is linear in
    the probabilities of the policy. So the derivative needs only inner products of gradients, no
    second derivatives and no gradient of a transform. The policy has two levels: whether an example
    is augmented at all, and with which sequence of operations. The final training replays the
    policies of the search after its warm-up as a schedule.

    Parameters
    ----------
    transforms : list of Transform | None
        Candidates. Only their types and ranges count. None takes
        :func:`~eeginv.transforms.default_transforms`. Each transform of continuous strength becomes
        ``n_levels`` operations, equally spaced up to ``max_magnitude``.
    n_levels : int
        Number of strengths of a transform of continuous strength.
    n_operations : int
        Number of operations in a sequence.
    n_views : int
        Number of augmented views of each batch.
    search_lr : float
        Learning rate of the network in the search. The network learns by gradient descent without
        momentum. The step of each weight tensor is divided by the running root mean square of its
        gradient without augmentation, which does not depend on the policy. So the one-step
        derivative stays exact.
    probability_lr : float
        Learning rate of the probability of augmenting (Adam).
    probability : float
        Initial probability of augmenting.

    Attributes
    ----------
    history_ : list of dict
        Means over each epoch: training loss without augmentation (``inner_loss``), held-out loss
        (``outer_loss``) and probability of augmenting (``probability``).

    References
    ----------
    .. [1] Liu, A., Huang, Z., Huang, Z., & Wang, N. (2021). Direct differentiable augmentation
       search. ICCV.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import DDASSearch, InvariantClassifier
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> prototype = InvariantClassifier(sfreq=128, max_epochs=1)
    >>> search = DDASSearch(prototype, search_epochs=1, random_state=0)
    >>> search.fit(X, y, groups=np.repeat([0, 1, 2, 3], 10)).policy_.n_layers
    2
    """

    n_levels: int = count(3)
    n_operations: int = count(2)
    n_views: int = count(3)
    search_lr: float = positive(1e-3)
    probability_lr: float = positive(0.02)
    probability: float = share(0.35)

    def _learner(self, problem: Problem) -> Learner:
        return DDASLearner(self, problem)

    def _augmentation(self) -> Augmentation:
        return PolicyAugmentation(self.schedule_[self.warmup_epochs :])


class DDASLearner(Learner):
    """Alternates one step of the network on the expected loss with one step of the policy."""

    search: DDASSearch

    def __init__(self, search: DDASSearch, problem: Problem) -> None:
        super().__init__(search, problem)
        self.operations = make_operations(problem.transforms, search.n_levels)
        self.network_step = NetworkStep(problem.make_network(), problem, search.search_lr)
        device = problem.device
        self._transforms = Operations(self.operations, device)
        self.logits = nn.Parameter(torch.zeros(len(self.operations), device=device))
        logit = math.log(search.probability / (1 - search.probability))
        self.gate = nn.Parameter(torch.tensor(logit, device=device))
        groups = [
            {"params": [self.logits], "lr": search.policy_rate(problem)},
            {"params": [self.gate], "lr": search.probability_lr},
        ]
        self.optimizers = [torch.optim.Adam(groups, betas=(0.5, 0.999))]

    def policy(self) -> Policy:
        weights = [self.logits.softmax(0).tolist()] * self.search.n_operations
        return product_policy(self.operations, weights, torch.sigmoid(self.gate).item())

    def step(self, rows: Tensor, outer_rows: Tensor, learns: bool = True) -> dict[str, float]:
        search, network_step = self.search, self.network_step
        losses = network_step.losses
        n_views = search.n_views if learns else 0
        sequences = torch.randint(len(self.operations), (n_views, search.n_operations))
        clean, outer = self.problem.signals(rows), self.problem.signals(outer_rows)
        views = [clean] + [self._transforms.apply(clean, s) for s in sequences.tolist()]
        gradients, inner_losses = zip(
            *(losses.gradient(view, rows, keep_statistics=view is clean) for view in views),
            strict=True,
        )
        network_step.scales.update(gradients[0])
        log_chance = torch.log_softmax(self.logits, dim=0)[sequences].sum(dim=1)
        augment = torch.sigmoid(self.gate) if learns else self.gate.new_zeros(())
        with torch.no_grad():
            shares = torch.cat([(1 - augment).reshape(1), augment * log_chance.softmax(dim=0)])
            expected = [
                sum(share * gradient for share, gradient in zip(shares, tensors, strict=True))
                for tensors in zip(*gradients, strict=True)
            ]
        network_step.assign(network_step.moved(expected))
        if learns:
            outer_gradient, outer_loss = losses.gradient(outer, outer_rows)
            scales = network_step.scales.values()
            direction = [g * scale for g, scale in zip(outer_gradient, scales, strict=True)]
            self._learn(gradients, direction, augment, log_chance.exp())
        else:
            with torch.no_grad():
                outer_loss = losses.loss(outer, outer_rows).item()
        return {
            "inner_loss": inner_losses[0],
            "outer_loss": outer_loss,
            "probability": torch.sigmoid(self.gate).item(),
        }

    def _learn(
        self,
        gradients: Sequence[Sequence[Tensor]],
        direction: Sequence[Tensor],
        augment: Tensor,
        chance: Tensor,
    ) -> None:
        """Take the step of the policy.

        Parameters
        ----------
        gradients : sequence of sequences of Tensor
            Gradient without augmentation, then those of the views.
        direction : sequence of Tensor
            Held-out gradient after the step, multiplied by the step lengths.
        augment, chance : Tensor
            Probability of augmenting, and probabilities of the sequences of the views.
        """
        products = torch.stack([_inner_product(g, direction) for g in gradients])
        gains = products[1:] - products[0]
        gains = gains / gains.abs().sum().clamp_min(1e-30)
        # A positive inner product lowers the held-out loss. The sum of the chances is a constant.
        objective = -(gains * augment * chance / chance.sum().detach()).sum()
        (optimizer,) = self.optimizers
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()


def _inner_product(left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    return reduce(torch.add, ((a * b).sum() for a, b in zip(left, right, strict=True)))
