"""Transforms of the channel axis."""

from .base import Transform, bernoulli_log_prob


class ChannelsDropout(Transform):
    """Set channels to zero, each independently.

    Parameters
    ----------
    magnitude : float
        Initial probability with which a channel is dropped.
    max_magnitude : float
        Largest probability.

    Notes
    -----
    A dropped channel is exactly zero and the others are untouched (no rescaling), so the output
    jumps with the probability. The gradient with respect to it is that of the score function,
    through ``log_prob``; the gradient with respect to the signal is exact.

    Examples
    --------
    >>> import torch
    >>> from eeginv.transforms import ChannelsDropout
    >>> t = ChannelsDropout(0.5)
    >>> X = torch.ones(1000, 2, 1)
    >>> round(float(t(X, torch.Generator().manual_seed(0)).mean()), 1)
    0.5
    """

    family = "spatial"
    continuous = False

    def __init__(self, magnitude=0.2, max_magnitude=1.0):
        if max_magnitude > 1:
            raise ValueError(f"max_magnitude is a probability, at most 1; got {max_magnitude}.")
        super().__init__(magnitude, max_magnitude)

    def _draw(self, draws):
        return {"uniform": draws.uniform(draws.n_channels)}

    def _transform(self, X, noise, strength):
        return X * (noise["uniform"].unsqueeze(-1) >= strength)

    def _log_prob(self, noise, strength):
        strength = strength.reshape(-1, 1)
        return bernoulli_log_prob(noise["uniform"] < strength, strength).sum(dim=1)
