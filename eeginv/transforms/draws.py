"""Random numbers for batches of signals."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor

# Random draws of a transform for a batch, by name. The first dimension is that of the examples.
Noise: TypeAlias = dict[str, Tensor]


def as_batch(X: Tensor) -> tuple[Tensor, bool]:
    """Return the signals with a batch dimension, and whether it was added."""
    if not isinstance(X, torch.Tensor):
        raise TypeError(f"Expected a torch.Tensor of signals, got {type(X).__name__}.")
    if not X.is_floating_point():
        raise TypeError(f"Expected floating-point signals, got {X.dtype}; convert with X.float().")
    if X.ndim not in (2, 3):
        raise ValueError(
            "Expected signals of shape (n_examples, n_channels, n_times) or (n_channels, n_times), "
            f"got {tuple(X.shape)}."
        )
    return (X, False) if X.ndim == 3 else (X.unsqueeze(0), True)


class Draws:
    """Random numbers for one batch, one row per example.

    Parameters
    ----------
    X : Tensor, shape (n_examples, n_channels, n_times)
        Signals. Only their shape, device and dtype are used.
    generator : torch.Generator | None
        Random number generator. None takes a new one with a random seed. Torch's global generator
        is never used.
    stratified : bool
        Whether to stratify uniform numbers over the examples (Latin hypercube sampling, McKay,
        Beckman and Conover 1979). Each number is still uniform, but the variance of the mean over
        the examples is smaller.
    """

    def __init__(
        self, X: Tensor, generator: torch.Generator | None = None, stratified: bool = False
    ) -> None:
        if generator is None:
            generator = torch.Generator(device=X.device)
            generator.seed()
        self.n_examples, self.n_channels, self.n_times = X.shape
        self.stratified = stratified
        self._options: dict[str, Any] = {
            "generator": generator,
            "device": X.device,
            "dtype": torch.float64 if X.dtype == torch.float64 else torch.float32,
        }

    def uniform(self, *trailing: int) -> Tensor:
        """Draw uniform numbers in [0, 1), shape (n_examples, *trailing)."""
        shape = (self.n_examples, *trailing)
        u = torch.rand(shape, **self._options)
        if self.stratified:
            stratum = torch.rand(shape, **self._options).argsort(dim=0)
            u = (stratum + u) / self.n_examples
        return u

    def symmetric(self, *trailing: int) -> Tensor:
        """Draw uniform numbers in [-1, 1), shape (n_examples, *trailing)."""
        return 2 * self.uniform(*trailing) - 1

    def normal(self, *trailing: int) -> Tensor:
        """Draw standard normal numbers, shape (n_examples, *trailing)."""
        return torch.randn((self.n_examples, *trailing), **self._options)
