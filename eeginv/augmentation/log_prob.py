"""The log-probability of all discrete draws of a step, which choices learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..transforms.draws import Noise
from ..transforms.expectation import log_prob_of_event

if TYPE_CHECKING:
    from ..transforms import Transform
    from .choice import Subset


class LogProb:
    """Log-probability of what each example has drawn, as far as learnable parameters change it.

    It is the sum, over everything that can happen, of how often it happened to an example times the
    logarithm of its probability: one product of counts and logarithms, however many transforms and
    layers there are. What no gradient is asked of is left out.
    """

    def __init__(self) -> None:
        self._counts: list[Tensor] = []
        self._log_probs: list[Tensor] = []
        self._event_counts: list[Tensor] = []
        self._probabilities: list[Tensor] = []

    def add_choice(self, logits: Tensor, choice: Tensor) -> None:
        """Record a choice of each example.

        Parameters
        ----------
        logits : Tensor, shape (n_options,)
            Its probabilities are their softmax.
        choice : Tensor of int, shape (n_examples,)
            What was chosen.
        """
        if _learns(logits):
            options = torch.arange(len(logits), device=logits.device)
            self._counts.append(choice.unsqueeze(1) == options)
            # not the logarithm of the softmax: one that underflows would make all gradients NaN
            self._log_probs.append(torch.log_softmax(logits, dim=0))

    def add_transform(
        self, transform: Transform, noise: Noise, strength: Tensor, subset: Subset, n_examples: int
    ) -> None:
        """Record that a transform was applied.

        Parameters
        ----------
        transform : Transform
            The transform.
        noise : dict of str to Tensor
            Its draws.
        strength : Tensor
            Its strength, a scalar.
        subset : Subset
            The examples that underwent it.
        n_examples : int
            How many examples there are in all.
        """
        if not transform.continuous and _learns(strength):
            happened = transform.events(noise, strength.detach())
            yes = happened.sum(dim=1, keepdim=True)
            counts = torch.cat([yes, happened.shape[1] - yes], dim=1)
            self._event_counts.append(subset.put(counts.new_zeros(n_examples, 2), counts))
            self._probabilities.append(strength)

    def total(self) -> Tensor | None:
        """Sum over all draws.

        Returns
        -------
        log_prob : Tensor, shape (n_examples,), or None
            A differentiable function of the parameters; None where nothing learns from it.
        """
        counts, log_probs = [*self._counts, *self._event_counts], list(self._log_probs)
        if not counts:
            return None
        if self._probabilities:
            log_probs.append(log_prob_of_event(torch.stack(self._probabilities)).flatten())
        return (torch.cat(counts, dim=1) * torch.cat(log_probs)).sum(dim=1)


class _NoLogProb(LogProb):
    """Records nothing, where nobody asks."""

    def add_choice(self, logits: Tensor, choice: Tensor) -> None:
        pass

    def add_transform(
        self, transform: Transform, noise: Noise, strength: Tensor, subset: Subset, n_examples: int
    ) -> None:
        pass


NO_LOG_PROB = _NoLogProb()


def _learns(values: Tensor) -> bool:
    return torch.is_grad_enabled() and values.requires_grad
