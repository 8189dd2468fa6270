"""Treat the parameters of a module as constants within a context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from torch import Tensor

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def as_constants(module: nn.Module, active: bool = True) -> Iterator[None]:
    """Stop gradients of computations inside the context from reaching the parameters.

    Unlike ``requires_grad_(False)``, this changes nothing that other code sees. Parameters that a
    user froze stay frozen afterwards, and no others; optimisers and DistributedDataParallel see
    the same parameters throughout.

    Parameters
    ----------
    module : nn.Module
        The module.
    active : bool
        If False, the context has no effect.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation.constants import as_constants
    >>> layer = torch.nn.Linear(2, 1)
    >>> with as_constants(layer):
    ...     layer(torch.ones(1, 2)).requires_grad
    False
    >>> layer(torch.ones(1, 2)).requires_grad
    True
    """
    places = [
        (part, name, parameter)
        for part in (module.modules() if active else ())
        for name, parameter in part._parameters.items()
        if parameter is not None and parameter.requires_grad
    ]
    try:
        for part, name, parameter in places:
            cast(dict[str, Tensor | None], part._parameters)[name] = parameter.detach()
        yield
    finally:
        for part, name, parameter in places:
            part._parameters[name] = parameter
