"""Inference of the losses and weights of examples from the gradient at the output.

The gradient of the cross-entropy of logits is ``c (softmax - onehot)``. Its only negative entry is
at the label, and ``c`` is the weight of the example. Other losses have gradients of that form too:
with two classes *every* loss of the difference of the logits (such as label smoothing or a
temperature), with more every loss of the probability of the label (a focal loss). Their ``c``
depends on the output. So the inference requires that ``c``, up to announced weights, is the same
for all examples of a label, and that its ratios between labels are the same in all steps. The
gradient of a squared error is the residual times an unknown factor, so the targets have to be
announced.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

HAND_OVER = (
    "Hand the losses of the examples over instead: loss = eeginv.PerExampleLoss(criterion)(output, "
    "target) with any criterion of reduction='none', such as torch.nn.CrossEntropyLoss(reduction="
    "'none', label_smoothing=0.1)."
)
# Largest accepted relative deviation: of a gradient from its expected value, and of the ratios of
# the label weights between steps.
DEVIATION, DRIFT = 0.01, 0.2


class LabelWeights:
    """The relative weights of labels, which must not change between steps."""

    def __init__(self) -> None:
        self._known: Tensor | None = None
        self._single: Tensor | None = None

    def check(self, sizes: Tensor, trusted: Tensor, alone: bool) -> Tensor:
        """Compare the weights of a batch with those of previous batches.

        Parameters
        ----------
        sizes : Tensor, shape (n_labels,)
            Weight of an example of each label.
        trusted : Tensor of bool, shape (n_labels,)
            Where the weight is known to within a few per cent.
        alone : bool
            Whether the batch is a single example at a single position. Otherwise the weights of
            all labels are compared up to a common factor.

        Returns
        -------
        agrees : Tensor of bool
            A scalar.
        """
        logs = torch.where(trusted, sizes.clamp_min(_tiny(sizes)).log(), torch.nan)
        if self._known is None or self._single is None or self._known.shape != logs.shape:
            self._known = self._single = torch.full_like(logs, torch.nan)
        known, single = self._known.to(logs), self._single.to(logs)
        offset = (logs - known).nanmedian()
        agrees = ~((logs - known - offset).abs() > DRIFT).any()
        if alone:
            # no other label to compare with; since this label was last seen, only the scale of
            # mixed precision may have changed, by a factor of 2 for each skipped step
            moved = (logs - single) / math.log(2)
            agrees &= ~((moved - moved.round()).abs() * math.log(2) > DRIFT).any()
            self._single = torch.where(trusted, logs, single)
            return agrees
        first = known.isnan().all()
        placed = logs - torch.where(first, 0.0, offset)
        self._known = torch.where(known.isnan(), placed, known)
        return agrees


def refuse_at_once(agrees: Tensor, message: str) -> None:
    """Raise an error with the message unless the gradient agrees with the expected one."""
    if not agrees:
        raise ValueError(message)


def losses_from_gradient(
    output: Tensor,
    gradient: Tensor,
    loss: str,
    weights: Tensor | None = None,
    targets: Tensor | None = None,
    dtype: torch.dtype | None = None,
    past: LabelWeights | None = None,
    refuse_unless: Callable[[Tensor, str], None] = refuse_at_once,
) -> tuple[Tensor, Tensor, Tensor]:
    """Recover the loss and the weight of each example from the gradient at the output.

    Parameters
    ----------
    output : Tensor, shape (n_examples, n_outputs, ...)
        Logits (or log-probabilities), or predictions, in double precision. Further dimensions are
        positions.
    gradient : Tensor, same shape as output
        Gradient of the total loss.
    loss : str
        "cross_entropy" or "squared_error".
    weights : Tensor, shape (n_examples,) | None
        Announced weights of the examples. None is equal weights; the class weights of a
        cross-entropy are recovered.
    targets : Tensor | None
        The targets, for a squared error.
    dtype : torch.dtype | None
        Precision in which output and gradient were computed; None is their own.
    past : LabelWeights | None
        Label weights of previous steps.
    refuse_unless : callable
        Takes a boolean tensor that tells whether the gradient is that of the loss, and the error
        message if it is not.

    Returns
    -------
    losses : Tensor, shape (n_examples, n_positions)
        Loss of each position. Without positions, and for a squared error, loss of each example.
    weights : Tensor, shape (n_examples, n_positions)
        Weight of each loss in the total loss.
    targets : Tensor, shape (n_examples, n_positions, n_outputs)
        One-hot labels, or values.

    Raises
    ------
    ValueError
        If the gradient is not that of the loss, or is ambiguous.
    """
    if weights is not None:
        if weights.shape != (len(output),):
            raise ValueError(
                f"example_weights has shape {tuple(weights.shape)}; expected ({len(output)},), the "
                "weights of the coming batch."
            )
        weights = weights.to(output)
    eps = torch.finfo(output.dtype if dtype is None else dtype).eps
    if loss == "squared_error":
        return _squared_error(output, gradient, weights, targets, eps, refuse_unless)
    if output.ndim == 1:
        raise ValueError("Expected one output a class, shape (n_examples, n_classes, ...).")
    past = LabelWeights() if past is None else past
    return _cross_entropy(output, gradient, weights, eps, past, refuse_unless)


def _cross_entropy(
    output: Tensor,
    gradient: Tensor,
    announced: Tensor | None,
    eps: float,
    past: LabelWeights,
    refuse_unless: Callable[[Tensor, str], None],
) -> tuple[Tensor, Tensor, Tensor]:
    n_examples, n_classes = output.shape[:2]
    # shape (n_examples * n_positions, n_classes)
    flat, pull = (t.movedim(1, -1).reshape(-1, n_classes) for t in (output, gradient))
    log_p = torch.log_softmax(flat, dim=1)
    p = log_p.exp()
    silent = (pull == 0).all(dim=1)
    # for a nearly certain prediction, the gradient at the label is rounded to zero
    certain = pull.amin(dim=1) >= 0
    label = torch.where(certain, flat.argmax(dim=1), pull.argmin(dim=1)).unsqueeze(1)
    one_hot = torch.zeros_like(flat).scatter_(1, label, 1.0)
    others = 1 - one_hot
    miss = (others * p).sum(dim=1)
    push = (others * pull).sum(dim=1).clamp_min(0)
    n_positions = len(flat) // n_examples
    relative = torch.ones_like(miss)
    if announced is not None:
        relative = announced.repeat_interleave(n_positions)
    # one weight per label, dominated by its least certain examples, which are the most precise
    heard = torch.where(silent, 0.0, 1.0)
    miss_of, push_of = (
        torch.einsum("i,il->l", value, one_hot) for value in (heard * relative * miss, push)
    )
    sizes = torch.where(miss_of > 0, push_of / miss_of.clamp_min(_tiny(miss_of)), 0.0)
    weights = relative * heard * sizes.gather(0, label[:, 0])
    expected = weights.unsqueeze(1) * (p - one_hot)
    # rounding errors: of the gradient, of the logarithms, and of 1 - p for p near 1
    rounding = eps * (4 + (log_p.clamp_min(-1e4) * p).norm(dim=1))
    allowed = (DEVIATION + 4 * eps) * pull.norm(dim=1) + weights * rounding + _spacing(eps)
    agrees = ((pull - expected).norm(dim=1) <= allowed).all()
    largest = (heard.unsqueeze(1) * one_hot * miss.unsqueeze(1)).amax(dim=0)
    trusted = (sizes > 0) & (largest > 400 * eps)
    agrees &= past.check(sizes, trusted, alone=len(flat) == 1)
    refuse_unless(
        agrees,
        "The gradient at the output is not that of a cross-entropy of logits whose examples "
        "of one label have one weight, from which the augmentation could read what it learns "
        "its choices from (a loss with label smoothing, a focal loss, a temperature and "
        f"weights of single examples are not). {HAND_OVER} If it is a cross-entropy with "
        "weights of single examples, these can also be announced before each batch: "
        "model.example_weights = weights. For a regression make the module with "
        "loss='squared_error'.",
    )
    losses = -log_p.gather(1, label).reshape(n_examples, n_positions)
    targets = one_hot.reshape(n_examples, n_positions, n_classes)
    return losses, weights.reshape(n_examples, n_positions), targets


def _squared_error(
    output: Tensor,
    gradient: Tensor,
    announced: Tensor | None,
    targets: Tensor | None,
    eps: float,
    refuse_unless: Callable[[Tensor, str], None],
) -> tuple[Tensor, Tensor, Tensor]:
    if targets is None:
        raise ValueError(
            "The gradient of a squared error tells the residuals up to a factor only, and with it "
            f"neither the losses nor how they are reduced. {HAND_OVER} Here it would be "
            "torch.nn.MSELoss(reduction='none'). Or announce the targets before each batch: "
            "model.example_labels = targets."
        )
    n_examples = len(output)
    if targets.numel() != output.numel():
        raise ValueError(
            f"example_labels has shape {tuple(targets.shape)}; expected the targets of the coming "
            f"batch, as many numbers as its output of shape {tuple(output.shape)}."
        )
    flat, pull = output.reshape(n_examples, -1), gradient.reshape(n_examples, -1)
    targets = targets.to(flat).reshape(flat.shape)
    weights = flat.new_ones(n_examples) if announced is None else announced
    residual = flat - targets
    direction = weights.unsqueeze(1) * residual
    scale = (pull * direction).sum() / direction.square().sum().clamp_min(_tiny(direction))
    # cancellation, where the residual is small relative to output and target
    rounding = 4 * eps * (flat.abs() + targets.abs()).norm(dim=1) * (scale.abs() * weights)
    allowed = (DEVIATION + 4 * eps) * pull.norm(dim=1) + rounding + _spacing(eps)
    refuse_unless(
        ((pull - scale * direction).norm(dim=1) <= allowed).all() & (scale >= 0),
        "The gradient at the output is not that of a squared error towards the announced "
        "targets (model.example_labels), whose examples have equal weights or the announced "
        f"ones (model.example_weights). {HAND_OVER}",
    )
    weights = 0.5 * scale * flat.shape[1] * weights
    losses = residual.square().mean(dim=1, keepdim=True)
    return losses, weights.unsqueeze(1), targets.unsqueeze(1)


def _tiny(values: Tensor) -> float:
    return torch.finfo(values.dtype).tiny


def _spacing(eps: float) -> float:
    """Return the spacing of subnormal numbers, which matters in half precision only."""
    half = torch.finfo(torch.float16)
    return half.tiny * half.eps * 4 if eps == half.eps else 1e-40
