"""Every transform by name."""

import inspect

from .amplitude import AmplitudeScale, GaussianNoise, SignFlip
from .rotation import SensorsXRotation, SensorsYRotation, SensorsZRotation
from .spatial import ChannelsDropout, ChannelsMix, ChannelsShuffle, ChannelsSymmetry
from .spectral import BandstopFilter, FrequencyShift, FTSurrogate
from .temporal import SmoothTimeMask, TimeReverse, TimeShift, TimeWarp

REGISTRY = {
    cls.__name__: cls
    for cls in (
        TimeReverse,
        TimeShift,
        TimeWarp,
        SmoothTimeMask,
        SignFlip,
        AmplitudeScale,
        GaussianNoise,
        FrequencyShift,
        FTSurrogate,
        BandstopFilter,
        ChannelsDropout,
        ChannelsShuffle,
        ChannelsSymmetry,
        ChannelsMix,
        SensorsXRotation,
        SensorsYRotation,
        SensorsZRotation,
    )
}


def make_transform(name, sfreq=None, ch_names=None, **options):
    """Make a transform by name, handing it what it needs to know of the signals.

    Parameters
    ----------
    name : str
        Name in ``REGISTRY``.
    sfreq : float | None
        Sampling frequency in Hz, for the transforms that need it.
    ch_names : list of str | None
        Names of the channels, for the transforms that need them.
    **options : dict
        Further arguments of the transform.

    Returns
    -------
    transform : Transform
        A new object.

    Examples
    --------
    >>> from eeginv.transforms import make_transform
    >>> make_transform("FrequencyShift", sfreq=100, magnitude=0.5)
    FrequencyShift(magnitude=0.5 Hz)
    """
    if name not in REGISTRY:
        raise ValueError(f"Unknown transform {name!r}; known are {', '.join(sorted(REGISTRY))}.")
    cls = REGISTRY[name]
    context = {"sfreq": sfreq, "ch_names": ch_names}
    for argument in needs(cls):
        if context[argument] is None:
            raise ValueError(f"{name} needs {argument}.")
        options[argument] = context[argument]
    return cls(**options)


def needs(cls):
    """Return what a transform must be told of the signals: "sfreq", "ch_names", or neither."""
    arguments = inspect.signature(cls).parameters
    return [argument for argument in ("sfreq", "ch_names") if argument in arguments]
