"""Recomputation of batch-normalisation statistics for prediction."""

from __future__ import annotations

from typing import Any, cast

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ..invariant import InvariantModule, uncompiled
from ..transforms.precision import in_double
from .lazy import Windows, as_tensor

# Maximum number of signals that pass through the network, copies counted.
_MAX_SIGNALS = 4096
_BATCH = 64


def measure_batch_norm(
    module: InvariantModule, X: Tensor | Windows, device: str | torch.device = "cpu"
) -> None:
    """Recompute the batch-normalisation statistics on signals like those at prediction.

    The running means and variances are replaced by averages over batches of training signals in
    evaluation mode [1]_. With an augmentation, these are the transformed copies that predictions
    are averaged over.

    Parameters
    ----------
    module : InvariantModule
        The trained network. It is left in evaluation mode.
    X : Tensor | ndarray | LazyWindows, shape (n_examples, n_channels, n_times)
        Training signals. A random part is used if more than 4096 signals, copies counted, would
        pass through the network.
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
    # a compiled network would not call the forward hooks of its layers
    with torch.no_grad(), uncompiled(module):
        order = torch.randperm(len(X))[: max(_BATCH, _MAX_SIGNALS // max(1, copies))]
        for rows in order.split(_BATCH):
            if len(rows) > 1 or len(X) == 1:
                module(as_tensor(X[rows]).to(device))
    for moment, momentum in zip(moments, before, strict=True):
        moment.put(momentum)


class _Moments:
    """First and second moments of the inputs of a batch-normalisation layer over many batches."""

    def __init__(self, norm: _BatchNorm) -> None:
        self.norm = norm
        self.n = 0
        self.mean: Tensor | float = 0.0
        self.square: Tensor | float = 0.0
        norm.momentum = 1.0  # so that the running statistics are those of the last batch
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
        """Set the statistics of all batches in the layer, and leave it in evaluation mode."""
        self.hook.remove()
        if self.n:
            mean, running = self.mean / self.n, self._running()
            for moment, found in zip(running, (mean, self.square / self.n - mean**2), strict=True):
                moment.copy_(torch.as_tensor(found))
        self.norm.momentum = momentum
        self.norm.eval()


class MeasureBatchNorm(Callback):
    """Callback that recomputes the batch-normalisation statistics at the end of training.

    Training leaves running averages over its last batches, of augmented signals and under dropout.
    With the momentum of 0.01 of Braindecode's EEGNet they span a hundred batches, so that after a
    short training the initial values still have a weight. Pass the callback to ``callbacks=`` of
    the estimators. The last row of ``history_`` describes the network before the recomputation.
    For any trained module, use ``measure_batch_norm`` of the same Python module.

    Examples
    --------
    >>> from eeginv import InvariantClassifier
    >>> from eeginv.estimators import MeasureBatchNorm
    >>> clf = InvariantClassifier("EEGNet", sfreq=128, callbacks=[MeasureBatchNorm()])
    """

    def on_train_end(self, net: NeuralNet, X: Any = None, **kwargs: Any) -> None:
        measure_batch_norm(net.module_, X.X, net.device)
