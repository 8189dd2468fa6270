"""Step lengths of gradient descent for each weight tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class RunningScales(nn.Module):
    """Inverse of the running root mean square of the gradient of each weight tensor.

    A step of gradient descent, multiplied by these scales, is about as long as a step of Adam. It
    remains linear in the gradient, which derivatives through the step require.

    Parameters
    ----------
    n_tensors : int
        Number of weight tensors.
    decay : float
        Decay of the running mean.
    """

    mean_square: Tensor
    n_steps: Tensor

    def __init__(self, n_tensors: int, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean_square", torch.zeros(n_tensors))
        self.register_buffer("n_steps", torch.zeros(()))

    def update(self, gradients: Sequence[Tensor]) -> None:
        """Update the running mean with the gradients of one more step.

        Parameters
        ----------
        gradients : sequence of Tensor
            One gradient for each weight tensor.
        """
        square = torch.stack([g.detach().square().mean() for g in gradients])
        self.n_steps += 1
        self.mean_square = self.decay * self.mean_square + (1 - self.decay) * square

    def values(self) -> Tensor:
        """Return the scales, shape (n_tensors,)."""
        mean_square = self.mean_square / (1 - self.decay**self.n_steps)
        return 1 / (mean_square.sqrt() + 1e-12)
