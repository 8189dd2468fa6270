"""Gradients of discrete choices under any training loop.

The output depends smoothly on a strength such as a frequency shift, which learns by ordinary
backpropagation. The output jumps with a choice (which transform, applied or not, which channels).
Its score-function gradient is ``E[(loss - baseline) d log p(choice)]``, with the mean loss of
examples of the same label as baseline (:mod:`eeginv.augmentation.baseline`). That needs the loss of
each example before the reduction. There are two ways to obtain it:

- :class:`~eeginv.PerExampleLoss` hands over the losses of any criterion, as in the estimators.
  Nothing is inferred then. A factor on the total loss (mixed precision, accumulated gradients)
  scales all gradients.
- Otherwise the losses are inferred from the gradient at the output, if its form is unambiguous
  (:mod:`eeginv.augmentation.inference`). If it is not, an error is raised.

Both use a :class:`Step`, which a forward pass in training stores in the graph of its output. If a
value is not finite, the step is replayed to explain why (:mod:`eeginv.augmentation.diagnosis`). If
the loss is scaled for mixed precision, there is no error, and the gradient scaler skips the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..transforms.precision import widest
from .baseline import Baseline
from .chance import BestConstant, ChanceLevel
from .choice import reads_are_cheap
from .diagnosis import Replay, parameters_are_finite
from .gate import Gate
from .inference import LabelWeights, losses_from_gradient
from .verdict import Verdicts

if TYPE_CHECKING:
    from .._typing import Criterion

LOSSES = ("cross_entropy", "squared_error")


class Past:
    """State of the inference from gradients. It is not saved, as the next steps restore it."""

    def __init__(self) -> None:
        self.label_weights = LabelWeights()
        self.largest: Tensor | None = None  # largest entry of the last finite gradient
        self.scale: Tensor | None = None  # last factor on a loss that was handed over
        self.verdicts = Verdicts()


@dataclass
class Step:
    """Record of a forward pass in training, which the backward pass uses.

    Parameters
    ----------
    log_prob : Tensor, shape (n_examples,), or None
        Log-probability of the discrete draws. None if nothing is learned from it.
    reward : Tensor | None
        Scalar that is subtracted from the mean loss, weighted by the share of the chance level that
        the network explains. For an untrained network no transform has a cost, and an unweighted
        reward would make all of them grow until no signal is left. None if nothing is learned.
    chance : ChanceLevel
        Running chance level of the targets, and the name of the loss.
    baseline : Baseline
        Running mean losses per label.
    gate : Gate
        Running share of the chance level that is explained.
    constant : BestConstant | None
        Replaces ``chance`` for losses without a formula.
    past : Past
        State of the inference from gradients.
    weights, targets : Tensor | None
        Weights and targets of the examples, if they were announced.
    replay : Replay | None
        Explains values that are not finite.
    half : bool
        Whether the forward pass was in half precision, which needs a scaled loss.
    forget : list of Parameter
        Parameters whose gradients are dropped after the backward pass. In distributed training
        these are fixed parameters, which need a gradient in all processes.
    n_examples : int | None
        Number of examples.
    handed_over, delivered : bool
        Whether losses were handed over for this step, and whether that loss was backpropagated.
    """

    log_prob: Tensor | None
    reward: Tensor | None
    chance: ChanceLevel
    baseline: Baseline
    gate: Gate = field(default_factory=Gate)
    constant: BestConstant | None = None
    past: Past = field(default_factory=Past)
    weights: Tensor | None = None
    targets: Tensor | None = None
    replay: Replay | None = None
    half: bool = False
    forget: list[nn.Parameter] = field(default_factory=list)
    n_examples: int | None = None
    handed_over: bool = False
    delivered: bool = False

    @property
    def learns(self) -> bool:
        """Whether there is anything to learn from the losses."""
        return self.reward is not None

    def signal(
        self, losses: Tensor, weights: Tensor, labels: Tensor, chance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the derivatives with respect to log-probabilities and reward.

        Parameters
        ----------
        losses, weights : Tensor, shape (n_examples, n_positions)
            Loss of each position, and its weight in the total loss.
        labels : Tensor, shape (n_examples, n_positions, n_labels)
            One-hot labels; one common label if there are no classes.
        chance : Tensor
            The chance level.

        Returns
        -------
        of_log_prob : Tensor, shape (n_examples,)
            Derivative for each example, summed over its positions.
        of_reward : Tensor
            A scalar.
        """
        explained = self.gate.update(losses, weights, chance)
        baseline = self.baseline.update(losses, weights, labels)
        return (weights * (losses - baseline)).sum(dim=1), -weights.sum() * explained

    def not_finite(self, scaled: bool, **values: Tensor | None) -> None:
        """Raise an error that explains the cause; return if a gradient scaler skips the step.

        Parameters that are not finite show that no scaler skips such steps.
        """
        if scaled and (self.replay is None or parameters_are_finite(self.replay.module)):
            return
        if self.replay is None:
            raise ValueError("The loss, the reward or the gradient at the output is not finite.")
        raise ValueError(self.replay.explain(**values))

    def release(self) -> None:
        """Release the batch, because losses that are kept for a report keep their graph."""
        self.log_prob = self.replay = self.weights = self.targets = None


