"""How far the reward counts: as far as the network explains the targets."""

from __future__ import annotations

import torch
from torch import Tensor

from .memory import Memory

# The mean loss is that of about so many examples: few enough to follow the network, and enough that
# the mean of a small batch, which by chance is below the level of chance, does not count as
# something learned.
PAST_EXAMPLES = 500


class Gate(Memory):
    """Share of the chance level that the network explains, at least 0, over the last examples.

    ``1 - mean loss / chance level``. It is the running mean that is kept at 0 or above: a share
    that were so for each batch by itself would be positive on average for a network that knows
    nothing.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation.gate import Gate
    >>> gate, weights = Gate(), torch.full((8, 1), 1 / 8)
    >>> round(gate.update(torch.full((8, 1), 0.4), weights, chance=torch.tensor(0.5)).item(), 3)
    0.2
    >>> gate.update(torch.full((8, 1), 0.8), weights, chance=torch.tensor(0.5)).item()
    0.0
    """

    sums: Tensor | None
    _kept = ("sums",)

    def update(self, losses: Tensor, weights: Tensor, chance: Tensor) -> Tensor:
        """Take in a batch and return the share.

        Parameters
        ----------
        losses : Tensor, shape (n_examples, n_positions)
            Losses.
        weights : Tensor, shape (n_examples, n_positions)
            What multiplies each in the total loss.
        chance : Tensor
            Mean loss of the best constant output.

        Returns
        -------
        explained : Tensor
            A scalar between 0 and 1.
        """
        n = len(losses)
        # in a mean, the weight of an example falls with the size of its batch
        sums = n * torch.stack([weights.sum(), (weights * losses).sum()])
        if self.sums is not None:
            sums = sums + self.sums.to(sums) / (1 + n / PAST_EXAMPLES)
        self.sums = sums
        total, weighted = sums
        return (1 - weighted / (total * chance).clamp_min(1e-30)).clamp(0, 1)
