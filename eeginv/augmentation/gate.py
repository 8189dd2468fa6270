"""Weight of the reward: the share of the chance level that the network explains."""

from __future__ import annotations

import torch
from torch import Tensor

from .memory import Memory

# The mean loss is over about this many examples. That is few enough to follow the network, and
# enough that a small batch whose mean loss is below chance level at random has little effect.
PAST_EXAMPLES = 500


class Gate(Memory):
    """Share of the chance level that the network explains over recent examples, at least 0.

    It is ``1 - mean loss / chance level``. The share is clamped at 0 after averaging over batches:
    clamped for each batch, it would be positive on average for a network at chance level.

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
        """Add a batch and return the explained share.

        Parameters
        ----------
        losses : Tensor, shape (n_examples, n_positions)
            Losses.
        weights : Tensor, shape (n_examples, n_positions)
            Weight of each loss in the total loss.
        chance : Tensor
            Mean loss of the best constant output.

        Returns
        -------
        explained : Tensor
            A scalar between 0 and 1.
        """
        n = len(losses)
        # in a mean loss, the weight of an example is inversely proportional to the batch size
        sums = n * torch.stack([weights.sum(), (weights * losses).sum()])
        if self.sums is not None:
            sums = sums + self.sums.to(sums) / (1 + n / PAST_EXAMPLES)
        self.sums = sums
        total, weighted = sums
        return (1 - weighted / (total * chance).clamp_min(1e-30)).clamp(0, 1)
