"""Learning rates over the course of a training."""

from __future__ import annotations

import math
from functools import partial

from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import LambdaLR

# Share of the steps in which the rate rises. At the full rate from the first step on, a network of
# rectified units may lose them: SleepStagerChambon2018 at 0.003 has ended at chance without a rise.
RISE = 0.1


def cosine_schedule(n_steps: int) -> LRScheduler:
    """Let learning rates rise linearly, then fall to zero along half a cosine.

    Parameters
    ----------
    n_steps : int
        Steps of the training; a tenth of them is the rise.

    Returns
    -------
    schedule : skorch.callbacks.LRScheduler
        Steps after every batch.
    """
    rise = max(1, round(RISE * n_steps))
    share = partial(_share, rise=rise, fall=max(1, n_steps - rise))
    return LRScheduler(LambdaLR, step_every="batch", lr_lambda=share)


def _share(step: int, rise: int, fall: int) -> float:
    """Return the share of the full rate that a step has."""
    if step < rise:
        return (step + 1) / rise
    return (1 + math.cos(math.pi * min(1.0, (step - rise) / fall))) / 2
