"""Transforms of the time axis."""

from .base import BinaryTransform


class TimeReverse(BinaryTransform):
    """Reverse the direction of time [1]_.

    Parameters
    ----------
    probability : float
        Initial probability with which an example is reversed.
    max_probability : float
        Largest probability.

    Notes
    -----
    The gradient with respect to the probability is that of the score function, through
    ``log_prob``; the gradient with respect to the signal is exact.

    References
    ----------
    .. [1] Rommel, C., Paillard, J., Moreau, T., & Gramfort, A. (2022). Data augmentation for
       learning predictive models on EEG: a systematic comparison. Journal of Neural Engineering.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import TimeReverse
    >>> t = TimeReverse(probability=0.5)
    >>> X = torch.arange(6.0).reshape(1, 2, 3)
    >>> t.apply(X, t.draw(X), magnitude=1.0)
    tensor([[[2., 1., 0.],
             [5., 4., 3.]]])
    """

    family = "temporal"

    def _transformed(self, X):
        return X.flip(-1)
