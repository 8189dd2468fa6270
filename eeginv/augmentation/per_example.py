"""The explicit way to let an augmentation learn from any loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .gradient import find_steps, hand_over

if TYPE_CHECKING:
    from .._typing import Criterion


class PerExampleLoss(nn.Module):
    """Mean of the losses of examples, which hands them to the module that they came from.

    Choices of an augmentation learn from the loss of each example before these are reduced to one
    number. This wraps *any* criterion that gives one: with label smoothing, a focal or robust loss,
    one of your own. It stands where the criterion would; the total may be divided, summed
    over batches, or scaled for mixed precision, and everything that is learned follows.

    Parameters
    ----------
    criterion : callable
        From outputs and targets to losses of shape (n_examples, ...), such as
        ``torch.nn.HuberLoss(reduction="none")``. Losses are at least 0, and 0 for a perfect output:
        the reward of the augmentation counts as far as their mean is below that of the best
        constant output, which is found by applying the criterion to constant outputs.

    Notes
    -----
    The mean is over all losses, weighted, but for those of the ``ignore_index`` of the criterion.
    (``torch.nn.CrossEntropyLoss(weight=...)`` by itself divides by the sum of the weights of the
    classes in the batch; this does not.) Outside of training, and without augmentation, it is a
    mean like any other.

    The losses are found by the graph of the computation: whatever is done between the module and
    the criterion is part of the loss. They must depend on one forward pass of one
    :class:`~eeginv.InvariantModule`, and be in the order of its examples. Choices learn from these
    losses only: what the examples cost beside them (a term of one's own that is added to the total)
    belongs into the criterion.

    Examples
    --------
    >>> import torch
    >>> from eeginv import AugNet, InvariantModule, PerExampleLoss
    >>> from eeginv.transforms import SignFlip
    >>> X, y = torch.randn(8, 1, 10), torch.arange(8) % 2
    >>> backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(10, 2))
    >>> model = InvariantModule(backbone, AugNet([SignFlip(0.1)], random_state=0))
    >>> smooth = torch.nn.CrossEntropyLoss(reduction="none", label_smoothing=0.1)
    >>> criterion = PerExampleLoss(smooth)
    >>> criterion(model(X), y).backward()
    >>> bool(model.augmentation.layers[0].transforms[0].raw.grad != 0)
    True
    """

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        if not callable(criterion):
            raise TypeError(
                f"criterion must be a function of outputs and targets, got {criterion!r}."
            )
        self.criterion = criterion

    def forward(self, output: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Compute the total loss.

        Parameters
        ----------
        output : Tensor, shape (n_examples, n_outputs, ...)
            Output of an :class:`~eeginv.InvariantModule`.
        target : Tensor, shape (n_examples, ...)
            Targets.
        weights : Tensor, shape (n_examples,) or that of the losses, or None
            Weights of the examples; None is equal weights.

        Returns
        -------
        loss : Tensor
            A scalar.

        Raises
        ------
        ValueError
            If the criterion does not give one loss an example, or the losses do not come from one
            forward pass.
        """
        losses = self.criterion(output, target)
        if not isinstance(losses, torch.Tensor) or losses.ndim == 0 or len(losses) != len(output):
            shape = tuple(losses.shape) if isinstance(losses, torch.Tensor) else losses
            raise ValueError(
                f"Expected losses of shape ({len(output)}, ...), one or more for each example; the "
                f"criterion gave {shape}. Make it with reduction='none'."
            )
        flat = losses.reshape(len(losses), -1)
        counted = self._weights(weights, losses).reshape(flat.shape[0], -1).expand_as(flat)
        ignored = self._ignored(target, flat)
        if ignored is None:
            total, counted = (flat * counted).mean(), counted / flat.numel()
        else:
            counted = counted * ~ignored
            n = (~ignored).sum().clamp_min(1)
            total, counted = (flat * counted).sum() / n, counted / n
        return self._hand_over(total, flat, counted, output, target)

    def _weights(self, weights: Tensor | None, losses: Tensor) -> Tensor:
        if weights is None:
            return losses.new_ones(len(losses))
        if weights.shape not in ((len(losses),), losses.shape):
            raise ValueError(
                f"weights must have shape ({len(losses)},), or that of the losses, "
                f"{tuple(losses.shape)}; got {tuple(weights.shape)}."
            )
        return weights

    def _ignored(self, target: Tensor, losses: Tensor) -> Tensor | None:
        index = getattr(self.criterion, "ignore_index", None)
        if index is None or target.is_floating_point() or target.numel() != losses.numel():
            return None
        return target.reshape(losses.shape) == index

    def _hand_over(
        self, total: Tensor, losses: Tensor, weights: Tensor, output: Tensor, target: Tensor
    ) -> Tensor:
        steps = find_steps(total) if total.requires_grad else []
        if not steps:
            return total
        if len(steps) > 1:
            raise ValueError(
                f"These losses depend on {len(steps)} forward passes of modules that augment, and "
                "which of the draws they are due to cannot be told. Pass everything through the "
                "module at once, or compute one loss for each forward pass."
            )
        (step,) = steps
        if step.handed_over:
            raise ValueError(
                "The losses of this forward pass have been handed over already. Add the losses of "
                "the examples up in one criterion."
            )
        if step.learns and step.n_examples != len(losses):
            raise ValueError(
                f"The forward pass had {step.n_examples} examples, but these are losses of "
                f"{len(losses)}."
            )
        formula = getattr(self.criterion, "chance", None)
        labels = None if formula == "squared_error" else _one_hot(output, target, losses)
        criterion = self.criterion if formula is None else None
        return hand_over(total, step, losses, weights, output, target, labels, criterion)


def _one_hot(output: Tensor, target: Tensor, losses: Tensor) -> Tensor | None:
    """Labels of classes, shape (n_examples, n_positions, n_classes); None if they are none."""
    if target.is_floating_point() or output.ndim < 2 or target.numel() != losses.numel():
        return None
    classes = torch.arange(output.shape[1], device=target.device)
    # those outside of the classes, which are ignored, belong to none
    return target.reshape(*losses.shape, 1) == classes