def learn_from_output(output: Tensor, step: Step, tie: Tensor | None = None) -> Tensor:
    """Return the output, so that backpropagation through it also trains the augmentation.

    Parameters
    ----------
    output : Tensor, shape (n_examples, n_outputs, ...)
        Output of the network for one transformed copy of each example.
    step : Step
        Record of the forward pass.
    tie : Tensor | None
        A scalar zero that depends on parameters that must have a gradient, even if it is zero.

    Returns
    -------
    output : Tensor
        The same values.
    """
    return _AtOutput.apply(output, step.log_prob, step.reward, tie, step)


class _AtOutput(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        output: Tensor,
        log_prob: Tensor | None,
        reward: Tensor | None,
        tie: Tensor | None,
        step: Step,
    ) -> Tensor:
        targets = step.targets if isinstance(step.targets, torch.Tensor) else None
        # saved here, because the step releases them after the first backward pass
        ctx.save_for_backward(output, reward, step.weights, targets)
        ctx.step, ctx.tied, ctx.dtype = step, tie is not None, getattr(log_prob, "dtype", None)
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        step, (output, reward, *announced) = ctx.step, ctx.saved_tensors
        of_log_prob = of_reward = None
        # losses may have been handed over but not backpropagated, with another loss minimised
        if step.delivered or not step.learns:
            # on a GPU, reading the values would synchronise
            if reads_are_cheap(gradient.device) and not torch.isfinite(gradient).all():
                step.not_finite(_is_scaled(step, gradient), output=output)
            elif not step.delivered:
                step.past.largest = gradient.detach().abs().amax()
        else:
            with torch.no_grad():  # the running state must not keep a graph of gradients
                of_log_prob, of_reward = _infer(step, output, gradient, reward, *announced)
            of_log_prob = _as(of_log_prob, ctx.dtype)
        if step.forget:
            _after_backward(step.forget)
        step.release()
        of_tie = gradient.new_zeros((), dtype=torch.float32) if ctx.tied else None
        return gradient, of_log_prob, of_reward, of_tie, None


def _infer(
    step: Step,
    output: Tensor,
    gradient: Tensor,
    reward: Tensor,
    weights: Tensor | None,
    targets: Tensor | None,
) -> tuple[Tensor, Tensor]:
    # NaN if the reward is not finite, so that one check covers both
    checked = widest(gradient) + 0 * widest(reward)
    cheap = reads_are_cheap(gradient.device)
    module = None if step.replay is None else step.replay.module

    def refuse_unless(agrees: Tensor, message: str) -> None:
        def fail() -> None:
            if not cheap and not torch.isfinite(checked).all():
                _fail_late(module, _is_scaled(step, gradient))
            else:
                raise ValueError(message)

        step.past.verdicts.check(agrees, fail)

    try:
        losses, weights, targets = losses_from_gradient(
            widest(output),
            checked,
            step.chance.loss,
            weights,
            targets,
            gradient.dtype,
            step.past.label_weights,
            refuse_unless,
        )
    except ValueError:
        if torch.isfinite(checked).all():
            raise
        step.not_finite(_is_scaled(step, gradient), output=output, reward=reward)
        nothing = torch.full_like(reward, torch.nan)
        return nothing.expand(len(output)), nothing
    step.past.largest = gradient.abs().amax()
    total = checked.sum()
    if not cheap:
        losses, weights = _pass_over(torch.isfinite(total), losses, weights)
    labels = targets if step.chance.loss == "cross_entropy" else _one_label(losses)
    chance = step.chance.update(targets, weights)
    of_log_prob, of_reward = step.signal(losses, weights, labels, chance)
    if not cheap:
        of_log_prob, of_reward = of_log_prob + 0 * total, of_reward + 0 * total
    return of_log_prob, of_reward.to(reward)


def _as(of_log_prob: Tensor, dtype: torch.dtype | None) -> Tensor | None:
    """Return the gradient in the precision of the log-probabilities, or None without these.

    In half precision, a sum over the batch would overflow.
    """
    return None if dtype is None else of_log_prob.to(dtype)


def _pass_over(finite: Tensor, losses: Tensor, weights: Tensor) -> Iterator[Tensor]:
    """Exclude a step that is not finite from the running state, without synchronising."""
    return (torch.where(finite, values, 0.0) for values in (losses, weights))


def _fail_late(module: nn.Module | None, scaled: bool) -> None:
    """Raise the error for an earlier step that was not finite."""
    if scaled and (module is None or parameters_are_finite(module)):
        return  # a gradient scaler has skipped it
    raise ValueError(
        "The loss, the reward or the gradient at the output was not finite, some steps ago. "
        "Training with device='cpu' says which transform, or which signals, that comes from."
    )


