"""Chance level: the mean loss of the best constant output."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..transforms.precision import widest
from .memory import Memory

if TYPE_CHECKING:
    from .._typing import Criterion

# Maximum total number of values of stored targets that are not class labels.
MAX_NUMBERS = 2**16
# The best constant is computed again when the number of targets seen has grown by this factor.
GROWTH = 1.1

AS_THEY_ARE = (
    "Give InvariantModule loss='squared_error', with which outputs are averaged as they are, "
    "and train with PerExampleLoss(criterion); or use one output for each class."
)


def check_logits(output: Tensor) -> Tensor:
    """Return an output, or raise an error if it has one logit, which a softmax makes constant.

    Parameters
    ----------
    output : Tensor, shape (n_examples, n_outputs, ...)
        Logits of a classification.

    Returns
    -------
    output : Tensor
        The same.

    Raises
    ------
    ValueError
        If there is one logit for each example.
    """
    if output.shape[1:2] == (1,):
        raise ValueError(f"The network has one output, whose softmax is constant. {AS_THEY_ARE}")
    return output


class ChanceLevel(Memory):
    """Mean loss of the best constant output over all targets seen, by a closed formula.

    It is the entropy of the labels for cross-entropy, and their variance for squared error.

    Parameters
    ----------
    loss : str
        "cross_entropy" or "squared_error".
    """

    sums: Tensor | None
    _kept = ("sums",)  # sums of weights, weighted targets and weighted squares

    def __init__(self, loss: str) -> None:
        super().__init__()
        self.loss = loss

    def update(self, targets: Tensor, weights: Tensor) -> Tensor:
        """Add a batch and return the chance level.

        Parameters
        ----------
        targets : Tensor, shape (n_examples, n_positions, n_outputs)
            One-hot labels, or values.
        weights : Tensor, shape (n_examples, n_positions)
            Weights of the targets.

        Returns
        -------
        level : Tensor
            A scalar.
        """
        weights = weights.unsqueeze(-1).expand_as(targets)
        sums = torch.stack([weights, weights * targets, weights * targets.square()])
        sums = sums.sum(dim=(1, 2))
        self.sums = sums if self.sums is None else self.sums.to(sums) + sums
        total, first, second = self.sums
        mean = first / total.clamp_min(1e-30)
        if self.loss == "cross_entropy":
            return torch.special.entr(mean).sum()
        return (second / total.clamp_min(1e-30) - mean.square()).mean().clamp_min(0)


class BestConstant(Memory):
    """Mean loss of the best constant output under any per-example loss, found by minimisation.

    The loss is applied to an output that is the same for all examples, and its mean over the
    targets is minimised. For class labels the mean is over all labels seen. For other targets it
    is over a random sample of those seen. The minimisation is repeated each time the number of
    targets seen has grown by a tenth.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation.chance import BestConstant
    >>> target, weights = torch.tensor([[0.0], [0.0], [0.0], [4.0]]), torch.ones(4, 1)
    >>> level = BestConstant().update(torch.nn.L1Loss(reduction="none"), target, target, weights)
    >>> round(level.item(), 2)  # of the median; that of the mean is 1.5
    1.0
    """

    # number of examples seen, now and when the last constant was found
    counts: Tensor | None
    # for class labels
    of_label: Tensor | None
    label_losses: Tensor
    # for other targets
    targets: Tensor | None
    target_weights: Tensor
    level: Tensor
    _kept = ("counts", "of_label", "label_losses", "targets", "target_weights", "level")

    def update(
        self,
        criterion: Criterion,
        output: Tensor,
        target: Tensor,
        weights: Tensor,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Add a batch and return the chance level.

        Parameters
        ----------
        criterion : callable
            Maps outputs and targets to losses of shape (n_examples, ...).
        output : Tensor, shape (n_examples, ...)
            Outputs. Only their shape is used.
        target : Tensor, shape (n_examples, ...)
            Targets.
        weights : Tensor, shape (n_examples, n_positions)
            Weight of each loss in the total.
        labels : Tensor, shape (n_examples, n_positions, n_outputs) | None
            The targets as one-hot labels, if they are class labels.

        Returns
        -------
        level : Tensor
            A scalar.

        Raises
        ------
        ValueError
            If the level is negative.
        """
        seen, solved = (0, 0) if self.counts is None else self.counts.tolist()
        if labels is None:
            targets, weighted = self._take_targets(target, weights, seen)
        else:
            weighted = self._take_labels(labels, weights)
        seen += len(output)
        if solved == 0 and not weighted.any():  # without weights there is no best constant
            self.counts = torch.tensor([seen, 0])
            return widest(torch.zeros((), device=output.device))
        if seen >= GROWTH * solved:
            solved = seen
            with torch.enable_grad(), torch.autocast(output.device.type, enabled=False):
                if labels is None:
                    self._solve_targets(criterion, output, targets, weighted)
                else:
                    self._solve_labels(criterion, output, target, weighted)
        self.counts = torch.tensor([seen, solved])  # on the host
        if labels is None:
            return self.level
        return (weighted * self.label_losses.to(weighted)).sum() / weighted.sum()

    def _take_labels(self, labels: Tensor, weights: Tensor) -> Tensor:
        """Return the total weight of each label over all batches seen."""
        sums = torch.einsum("ip,ipl->l", weights, labels.to(weights))
        if self.of_label is not None and self.of_label.shape == sums.shape:
            sums = self.of_label.to(sums) + sums
        self.of_label = sums
        return sums

    def _take_targets(self, target: Tensor, weights: Tensor, seen: int) -> tuple[Tensor, Tensor]:
        """Return a uniform sample of all targets seen, and its weights (reservoir sampling)."""
        target, weights = target.detach(), weights.detach()
        if self.targets is None or self.targets.shape[1:] != target.shape[1:]:
            self.targets, self.target_weights, seen = target[:0], weights[:0], 0
        room = max(16, MAX_NUMBERS // max(1, target[0].numel()))
        free = max(0, min(len(target), room - len(self.targets)))
        targets = torch.cat([self.targets.to(target), target[:free]])
        target_weights = torch.cat([self.target_weights.to(weights), weights[:free]])
        generator = torch.Generator().manual_seed(seen)
        late = torch.arange(free, len(target))
        place = (torch.rand(len(late), generator=generator) * (seen + late + 1)).long()
        inside = place < room
        late, place = late[inside].to(target.device), place[inside].to(target.device)
        targets[place], target_weights[place] = target[late], weights[late]
        self.targets, self.target_weights = targets, target_weights
        return targets, target_weights

    def _solve_labels(
        self, criterion: Criterion, output: Tensor, target: Tensor, of_label: Tensor
    ) -> None:
        n_labels = len(of_label)
        every = torch.arange(n_labels, device=output.device)
        every = every.reshape(-1, *(1 for _ in target.shape[1:])).expand(-1, *target.shape[1:])
        every = every.to(target.dtype)
        shares = (of_label / of_label.sum()).to(output.device, _dtype(output))

        def losses(constant: Tensor) -> Tensor:
            constant = constant.reshape(1, -1, *(1 for _ in output.shape[2:]))
            return _flat(criterion(constant.expand(n_labels, *output.shape[1:]), every)).mean(dim=1)

        start = shares.clamp_min(1e-6).log()
        best = _minimise(lambda constant: (shares * losses(constant)).sum(), [start])
        self.label_losses = widest(losses(best).detach())
        _check_level((shares * self.label_losses).sum())

    def _solve_targets(
        self, criterion: Criterion, output: Tensor, targets: Tensor, weights: Tensor
    ) -> None:
        weights = weights.to(_dtype(output))
        shape = (1, *output.shape[1:2], *(1 for _ in output.shape[2:]))

        def mean_loss(constant: Tensor) -> Tensor:
            expanded = constant.expand(len(targets), *output.shape[1:])
            return (weights * _flat(criterion(expanded, targets))).sum() / weights.sum()

        starts = [torch.zeros(shape, dtype=_dtype(output), device=output.device)]
        if targets[0].numel() == output[0].numel():
            n_outputs = output.shape[1] if output.ndim > 1 else 1
            values = targets.to(starts[0]).reshape(len(targets), n_outputs, -1)
            values = values.transpose(1, 2).reshape(-1, n_outputs)
            starts += [values.mean(dim=0).reshape(shape), values.median(dim=0)[0].reshape(shape)]
        best = _minimise(mean_loss, starts)
        self.level = widest(mean_loss(best).detach())
        _check_level(self.level)


def _dtype(output: Tensor) -> torch.dtype:
    return torch.float64 if output.dtype == torch.float64 else torch.float32


def _flat(losses: Tensor) -> Tensor:
    return losses.reshape(len(losses), -1)


def _minimise(function: Callable[[Tensor], Tensor], starts: list[Tensor]) -> Tensor:
    """Minimise a function of a tensor from the best of several starting points."""
    with torch.no_grad():
        values = [function(start).item() for start in starts]
    start = starts[min(range(len(starts)), key=values.__getitem__)]
    constant = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([constant], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        value = function(constant)
        (constant.grad,) = torch.autograd.grad(value, constant)
        return value

    optimizer.step(closure)
    found = constant.detach()
    with torch.no_grad():
        return found if function(found).item() <= min(values) else start


def _check_level(level: Tensor) -> None:
    if not level >= 0:
        raise ValueError(
            f"The best constant output has a mean loss of {level.item():.4g}. The reward counts as "
            "far as the loss is below that level, for which losses must be at least 0, with 0 for "
            "a perfect output: add a constant to the loss, which changes nothing else."
        )
