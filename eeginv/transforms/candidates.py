"""Default candidate transforms for each kind of recording."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from .base import Transform, check_sfreq
from .registry import REGISTRY, make_transform, needs
from .rotation import SensorsRotation

# Smallest number of sensors for the interpolation of the field between them.
ROTATION_CHANNELS = 8

# Name of a transform, and arguments of its constructor.
Candidate: TypeAlias = tuple[str, dict[str, float]]


def _sleep(sfreq: float) -> list[Candidate]:
    # No noise and no random phases: they change the background activity that defines the stages.
    return [
        ("TimeReverse", ON_OFF),
        ("SignFlip", ON_OFF),
        ("TimeShift", _half_of(3.0)),
        ("FrequencyShift", _half_of(min(1.0, sfreq / 2))),
        ("SmoothTimeMask", _up_to(2.0, 9.0)),
        ("BandstopFilter", _up_to(0.5, min(2.0, sfreq / 4))),
        ("ChannelsDropout", _up_to(0.1, 0.5)),
        ("ChannelsSymmetry", ON_OFF),
        *_rotations(),
    ]


def _motor_imagery(sfreq: float) -> list[Candidate]:
    # No transform that changes the ratio of amplitudes between the two sides of the head.
    return [
        ("TimeReverse", ON_OFF),
        ("TimeShift", _half_of(0.4)),
        ("SmoothTimeMask", _up_to(0.2, 1.2)),
        ("SignFlip", ON_OFF),
        ("FrequencyShift", _half_of(min(0.5, sfreq / 2))),
        ("FTSurrogate", _up_to(0.1, 0.5)),
        # at most the usual cutoff of the preprocessing
        ("BandstopFilter", {**_up_to(0.5, min(2.0, sfreq / 4)), "max_freq": min(40.0, sfreq / 2)}),
    ]


def _generic(sfreq: float) -> list[Candidate]:
    return [
        ("TimeReverse", ON_OFF),
        ("TimeShift", _half_of(64 / sfreq)),
        ("SmoothTimeMask", _up_to(20 / sfreq, 192 / sfreq)),
        ("SignFlip", ON_OFF),
        ("AmplitudeScale", _half_of(6.0)),
        ("GaussianNoise", _up_to(0.1, 0.5)),
        ("FrequencyShift", _half_of(sfreq / 256)),
        ("FTSurrogate", _up_to(0.1, 0.5)),
        ("BandstopFilter", {**_up_to(sfreq / 200, sfreq / 64), "max_freq": sfreq / 3}),
        ("ChannelsDropout", _up_to(0.1, 0.5)),
        ("ChannelsShuffle", _up_to(0.1, 0.5)),
        ("ChannelsMix", _up_to(0.1, 0.5)),
    ]


def _rotations() -> list[Candidate]:
    return [(f"Sensors{axis}Rotation", _half_of(30.0)) for axis in "XYZ"]


# Transforms that keep information start at half of their range. A network becomes invariant to the
# transforms that it sees in training. Smaller initial strengths generalised worse to other
# subjects.
ON_OFF = {"probability": 0.25}


def _half_of(max_magnitude: float) -> dict[str, float]:
    return {"magnitude": max_magnitude / 2, "max_magnitude": max_magnitude}


# Transforms that lose information start with a small strength, so that signals stay recognisable.
def _up_to(magnitude: float, max_magnitude: float) -> dict[str, float]:
    return {"magnitude": min(magnitude, max_magnitude / 4), "max_magnitude": max_magnitude}


KINDS = {"sleep": _sleep, "motor_imagery": _motor_imagery, "generic": _generic}


# Largest share of a window that a mask may cover, if the length of the windows is known.
MASKED = 0.375


def _fit_to(candidates: list[Candidate], seconds: float) -> list[Candidate]:
    """Limit the length of masks to this share of the window."""
    longest = MASKED * seconds
    return [
        (name, _up_to(options["magnitude"], longest))
        if name == "SmoothTimeMask" and options["max_magnitude"] > longest
        else (name, options)
        for name, options in candidates
    ]


def default_transforms(
    sfreq: float,
    ch_names: Sequence[str] | None = None,
    kind: str = "sleep",
    seconds: float | None = None,
) -> list[Transform]:
    """Return the default candidate transforms for standardised signals.

    Their initial strengths leave most signals recognisable, but are large enough for a network to
    become invariant to the transforms.

    Parameters
    ----------
    sfreq : float
        Sampling frequency of the signals, in Hz.
    ch_names : list of str | None
        Names of the channels, in the order of the signals. Without names, left-right symmetry and
        rotations of the sensors are left out. With names, a warning lists the transforms that they
        do not allow, and these are left out.
    kind : str
        "sleep" (staging), "motor_imagery" or "generic". The labels of motor imagery depend on the
        ratio of amplitudes between the two sides of the head, so no candidate changes it. For
        generic time series, times and frequencies are set in samples, and channels are not assumed
        to be sensors.
    seconds : float | None
        Length of the windows in s. It limits masks to three eighths of a window. Without it, masks
        last up to 9 s (sleep), 1.2 s (motor imagery) or 192 samples (generic), and a mask as long
        as a window sets it to zero. The estimators pass the length.

    Returns
    -------
    transforms : list of Transform
        New objects.

    Examples
    --------
    >>> from eeginv.transforms import default_transforms
    >>> [type(t).__name__ for t in default_transforms(sfreq=100)][:4]
    ['TimeReverse', 'SignFlip', 'TimeShift', 'FrequencyShift']
    """
    sfreq = check_sfreq(sfreq)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {sorted(KINDS)}, got {kind!r}.")
    candidates = KINDS[kind](sfreq)
    if seconds is not None:
        if not seconds > 0:
            raise ValueError(f"seconds is the length of the windows, above 0; got {seconds}.")
        candidates = _fit_to(candidates, seconds)
    left_out = {}
    if ch_names is not None:
        for name, _ in candidates:
            reason = too_few_channels(REGISTRY[name], len(ch_names))
            if reason is not None:
                left_out[name] = reason
    return make_allowed([c for c in candidates if c[0] not in left_out], sfreq, ch_names, left_out)


def too_few_channels(cls: type[Transform], n_channels: int) -> str | None:
    """Return why a transform is not possible with this number of channels, or None if it is."""
    if cls.family != "spatial":
        return None
    if issubclass(cls, SensorsRotation) and n_channels < ROTATION_CHANNELS:
        return (
            f"the field between {n_channels} sensors cannot be interpolated, which needs "
            f"{ROTATION_CHANNELS}."
        )
    return "there is only one channel." if n_channels < 2 else None


def possible_with(n_channels: int, transforms: Iterable[Transform]) -> list[Transform]:
    """Leave out the transforms that need more channels, which a list without names has.

    Parameters
    ----------
    n_channels : int
        Number of channels of the signals.
    transforms : iterable of Transform
        The transforms.

    Returns
    -------
    possible : list of Transform
        Those that are possible.
    """
    return [t for t in transforms if too_few_channels(type(t), n_channels) is None]


def make_allowed(
    candidates: Iterable[Candidate],
    sfreq: float | None,
    ch_names: Sequence[str] | None,
    left_out: dict[str, str] | None = None,
) -> list[Transform]:
    """Make transforms from names and options, and skip those whose requirements are not met.

    For each reason, one warning lists the transforms that were left out, including those in
    ``left_out`` (a dict from name to reason).
    """
    context = {"sfreq": sfreq, "ch_names": ch_names}
    transforms, left_out = [], dict(left_out or {})
    for name, options in candidates:
        if any(context[argument] is None for argument in needs(REGISTRY[name])):
            continue
        try:
            transforms.append(make_transform(name, sfreq, ch_names, **options))
        except ValueError as error:  # channel names, or a low sampling frequency
            left_out[name] = str(error)
    for reason in dict.fromkeys(left_out.values()):
        names = [name for name, why in left_out.items() if why == reason]
        warnings.warn(f"Left out {', '.join(names)}: {reason}", stacklevel=3)
    return transforms
