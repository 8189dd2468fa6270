"""Transforms of the values of a signal."""

from .base import BinaryTransform, Transform


class SignFlip(BinaryTransform):
    """Flip the polarity of all channels [1]_.

    Parameters
    ----------
    probability : float
        Initial probability with which an example is flipped.
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
    >>> from eeginv.transforms import SignFlip
    >>> t = SignFlip(probability=0.5)
    >>> X = torch.ones(1, 1, 3)
    >>> t.apply(X, t.draw(X), magnitude=1.0)
    tensor([[[-1., -1., -1.]]])
    """

    family = "amplitude"

    def _transformed(self, X):
        return -X


class GaussianNoise(Transform):
    """Add white Gaussian noise.

    Parameters
    ----------
    magnitude : float
        Initial standard deviation, in the unit of the signals.
    max_magnitude : float
        Largest standard deviation. The default supposes standardised signals.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import GaussianNoise
    >>> t = GaussianNoise(0.1)
    >>> X = torch.zeros(4, 2, 1000)
    >>> round(t(X, torch.Generator().manual_seed(0)).std().item(), 2)
    0.1
    """

    family = "amplitude"

    def __init__(self, magnitude=0.1, max_magnitude=1.0):
        super().__init__(magnitude, max_magnitude)

    def _draw(self, draws):
        return {"normal": draws.normal(draws.n_channels, draws.n_times)}

    def _transform(self, X, noise, strength):
        return X + strength * noise["normal"]
