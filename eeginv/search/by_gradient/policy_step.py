"""One step of sub-policies along the gradient of their expected worth."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .checkpoint import OptimizedModule
from .relax import Choices, ControlVariate, relax_gradient
from .sub_policies import Jump, SubPolicies


class Drawn(NamedTuple):
    """Draws for the examples of a batch.

    Parameters
    ----------
    context : Tensor of int, shape (n_examples,)
        Context of each example, from which its sub-policy is chosen.
    logits : Tensor, shape (n_examples, n_variables, n_outcomes)
        Logits of the outcomes.
    choices : Choices
        The outcomes that were drawn.
    jumps : list of Jump
        Applications of transforms whose output jumps with their strength.
    """

    context: Tensor
    logits: Tensor
    choices: Choices
    jumps: list[Jump]


class PolicyStep(OptimizedModule):
    """Draws a sub-policy for each example, and moves sub-policies towards larger worth.

    Choices and probabilities learn by :func:`relax_gradient`. Continuous strengths learn through
    the transform. A strength with which the output of its transform jumps learns by the score
    function. The optimizer is Adam. Worths are divided by their running root mean square, so that
    the control variate has targets of constant scale.

    Parameters
    ----------
    sub_policies : SubPolicies
        The sub-policies that learn.
    policy_lr, strength_lr, control_lr : float
        Learning rates of choices and probabilities, of strengths (as shares of their ranges), and
        of the control variate.
    temperature : float
        Temperature of the relaxed choices that the control variate sees.
    """

    mean_square: Tensor
    n_steps: Tensor

    def __init__(
        self,
        sub_policies: SubPolicies,
        policy_lr: float,
        strength_lr: float,
        control_lr: float,
        temperature: float,
    ) -> None:
        super().__init__()
        self.sub_policies = sub_policies
        self.control = ControlVariate(
            sub_policies.n_variables, sub_policies.n_outcomes, sub_policies.n_contexts, temperature
        )
        self.register_buffer("mean_square", torch.zeros(()))
        self.register_buffer("n_steps", torch.zeros(()))
        groups = [{"params": [sub_policies.choice, sub_policies.gates], "lr": policy_lr}]
        if sub_policies.strengths():
            groups.append({"params": sub_policies.strengths(), "lr": strength_lr})
        self.optimizers = [
            torch.optim.Adam(groups, betas=(0.5, 0.999)),
            torch.optim.Adam(self.control.parameters(), lr=control_lr),
        ]

    def draw(self, X: Tensor, labels: Tensor) -> tuple[Tensor, Drawn]:
        """Transform each example by its own draw of a sub-policy.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        labels : Tensor of int, shape (n_examples,)
            Encoded labels.

        Returns
        -------
        X_transformed : Tensor, same shape as X
            The transformed signals, a differentiable function of the continuous strengths.
        drawn : Drawn
            The draws, for :meth:`gradients`.
        """
        sub_policies = self.sub_policies
        context = sub_policies.context(labels)
        logits = sub_policies.logits(context)
        choices = Choices(logits)
        slots = sub_policies.slots(context, choices.outcomes)
        transformed, jumps = sub_policies.transform(X, slots)
        return transformed, Drawn(context, logits, choices, jumps)

    def gradients(self, drawn: Drawn, worth: Tensor) -> Tensor:
        """Estimate the gradient of the expected worth; subtract it from ``grad``.

        Parameters
        ----------
        drawn : Drawn
            From :meth:`draw`.
        worth : Tensor, shape (n_examples,)
            Worth of each transformed example, a differentiable function of it.

        Returns
        -------
        spread : Tensor
            Mean square of the estimates of the examples, a differentiable scalar.
        """
        context, logits, choices, jumps = drawn
        values = worth.detach()
        estimates = relax_gradient(
            logits, choices, values, lambda relaxed: self.control(relaxed, context)
        )
        n_examples = len(values)
        total = (logits * estimates.detach()).sum() / n_examples
        if worth.requires_grad:
            total = total + worth.mean()
        for transform, subset, noise in jumps:
            own = subset.take(values)
            total = total + transform.score_function(noise, own) * (len(own) / n_examples)
        learning = [p for p in self.sub_policies.parameters() if p.requires_grad]
        torch.autograd.backward(-total, inputs=learning)
        return estimates.square().sum(dim=(1, 2)).mean()

    def step(self, drawn: Drawn, worth: Tensor) -> float:
        """Move the sub-policies towards larger worth, and train the control variate.

        Parameters
        ----------
        drawn, worth : Drawn, Tensor
            As in :meth:`gradients`.

        Returns
        -------
        spread : float
            Mean square of the estimates, for normalised worths.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        spread = self.gradients(drawn, worth / self._size(worth))
        weights = list(self.control.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(spread, weights), strict=True):
            weight.grad = gradient
        for optimizer in self.optimizers:
            optimizer.step()
        return spread.item()

    def _size(self, worth: Tensor, decay: float = 0.99) -> Tensor:
        """Return the running root mean square of the worths, including these."""
        self.n_steps += 1
        self.mean_square = decay * self.mean_square + (1 - decay) * worth.detach().square().mean()
        # Includes this batch: after batches whose worths are all zero (nothing was applied, or the
        # network is certain of every example), the earlier steps alone would give a size of zero.
        return (self.mean_square / (1 - decay**self.n_steps)).sqrt().clamp_min(1e-30)

    def summary(self) -> dict[str, float]:
        """Return numbers for the history, a dict."""
        with torch.no_grad():
            return {"probability": torch.sigmoid(self.sub_policies.gates).mean().item()}
