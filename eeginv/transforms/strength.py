"""Strengths of transforms as functions of unconstrained real numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from .base import Transform

# None means the strength of the transform.
Strength: TypeAlias = Tensor | float | None

Numbers: TypeAlias = tuple[float, ...] | tuple[tuple[float, ...], ...]


def read_strength(raw: Tensor, largest: float | Tensor) -> Tensor:
    """Return strengths in [0, largest] whose derivative is plus or minus ``largest`` everywhere.

    Parameters
    ----------
    raw : Tensor
        Unconstrained real numbers.
    largest : float | Tensor
        Upper ends of the ranges.

    Returns
    -------
    strength : Tensor, same shape as raw
        ``largest`` times the distance to the nearest even integer.
    """
    even = (raw.detach() * 0.5).round_().mul_(2)
    # the absolute value, but with a derivative of 1 at 0, so that a strength of 0 can grow; adding
    # 0 turns -0 into 0
    return largest * nn.functional.leaky_relu(even - raw, -1.0) + 0.0


def read_strengths(transforms: Sequence[Transform]) -> Tensor:
    """Return the strengths of several transforms in one vectorised computation.

    Parameters
    ----------
    transforms : list of Transform
        The transforms.

    Returns
    -------
    strengths : Tensor, shape (n_transforms,)
        Strengths, differentiable with respect to the parameters of the transforms.

    Examples
    --------
    >>> from eeginv.transforms import GaussianNoise, SignFlip
    >>> from eeginv.transforms.strength import read_strengths
    >>> read_strengths([GaussianNoise(0.25), SignFlip(0.5)]).tolist()
    [0.25, 0.5]
    """
    raw = torch.stack([transform.raw for transform in transforms])
    largest = tuple(transform.max_strength for transform in transforms)
    return read_strength(raw, constant(largest, raw.dtype, raw.device))


def constant(values: Numbers, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return a cached tensor of numbers, which avoids a copy to the device in each step.

    Parameters
    ----------
    values : tuple of float, possibly nested
        The numbers.
    dtype : torch.dtype
        Precision.
    device : torch.device
        Device of the tensor.

    Returns
    -------
    tensor : Tensor
        The tensor. It must not be modified.
    """
    # a tensor made while torch.export traces has no values to keep
    make = _make_constant if torch.compiler.is_exporting() else _keep_constant
    return make(values, dtype, device)


def _make_constant(values: Numbers, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False), torch.no_grad():
        return torch.tensor(values, dtype=dtype, device=device)


_keep_constant = lru_cache(maxsize=1024)(_make_constant)
