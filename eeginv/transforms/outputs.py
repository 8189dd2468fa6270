"""Outputs with a time axis: times of their positions, and interpolation between them."""

from __future__ import annotations

import torch
from torch import Tensor


def position_centres(n_positions: int, n_times: int, like: Tensor) -> Tensor:
    """Return the centres of positions that divide a signal into equal parts.

    Parameters
    ----------
    n_positions : int
        Number of positions.
    n_times : int
        Length of the signal in samples.
    like : Tensor
        Tensor whose dtype and device are used.

    Returns
    -------
    centres : Tensor, shape (n_positions,)
        Centre of each position, in samples of the signal.
    """
    number = torch.arange(n_positions, dtype=like.dtype, device=like.device)
    return (number + 0.5) * (n_times / n_positions) - 0.5


def read_between_positions(output: Tensor, offset: Tensor, circular: bool = False) -> Tensor:
    """Interpolate outputs linearly between their positions.

    Interpolation is linear because outputs are not samples of a band-limited signal. A wider kernel
    would overshoot at steps, and its results might not be probabilities.

    Parameters
    ----------
    output : Tensor, shape (n_examples, n_outputs, n_positions)
        The outputs.
    offset : Tensor, shape (n_examples or 1, n_positions or 1)
        Offset from each position, in positions. A positive offset reads a later value.
    circular : bool
        Whether the first position follows the last one. Otherwise, positions outside the signal
        have the value of its nearest end.

    Returns
    -------
    output : Tensor, same shape
        Interpolated outputs. They are differentiable with respect to the outputs and, except at
        integers, to the offsets. At integer offsets, they are bit-identical to the output there.
    """
    n_positions = output.shape[-1]
    offset = offset.to(output.dtype)
    whole = torch.floor(offset.detach())
    # not added to the index of the position, because a small offset would lose digits
    rest = (offset - whole).unsqueeze(1)
    before = torch.arange(n_positions, device=output.device) + whole.to(torch.int64)
    before = before.expand(output.shape[0], -1)
    values = []
    for index in (before, before + 1):
        inside = index.remainder(n_positions) if circular else index.clamp(0, n_positions - 1)
        values.append(output.gather(-1, inside.unsqueeze(1).expand_as(output)))
    return torch.lerp(values[0], values[1], rest.expand_as(output))
