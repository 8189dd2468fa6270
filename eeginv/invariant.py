"""A network behind an augmentation: copies, backbone, average."""

from functools import partial

import torch
from torch import nn

from .augmentation.baseline import Baseline
from .augmentation.diagnosis import explain_not_finite, guard
from .augmentation.gradient import LOSSES, ChanceLevel, learn_from_output
from .augmentation.undo import Undo
from .transforms import Transform

AVERAGES = ("logit", "probability")


class InvariantModule(nn.Module):
    """Make a network invariant to an augmentation by averaging over transformed copies [1]_.

    In training, one transformed copy of each example passes through the backbone, and any loop
    that calls ``backward()`` on a loss of the output trains backbone and augmentation together:
    the augmentation's choices and its reward enter through the gradient at the output
    (:mod:`eeginv.augmentation.gradient`). In evaluation, the outputs for ``n_copies`` fixed,
    stratified draws are averaged, the same draws for every example, one copy in memory at a time:
    predictions are deterministic and do not depend on the batch.

    Parameters
    ----------
    backbone : nn.Module
        Network from signals (n_examples, n_channels, n_times) to outputs (n_examples, n_outputs,
        ...); logits if it classifies.
    augmentation : Augmentation | None
        Such as :class:`~eeginv.AugNet`; None adds nothing to the backbone.
    n_copies : int
        Copies in evaluation; 0 passes the unchanged signals once.
    average : str
        For classification, "logit": average logits, which after normalisation is the same as
        averaging log-probabilities; "probability": average probabilities.
    loss : str
        "cross_entropy" or "squared_error": the loss that the output will be trained with.
    equivariant : bool
        For outputs along time, (n_examples, n_outputs, ..., n_positions), such as those of
        Braindecode's USleep for sequences of windows: undo on the output what moved the signals in
        time, so that it follows the signals instead of being invariant. In training the loss then
        compares what is said of each moment with the target of that moment; in evaluation,
        outputs are brought back before they are averaged [2]_. Outputs of shape (n_examples,
        n_outputs), such as those of USleep for a single window, have no time to follow.

    Raises
    ------
    ValueError
        If ``equivariant`` and a transform has no inverse on outputs along time, such as
        :class:`~eeginv.transforms.FTSurrogate`.

    Notes
    -----
    With "cross_entropy", the output is logits in training and normalised log-probabilities in
    evaluation, which every loss on logits and every softmax takes unchanged.

    Positions of an output are supposed to share the window equally. Where an inverse falls
    between positions, the outputs (logits, in a classification) are interpolated linearly.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., & Gramfort, A. (2022). Deep invariant networks with
       differentiable augmentation layers. NeurIPS.
    .. [2] Benton, G., Finzi, M., Izmailov, P., & Wilson, A. G. (2020). Learning invariances in
       neural networks from training data. NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from eeginv import AugNet, InvariantModule
    >>> from eeginv.transforms import SignFlip
    >>> X = torch.randn(4, 2, 10)
    >>> backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(20, 3))
    >>> model = InvariantModule(backbone, AugNet([SignFlip(0.5)])).eval()
    >>> torch.allclose(model(X), model(-X), atol=1e-5)
    True

    A network that says something of each sample, and follows a reversal of time:

    >>> from eeginv.transforms import TimeReverse
    >>> dense = torch.nn.Conv1d(2, 3, kernel_size=5, padding=2)
    >>> model = InvariantModule(dense, AugNet([TimeReverse(0.5)]), equivariant=True).eval()
    >>> torch.allclose(model(X.flip(-1)), model(X).flip(-1), atol=1e-5)
    True
    """

    def __init__(
        self,
        backbone,
        augmentation=None,
        n_copies=10,
        average="logit",
        loss="cross_entropy",
        equivariant=False,
    ):
        super().__init__()
        if average not in AVERAGES:
            raise ValueError(f"average must be one of {AVERAGES}, got {average!r}.")
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {LOSSES}, got {loss!r}.")
        if isinstance(n_copies, bool) or int(n_copies) != n_copies or n_copies < 0:
            raise ValueError(f"n_copies must be a whole number of at least 0, got {n_copies!r}.")
        if equivariant and augmentation is not None:
            _check_inverses(augmentation)
        self.backbone = backbone
        self.augmentation = augmentation
        self.n_copies = int(n_copies)
        self.average = average
        self.loss = loss
        self.equivariant = bool(equivariant)
        self._chance, self._baseline = ChanceLevel(loss), Baseline()
        self.example_weights = None  # of the coming batch, for a weighted squared error
        self.example_labels = None  # of the coming batch, for a policy of each class

    def forward(self, X):
        """Compute the output.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.

        Returns
        -------
        output : Tensor, shape (n_examples, n_outputs, ...)
            Logits in training, normalised log-probabilities in evaluation; or predictions of a
            regression.
        """
        if self.training:
            return self._train_forward(X)
        if self.augmentation is None or self.n_copies == 0:
            output = self.backbone(X)
            return torch.log_softmax(output, dim=1) if self._classifies else output
        return self._average_forward(X)

    @property
    def _classifies(self):
        return self.loss == "cross_entropy"

    def _train_forward(self, X):
        if self.augmentation is None:
            return self.backbone(X)
        takes_labels = getattr(self.augmentation, "takes_labels", False)
        labels = {"labels": self.example_labels} if takes_labels else {}
        if self.equivariant:
            undo = Undo(X.shape[-1])
            transformed, log_prob = self.augmentation.sample(X, undo=undo, **labels)
            output = undo(self.backbone(transformed))
        else:
            transformed, log_prob = self.augmentation.sample(X, **labels)
            output = self.backbone(transformed)
        number = self.augmentation.stream.n_drawn
        explain = partial(explain_not_finite, self.augmentation, X, number, **labels)
        reward = self.augmentation.reward()
        if reward is None:
            return guard(output, explain)
        return learn_from_output(
            output,
            log_prob,
            reward,
            self._chance,
            self._baseline,
            weights=self.example_weights,
            explain=explain,
        )

    def _copied_outputs(self, X):
        if self.equivariant:
            for copy, undo in self.augmentation.copies(X, self.n_copies, with_undo=True):
                yield undo(self.backbone(copy))
        else:
            for copy in self.augmentation.copies(X, self.n_copies):
                yield self.backbone(copy)

    def _average_forward(self, X):
        total = None
        for output in self._copied_outputs(X):
            if self._classifies and self.average == "probability":
                output = torch.log_softmax(output, dim=1)
                total = output if total is None else torch.logaddexp(total, output)
            else:
                total = output if total is None else total + output
        if not self._classifies:
            return total / self.n_copies
        return torch.log_softmax(
            total if self.average == "probability" else total / self.n_copies, dim=1
        )


def _check_inverses(augmentation):
    """Say so if outputs along time cannot follow what an augmentation does."""
    transforms = [m for m in augmentation.modules() if isinstance(m, Transform)]
    without = dict.fromkeys(t.name for t in transforms if not t.can_undo)
    if without:
        raise ValueError(
            f"{', '.join(without)}: no inverse on outputs along time, so outputs cannot follow. "
            "Leave it out of the augmentation, or, for a transform of your own, set keeps_time "
            "to True if it leaves what happens where it is, or define _undo."
        )
