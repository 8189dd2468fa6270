"""The candidates that learners start from, for each kind of recording."""

import warnings

from .base import check_sfreq
from .registry import REGISTRY, make_transform, needs

# From so many sensors on, the field between them can be interpolated.
ROTATION_CHANNELS = 8


def _sleep(sfreq):
    return [
        ("TimeReverse", {"probability": 0.2}),
        ("SignFlip", {"probability": 0.2}),
        ("FrequencyShift", _up_to(0.5, min(2.0, sfreq / 2))),
        ("ChannelsDropout", _up_to(0.1, 0.5)),
        ("FTSurrogate", {"magnitude": 0.2}),
        ("GaussianNoise", _up_to(0.1, 0.5)),
        ("ChannelsSymmetry", {"probability": 0.2}),
        *_rotations(),
    ]


def _motor_imagery(sfreq):
    return [
        ("TimeReverse", {"probability": 0.2}),
        ("TimeShift", _up_to(0.05, 0.5)),
        ("SmoothTimeMask", _up_to(0.2, 1.0)),
        ("SignFlip", {"probability": 0.2}),
        ("AmplitudeScale", _up_to(2.0, 6.0)),
        ("GaussianNoise", _up_to(0.1, 0.5)),
        ("FrequencyShift", _up_to(0.5, min(2.0, sfreq / 2))),
        ("FTSurrogate", {"magnitude": 0.2}),
        # no higher than what preprocessing usually leaves
        ("BandstopFilter", {**_up_to(0.5, min(2.0, sfreq / 4)), "max_freq": min(40.0, sfreq / 2)}),
        ("ChannelsDropout", _up_to(0.1, 0.5)),
        ("ChannelsMix", _up_to(0.1, 0.5)),
        *_rotations(),
    ]


def _generic(sfreq):
    return [
        ("TimeReverse", {"probability": 0.2}),
        ("TimeShift", _up_to(10 / sfreq, 100 / sfreq)),
        ("TimeWarp", _up_to(0.05, 0.3)),
        ("SmoothTimeMask", _up_to(20 / sfreq, 200 / sfreq)),
        ("SignFlip", {"probability": 0.2}),
        ("AmplitudeScale", _up_to(2.0, 6.0)),
        ("GaussianNoise", _up_to(0.1, 0.5)),
        ("FrequencyShift", _up_to(sfreq / 200, sfreq / 50)),
        ("FTSurrogate", {"magnitude": 0.2}),
        ("ChannelsDropout", _up_to(0.1, 0.5)),
        ("ChannelsShuffle", _up_to(0.1, 0.5)),
    ]


def _rotations():
    return [(f"Sensors{axis}Rotation", _up_to(5.0, 30.0)) for axis in "XYZ"]


def _up_to(magnitude, max_magnitude):
    return {"magnitude": min(magnitude, max_magnitude / 4), "max_magnitude": max_magnitude}


KINDS = {"sleep": _sleep, "motor_imagery": _motor_imagery, "generic": _generic}


def default_transforms(sfreq, ch_names=None, kind="sleep"):
    """Candidate transforms for standardised signals.

    They start at strengths that leave most signals recognisable: a network can only learn to
    ignore what it has seen often enough.

    Parameters
    ----------
    sfreq : float
        Sampling frequency of the signals, in Hz.
    ch_names : list of str | None
        Names of the channels, in the order of the signals. Without them, transforms that exchange
        sides or turn the sensors are left out. With them, what they do not allow is left out and
        named in a warning.
    kind : str
        "sleep" (staging), "motor_imagery" (whose labels are sides of the body, so that exchanging
        the sides of the head is no candidate), or "generic" time series (where times and
        frequencies are set in samples, and no sensors are supposed).

    Returns
    -------
    transforms : list of Transform
        New objects.

    Examples
    --------
    >>> from eeginv.transforms import default_transforms
    >>> [type(t).__name__ for t in default_transforms(sfreq=100)]
    ['TimeReverse', 'SignFlip', 'FrequencyShift', 'ChannelsDropout', 'FTSurrogate', 'GaussianNoise']
    """
    sfreq = check_sfreq(sfreq)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {sorted(KINDS)}, got {kind!r}.")
    transforms, left_out = [], {}
    for name, options in KINDS[kind](sfreq):
        if ch_names is None and "ch_names" in needs(REGISTRY[name]):
            continue
        reason = _forbids(name, ch_names)
        if reason is None:
            try:
                transforms.append(make_transform(name, sfreq, ch_names, **options))
                continue
            except ValueError as error:  # of names, or of a frequency that is too low
                reason = str(error)
        left_out.setdefault(reason, []).append(name)
    for reason, names in left_out.items():
        warnings.warn(f"Left out {', '.join(names)}: {reason}", stacklevel=2)
    return transforms


def _forbids(name, ch_names):
    """Say why these channels do not allow a transform, None if they do."""
    if ch_names is None:
        return None
    if name.startswith("Channels") and len(ch_names) < 2:
        return "there is only one channel."
    if name.startswith("Sensors") and len(ch_names) < ROTATION_CHANNELS:
        return (
            f"the field between {len(ch_names)} sensors cannot be interpolated, it takes "
            f"{ROTATION_CHANNELS}."
        )
    return None
