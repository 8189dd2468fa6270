"""What pays for a wide distribution of transformations."""

import torch

# Length, in norms of the signals, below which the reward has a slope in every layer: otherwise a
# transform that several layers hold at strength zero would have none in any.
FLOOR = 1e-3


class OrbitLength:
    """Reward the length of the path along which each transform moves the data.

    ``sum_k log(1 + W_k)``, where ``W_k = sqrt(sum_l (s_lk * w_lk * spread(mu_lk))^2)`` is the
    length that the layers ``l`` give to transform ``k`` by choosing it with probability ``w_lk`` at
    strength ``mu_lk``, and ``s_lk`` is how far a unit of spread moves the training signals relative
    to their norm. Measured in the data, the reward does not depend on the unit or the range in
    which a strength was written; the logarithm makes the second transform worth as much as the
    first. Draws of several layers are independent: what they add to each other grows like the root
    of the sum of squares. So the widest layer earns most, and one layer comes to hold a transform
    that several could share.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation import AugmentationLayer, OrbitLength
    >>> from eeginv.transforms import SignFlip
    >>> layer = AugmentationLayer([SignFlip(0.5)])  # a flipped signal is 2 norms away
    >>> round(OrbitLength()([layer], [torch.tensor([2.0])]).item(), 3)  # log(1 + 2 * 0.5)
    0.693
    """

    def __call__(self, layers, displacements):
        """Evaluate the reward.

        Parameters
        ----------
        layers : iterable of AugmentationLayer
            The layers.
        displacements : list of Tensor
            ``s_lk`` of each layer's transforms.

        Returns
        -------
        reward : Tensor
            A scalar.
        """
        lengths = {}
        for layer, displacement in zip(layers, displacements, strict=True):
            of_layer = {}  # candidates that are the same are alternatives, not steps
            for k, (transform, weight) in enumerate(
                zip(layer.transforms, layer.weights, strict=True)
            ):
                length = displacement[k] * weight * transform.spread()
                key = (type(transform), transform.name, str(transform.config()))
                of_layer[key] = of_layer.get(key, 0.0) + length
            for key, length in of_layer.items():
                lengths.setdefault(key, []).append(length)
        return torch.stack([_in_quadrature(parts) for parts in lengths.values()]).log1p().sum()


def _in_quadrature(lengths):
    """Root of the sum of squares; of one length, the length; with a slope where all are zero."""
    if len(lengths) == 1:
        return lengths[0]
    lengths = torch.stack(lengths) + FLOOR
    return torch.linalg.vector_norm(lengths) - FLOOR * len(lengths) ** 0.5


class WeightedNorm:
    """The reward of the AugNet paper: ``|| w * mu ||_2`` over all layers and candidates [1]_.

    ``mu`` is each strength divided by the end of its range, so the answer depends on how the
    ranges are written; kept for comparison.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., & Gramfort, A. (2022). Deep invariant networks with
       differentiable augmentation layers. NeurIPS.

    Examples
    --------
    >>> from eeginv.augmentation import AugmentationLayer, WeightedNorm
    >>> from eeginv.transforms import SignFlip
    >>> layer = AugmentationLayer([SignFlip(0.25, max_probability=0.5)])
    >>> round(WeightedNorm()([layer], None).item(), 3)
    0.5
    """

    def __call__(self, layers, displacements):
        """Evaluate the reward.

        Parameters
        ----------
        layers : iterable of AugmentationLayer
            The layers.
        displacements : list of Tensor
            Not used.

        Returns
        -------
        reward : Tensor
            A scalar.
        """
        terms = [
            weight * transform.strength / transform.max_strength
            for layer in layers
            for transform, weight in zip(layer.transforms, layer.weights, strict=True)
        ]
        # the constant keeps the derivative finite where every strength is zero
        return torch.sqrt(torch.stack(terms).square().sum() + 1e-12)


REWARDS = {"orbit_length": OrbitLength, "weighted_norm": WeightedNorm}
