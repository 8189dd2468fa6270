"""Outputs along time: where their positions lie in the signal, and values between them."""

from __future__ import annotations

import torch
from torch import Tensor


def position_centres(n_positions: int, n_times: int, like: Tensor) -> Tensor:
    """Return the times of positions that share a signal equally.

    Parameters
    ----------
    n_positions : int
        Number of positions.
    n_times : int
        Length of the signal in samples.
    like : Tensor
        Says dtype and device.

    Returns
    -------
    centres : Tensor, shape (n_positions,)
        The middle of each position, in samples of the signal.
    """
    number = torch.arange(n_positions, dtype=like.dtype, device=like.device)
    return (number + 0.5) * (n_times / n_positions) - 0.5


def read_between_positions(output: Tensor, offset: Tensor, circular: bool = False) -> Tensor:
    """Interpolate outputs linearly between their positions.

    Linear, because outputs are values of their own, not samples of a band-limited signal: a wider
    kernel would overshoot where they jump, and what lies between two probabilities stays one.

    Parameters
    ----------
    output : Tensor, shape (n_examples, n_outputs, n_positions)
        The outputs.
    offset : Tensor, shape (n_examples or 1, n_positions or 1)
        How many positions later (or earlier, if negative) the value for each position is read.
    circular : bool
        Whether the first position follows the last one; otherwise what is beyond the ends has the
        value at the end.

    Returns
    -------
    output : Tensor, same shape
        Differentiable in the outputs and, between whole positions, in the offsets; where an
        offset is whole, equal to the output there to the last bit.
    """
    n_positions = output.shape[-1]
    offset = offset.to(output.dtype)
    whole = torch.floor(offset.detach())
    # apart from the number of the position, beside which a small offset would lose its digits
    rest = (offset - whole).unsqueeze(1)
    before = torch.arange(n_positions, device=output.device) + whole.to(torch.int64)
    before = before.expand(output.shape[0], -1)
    values = []
    for index in (before, before + 1):
        inside = index.remainder(n_positions) if circular else index.clamp(0, n_positions - 1)
        values.append(output.gather(-1, inside.unsqueeze(1).expand_as(output)))
    return torch.lerp(values[0], values[1], rest.expand_as(output))
