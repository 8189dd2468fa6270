"""One step of sub-policies along the gradient of what their choices are worth."""

import torch
from torch import nn

from .relax import Choices, ControlVariate, relax_gradient


class PolicyStep(nn.Module):
    """Draws sub-policies, one for each example, and moves them towards what is worth more.

    Choices and probabilities learn by :func:`~eeginv.search.relax.relax_gradient`, continuous
    strengths through the transform, and strengths with which a transform jumps by its score
    function. Adam makes the steps; worths are divided by their running root mean square so that
    the control variate sees numbers of one size.

    Parameters
    ----------
    space : SubPolicies
        What learns.
    policy_lr, strength_lr, control_lr : float
        Learning rates of choices and probabilities, of strengths (as shares of their ranges), and
        of the control variate.
    temperature : float
        Of the relaxed draws that the control variate sees.
    """

    def __init__(self, space, policy_lr, strength_lr, control_lr, temperature):
        super().__init__()
        self.space = space
        self.control = ControlVariate(
            space.n_variables, space.n_outcomes, space.n_contexts, temperature
        )
        self.register_buffer("size", torch.zeros(()))
        self.register_buffer("n_steps", torch.zeros(()))
        groups = [{"params": [space.choice, space.gates], "lr": policy_lr}]
        if space.strengths():
            groups.append({"params": space.strengths(), "lr": strength_lr})
        self.optimizers = [
            torch.optim.Adam(groups, betas=(0.5, 0.999)),
            torch.optim.Adam(self.control.parameters(), lr=control_lr),
        ]

    def get_extra_state(self):
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def set_extra_state(self, state):
        for optimizer, values in zip(self.optimizers, state, strict=True):
            optimizer.load_state_dict(values)

    def draw(self, X, labels):
        """Transform each example by a sub-policy of its own.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        labels : Tensor of int, shape (n_examples,)
            Encoded labels.

        Returns
        -------
        X_transformed : Tensor, same shape as X
            The transformed signals, through which gradients flow to continuous strengths.
        drawn : tuple
            What was drawn, for :meth:`gradients`.
        """
        space = self.space
        context = space.context(labels)
        logits = space.logits(context)
        choices = Choices(logits)
        transformed, jumps = space.transform(X, space.slots(context, choices.outcomes))
        return transformed, (context, logits, choices, jumps)

    def gradients(self, drawn, worth):
        """Estimate the gradient of the expected worth; adds it to ``grad`` with a minus sign.

        Parameters
        ----------
        drawn : tuple
            From :meth:`draw`.
        worth : Tensor, shape (n_examples,)
            Of the transformed examples; a function of them, through which gradients flow.

        Returns
        -------
        spread : Tensor
            Mean square of the estimates of the examples, a differentiable scalar.
        """
        context, logits, choices, jumps = drawn
        values = worth.detach()
        each = relax_gradient(
            logits, choices, values, lambda relaxed: self.control(relaxed, context)
        )
        n = len(values)
        total = (logits * each.detach()).sum() / n
        if worth.requires_grad:
            total = total + worth.mean()
        for transform, rows, noise in jumps:
            total = total + transform.score_function(noise, values[rows]) * (len(rows) / n)
        learning = [p for p in self.space.parameters() if p.requires_grad]
        torch.autograd.backward(-total, inputs=learning)
        return each.square().sum(dim=(1, 2)).mean()

    def step(self, drawn, worth):
        """Move the sub-policies towards what is worth more, and train the control variate.

        Parameters
        ----------
        drawn, worth : tuple, Tensor
            As in :meth:`gradients`.

        Returns
        -------
        spread : float
            Mean square of the estimates, for worths of size one.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        spread = self.gradients(drawn, worth / self._size(worth))
        for parameter, gradient in zip(
            self.control.parameters(),
            torch.autograd.grad(spread, list(self.control.parameters())),
            strict=True,
        ):
            parameter.grad = gradient
        for optimizer in self.optimizers:
            optimizer.step()
        return spread.item()

    def _size(self, worth, decay=0.99):
        """Return the running root mean square of the worths, these among them."""
        self.n_steps += 1
        self.size = decay * self.size + (1 - decay) * worth.detach().square().mean()
        # This batch counts too: after batches whose worths are all zero (nothing was applied, or
        # the network is sure of every example) the earlier steps alone would give a size of zero.
        return (self.size / (1 - decay**self.n_steps)).sqrt().clamp_min(1e-30)

    def summary(self):
        """Return what is worth recording of the sub-policies, a dict of numbers."""
        with torch.no_grad():
            return {"probability": torch.sigmoid(self.space.gates).mean().item()}


def check_policy_parameters(search):
    """Check the parameters of a search that are those of its sub-policies.

    Parameters
    ----------
    search : PolicySearch
        Has ``probability``, ``strength``, learning rates and ``temperature``.
    """
    for name in ("probability", "strength"):
        value = getattr(search, name)
        if not 0 < value < 1:
            raise ValueError(f"{name} must be between 0 and 1, got {value}.")
    for name in ("policy_lr", "strength_lr", "control_lr", "temperature"):
        value = getattr(search, name)
        if not value > 0:
            raise ValueError(f"{name} must be above 0, got {value}.")
