"""Checks that channel names and sampling frequencies agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .montage import parse_channel

if TYPE_CHECKING:
    from torch import nn

# Files store rounded sampling frequencies.
RATE_TOLERANCE = 1e-5


def same_rate(one: float | None, other: float | None) -> bool:
    """Return whether two sampling frequencies in Hz agree. None, if unknown, agrees with all."""
    return one is None or other is None or math.isclose(one, other, rel_tol=RATE_TOLERANCE)


def find_channels(
    given: Sequence[str], wanted: Sequence[str], references: bool = True
) -> list[int | None]:
    """Find channels by their names.

    Parameters
    ----------
    given : list of str
        Names to look in.
    wanted : list of str
        Names to look for.
    references : bool
        Whether "C3-A2" and "C3" are different channels. They are different signals at one position.

    Returns
    -------
    places : list of int or None
        Index in `given` of each wanted name, or None if it is not found. If there is no exact
        match, another spelling is accepted ("EEG C3" and "c3", "T3" and "T7"), provided that it
        matches exactly one channel.

    Examples
    --------
    >>> from eeginv.transforms.layout import find_channels
    >>> find_channels(["O1", "EEG C3"], ["C3", "O1", "O2"])
    [1, 0, None]
    """
    places = {name: i for i, name in enumerate(given)}
    found = [places.get(name) for name in wanted]
    if None in found:
        sides = [[_meaning(name, references) for name in names] for names in (given, wanted)]
        if all(len(set(side)) == len(side) for side in sides):
            meanings = {meaning: i for i, meaning in enumerate(sides[0])}
            found = [meanings.get(meaning) for meaning in sides[1]]
    return found


def check_made_for(
    part: nn.Module, sfreq: float | None = None, ch_names: Sequence[str] | None = None
) -> None:
    """Raise an error for transforms that were made for another sampling frequency or channels.

    Parameters
    ----------
    part : nn.Module
        A transform, or a module that contains transforms.
    sfreq : float | None
        Sampling frequency of the signals in Hz, if known.
    ch_names : list of str | None
        Names of the channels of the signals, if known.

    Raises
    ------
    ValueError
        If a transform has another sampling frequency, other channels, or another order of them.

    Examples
    --------
    >>> from eeginv.transforms import ChannelsSymmetry
    >>> from eeginv.transforms.layout import check_made_for
    >>> check_made_for(ChannelsSymmetry(["C3", "C4"]), ch_names=["EEG C3", "EEG C4"])
    """
    for module in part.modules():
        rate, names = (getattr(module, key, None) for key in ("sfreq", "ch_names"))
        name = getattr(module, "name", type(module).__name__)
        if not same_rate(rate, sfreq):
            raise ValueError(
                f"{name} was made for signals at {rate:g} Hz, but these were sampled at {sfreq:g} "
                "Hz."
            )
        if names is None or ch_names is None:
            continue
        if find_channels(list(ch_names), list(names), False) != list(range(len(ch_names))):
            raise ValueError(
                f"{name} was made for the channels {', '.join(names)}, but the signals have "
                f"{', '.join(ch_names)}: make it for those, in their order (ch_names=[...])."
            )


def _meaning(name: str, references: bool) -> tuple[str | None, ...] | str:
    """Return a representation of a channel that does not depend on the spelling of its name."""
    try:
        derivation = parse_channel(name)
    except ValueError:  # not an electrode
        return name.strip().upper()
    return derivation if references else derivation[:2]
