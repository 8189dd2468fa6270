"""Augmentations, and the signals, networks and losses around them."""

import torch
from torch import nn

from eeginv import AugNet, PerExampleLoss, Policy
from eeginv.policy import PolicyEntry
from eeginv.transforms import default_transforms

SFREQ = 100.0


def signals(n=8, channels=2, times=100, seed=0):
    return torch.randn(n, channels, times, generator=torch.Generator().manual_seed(seed))


def augnet(**kwargs):
    options = {"n_layers": 2, "random_state": 0, **kwargs}
    return AugNet(default_transforms(SFREQ), **options)


def backbone(n_outputs=3, n_in=200):
    return nn.Sequential(nn.Flatten(), nn.Linear(n_in, n_outputs))


def policies():
    flip = PolicyEntry("SignFlip", 0.4)
    noise = PolicyEntry("GaussianNoise", 0.5, layer=1, random_strength=True)
    shift = PolicyEntry("TimeShift", 0.3, config={"sfreq": SFREQ})
    return [Policy([flip, noise], 0.7), Policy([shift]), Policy([flip])]


def losses(handed_over):
    if not handed_over:
        return nn.CrossEntropyLoss()
    criterion = nn.CrossEntropyLoss(reduction="none")
    criterion.chance = "cross_entropy"
    return PerExampleLoss(criterion)
