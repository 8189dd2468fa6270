"""Computation without autocast, and in double precision if the device supports it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context manager that disables autocast.

    Transforms convert half-precision signals to float32 and convert the result back. Autocast would
    compute matrix products inside in half precision. This gives phases that are wrong by radians,
    and fails for complex numbers.

    Parameters
    ----------
    device : torch.device
        Device of the tensors.

    Returns
    -------
    context : context manager
        The context manager. It costs nothing if autocast is not enabled.

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
    """Return whether a device supports double precision. Those of Apple do not.

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
        The tensor in double precision, or in single precision if the device does not support it.
    """
    return tensor.double() if has_double(tensor.device) else tensor.float()


def in_double(tensor: Tensor) -> Tensor:
    """Return a tensor in double precision, on the CPU if its device does not support it.

    Parameters
    ----------
    tensor : Tensor
        Floating-point numbers.

    Returns
    -------
    tensor : Tensor
        The tensor in double precision.
    """
    return (tensor if has_double(tensor.device) else tensor.cpu()).double()
