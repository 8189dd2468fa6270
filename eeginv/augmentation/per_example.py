"""Loss module that lets an augmentation learn from any criterion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .chance import AS_THEY_ARE
from .gradient import find_steps, hand_over

if TYPE_CHECKING:
    from .._typing import Criterion

# Losses whose outputs are not logits of a softmax.
_OF_SIGMOIDS = (nn.BCEWithLogitsLoss, nn.BCELoss, nn.MultiLabelSoftMarginLoss)


class PerExampleLoss(nn.Module):
    """Mean of per-example losses, which also hands them to the module that they came from.

    The choices of an augmentation learn from the loss of each example before the reduction. This
    class wraps *any* criterion that returns per-example losses: with label smoothing, a focal or
    robust loss, or your own. It replaces the criterion in a training loop. The total may be
    divided, summed over batches, or scaled for mixed precision; all gradients are scaled with it.

    Parameters
    ----------
    criterion : callable
        Maps outputs and targets to losses of shape (n_examples, ...), such as
        ``torch.nn.HuberLoss(reduction="none")``. Losses must be at least 0, and 0 for a perfect
        output. The reward of the augmentation is weighted by the relative reduction of their mean
        below that of the best constant output, which is found by applying the criterion to
        constant outputs.

    Notes
    -----
    The losses are multiplied by their weights, and the mean is over all losses except those of
    targets equal to the ``ignore_index`` of the criterion. (``torch.nn.CrossEntropyLoss(weight=
    ...)`` instead divides by the sum of the class weights in the batch.) Outside of training, and
    without augmentation, it is an ordinary mean.

    The forward pass is found through the autograd graph, so any computation between the module and
    the criterion is part of the loss. The losses must depend on one forward pass of one
    :class:`~eeginv.InvariantModule`, in the order of its examples. Choices learn from these losses
    only: a per-example term that you add to the total must be part of the criterion.

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
            If the criterion does not return per-example losses, the losses do not come from a
            single forward pass, or they are those of sigmoids and the module expects a softmax.
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
        if isinstance(self.criterion, _OF_SIGMOIDS) and step.chance.loss == "cross_entropy":
            raise ValueError(
                f"{type(self.criterion).__name__} is a loss of a sigmoid for each label, and the "
                f"module would average a softmax over them. {AS_THEY_ARE}"
            )
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
        # without a softmax, integers may be values as well as classes
        classes = step.chance.loss == "cross_entropy" and formula != "squared_error"
        labels = _one_hot(output, target, losses) if classes else None
        criterion = self.criterion if formula is None else None
        return hand_over(total, step, losses, weights, output, target, labels, criterion)


def _one_hot(output: Tensor, target: Tensor, losses: Tensor) -> Tensor | None:
    """Return one-hot labels (n_examples, n_positions, n_classes), or None for other targets."""
    if target.is_floating_point() or output.ndim < 2 or target.numel() != losses.numel():
        return None
    classes = torch.arange(output.shape[1], device=target.device)
    # ignored targets are outside of the classes, and get a row of zeros
    return target.reshape(*losses.shape, 1) == classes
