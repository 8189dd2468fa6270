"""Statistics of batch normalisation as predictions need them."""

from __future__ import annotations

from typing import Any, cast

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ..invariant import InvariantModule, uncompiled
from ..transforms.precision import in_double

# So many signals pass through the network at most, copies counted.
_MAX_SIGNALS = 4096
_BATCH = 64


def measure_batch_norm(
    module: InvariantModule, X: Tensor, device: str | torch.device = "cpu"
) -> None:
    """Measure the means and variances of batch normalisation on signals as predictions see them.

    They are replaced by averages over batches of training signals in evaluation [1]_: as they are,
    or over the transformed copies that predictions average over.

    Parameters
    ----------
    module : InvariantModule
        The trained network. It is left in evaluation mode.
    X : Tensor, shape (n_examples, n_channels, n_times)
        Training signals. Of many, so many at random that 4096 signals, copies counted, pass through
        the network.
    device : str | torch.device
        Device of the module.

    References
    ----------
    .. [1] Wu, Y., & Johnson, J. (2021). Rethinking "batch" in BatchNorm. arXiv:2105.07576.

    Examples
    --------
    >>> import torch
    >>> from eeginv import InvariantModule
    >>> from eeginv.estimators.batch_norm import measure_batch_norm
    >>> norm = torch.nn.BatchNorm1d(2)
    >>> network = torch.nn.Sequential(norm, torch.nn.Flatten(), torch.nn.Linear(20, 3))
    >>> measure_batch_norm(InvariantModule(network), 5 + torch.randn(64, 2, 10))
    >>> bool((norm.running_mean > 4).all())
    True
    """
    module.eval()
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    before = [norm.momentum for norm in norms]
    moments = [_Moments(norm) for norm in norms]
    copies = module.n_copies if module.augmentation is not None else 0
    # a compiled network would not call what listens to its layers
    with torch.no_grad(), uncompiled(module):
        order = torch.randperm(len(X))[: max(_BATCH, _MAX_SIGNALS // max(1, copies))]
        for rows in order.split(_BATCH):
            if len(rows) > 1 or len(X) == 1:
                module(X[rows].to(device))
    for of_norm, momentum in zip(moments, before, strict=True):
        of_norm.put(momentum)


class _Moments:
    """First and second moments of what a layer of batch normalisation sees, over many batches."""

    def __init__(self, norm: _BatchNorm) -> None:
        self.norm = norm
        self.n = 0
        self.mean: Tensor | float = 0.0
        self.square: Tensor | float = 0.0
        norm.momentum = 1.0  # what it has after a batch is of this batch alone
        norm.train()
        self.hook = norm.register_forward_hook(self._add)

    def _add(self, norm: _BatchNorm, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        n = len(inputs[0])
        self.n += n
        mean, variance = (in_double(moment) for moment in self._running())
        self.mean = self.mean + n * mean
        self.square = self.square + n * (variance + mean**2)

    def _running(self) -> tuple[Tensor, Tensor]:
        return cast("tuple[Tensor, Tensor]", (self.norm.running_mean, self.norm.running_var))

    def put(self, momentum: float | None) -> None:
        """Give the layer the statistics of all batches, and leave it in evaluation mode."""
        self.hook.remove()
        if self.n:
            mean, running = self.mean / self.n, self._running()
            for moment, found in zip(running, (mean, self.square / self.n - mean**2), strict=True):
                moment.copy_(torch.as_tensor(found))
        self.norm.momentum = momentum
        self.norm.eval()


class MeasureBatchNorm(Callback):
    """At the end of a training, measure the statistics of batch normalisation again.

    What training leaves are running averages over its last batches: of augmented signals, under
    dropout, and with the momentum of 0.01 that Braindecode's EEGNet has, over a hundred batches, so
    that a network after a short training still predicts with those that it began with. For
    ``callbacks=`` of the estimators; what ``history_`` has of the last epoch is of the network
    before. ``measure_batch_norm`` in the same module does it for any trained module.

    Examples
    --------
    >>> from eeginv import InvariantClassifier
    >>> from eeginv.estimators import MeasureBatchNorm
    >>> clf = InvariantClassifier("EEGNet", sfreq=128, callbacks=[MeasureBatchNorm()])
    """

    def on_train_end(self, net: NeuralNet, X: Any = None, **kwargs: Any) -> None:
        measure_batch_norm(net.module_, X.X, net.device)
