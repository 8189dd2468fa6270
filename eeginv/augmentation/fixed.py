"""Augmentations that learn nothing: a given policy, a schedule of policies, or random ones."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..policy import Policy
from .base import Augmentation
from .branches import Branches, make_transforms
from .candidates import check_transforms
from .joint import JointLayer
from .layer import AugmentationLayer

if TYPE_CHECKING:
    from ..transforms import Transform
    from .undo import Map, Undo


def _fixed_layers(policy: Policy) -> list[AugmentationLayer]:
    layers: list[AugmentationLayer] = []
    for index in range(policy.n_layers):
        entries = policy.layer(index)
        if len({entry.random_strength for entry in entries}) > 1:
            raise ValueError(f"random_strength must be the same for all entries of layer {index}.")
        candidates = make_transforms(entries)
        if entries[0].joint:
            layers.append(JointLayer(candidates))
            continue
        layers.append(
            AugmentationLayer(
                candidates,
                weights=[entry.weight for entry in entries],
                random_strength=entries[0].random_strength,
            )
        )
    return layers


class PolicyAugmentation(Augmentation):
    """Augment with a given policy, or with a schedule of policies.

    Parameters
    ----------
    policy : Policy | list of Policy
        The policy. A list is a schedule, whose members share the training time equally. All
        members have the same transforms and, if they are mixtures, the same number of branches.
        Evaluation uses the last member reached.
    random_state : int | None
        Seed of all draws.

    Examples
    --------
    >>> import torch
    >>> from eeginv.augmentation import PolicyAugmentation, TrivialAugment
    >>> from eeginv.transforms import SignFlip
    >>> policy = TrivialAugment([SignFlip()]).policy()
    >>> augmentation = PolicyAugmentation(policy, random_state=0)
    >>> augmentation(torch.ones(2, 1, 3)).shape
    torch.Size([2, 1, 3])
    """

    def __init__(self, policy: Policy | Iterable[Policy], random_state: int | None = None) -> None:
        schedule = [policy] if isinstance(policy, Policy) else list(policy)
        if not schedule or not all(isinstance(p, Policy) for p in schedule):
            raise TypeError("policy must be a Policy or a non-empty list of them.")
        if len({_structure(p) for p in schedule}) > 1:
            raise ValueError(
                "All policies of a schedule must have the same transforms in the same layers and "
                "branches; only weights, extents and probabilities may differ."
            )
        first = schedule[0]
        layers = [] if first.is_mixture else _fixed_layers(first)
        super().__init__(layers, first.probability, random_state)
        self.branches = Branches(first) if first.is_mixture else None
        self.schedule = schedule
        self.requires_grad_(False)

    # A layer of a plain policy may hold several transforms that differ only in strength. In a
    # mixture these are one transform, whose strength is set for each example.
    def _sample(
        self, X: Tensor, generator: torch.Generator, undo: Undo
    ) -> tuple[Tensor, Tensor | None]:
        if self.branches is None:
            return super()._sample(X, generator, undo)
        return self.branches._sample(X, generator, undo)

    @property
    def _n_choices(self) -> int:
        return super()._n_choices if self.branches is None else self.branches._n_choices

    def _fixed_draws(
        self, template: Tensor, points: Tensor, generator: torch.Generator
    ) -> list[list[Map]]:
        if self.branches is None:
            return super()._fixed_draws(template, points, generator)
        return self.branches._fixed_draws(template, points, generator)

    def policy(self) -> Policy:
        return super().policy() if self.branches is None else self.branches.policy()

    def set_progress(self, fraction: float) -> None:
        """Switch to the policy of the schedule for this part of the training.

        Parameters
        ----------
        fraction : float
            0 at the start, 1 at the end.
        """
        index = min(int(fraction * len(self.schedule)), len(self.schedule) - 1)
        current = self.schedule[index]
        self.probability = current.probability
        if self.branches is None:
            _set_layers(self.layers, current)
        else:
            self.branches.set_policy(current)


def _structure(policy: Policy) -> tuple[Any, ...]:
    """Return the structure that all members of a schedule must share."""
    return tuple(
        tuple(
            (e.layer, e.transform, e.joint, e.random_strength, repr(sorted(dict(e.config).items())))
            for e in branch.entries
        )
        for branch in policy.branches
    )


def _set_layers(layers: Iterable[AugmentationLayer], policy: Policy) -> None:
    """Set weights and strengths to those of a plain policy of the same structure."""
    for number, layer in enumerate(layers):
        entries = policy.layer(number)
        with torch.no_grad():
            weights = torch.tensor([entry.weight for entry in entries])
            layer.logits.copy_(weights.clamp_min(1e-12).log())
            for transform, entry in zip(layer.transforms, entries, strict=True):
                transform.strength = entry.extent


class TrivialAugment(Augmentation):
    """Random augmentation: one transform, drawn uniformly, at a uniform strength [1]_.

    Nothing is learned or tuned. It is the baseline that every learned policy has to beat.

    Parameters
    ----------
    transforms : list of Transform
        The candidates. Strengths are uniform between 0 and each ``max_strength``; on/off
        transforms are always applied once chosen.
    random_state : int | None
        Seed of all draws.

    References
    ----------
    .. [1] Mueller, S. G., & Hutter, F. (2021). TrivialAugment: Tuning-free yet state-of-the-art
       data augmentation. ICCV.

    Examples
    --------
    >>> from eeginv.augmentation import TrivialAugment
    >>> from eeginv.transforms import default_transforms
    >>> TrivialAugment(default_transforms(sfreq=100)).policy().n_layers
    1
    """

    def __init__(self, transforms: Sequence[Transform], random_state: int | None = None) -> None:
        candidates = [copy.deepcopy(t) for t in check_transforms(transforms)]
        for transform in candidates:
            if not transform.binary:
                transform.strength = transform.max_strength
        layer = AugmentationLayer(candidates, random_strength=True)
        super().__init__([layer], random_state=random_state)
        self.requires_grad_(False)
