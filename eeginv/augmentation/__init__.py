"""Learnable distributions over transforms, and the fixed ones to compare them with."""

from .augerino import Augerino
from .augnet import AugNet
from .base import Augmentation
from .fixed import PolicyAugmentation, TrivialAugment
from .layer import AugmentationLayer
from .reward import OrbitLength, WeightedNorm

__all__ = [
    "AugNet",
    "Augerino",
    "Augmentation",
    "AugmentationLayer",
    "OrbitLength",
    "PolicyAugmentation",
    "TrivialAugment",
    "WeightedNorm",
]
