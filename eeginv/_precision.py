"""Precision of networks: names, checks and conversions."""

from __future__ import annotations

import torch
from torch import Tensor

PRECISIONS = ("float32", "bf16")


def check_precision(precision: str) -> None:
    """Raise a ValueError if a precision is not valid.

    Parameters
    ----------
    precision : str
        One of "float32" and "bf16".
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {PRECISIONS}, got {precision!r}.")


def at_least_float32(output: Tensor) -> Tensor:
    """Convert half-precision outputs to float32, for exact averages and losses."""
    return output if output.dtype == torch.float64 else output.float()


def in_half_precision(X: Tensor) -> bool:
    """Return whether autocast computes in float16 on the device of the signals."""
    kind = X.device.type
    return torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16
