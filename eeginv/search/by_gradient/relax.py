"""RELAX: unbiased gradients through discrete choices, with a trained control variate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Choices:
    """Categorical choices, and the noise that they were drawn with [1]_.

    A choice is the index of the largest element of ``z = log p + Gumbel noise``. The vector ``z``
    is a continuous function of the probabilities and is called the relaxed draw. A second draw of
    ``z``, given the choice, is called the conditional relaxed draw.

    Parameters
    ----------
    logits : Tensor, shape (n_examples, n_variables, n_outcomes)
        Logits of the outcomes.

    Attributes
    ----------
    outcomes : Tensor of int, shape (n_examples, n_variables)
        Indices of the chosen outcomes.

    References
    ----------
    .. [1] Grathwohl, W., Choi, D., Wu, Y., Roeder, G., & Duvenaud, D. (2018). Backpropagation
       through the void: optimizing control variates for black-box gradient estimation. ICLR.
    """

    def __init__(self, logits: Tensor) -> None:
        logits = logits.detach()
        # At 0 and 1 the noise would be infinite.
        tiny = torch.finfo(logits.dtype).eps
        self._first, self._second = (
            torch.rand_like(logits).clamp(tiny, 1 - tiny) for _ in range(2)
        )
        self.outcomes = self.relaxed(logits).argmax(dim=-1)

    def log_prob(self, logits: Tensor) -> Tensor:
        """Return the log-probability of the choices, shape (n_examples,)."""
        chosen = self.outcomes.unsqueeze(-1)
        return logits.log_softmax(dim=-1).gather(-1, chosen).sum(dim=(1, 2))

    def relaxed(self, logits: Tensor) -> Tensor:
        """Return the relaxed draw, a differentiable function of the logits with their shape."""
        return logits.log_softmax(dim=-1) - (-self._first.log()).log()

    def conditional(self, logits: Tensor) -> Tensor:
        """Return the relaxed draw given the choices, a differentiable function of the logits."""
        chosen = self.outcomes.unsqueeze(-1)
        noise = (-self._second.log()).log()
        largest = noise.gather(-1, chosen)  # -z of the chosen outcome, whose z is the largest.
        others = torch.logaddexp(noise - logits.log_softmax(dim=-1), largest)
        return -others.scatter(-1, chosen, largest)


class ControlVariate(nn.Module):
    """A network that predicts the worth of the choices from the relaxed draw.

    Parameters
    ----------
    n_variables, n_outcomes : int
        Shape of the choices.
    n_contexts : int
        Number of contexts in which choices are made.
    temperature : float
        Temperature of the softmax through which the relaxed draw passes.
    n_hidden : int
        Number of hidden units.
    """

    def __init__(
        self,
        n_variables: int,
        n_outcomes: int,
        n_contexts: int = 1,
        temperature: float = 0.5,
        n_hidden: int = 100,
    ) -> None:
        super().__init__()
        self.n_contexts, self.temperature = n_contexts, temperature
        self.layers = nn.Sequential(
            nn.Linear(n_variables * n_outcomes + n_contexts, n_hidden),
            nn.Tanh(),
            nn.Linear(n_hidden, 1),
        )

    def forward(self, relaxed: Tensor, context: Tensor) -> Tensor:
        """Predict the worth.

        Parameters
        ----------
        relaxed : Tensor, shape (n_examples, n_variables, n_outcomes)
            A relaxed draw of :class:`Choices`.
        context : Tensor of int, shape (n_examples,)
            The context of each example.

        Returns
        -------
        worth : Tensor, shape (n_examples,)
            The predicted worth.
        """
        soft = (relaxed / self.temperature).softmax(dim=-1).flatten(1)
        context = nn.functional.one_hot(context, self.n_contexts).to(soft)
        return self.layers(torch.cat([soft, context], dim=1)).squeeze(1)


def relax_gradient(
    logits: Tensor, choices: Choices, worth: Tensor, control: Callable[[Tensor], Tensor]
) -> Tensor:
    """Estimate the gradient of the expected worth of choices, for each example.

    Let b be the choices, z the relaxed draw and z~ the conditional one. The estimate
    ``(worth - c(z~)) d log p(b) + d c(z) - d c(z~)`` is unbiased for every function c. So c changes
    the mean square of the estimate only through the variance, and its gradient can train c.

    Parameters
    ----------
    logits : Tensor, shape (n_examples, n_variables, n_outcomes)
        Logits of the outcomes.
    choices : Choices
        Choices that were drawn from these logits.
    worth : Tensor, shape (n_examples,)
        Worth of the choices. No gradient flows through it.
    control : callable
        Returns the prediction for each example from a relaxed draw.

    Returns
    -------
    gradient : Tensor, same shape as logits
        Gradient with respect to the logits of each example, a differentiable function of the
        parameters of ``control``.
    """
    own = logits.detach().requires_grad_()
    (score,) = torch.autograd.grad(choices.log_prob(own).sum(), own)
    relaxed, conditional = control(choices.relaxed(own)), control(choices.conditional(own))
    (difference,) = torch.autograd.grad(
        (relaxed - conditional).sum(), own, create_graph=True, materialize_grads=True
    )
    return (worth.detach() - conditional)[:, None, None] * score + difference
