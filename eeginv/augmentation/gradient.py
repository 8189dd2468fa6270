"""How a choice learns under any training loop: the learning signal is read where it arrives.

A strength such as a frequency shift moves the output smoothly and gets its gradient by ordinary
backpropagation. A choice (which transform, applied or not, which channels) makes the output jump;
the right derivative is that of the expected loss, ``E[(loss - baseline) d log p(choice)]``, with
the mean loss of examples of the same label as baseline (:mod:`eeginv.augmentation.baseline`). That
needs the loss and the label of each example. No training loop hands those to a module, but the
gradient that arrives at its output holds them: for the cross-entropy of logits it is ``c (softmax -
onehot)``, whose only negative entry is the label and whose size is the weight ``c`` of the example;
for the mean squared error it is proportional to the residual. So the identity function below,
placed at the output, lets the module learn its choices and collect its reward inside skorch,
Braindecode or a bare loop; under a cross-entropy whatever its class weights, sample weights or
scaling. Losses whose gradient has another form are refused. Where the gradient is not finite, the
step is replayed to say why (:mod:`eeginv.augmentation.diagnosis`).
"""

import torch

LOSSES = ("cross_entropy", "squared_error")


def losses_from_gradient(output, gradient, loss, weights=None):
    """Recover the loss and the weight of each example from the gradient at the output.

    Parameters
    ----------
    output : Tensor, shape (n_examples, n_outputs, ...)
        Logits (or log-probabilities), or predictions. Further dimensions are positions.
    gradient : Tensor, same shape as output
        Gradient of the total loss.
    loss : str
        "cross_entropy" or "squared_error".
    weights : Tensor, shape (n_examples,) | None
        Weights of the examples in a mean squared error, which the gradient does not tell; None is
        equal weights. Those of a cross-entropy are recovered.

    Returns
    -------
    losses : Tensor, shape (n_examples, n_positions)
        Loss of each position; without positions, and for a squared error, of each example.
    weights : Tensor, shape (n_examples, n_positions)
        What multiplied it in the total loss.
    targets : Tensor, shape (n_examples, n_positions, n_outputs)
        Labels, one-hot, or values.

    Raises
    ------
    ValueError
        If the gradient is not that of the loss, or (of a squared error: on the CPU) not finite.
    """
    n_examples = len(output)
    if loss == "squared_error":
        flat = gradient.reshape(n_examples, -1)
        # on a GPU, a look at the values would wait for it; those of a cross-entropy are looked at
        if not (flat.is_cuda or torch.isfinite(flat).all()):
            raise ValueError("The gradient at the output is not finite.")
        weights = flat.new_ones(n_examples) if weights is None else weights.to(flat)
        # mean squared error: gradient = 2 weight residual / n_values
        residual = flat * (flat.numel() / 2) / weights.clamp_min(1e-30)[:, None]
        targets = (output.reshape(n_examples, -1) - residual).unsqueeze(1)
        return residual.square().mean(dim=1, keepdim=True), weights[:, None] / n_examples, targets
    if output.ndim == 1:
        raise ValueError("Expected one output a class, shape (n_examples, n_classes, ...).")
    log_p = torch.log_softmax(output, dim=1)
    silent = (gradient == 0).all(dim=1)
    label = torch.where(silent, output.argmax(dim=1), gradient.argmin(dim=1)).unsqueeze(1)
    others = torch.ones_like(output).scatter_(1, label, 0.0)
    miss = (others * log_p.exp()).sum(dim=1)
    push = (others * gradient).sum(dim=1).clamp_min(0)
    weights = torch.where(silent | (miss <= 0), 0.0, push / miss.clamp_min(1e-30))
    expected = weights.unsqueeze(1) * (log_p.exp() - (1 - others))
    # a softmax of single precision is off by about 1e-7 of the weight
    tolerance = 0.01 * gradient.norm() + 1e-5 * weights.norm() + 1e-12
    if not (gradient - expected).norm() <= tolerance:
        raise ValueError(
            "The gradient at the output is not that of a cross-entropy of logits, from which the "
            "augmentation learns its choices. Train with torch.nn.CrossEntropyLoss on logits, "
            "without label smoothing; for a regression make the module with loss='squared_error'."
        )
    losses = -log_p.gather(1, label).reshape(n_examples, -1)
    targets = (1 - others).flatten(2) if others.ndim > 2 else (1 - others).unsqueeze(2)
    return losses, weights.reshape(n_examples, -1), targets.transpose(1, 2)