def _is_scaled(step: Step, gradient: Tensor) -> bool:
    """Whether the loss was scaled to keep its gradient in the range of half precision."""
    if step.delivered:
        return bool(step.past.scale is not None and step.past.scale > 1)
    finite = gradient[torch.isfinite(gradient)]
    seen = [finite.abs().max()] if len(finite) else []
    seen += [] if step.past.largest is None else [step.past.largest]
    # without a scale, the gradient of a mean or sum of cross-entropies is at most 1
    return step.half or any(bool(largest > 1) for largest in seen)


def _after_backward(parameters: Sequence[nn.Parameter]) -> None:
    """Drop gradients after the backward pass and its averaging over processes."""
    engine = torch.autograd.Variable._execution_engine

    def forget() -> None:
        for parameter in parameters:
            parameter.grad = None

    # a callback queued by a callback runs after all those that the backward pass queues
    engine.queue_callback(lambda: engine.queue_callback(forget))


def _one_label(losses: Tensor) -> Tensor:
    return torch.ones_like(losses).unsqueeze(-1)


def find_steps(losses: Tensor) -> list[Step]:
    """Return the steps of the forward passes that losses were computed from.

    Parameters
    ----------
    losses : Tensor
        Anything that depends on outputs of an :class:`~eeginv.InvariantModule`.

    Returns
    -------
    steps : list of Step
        One for each forward pass in training. Empty if the module does not augment.
    """
    found: list[Step] = []
    seen: set[Any] = set()
    to_visit: list[Any] = [losses.grad_fn]
    while to_visit:
        node = to_visit.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        step = getattr(node, "step", None)
        if isinstance(step, Step):  # the rest of the graph is the network
            found.append(step)
        else:
            to_visit.extend(before for before, _ in node.next_functions)
    return found


def hand_over(
    total: Tensor,
    step: Step,
    losses: Tensor,
    weights: Tensor,
    output: Tensor,
    target: Tensor,
    labels: Tensor | None = None,
    criterion: Criterion | None = None,
) -> Tensor:
    """Return the total loss, so that backpropagation from it also trains the augmentation.

    Parameters
    ----------
    total : Tensor
        The scalar ``(weights * losses).sum()``.
    step : Step
        Record of the forward pass that the losses were computed from.
    losses : Tensor, shape (n_examples, n_positions)
        Losses.
    weights : Tensor, shape (n_examples, n_positions)
        Weight of each loss in the total.
    output, target : Tensor, shape (n_examples, ...)
        Outputs and targets that the losses were computed from.
    labels : Tensor, shape (n_examples, n_positions, n_labels) | None
        The targets as one-hot labels, if they are class labels. The baseline is per label.
    criterion : callable | None
        Criterion of the losses, for finding the best constant output. None if ``step.chance`` has a
        formula for it.

    Returns
    -------
    total : Tensor
        The same value.
    """
    step.handed_over = True
    if not step.learns:
        return _AtLoss.apply(total, None, None, step, *6 * [None])
    tensors = (losses.detach(), weights.detach(), labels, output.detach(), target)
    return _AtLoss.apply(total, step.log_prob, step.reward, step, criterion, *tensors)


class _AtLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        total: Tensor,
        log_prob: Tensor | None,
        reward: Tensor | None,
        step: Step,
        criterion: Criterion | None,
        losses: Tensor | None,
        weights: Tensor | None,
        labels: Tensor | None,
        out: Tensor | None,
        target: Tensor | None,
    ) -> Tensor:
        ctx.step, ctx.criterion, ctx.dtype = step, criterion, getattr(log_prob, "dtype", None)
        # as saved tensors, because attributes would keep the batch as long as the loss
        ctx.save_for_backward(reward, losses, weights, labels, out, target)
        return total.view_as(total)

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        step = ctx.step
        step.delivered = True
        before, now = step.past.scale, scale.detach()
        step.past.scale = now if before is None else now.where(torch.isfinite(now), before)
        reward, losses, weights, labels, output, target = ctx.saved_tensors
        nothing = (None,) * 7
        if reward is None:
            return scale, None, None, *nothing
        losses, weights = widest(losses), widest(weights)
        total = losses.sum() + weights.sum() + reward + scale
        finite = torch.isfinite(total)
        factor = widest(scale)
        if not reads_are_cheap(scale.device):
            module = None if step.replay is None else step.replay.module
            step.past.verdicts.check(finite, lambda: _fail_late(module, _is_scaled(step, scale)))
            losses, weights = _pass_over(finite, losses, weights)
            factor = factor + 0 * total
        elif not finite:
            step.not_finite(_is_scaled(step, scale), output=output, reward=reward)
            nan = torch.full_like(reward, torch.nan)
            return scale, _as(nan.expand(len(losses)), ctx.dtype), nan, *nothing
        if ctx.criterion is not None:
            chance = step.constant.update(ctx.criterion, output, target, weights, labels)
        else:
            values = widest(target.reshape(len(losses), 1, -1)) if labels is None else labels
            chance = step.chance.update(values, weights)
        labels = _one_label(losses) if labels is None else labels
        of_log_prob, of_reward = step.signal(losses, weights, labels, chance)
        of_log_prob = _as(factor * of_log_prob, ctx.dtype)
        return scale, of_log_prob, (factor * of_reward).to(reward), *nothing
