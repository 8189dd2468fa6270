"""A network behind an augmentation: copies, backbone, average."""

import torch
from torch import nn

from .augmentation.gradient import LOSSES, ChanceLevel, learn_from_output

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

    Notes
    -----
    With "cross_entropy", the output is logits in training and normalised log-probabilities in
    evaluation, which every loss on logits and every softmax takes unchanged.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., & Gramfort, A. (2022). Deep invariant networks with
       differentiable augmentation layers. NeurIPS.

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
    """

    def __init__(
        self, backbone, augmentation=None, n_copies=10, average="logit", loss="cross_entropy"
    ):
        super().__init__()
        if average not in AVERAGES:
            raise ValueError(f"average must be one of {AVERAGES}, got {average!r}.")
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {LOSSES}, got {loss!r}.")
        if isinstance(n_copies, bool) or int(n_copies) != n_copies or n_copies < 0:
            raise ValueError(f"n_copies must be a whole number of at least 0, got {n_copies!r}.")
        self.backbone = backbone
        self.augmentation = augmentation
        self.n_copies = int(n_copies)
        self.average = average
        self.loss = loss
        self._chance = ChanceLevel(loss)
        self.example_weights = None  # of the coming batch, for a weighted squared error

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
        transformed, log_prob = self.augmentation.sample(X)
        output = self.backbone(transformed)
        reward = self.augmentation.reward()
        if reward is None:
            return output
        return learn_from_output(output, log_prob, reward, self._chance, self.example_weights)

    def _average_forward(self, X):
        total = None
        for copy in self.augmentation.copies(X, self.n_copies):
            output = self.backbone(copy)
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
