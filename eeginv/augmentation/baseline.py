"""What loss to expect of an example, whatever it will be transformed by."""

from __future__ import annotations

import torch
from torch import Tensor

from .memory import Memory

# The batches before count as so many examples of each label: enough for labels that are rare in a
# batch, while what was learned since then does not make it stale for those that are not.
PAST_EXAMPLES = 10
# Share of its weight that a batch keeps in the next.
DECAY = 0.9


class Baseline(Memory):
    """Mean loss of the examples of a label: of the others of the batch, and of batches before.

    Multiplied by the derivative of the log-probability of what an example underwent, the difference
    between its loss and a baseline estimates the derivative of the expected loss. The estimate is
    unbiased whatever the baseline, as long as that does not depend on what the example itself
    underwent [1]_; its spread is the less, the more of the loss the baseline explains. Labels
    differ in how hard they are, and in their weights.

    References
    ----------
    .. [1] Kool, W., van Hoof, H., & Welling, M. (2019). Buy 4 REINFORCE samples, get a baseline
       for free! ICLR workshop on deep reinforcement learning meets structured prediction.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation.baseline import Baseline
    >>> labels = torch.eye(2)[[0, 0, 0, 1, 1]].unsqueeze(1)
    >>> losses, weights = torch.tensor([[3.0], [1.0], [2.0], [7.0], [8.0]]), torch.ones(5, 1)
    >>> # as if the mean of all others had been seen ten times more
    >>> baseline = Baseline().update(losses, weights, labels)
    >>> [round(b, 2) for b in baseline[:, 0].tolist()]
    [4.0, 4.58, 4.29, 3.91, 3.59]
    """

    past: Tensor | None
    _kept = ("past",)  # shares of the weight, and weighted losses, of each label

    def update(self, losses: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
        """Return the baselines of a batch, and take it in for the next.

        Parameters
        ----------
        losses : Tensor, shape (n_examples, n_positions)
            Losses. All positions of an example have undergone the same.
        weights : Tensor, shape (n_examples, n_positions)
            What multiplies each in the total loss.
        labels : Tensor, shape (n_examples, n_positions, n_labels)
            One-hot.

        Returns
        -------
        baseline : Tensor, shape (n_examples, n_positions)
            What to subtract from each loss. Where nothing else is known, the loss itself.
        """
        labels = labels.to(losses)
        # weights, and weighted losses, of each example (first), in both (second), by label
        own = torch.stack([weights, weights * losses], dim=1) @ labels
        batch = own.sum(dim=0)
        others = batch - own
        own_mean = losses if losses.shape[1] == 1 else losses.mean(dim=1, keepdim=True)
        weight, weighted = others.sum(dim=-1, keepdim=True).unbind(1)
        mean = _ratio(weight, weighted, own_mean)
        past = torch.zeros_like(batch)
        if self.past is not None and self.past.shape == batch.shape:
            past = self.past.to(batch)
        if len(losses) == 1:  # there are no others
            weight, weighted = past.sum(dim=1)
            mean = _ratio(weight, weighted, mean)
        mean = _ratio(past[0], past[1], mean)
        n_present = (own[:, 0] > 0).sum(dim=0).clamp_min(1)
        prior = PAST_EXAMPLES * batch[0] / n_present
        weight, weighted = others.unbind(1)
        of_label = _ratio(weight + prior, torch.addcmul(weighted, prior, mean), mean)
        self.past = torch.add(batch / batch[0].sum().clamp_min(1e-30), past, alpha=DECAY)
        return (labels @ of_label.unsqueeze(-1)).squeeze(-1)


def _ratio(weight: Tensor, weighted: Tensor, otherwise: Tensor) -> Tensor:
    """Mean of what has a weight, and something else where there is none."""
    return torch.where(weight > 0, weighted / weight.clamp_min(1e-30), otherwise)
