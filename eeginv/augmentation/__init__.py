"""Learnable distributions over transforms, and fixed ones as baselines."""

from .augerino import Augerino
from .augnet import AugNet
from .base import Augmentation
from .classwise import ClasswiseAugmentation
from .fixed import PolicyAugmentation, TrivialAugment
from .joint import JointLayer
from .layer import AugmentationLayer
from .per_example import PerExampleLoss
from .regularized import RegularizedAugNet
from .reward import OrbitLength, WeightedNorm
from .undo import Undo

__all__ = [
    "AugNet",
    "Augerino",
    "Augmentation",
    "AugmentationLayer",
    "ClasswiseAugmentation",
    "JointLayer",
    "OrbitLength",
    "PerExampleLoss",
    "PolicyAugmentation",
    "RegularizedAugNet",
    "TrivialAugment",
    "Undo",
    "WeightedNorm",
]
