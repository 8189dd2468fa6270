"""Faster AutoAugment: policy search by adversarial matching of augmented and held-out signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .._randomness import generator_states, restore_generators
from .by_gradient.sub_policy_search import StagedSearch, SubPolicyLearner
from .declared import positive

if TYPE_CHECKING:
    from .by_gradient.search import Learner
    from .by_gradient.sub_policies import SubPolicies
    from .problem import Problem


class Critic(nn.Module):
    """Network that scores and classifies signals.

    Parameters
    ----------
    network : nn.Module
        Maps signals to one output for each class and one more for the score.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, X: Tensor, keep_statistics: bool = False) -> tuple[Tensor, Tensor]:
        """Score and classify signals.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        keep_statistics : bool
            Whether batch normalisation uses and stores the statistics of the batch. Otherwise it
            uses the stored ones, so that score and slope of an example do not depend on the other
            examples.

        Returns
        -------
        logits : Tensor, shape (n_examples, n_classes)
            Logits of the classes.
        score : Tensor, shape (n_examples,)
            Larger for signals that look held out.
        """
        norms = [m for m in self.network.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
        for norm in norms:
            norm.train(keep_statistics)
        output = self.network(X)
        for norm in norms:
            norm.train()
        return output[:, :-1], output[:, -1]

    def slope_penalty(self, X: Tensor, X_other: Tensor) -> Tensor:
        """Return the mean squared deviation from one of the slope of the score.

        Parameters
        ----------
        X, X_other : Tensor, shape (n_examples, n_channels, n_times)
            Two batches. Each slope is taken at a random point between two examples.

        Returns
        -------
        penalty : Tensor
            Mean over the examples. The slope is the norm of the gradient with respect to a whole
            example, for distances that are root mean squares over its samples.
        """
        share = torch.rand(len(X), 1, 1, dtype=X.dtype).to(X.device)
        between = (share * X + (1 - share) * X_other).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self(between)[1].sum(), between, create_graph=True)
        slope = gradient.flatten(1).norm(dim=1) * X[0].numel() ** 0.5
        return (slope - 1).square().mean()


