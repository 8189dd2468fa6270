"""RELAX: unbiased gradients through choices, whose spread a trained control variate lowers."""

import torch
from torch import nn


class Choices:
    """Categorical choices with all that RELAX needs to know of how they were drawn [1]_.

    A choice is the largest of ``z = log p + Gumbel noise``, which is a continuous function of the
    probabilities; ``z`` is called relaxed. Given the choice, ``z`` can be drawn again: the
    conditional relaxed draw.

    Parameters
    ----------
    logits : Tensor, shape (n_examples, n_variables, n_outcomes)
        The probabilities of the outcomes are their softmax.

    Attributes
    ----------
    outcomes : Tensor of int, shape (n_examples, n_variables)
        What was chosen.

    References
    ----------
    .. [1] Grathwohl, W., Choi, D., Wu, Y., Roeder, G., & Duvenaud, D. (2018). Backpropagation
       through the void: optimizing control variates for black-box gradient estimation. ICLR.
    """

    def __init__(self, logits):
        logits = logits.detach()
        # away from 0 and 1, where the noise would be infinite
        tiny = torch.finfo(logits.dtype).eps
        self._first, self._second = (
            torch.rand_like(logits).clamp(tiny, 1 - tiny) for _ in range(2)
        )
        self.outcomes = self.relaxed(logits).argmax(dim=-1)

    def log_prob(self, logits):
        """Return the log-probability of the choices, shape (n_examples,)."""
        chosen = self.outcomes.unsqueeze(-1)
        return logits.log_softmax(dim=-1).gather(-1, chosen).sum(dim=(1, 2))

    def relaxed(self, logits):
        """Return the relaxed draw, shape as logits, a differentiable function of them."""
        return logits.log_softmax(dim=-1) - (-self._first.log()).log()

    def conditional(self, logits):
        """Return the relaxed draw given the choices, a differentiable function of the logits."""
        chosen = self.outcomes.unsqueeze(-1)
        noise = (-self._second.log()).log()
        largest = noise.gather(-1, chosen)  # minus the largest z, which is that of the chosen one
        others = torch.logaddexp(noise - logits.log_softmax(dim=-1), largest)
        return -others.scatter(-1, chosen, largest)


class ControlVariate(nn.Module):
    """A network that predicts, from the relaxed draw, what the choices are worth.

    Parameters
    ----------
    n_variables, n_outcomes : int
        Shape of the choices.
    n_contexts : int
        In how many contexts choices are made.
    temperature : float
        The relaxed draw passes through a softmax of this temperature.
    n_hidden : int
        Hidden units.
    """

    def __init__(self, n_variables, n_outcomes, n_contexts=1, temperature=0.5, n_hidden=100):
        super().__init__()
        self.n_contexts, self.temperature = n_contexts, temperature
        self.layers = nn.Sequential(
            nn.Linear(n_variables * n_outcomes + n_contexts, n_hidden),
            nn.Tanh(),
            nn.Linear(n_hidden, 1),
        )

    def forward(self, relaxed, context):
        """Predict.

        Parameters
        ----------
        relaxed : Tensor, shape (n_examples, n_variables, n_outcomes)
            From :class:`Choices`.
        context : Tensor of int, shape (n_examples,)
            The context of each example.

        Returns
        -------
        worth : Tensor, shape (n_examples,)
            The prediction.
        """
        soft = (relaxed / self.temperature).softmax(dim=-1).flatten(1)
        context = nn.functional.one_hot(context, self.n_contexts).to(soft)
        return self.layers(torch.cat([soft, context], dim=1)).squeeze(1)


def relax_gradient(logits, choices, worth, control):
    """Estimate, example by example, the gradient of the expected worth of choices.

    ``(worth - c(z~)) d log p(b) + d c(z) - d c(z~)`` with the choices b, the relaxed draw z and
    the conditional one z~ is unbiased for every function c. The mean square of the estimate
    depends on c through its variance alone, so its gradient trains c.

    Parameters
    ----------
    logits : Tensor, shape (n_examples, n_variables, n_outcomes)
        Of the choices.
    choices : Choices
        Drawn from these logits.
    worth : Tensor, shape (n_examples,)
        Of the choices; no gradient flows through it.
    control : callable
        From a relaxed draw to a number per example.

    Returns
    -------
    gradient : Tensor, same shape as logits
        With respect to the logits of each example; a differentiable function of the parameters of
        ``control``.
    """
    own = logits.detach().requires_grad_()
    (score,) = torch.autograd.grad(choices.log_prob(own).sum(), own)
    relaxed, conditional = control(choices.relaxed(own)), control(choices.conditional(own))
    (difference,) = torch.autograd.grad(
        (relaxed - conditional).sum(), own, create_graph=True, materialize_grads=True
    )
    return (worth.detach() - conditional)[:, None, None] * score + difference
