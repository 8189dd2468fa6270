"""Rewards for a wide distribution of transformations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from ..transforms import Transform
from ..transforms.strength import constant, read_strengths

if TYPE_CHECKING:
    from .layer import AugmentationLayer

# Offset of lengths, in norms of the signals. It gives the root of the sum of squares a gradient
# where a transform has strength zero in several layers.
FLOOR = 1e-3


class OrbitLength:
    """Reward the length of the path along which each transform moves the data.

    ``sum_k log(1 + W_k)``, where ``W_k = sqrt(sum_l (s_lk * w_lk * spread(mu_lk))^2)`` is the
    length that the layers ``l`` give to transform ``k`` by choosing it with probability ``w_lk`` at
    strength ``mu_lk``, and ``s_lk`` is how far a unit of spread moves the training signals relative
    to their norm. As it is measured in the data, the reward does not depend on the unit or the
    range of a strength. The logarithm gives several transforms about the same value. Draws of
    several layers are independent, so their lengths add up as the root of the sum of squares. The
    gradient is largest for the widest layer, so that a transform of several layers concentrates in
    one of them.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation import AugmentationLayer, OrbitLength
    >>> from eeginv.transforms import SignFlip
    >>> layer = AugmentationLayer([SignFlip(0.5)])  # a flipped signal is 2 norms away
    >>> round(OrbitLength()([layer], [torch.tensor([2.0])]).item(), 3)  # log(1 + 2 * 0.5)
    0.693
    """

    def __call__(
        self, layers: Iterable[AugmentationLayer], displacements: Sequence[Tensor]
    ) -> Tensor:
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
        transforms = _transforms(layers)
        spreads = _spreads(transforms, read_strengths(transforms))
        lengths = torch.cat(list(displacements)) * _weights(layers) * spreads
        return self._parts(layers, transforms).join(lengths).log1p().sum()

    _known = None

    def _parts(
        self, layers: Iterable[AugmentationLayer], transforms: Iterable[Transform]
    ) -> _Parts:
        """Return which candidates are the same transform, which training does not change."""
        if self._known is None or self._known.transforms != transforms:  # compares identities
            self._known = _Parts(layers, transforms)
        return self._known


class _Parts:
    """Index of the candidates that are the same transform, in one layer or in several."""

    def __init__(
        self, layers: Iterable[AugmentationLayer], transforms: Iterable[Transform]
    ) -> None:
        self.transforms = transforms
        names = [(type(t), t.name, str(t.config())) for t in transforms]
        layer_of = [number for number, layer in enumerate(layers) for _ in layer.transforms]
        places = list(zip(names, layer_of, strict=True))
        steps = list(dict.fromkeys(places))
        self.n_steps, self.n_candidates = len(steps), len(places)
        self.step_of = tuple(steps.index(place) for place in places)
        counts = Counter(name for name, _ in steps)
        self.alone = tuple(i for i, (name, _) in enumerate(steps) if counts[name] == 1)
        self.shared = tuple(i for i, (name, _) in enumerate(steps) if counts[name] > 1)
        several = [name for name in counts if counts[name] > 1]
        self.shared_by = tuple(several.index(steps[i][0]) for i in self.shared)
        self.n_shares = tuple(counts[name] for name in several)

    def join(self, lengths: Tensor) -> Tensor:
        """Combine the lengths of candidates that are the same transform.

        In one layer they are alternatives, and their lengths are summed. Over several layers the
        result is the root of the sum of squares, offset to have a gradient where all are zero.
        """

        def index(numbers: tuple[int, ...]) -> Tensor:
            return constant(numbers, torch.int64, lengths.device)

        if self.n_steps < self.n_candidates:
            empty = lengths.new_zeros(self.n_steps)
            lengths = empty.index_add(0, index(self.step_of), lengths)
        if not self.shared:
            return lengths
        squares = (lengths.index_select(0, index(self.shared)) + FLOOR).square()
        empty = squares.new_zeros(len(self.n_shares))
        joint = empty.index_add(0, index(self.shared_by), squares).sqrt()
        offset = FLOOR * constant(self.n_shares, joint.dtype, joint.device).sqrt()
        return torch.cat([lengths.index_select(0, index(self.alone)), joint - offset])


def _transforms(layers: Iterable[AugmentationLayer]) -> list[Transform]:
    return [transform for layer in layers for transform in layer.transforms]


def _weights(layers: Iterable[AugmentationLayer]) -> Tensor:
    """Weight of each candidate of each layer, shape (n_transforms,)."""
    return torch.cat([layer.weights for layer in layers])


def _spreads(transforms: list[Transform], strengths: Tensor) -> Tensor:
    """Spread of each transform, shape (n_transforms,)."""
    if any(type(transform).spread is not Transform.spread for transform in transforms):
        pairs = zip(transforms, strengths.unbind(), strict=True)
        return torch.stack([torch.as_tensor(t.spread(strength)) for t, strength in pairs])
    jumps = constant(tuple(not t.continuous for t in transforms), torch.bool, strengths.device)
    return torch.where(jumps, 2 * strengths * (1 - strengths), strengths)


class WeightedNorm:
    """The reward of the AugNet paper: ``|| w * mu ||_2`` over all layers and candidates [1]_.

    ``mu`` is each strength divided by the end of its range, so the reward depends on the choice of
    the ranges. It serves for comparison.

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

    def __call__(
        self, layers: Iterable[AugmentationLayer], displacements: Sequence[Tensor]
    ) -> Tensor:
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
        transforms = _transforms(layers)
        strengths = read_strengths(transforms)
        largest = tuple(transform.max_strength for transform in transforms)
        terms = _weights(layers) * strengths / constant(largest, strengths.dtype, strengths.device)
        # the constant keeps the derivative finite where every strength is zero
        return torch.sqrt(terms.square().sum() + 1e-12)


class Reward(Protocol):
    """A function that rewards a wide distribution of transformations."""

    def __call__(
        self, layers: Iterable[AugmentationLayer], displacements: Sequence[Tensor]
    ) -> Tensor:
        """Return the reward of layers, given the displacements of their transforms."""


REWARDS: dict[str, type[Reward]] = {"orbit_length": OrbitLength, "weighted_norm": WeightedNorm}
