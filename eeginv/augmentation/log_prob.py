"""Log-probability of all discrete draws of a step, for the score-function gradient."""

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
    """Log-probability of the draws of each example, as far as it depends on learnable parameters.

    It is the sum over all events of the count of the event in an example times the logarithm of its
    probability. That is a single matrix product for any number of transforms and layers. Events
    whose probability requires no gradient are left out.
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
            Logits of the options.
        choice : Tensor of int, shape (n_examples,)
            Index of the chosen option.
        """
        if _learns(logits):
            options = torch.arange(len(logits), device=logits.device)
            self._counts.append(choice.unsqueeze(1) == options)
            # log of softmax could underflow, which would make all gradients NaN
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
            The examples to which it was applied.
        n_examples : int
            Number of examples in the batch.
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
            A differentiable function of the parameters. None if no parameter learns from it.
        """
        counts, log_probs = [*self._counts, *self._event_counts], list(self._log_probs)
        if not counts:
            return None
        if self._probabilities:
            log_probs.append(log_prob_of_event(torch.stack(self._probabilities)).flatten())
        return (torch.cat(counts, dim=1) * torch.cat(log_probs)).sum(dim=1)


class _NoLogProb(LogProb):
    """Records nothing, for callers that need no log-probability."""

    def add_choice(self, logits: Tensor, choice: Tensor) -> None:
        pass

    def add_transform(
        self, transform: Transform, noise: Noise, strength: Tensor, subset: Subset, n_examples: int
    ) -> None:
        pass


NO_LOG_PROB = _NoLogProb()


def _learns(values: Tensor) -> bool:
    return torch.is_grad_enabled() and values.requires_grad
