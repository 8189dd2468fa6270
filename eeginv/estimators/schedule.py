"""Learning-rate schedules."""

from __future__ import annotations

import math
from functools import partial

from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import LambdaLR

# Share of the steps in which the rate rises. At the full rate from the first step on, ReLU units
# may die: SleepStagerChambon2018 at 0.003 ended at chance level without a rise.
RISE = 0.1


def cosine_schedule(n_steps: int) -> LRScheduler:
    """Return a schedule of linear warm-up and cosine decay to zero.

    Parameters
    ----------
    n_steps : int
        Number of training steps. The warm-up is the first tenth.

    Returns
    -------
    schedule : skorch.callbacks.LRScheduler
        Callback that updates the rates after every batch.
    """
    rise = max(1, round(RISE * n_steps))
    share = partial(_share, rise=rise, fall=max(1, n_steps - rise))
    return LRScheduler(LambdaLR, step_every="batch", lr_lambda=share)


def _share(step: int, rise: int, fall: int) -> float:
    """Return the learning rate of a step as a share of the full rate."""
    if step < rise:
        return (step + 1) / rise
    return (1 + math.cos(math.pi * min(1.0, (step - rise) / fall))) / 2
