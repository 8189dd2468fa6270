"""Statistics of batch normalisation as predictions need them."""

import torch
from skorch.callbacks import Callback
from torch.nn.modules.batchnorm import _BatchNorm

from ..invariant import uncompiled
from ..transforms.precision import in_double

# So many signals pass through the network at most, copies counted.
_MAX_SIGNALS = 4096
_BATCH = 64


def measure_batch_norm(module, X, device="cpu"):
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

    def __init__(self, norm):
        self.norm = norm
        self.n, self.mean, self.square = 0, 0.0, 0.0
        norm.momentum = 1.0  # what it has after a batch is of this batch alone
        norm.train()
        self.hook = norm.register_forward_hook(self._add)

    def _add(self, norm, inputs, output):
        n = len(inputs[0])
        self.n += n
        mean = in_double(norm.running_mean)
        self.mean = self.mean + n * mean
        self.square = self.square + n * (in_double(norm.running_var) + mean**2)

    def put(self, momentum):
        """Give the layer the statistics of all batches, and leave it in evaluation mode."""
        self.hook.remove()
        if self.n:
            mean = self.mean / self.n
            self.norm.running_mean.copy_(mean)
            self.norm.running_var.copy_(self.square / self.n - mean**2)
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

    def on_train_end(self, net, X=None, **kwargs):
        measure_batch_norm(net.module_, X.X, net.device)