class ChanceLevel:
    """Mean loss of the best constant output, over all targets seen: what knowing nothing costs.

    The entropy of the labels for a cross-entropy, their variance for a squared error.

    Parameters
    ----------
    loss : str
        "cross_entropy" or "squared_error".
    """

    def __init__(self, loss):
        self.loss = loss
        self._sums = None  # of weights, weighted targets and weighted squares

    def update(self, targets, weights):
        """Take in a batch and return the level.

        Parameters
        ----------
        targets : Tensor, shape (n_examples, n_positions, n_outputs)
            Labels, one-hot, or values.
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
        self._sums = sums if self._sums is None else self._sums.to(sums) + sums
        total, first, second = self._sums
        mean = first / total.clamp_min(1e-30)
        if self.loss == "cross_entropy":
            return torch.special.entr(mean).sum()
        return (second / total.clamp_min(1e-30) - mean.square()).mean().clamp_min(0)


class _LearningSignal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, output, log_prob, reward, chance, baseline, weights, explain):
        ctx.save_for_backward(output, reward)
        ctx.chance, ctx.baseline, ctx.weights, ctx.explain = chance, baseline, weights, explain
        return output.view_as(output)

    @staticmethod
    def backward(ctx, gradient):
        output, reward = ctx.saved_tensors
        # not a number if the reward is not, which so needs no look of its own at the device
        checked = gradient.double() + 0 * reward.double()
        try:
            losses, weights, targets = losses_from_gradient(
                output.double(), checked, ctx.chance.loss, ctx.weights
            )
        except ValueError:
            if ctx.explain is None or torch.isfinite(checked).all():
                raise
            raise ValueError(ctx.explain(output=output, reward=reward)) from None
        chance = ctx.chance.update(targets, weights)
        total, weighted = weights.sum(), (weights * losses).sum()
        # the reward counts as far as the network explains the labels
        explained = (1 - weighted / (total * chance).clamp_min(1e-30)).clamp(0, 1)
        classifies = ctx.chance.loss == "cross_entropy"
        labels = targets if classifies else torch.ones_like(losses).unsqueeze(-1)
        baseline = ctx.baseline.update(losses, weights, labels)
        # positions, if any, belong to their example
        advantage = (weights * (losses - baseline)).sum(dim=1)
        reward = -(total * explained).to(gradient.dtype)
        return gradient, advantage.to(gradient.dtype), reward, None, None, None, None


def learn_from_output(output, log_prob, reward, chance, baseline, weights=None, explain=None):
    """Return the output, such that backpropagation through it also trains the augmentation.

    Parameters
    ----------
    output : Tensor, shape (n_examples, n_outputs, ...)
        Output of the network for one transformed copy of each example.
    log_prob : Tensor, shape (n_examples,)
        Log-probability of the discrete draws.
    reward : Tensor
        Scalar that is subtracted from the mean loss, as far as the network explains the targets:
        multiplied by ``1 - loss / chance level``, at least 0. Before the network knows anything, no
        transformation costs anything, and a reward would let all of them grow until there is
        nothing left to learn from.
    chance : ChanceLevel
        Keeps what it has seen of the targets, and says which loss the output is trained with.
    baseline : Baseline
        Keeps what it has seen of the losses.
    weights : Tensor, shape (n_examples,) | None
        Weights of the examples, for a squared error whose mean is weighted.
    explain : callable | None
        Called with ``output`` and ``reward`` if the gradient or the reward is not finite; returns
        the message of the error.

    Returns
    -------
    output : Tensor
        The same values.
    """
    return _LearningSignal.apply(output, log_prob, reward, chance, baseline, weights, explain)
