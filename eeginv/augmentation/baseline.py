"""Expected loss of an example, independent of the transforms that it undergoes."""

from __future__ import annotations

import torch
from torch import Tensor

from .memory import Memory

# Previous batches count as this number of examples of each label. That is enough for labels that
# are rare in a batch, and keeps outdated losses from dominating for frequent labels.
PAST_EXAMPLES = 10
# Factor by which the weight of past batches decays in each step.
DECAY = 0.9


class Baseline(Memory):
    """Mean loss per label, over the other examples of the batch and over previous batches.

    The difference between the loss of an example and a baseline, times the derivative of the
    log-probability of its draws, estimates the derivative of the expected loss. The estimate is
    unbiased for any baseline that does not depend on the draws of the example itself [1]_. Its
    variance is smaller the more of the loss the baseline explains. Labels differ in difficulty and
    weight, so each has its own baseline.

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
    _kept = ("past",)  # for each label, its share of the weight and its weighted losses

    def update(self, losses: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
        """Return the baselines of a batch, and store its losses for later batches.

        Parameters
        ----------
        losses : Tensor, shape (n_examples, n_positions)
            Losses. All positions of an example share the same draws.
        weights : Tensor, shape (n_examples, n_positions)
            Weight of each loss in the total loss.
        labels : Tensor, shape (n_examples, n_positions, n_labels)
            One-hot labels.

        Returns
        -------
        baseline : Tensor, shape (n_examples, n_positions)
            Value to subtract from each loss. The loss itself if no other losses are known.
        """
        labels = labels.to(losses)
        # (n_examples, 2, n_labels): weights and weighted losses of each example
        own = torch.stack([weights, weights * losses], dim=1) @ labels
        batch = own.sum(dim=0)
        others = batch - own
        own_mean = losses if losses.shape[1] == 1 else losses.mean(dim=1, keepdim=True)
        weight, weighted = others.sum(dim=-1, keepdim=True).unbind(1)
        mean = _ratio(weight, weighted, own_mean)
        past = torch.zeros_like(batch)
        if self.past is not None and self.past.shape == batch.shape:
            past = self.past.to(batch)
        if len(losses) == 1:  # there are no other examples
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
    """Return the weighted mean, and a fallback where the weight is zero."""
    return torch.where(weight > 0, weighted / weight.clamp_min(1e-30), otherwise)
