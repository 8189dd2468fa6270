"""Arithmetic that mixed precision must not touch, and double precision where there is any."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context in which torch's autocast does nothing.

    Transforms compute half precisions in float32 and return them as they came. Autocast would turn
    the products of matrices inside back into half precision: phases that are wrong by radians, and
    complex numbers that do not exist.

    Parameters
    ----------
    device : torch.device
        Where the tensors are.

    Returns
    -------
    context : context manager
        One that costs nothing where there is no autocast.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms.precision import full_precision
    >>> with torch.autocast("cpu", torch.bfloat16), full_precision(torch.device("cpu")):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.float32
    """
    kind = device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()


def has_double(device: torch.device) -> bool:
    """Whether a device computes in double precision, which those of Apple do not.

    Parameters
    ----------
    device : torch.device
        The device.

    Returns
    -------
    has_double : bool
        Whether it does.
    """
    return device.type != "mps"


def widest(tensor: Tensor) -> Tensor:
    """Return a tensor in the highest precision of its device.

    Parameters
    ----------
    tensor : Tensor
        Floating-point numbers.

    Returns
    -------
    tensor : Tensor
        In double precision, or in single where the device has no other.
    """
    return tensor.double() if has_double(tensor.device) else tensor.float()


def in_double(tensor: Tensor) -> Tensor:
    """Return a tensor in double precision, on the host where its device has none.

    Parameters
    ----------
    tensor : Tensor
        Floating-point numbers.

    Returns
    -------
    tensor : Tensor
        In double precision.
    """
    return (tensor if has_double(tensor.device) else tensor.cpu()).double()
