"""Base class of on/off transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .base import Transform
from .draws import Draws, Noise


class Involution(torch.autograd.Function):
    """A linear map that is its own inverse and its own transpose, for some examples.

    Its backward pass is the map again, which takes fewer passes over the signals than undoing each
    of its operations.
    """

    @staticmethod
    def forward(X: Tensor, spared: Tensor, apply: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        return apply(X, spared)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, spared, ctx.map = inputs
        ctx.save_for_backward(spared)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (spared,) = ctx.saved_tensors
        return ctx.map(gradient, spared), None, None


class BinaryTransform(Transform):
    """An on/off transform, with a learnable probability.

    Parameters
    ----------
    probability : float
        Initial probability with which an example is transformed.
    max_probability : float
        Largest probability. At one half, a signal and its transformed copy are equally probable,
        which is full invariance. Above one half, the two only exchange their roles.

    Examples
    --------
    >>> from eeginv.transforms import BinaryTransform
    >>> class SwapChannels(BinaryTransform):
    ...     def _transformed(self, X):
    ...         return X.flip(-2)
    >>> SwapChannels(probability=0.25)
    SwapChannels(probability=0.25)
    """

    continuous = False
    binary = True
    strength_name = "probability"

    def __init__(self, probability: float = 0.5, max_probability: float = 0.5) -> None:
        if max_probability > 1:
            raise ValueError(f"max_probability must be at most 1, got {max_probability}.")
        super().__init__(probability, max_probability)

    def _draw(self, draws: Draws) -> Noise:
        return {"uniform": draws.uniform()}

    def _transform(self, X: Tensor, noise: Noise, strength: Tensor) -> Tensor:
        return self._transform_unless(X, noise["uniform"].reshape(-1, 1, 1) >= strength)

    def _transformed(self, X: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not define _transformed.")

    def _transform_unless(self, X: Tensor, spared: Tensor) -> Tensor:
        # exact for weights 0 and 1, and several times faster than torch.where
        return torch.lerp(self._transformed(X), X, spared.to(X.dtype))

    def _events(self, noise: Noise, strength: Tensor) -> Tensor:
        return noise["uniform"].unsqueeze(-1) < strength
