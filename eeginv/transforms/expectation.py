"""The derivative of an expected loss with respect to the probability of what happened."""

from __future__ import annotations

import torch
from torch import Tensor

# What is rarer counts as if it had this probability. An event that is seen once in a thousand
# examples would weigh a thousand times as much as the others when it is, and an optimiser that
# scales its steps would jump.
RARE = 0.02


def log_prob_of_event(probability: Tensor) -> Tensor:
    """Return the log-probability of an event, with a slope that stays bounded.

    Parameters
    ----------
    probability : Tensor, any shape
        Of the event.

    Returns
    -------
    log_prob : Tensor, shape (*probability.shape, 2)
        That it happened, and that it did not. Finite where the probability is 0 or 1. The slope for
        what is rarer than ``RARE`` is that at ``RARE``.
    """
    constant = probability.detach()
    here = torch.stack([constant, 1 - constant], dim=-1)
    step = probability - constant  # zero, with a derivative
    slope = torch.stack([step, -step], dim=-1) / here.clamp_min(RARE)
    return here.clamp_min(torch.finfo(here.dtype).tiny).log() + slope


def derivative_of_expectation(losses: Tensor, happened: Tensor, probability: Tensor) -> Tensor:
    """Estimate how the expected loss changes with the probability of independent events.

    Parameters
    ----------
    losses : Tensor, shape (n_examples,)
        Loss of each example.
    happened : Tensor, shape (n_examples, n_events)
        1 where an event happened, 0 where not.
    probability : Tensor, shape (n_examples or 1, 1)
        Of each event.

    Returns
    -------
    derivative : Tensor, shape (n_examples,)
        Unbiased estimates where no probability is within ``RARE`` of 0 or 1; their mean over the
        examples is meant to be used.
    """
    n_examples, n_events = happened.shape
    centred = happened - probability
    variance = (probability * (1 - probability)).clamp_min(torch.finfo(losses.dtype).tiny)
    design = torch.cat([centred, centred.new_ones(n_examples, 1)], dim=1)
    # as if each event had been seen once with no effect, for those that never happen
    ridge = variance.mean().clamp_min(1e-6).expand(n_events + 1).clone()
    ridge[-1] = 1e-3
    inverse = torch.linalg.inv_ex(design.T @ design + torch.diag(ridge))[0]
    pull = design @ inverse
    coefficients = losses @ pull
    # leave one out: what the regression would be without the example itself
    leverage = (pull * design).sum(dim=1)
    residual = (losses - design @ coefficients) / (1 - leverage).clamp_min(1e-4)
    explained = coefficients[:-1].sum() - pull[:, :-1].sum(dim=1) * residual
    return explained + residual * (centred / variance.clamp_min(RARE * (1 - RARE))).sum(dim=1)
