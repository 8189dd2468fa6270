"""Augmentations that learn nothing: a given policy, a schedule of them, or plain chance."""

import copy

import torch

from .. import transforms as transforms_module
from ..policy import Policy
from .base import Augmentation
from .layer import AugmentationLayer


def _fixed_layers(policy):
    layers = []
    for index in range(policy.n_layers):
        entries = policy.layer(index)
        if len({entry.random_strength for entry in entries}) > 1:
            raise ValueError(f"random_strength must be the same for all entries of layer {index}.")
        candidates = []
        for entry in entries:
            if entry.transform not in transforms_module.REGISTRY:
                known = ", ".join(sorted(transforms_module.REGISTRY))
                raise ValueError(
                    f"The policy holds the name of a transform, {entry.transform!r}, that is not "
                    f"in eeginv.transforms.REGISTRY, so it cannot be made; known are {known}."
                )
            cls = transforms_module.REGISTRY[entry.transform]
            candidates.append(cls(**{cls.strength_name: entry.extent}, **entry.config))
        layers.append(
            AugmentationLayer(
                candidates,
                weights=[entry.weight for entry in entries],
                random_strength=entries[0].random_strength,
            )
        )
    return layers


class PolicyAugmentation(Augmentation):
    """Augment with a given policy, or with one that changes while training.

    Parameters
    ----------
    policy : Policy | list of Policy
        The policy; a list is a schedule whose members share the training time equally. All
        members have the same transforms. Evaluation uses the last one reached.
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

    def __init__(self, policy, random_state=None):
        schedule = [policy] if isinstance(policy, Policy) else list(policy)
        if not schedule or not all(isinstance(p, Policy) for p in schedule):
            raise TypeError("policy must be a Policy or a non-empty list of them.")
        super().__init__(_fixed_layers(schedule[0]), schedule[0].probability, random_state)
        self.schedule = schedule
        self.requires_grad_(False)

    def set_progress(self, fraction):
        """Move to the policy that the schedule holds for this part of the training.

        Parameters
        ----------
        fraction : float
            0 at the start, 1 at the end.
        """
        index = min(int(fraction * len(self.schedule)), len(self.schedule) - 1)
        current = self.schedule[index]
        self.probability = current.probability
        for number, layer in enumerate(self.layers):
            entries = current.layer(number)
            with torch.no_grad():
                weights = torch.tensor([entry.weight for entry in entries])
                layer.logits.copy_(weights.clamp_min(1e-12).log())
                for transform, entry in zip(layer.transforms, entries, strict=True):
                    transform._set_strength(entry.extent)


class TrivialAugment(Augmentation):
    """Random augmentation: one transform, equally likely, at a uniform strength [1]_.

    Nothing is learned or tuned: the control that every learned policy has to beat.

    Parameters
    ----------
    transforms : list of Transform
        The candidates. Strengths are uniform between 0 and each ``max_magnitude``; transforms
        that are there or not are always applied once chosen.
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

    def __init__(self, transforms, random_state=None):
        candidates = [copy.deepcopy(t) for t in transforms]
        for transform in candidates:
            if transform.strength_name != "probability":
                transform._set_strength(transform.max_magnitude)
        layer = AugmentationLayer(candidates, random_strength=True)
        super().__init__([layer], random_state=random_state)
        self.requires_grad_(False)
