"""Registry of all transforms by name."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from .amplitude import AmplitudeScale, GaussianNoise, SignFlip
from .generator import ChannelsGenerator
from .rotation import SensorsXRotation, SensorsYRotation, SensorsZRotation
from .spatial import ChannelsDropout, ChannelsMix, ChannelsShuffle, ChannelsSymmetry
from .spectral import BandstopFilter, FrequencyShift, FTSurrogate
from .temporal import SmoothTimeMask, TimeReverse, TimeShift, TimeWarp

if TYPE_CHECKING:
    from .base import Transform

REGISTRY: dict[str, type[Transform]] = {
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
# Policies know these by name, but they need more than a description of the recording.
NOT_IN_THE_CATALOGUE: dict[str, type[Transform]] = {"ChannelsGenerator": ChannelsGenerator}


def name_in_policy(transform: Transform) -> str:
    """Return the name of a transform in policies.

    Parameters
    ----------
    transform : Transform
        The transform.

    Returns
    -------
    name : str
        Its name, preceded by that of its module if another class has this name in ``REGISTRY``, so
        that a policy is never applied with the wrong one.

    Examples
    --------
    >>> from eeginv.transforms import SignFlip
    >>> from eeginv.transforms.registry import name_in_policy
    >>> name_in_policy(SignFlip())
    'SignFlip'
    """
    name = transform.name
    ours = {**REGISTRY, **NOT_IN_THE_CATALOGUE}.get(name)
    if ours is None or ours is type(transform):
        return name
    return f"{type(transform).__module__.rpartition('.')[2]}.{name}"


def transform_class(name: str) -> type[Transform]:
    """Return the class of a transform of a policy.

    Parameters
    ----------
    name : str
        Name in ``REGISTRY``, or "ChannelsGenerator".

    Returns
    -------
    cls : type
        The class.

    Raises
    ------
    ValueError
        If no transform has that name.

    Examples
    --------
    >>> from eeginv.transforms.registry import transform_class
    >>> transform_class("SignFlip")
    <class 'eeginv.transforms.amplitude.SignFlip'>
    """
    known = {**REGISTRY, **NOT_IN_THE_CATALOGUE}
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"The policy holds the name of a transform, {name!r}, that is not in "
            f"eeginv.transforms.REGISTRY, so it cannot be made.{hint} A transform of your own "
            "needs its class: pass an augmentation, such as AugNet([MyTransform(...)]), instead "
            f"of the policy. Known are {', '.join(sorted(known))}."
        )
    return known[name]


def make_transform(
    name: str, sfreq: float | None = None, ch_names: Sequence[str] | None = None, **options: Any
) -> Transform:
    """Make a transform by name, with the properties of the signals that it needs.

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
        close = get_close_matches(str(name), REGISTRY, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"Unknown transform {name!r}.{hint} Known are {', '.join(sorted(REGISTRY))}."
        )
    cls = REGISTRY[name]
    context = {"sfreq": sfreq, "ch_names": ch_names}
    for argument in needs(cls):
        if context[argument] is None:
            raise ValueError(f"{name} needs {argument}.")
        options[argument] = context[argument]
    return cls(**options)


def loses_information(name: str) -> bool:
    """Return whether a transform removes information, so that its use is no evidence of a symmetry.

    Parameters
    ----------
    name : str
        Name of the transform. An unknown name is taken for that of a user-defined class.

    Returns
    -------
    loses : bool
        Whether it does. False if the name is not known.
    """
    return getattr({**REGISTRY, **NOT_IN_THE_CATALOGUE}.get(name), "loses_information", False)


def kind_of(name: str) -> tuple[str, bool]:
    """Return the unit of a transform, and whether it is an on/off transform.

    Parameters
    ----------
    name : str
        Name of the transform. An unknown name is taken for that of a user-defined class.

    Returns
    -------
    unit : str
        Unit of the strength. "1" if the name is not known.
    binary : bool
        Whether it is an on/off transform. False if the name is not known.
    """
    cls = {**REGISTRY, **NOT_IN_THE_CATALOGUE}.get(name)
    if cls is None:
        return "1", False
    return cls.unit, cls.binary


def needs(cls: type[Transform]) -> list[str]:
    """Return the required arguments that describe the signals: "sfreq", "ch_names", or none."""
    arguments = inspect.signature(cls).parameters
    return [argument for argument in ("sfreq", "ch_names") if argument in arguments]
