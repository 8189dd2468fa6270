"""Derivative of an expected loss with respect to the probability of events."""

from __future__ import annotations

import torch
from torch import Tensor

# Lower limit of the probability in the derivative. Otherwise, the weight of an event that occurs
# once in a thousand examples would be a thousand times larger than that of the others, and an
# optimiser that scales its steps would take a large step.
RARE = 0.02


def log_prob_of_event(probability: Tensor) -> Tensor:
    """Return the log-probability of an event, with a bounded derivative.

    Parameters
    ----------
    probability : Tensor, any shape
        Probability of the event.

    Returns
    -------
    log_prob : Tensor, shape (*probability.shape, 2)
        Log-probabilities that it occurs, and that it does not. They are finite for probabilities 0
        and 1. If the probability of an outcome is below ``RARE``, its derivative is the one at
        ``RARE``.
    """
    constant = probability.detach()
    here = torch.stack([constant, 1 - constant], dim=-1)
    step = probability - constant  # zero, but with a derivative
    slope = torch.stack([step, -step], dim=-1) / here.clamp_min(RARE)
    return here.clamp_min(torch.finfo(here.dtype).tiny).log() + slope


def derivative_of_expectation(losses: Tensor, happened: Tensor, probability: Tensor) -> Tensor:
    """Estimate the derivative of the expected loss with respect to the probability of events.

    Parameters
    ----------
    losses : Tensor, shape (n_examples,)
        Loss of each example.
    happened : Tensor, shape (n_examples, n_events)
        1 if an event occurred, 0 if not. Events are independent.
    probability : Tensor, shape (n_examples or 1, 1)
        Probability of each event.

    Returns
    -------
    derivative : Tensor, shape (n_examples,)
        Estimates, whose mean over the examples is to be used. They are unbiased if no probability
        is within ``RARE`` of 0 or 1.
    """
    n_examples, n_events = happened.shape
    centred = happened - probability
    variance = (probability * (1 - probability)).clamp_min(torch.finfo(losses.dtype).tiny)
    design = torch.cat([centred, centred.new_ones(n_examples, 1)], dim=1)
    # as if each event had occurred once without effect, for events that did not occur
    ridge = variance.mean().clamp_min(1e-6).expand(n_events + 1).clone()
    ridge[-1] = 1e-3
    inverse = torch.linalg.inv_ex(design.T @ design + torch.diag(ridge))[0]
    pull = design @ inverse
    coefficients = losses @ pull
    # leave one out: the regression without the example itself
    leverage = (pull * design).sum(dim=1)
    residual = (losses - design @ coefficients) / (1 - leverage).clamp_min(1e-4)
    explained = coefficients[:-1].sum() - pull[:, :-1].sum(dim=1) * residual
    return explained + residual * (centred / variance.clamp_min(RARE * (1 - RARE))).sum(dim=1)