class FasterLearner(SubPolicyLearner):
    """Alternates one step of the critic with one step of the policy against it."""

    search: FasterAutoAugmentSearch

    def __init__(
        self, search: FasterAutoAugmentSearch, problem: Problem, sub_policies: SubPolicies
    ) -> None:
        super().__init__(search, problem)
        self.critic = Critic(problem.make_network(n_extra_outputs=1))
        self.criterion = problem.trainer.criterion
        self._make_policy_step(sub_policies)
        learning = [p for p in self.critic.parameters() if p.requires_grad]
        self.optimizers = [torch.optim.Adam(learning, lr=search.critic_lr, betas=(0.0, 0.999))]

    def step(self, rows: Tensor, outer_rows: Tensor, learns: bool = True) -> dict[str, float]:
        search, y = self.search, self.problem.y
        X, outer = self.problem.signals(rows), self.problem.signals(outer_rows)
        both = torch.cat([outer_rows, rows])
        logits, _ = self.critic(torch.cat([outer, X]), keep_statistics=True)
        outer_loss = loss = self._losses(logits, both).mean()
        record = dict.fromkeys(("inner_loss", "distance", "penalty", "spread"), 0.0)
        if learns:
            transformed, drawn = self.policy_step.draw(X, y[rows])
            n = min(len(rows), len(outer_rows))
            penalty = self.critic.slope_penalty(outer[:n], transformed[:n])
            _, score = self.critic(outer)
            _, score_transformed = self.critic(transformed.detach())
            distance = score.mean() - score_transformed.mean()
            loss = loss - distance + search.gradient_penalty * penalty
            record |= {"distance": distance.item(), "penalty": penalty.item()}
        (optimizer,) = self.optimizers
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if learns:
            # Most of the worth depends only on the example. Subtracting the worth of the unchanged
            # example, under the same dropout, removes this part.
            states = generator_states(self.problem.device)
            with torch.no_grad():
                unchanged, _ = self._worth(X, rows)
            restore_generators(states, self.problem.device)
            worth, losses = self._worth(transformed, rows)
            record["inner_loss"] = losses.mean().item()
            record["spread"] = self.policy_step.step(drawn, worth - unchanged)
        return {**record, "outer_loss": outer_loss.item(), **self.policy_step.summary()}

    def _worth(self, signals: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the objective of the policy and the losses of the classes, for each example."""
        logits, score = self.critic(signals)
        losses = self._losses(logits, rows)
        return score - self.search.cls_factor * losses, losses

    def _losses(self, logits: Tensor, rows: Tensor) -> Tensor:
        return self.criterion(logits, self.problem.y[rows]) * self.problem.weight[rows]


class FasterAutoAugmentSearch(StagedSearch):
    """Search a policy that makes training subjects look like held-out ones [1]_.

    No network is trained under the policy. A critic learns to distinguish augmented windows of the
    inner subjects from unchanged windows of the held-out ones, and to classify unchanged windows of
    both. The policy learns to produce augmented windows that the critic mistakes for held-out ones
    and classifies correctly. The difference of the mean scores estimates the Wasserstein distance
    between the two sets of windows (WGAN with gradient penalty [2]_).

    Parameters
    ----------
    estimator : InvariantClassifier
        Prototype of the critic and of the final model. The critic has its backbone, with one more
        output, so that the backbone must be a name or a class.
    warmup_epochs : int
        Number of first epochs in which the critic only learns to classify and the policy is fixed.
    critic_lr : float
        Learning rate of the critic (Adam).
    cls_factor : float
        Weight of the classification loss relative to the score of the critic.
    gradient_penalty : float
        Weight of the penalty that keeps the slope of the critic's score at one.

    Attributes
    ----------
    history_ : list of dict
        Means over each epoch: loss of the critic's classification on unchanged windows
        (``outer_loss``) and on augmented ones (``inner_loss``), difference of its scores
        (``distance``), gradient penalty (``penalty``), mean square of the gradient estimates
        (``spread``) and probability of applying an operation (``probability``). In a warm-up,
        the numbers that it does not compute are zero.

    Notes
    -----
    The implementation differs from the published code where that was found to fail:

    - The penalised gradient is that of a score with respect to a whole window, not to single
      samples. Distances are root mean squares over the samples of a window, so that scores do not
      grow with its length.
    - Each example draws its own sub-policy. In the published code, an eighth of the batch shares
      one.
    - A stage applies the chosen operation. The published code mixes all transformed signals, and
      approximates the effect of a discrete choice by the gradient at one signal. Here, choices and
      probabilities learn by RELAX, which is unbiased and applies one transform in each stage.
    - The target is held-out subjects, not other windows of the same subjects.

    References
    ----------
    .. [1] Hataya, R., Zdenek, J., Yoshizoe, K., & Nakayama, H. (2020). Faster AutoAugment: learning
       augmentation strategies using backpropagation. ECCV.
    .. [2] Gulrajani, I., Ahmed, F., Arjovsky, M., Dumoulin, V., & Courville, A. (2017). Improved
       training of Wasserstein GANs. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv import FasterAutoAugmentSearch, InvariantClassifier
    >>> from eeginv.transforms import FrequencyShift, SignFlip, TimeReverse
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(40, 2, 640)), np.tile(["rest", "task"], 20)
    >>> search = FasterAutoAugmentSearch(
    ...     InvariantClassifier(sfreq=128, max_epochs=1),
    ...     transforms=[FrequencyShift(sfreq=128), SignFlip(), TimeReverse()],
    ...     search_epochs=2,
    ...     warmup_epochs=1,
    ...     random_state=0,
    ... )
    >>> search.fit(X, y, groups=np.repeat([0, 1, 2, 3], 10)).policy_.n_layers
    2
    """

    critic_lr: float = positive(1e-3)
    cls_factor: float = positive(1.0, or_zero=True)
    gradient_penalty: float = positive(10.0)

    def _learner(self, problem: Problem) -> Learner:
        return FasterLearner(self, problem, self._sub_policies(problem))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if isinstance(self.estimator.backbone, nn.Module):
            raise TypeError(
                "FasterAutoAugmentSearch builds the backbone with one more output, for the score "
                f"of the critic: give {type(self.estimator.backbone).__name__} as a class or by "
                "name, not as an object."
            )
