"""Running state of learning over previous batches, saved with the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..transforms.precision import has_double


class Memory(nn.Module):
    """A module with buffers that are empty until training fills them.

    Filled buffers are part of ``state_dict``, so that a resumed training continues as if it had not
    been interrupted. Loading a state without them, from a model saved before training, empties
    them.
    """

    _kept: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        for name in self._kept:
            self.register_buffer(name, None)

    def _apply(self, fn: Callable[..., Tensor], recurse: bool = True) -> Self:
        if not has_double(fn(torch.empty(0)).device):
            for name in self._kept:
                value = getattr(self, name)
                if value is not None and value.dtype == torch.float64:
                    setattr(self, name, value.float())
        return super()._apply(fn, recurse)

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # torch's method would require the current names and shapes
        for name in self._kept:
            value = state_dict.get(prefix + name)
            setattr(self, name, None if value is None else value.detach().clone())
