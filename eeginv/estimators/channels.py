"""Selection and order of the channels of an input."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..transforms.layout import find_channels, same_rate

if TYPE_CHECKING:
    import mne


@dataclass(frozen=True)
class Expected:
    """Properties that signals must have, checked where both sides are known.

    Parameters
    ----------
    owner : str
        Origin of the properties, for messages.
    ch_names : list of str | None
        Names of the channels, in order.
    sfreq : float | None
        Sampling frequency in Hz.
    scale : float | None
        Median standard deviation over time.
    """

    owner: str = ""
    ch_names: list[str] | None = None
    sfreq: float | None = None
    scale: float | None = None

    def check_rate(self, sfreq: float | None, what: str) -> None:
        """Raise an error if signals were sampled at another rate."""
        if not same_rate(sfreq, self.sfreq):
            raise ValueError(
                f"{what} sampled at {sfreq:g} Hz, but {self.owner} {self.sfreq:g} Hz: resample the "
                "recordings."
            )


@dataclass(frozen=True)
class Choice:
    """The channels of a recording that are used.

    Parameters
    ----------
    picks : list of int
        Indices of the channels, in the order of use.
    names : list of str
        Their names.
    types : list of str
        Their types, as in MNE.
    left_out : dict of str to str
        The other channels, each with the reason.
    """

    picks: list[int]
    names: list[str]
    types: list[str]
    left_out: dict[str, str]


def choose_channels(info: mne.Info, expected: Expected, what: str) -> Choice:
    """Choose channels as ``mne.pick_types`` chooses data channels, and by name.

    Parameters
    ----------
    info : mne.Info
        Measurement info of the recording.
    expected : Expected
        Names to look for.
    what : str
        Name of the recording, for messages.

    Returns
    -------
    choice : Choice
        Data channels that are not marked as bad, or those with the expected names if names are
        expected. Without any data channel, channels of type "misc" count as data channels, because
        that is the type of channels without a known type in MNE and Braindecode.
    """
    import mne

    names, types = list(info["ch_names"]), info.get_channel_types()
    kinds = dict.fromkeys(("meg", "eeg", "csd", "seeg", "ecog", "dbs", "fnirs"), True)
    data = mne.pick_types(info, **kinds, exclude=()).tolist()
    if not data:
        data = [i for i, kind in enumerate(types) if kind == "misc"]
    if not data:
        raise ValueError(
            f"No channel of {what} is a data channel: their types are "
            f"{', '.join(sorted(set(types)))}. Set the types, for instance "
            f"set_channel_types({{{names[0]!r}: 'eeg'}})."
        )
    reasons = {names[i]: types[i] for i in range(len(names)) if i not in set(data)}
    reasons |= {names[i]: "marked as bad" for i in data if names[i] in info["bads"]}
    usable = [i for i in data if names[i] not in reasons]
    if not usable:
        raise ValueError(f"All data channels of {what} are marked as bad.")
    if expected.ch_names is not None:
        chosen = pick_by_name(
            [names[i] for i in usable], expected.ch_names, expected.owner, what, reasons
        )
        usable, others = [usable[i] for i in chosen], usable
        reasons |= {names[i]: "not expected" for i in others if i not in usable}
    return Choice(usable, [names[i] for i in usable], [types[i] for i in usable], reasons)


def pick_by_name(
    names: list[str],
    expected: list[str],
    owner: str,
    what: str,
    reasons: dict[str, str] | None = None,
) -> list[int]:
    """Find the expected channels, and raise an error that names missing ones.

    Parameters
    ----------
    names : list of str
        Names of the existing channels.
    expected : list of str
        Names to look for.
    owner : str
        Origin of the expected names, for messages.
    what : str
        Name of the signals, for messages.
    reasons : dict of str to str | None
        Channels that were left out, each with the reason.

    Returns
    -------
    places : list of int
        Index of each expected name.
    """
    places = find_channels(names, expected)
    missing = [name for name, i in zip(expected, places, strict=True) if i is None]
    if missing:
        why = dict(reasons or {})
        said = [f"{name} ({why[name]})" if name in why else name for name in missing]
        raise ValueError(
            f"{what} lacks the channels {', '.join(said)}: {owner} "
            f"{', '.join(expected)}, and it has {', '.join(names)}. Interpolate or rename "
            "them, or pick the channels that all have."
        )
    return [place for place in places if place is not None]


def say_left_out(left_out: dict[str, str]) -> None:
    """Warn of the channels that were left out, once for each input.

    Parameters
    ----------
    left_out : dict of str to str
        Names of the channels, each with the reason.
    """
    if not left_out:
        return
    listed = ", ".join(f"{name} ({why})" for name, why in left_out.items())
    advice = ""
    if not set(left_out.values()) <= {"marked as bad", "not expected"}:
        advice = " Give a channel that is one the type of a data channel (set_channel_types)."
    warnings.warn(
        f"Left out: {listed}. Only data channels that are not marked as bad go in.{advice}",
        stacklevel=5,
    )
