"""Step lengths for plain gradient descent that fit every tensor of weights."""

import torch
from torch import nn


class RunningScales(nn.Module):
    """One over the running root mean square of the gradient of each tensor of weights.

    A step of gradient descent that is multiplied by them has the size that Adam's would have, and
    stays linear in the gradient, which derivatives through the step need.

    Parameters
    ----------
    n_tensors : int
        Number of tensors.
    decay : float
        Of the running mean.
    """

    def __init__(self, n_tensors, decay=0.99):
        super().__init__()
        self.decay = decay
        self.register_buffer("mean_square", torch.zeros(n_tensors))
        self.register_buffer("n_steps", torch.zeros(()))

    def update(self, gradients):
        """Take the gradients of one more step into account.

        Parameters
        ----------
        gradients : sequence of Tensor
            One a tensor of weights.
        """
        square = torch.stack([g.detach().square().mean() for g in gradients])
        self.n_steps += 1
        self.mean_square = self.decay * self.mean_square + (1 - self.decay) * square

    def values(self):
        """Return the scales, shape (n_tensors,)."""
        mean_square = self.mean_square / (1 - self.decay**self.n_steps)
        return 1 / (mean_square.sqrt() + 1e-12)
