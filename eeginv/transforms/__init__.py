"""What a transform does to a signal: pure torch, differentiable, with learnable strengths."""

from .amplitude import GaussianNoise, SignFlip
from .base import BinaryTransform, Transform
from .registry import REGISTRY, default_transforms
from .spatial import ChannelsDropout
from .spectral import FrequencyShift, FTSurrogate
from .temporal import TimeReverse

__all__ = [
    "REGISTRY",
    "BinaryTransform",
    "ChannelsDropout",
    "FTSurrogate",
    "FrequencyShift",
    "GaussianNoise",
    "SignFlip",
    "TimeReverse",
    "Transform",
    "default_transforms",
]
