"""Transforms of signals: differentiable torch modules with learnable strengths."""

from .amplitude import AmplitudeScale, GaussianNoise, SignFlip
from .base import Transform
from .binary import BinaryTransform
from .candidates import default_transforms
from .generator import ChannelsGenerator
from .montage import channel_positions, mirror_permutation
from .registry import REGISTRY, make_transform
from .rotation import SensorsXRotation, SensorsYRotation, SensorsZRotation
from .spatial import ChannelsDropout, ChannelsMix, ChannelsShuffle, ChannelsSymmetry
from .spectral import BandstopFilter, FrequencyShift, FTSurrogate
from .temporal import SmoothTimeMask, TimeReverse, TimeShift, TimeWarp

__all__ = [
    "REGISTRY",
    "AmplitudeScale",
    "BandstopFilter",
    "BinaryTransform",
    "ChannelsDropout",
    "ChannelsGenerator",
    "ChannelsMix",
    "ChannelsShuffle",
    "ChannelsSymmetry",
    "FTSurrogate",
    "FrequencyShift",
    "GaussianNoise",
    "SensorsXRotation",
    "SensorsYRotation",
    "SensorsZRotation",
    "SignFlip",
    "SmoothTimeMask",
    "TimeReverse",
    "TimeShift",
    "TimeWarp",
    "Transform",
    "channel_positions",
    "default_transforms",
    "make_transform",
    "mirror_permutation",
]
