"""Reading of the signals of an EDF file: selection of channels, and conversion to V."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from .header import ANNOTATIONS, EdfHeader, Signal

if TYPE_CHECKING:
    import mne

VOLTS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "nv": 1e-9}


def read_signals(
    header: EdfHeader, channels: Sequence[str] | Mapping[str, str] | None = None
) -> mne.io.BaseRaw:
    """Read the EEG of a file.

    Parameters
    ----------
    header : EdfHeader
        Header of the file.
    channels : sequence of str | dict of str to str | None
        Channels to read, by name, with or without a leading "EEG ", or by a pattern with ``*`` and
        ``?``. A dict renames channels: ``{"C3": "C3-*"}`` reads the channel C3 with any reference,
        and names it C3. None reads the channels whose label begins with "EEG", or all if there are
        none.

    Returns
    -------
    raw : mne.io.Raw
        Recording in memory, in V, without the leading "EEG " in channel names.

    Raises
    ------
    ValueError
        If a channel is missing or has no scale, or the file cannot be read.
    """
    import mne

    chosen = _choose(header, channels)
    if header.n_records == 0 or header.record_seconds <= 0:
        raise ValueError(f"{header.path} has no samples: it is empty, or only its header is there.")
    if header.n_records != header.n_records_promised:
        warnings.warn(
            f"{header.path}: the header announces {header.n_records_promised} records, the file "
            f"holds {header.n_records}, and all of them are read. It may not have been closed.",
            stacklevel=4,
        )
    source: Path | io.BytesIO = header.path
    if header.clean is not None:
        source = io.BytesIO(header.clean + header.path.read_bytes()[header.n_bytes :])
    try:
        with warnings.catch_warnings():
            # MNE warns of filter settings that it cannot parse. They are not used.
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="mne")
            raw = mne.io.read_raw_edf(
                source,
                include=[signal.name for signal in chosen],
                exclude_after_unique=True,
                encoding="latin1",
                preload=True,
                verbose="error",
            )
    except Exception as error:
        raise ValueError(f"{header.path} cannot be read: {error}") from error
    _scale(raw, chosen, header)
    if channels is not None:
        raw.reorder_channels([signal.name for signal in chosen])
    short = [without_eeg(signal.name) for signal in chosen]
    if isinstance(channels, Mapping):
        short = list(channels)
    names = {
        signal.name: name
        for signal, name in zip(chosen, short, strict=True)
        if short.count(name) == 1
    }
    raw.rename_channels(names)
    return raw


def without_eeg(label: str) -> str:
    """Return the label of a signal without a leading "EEG ".

    Parameters
    ----------
    label : str
        The label.

    Returns
    -------
    name : str
        Label without the prefix.
    """
    return re.sub(r"^EEG\s+", "", label, flags=re.IGNORECASE)


def _choose(header: EdfHeader, channels: Sequence[str] | Mapping[str, str] | None) -> list[Signal]:
    """Find the signals to read, in the requested order."""
    signals = [signal for signal in header.signals if signal.label != ANNOTATIONS]
    if not signals:
        raise ValueError(f"{header.path} has no signals, only annotations.")
    if channels is None:
        chosen = [signal for signal in signals if signal.label.upper().startswith("EEG")]
        chosen = chosen or signals
    else:
        if isinstance(channels, str):
            raise TypeError(f"channels must be a list of names, got {channels!r}.")
        if isinstance(channels, Mapping):
            chosen = [_find_one(header, signals, *item) for item in channels.items()]
        else:
            chosen = sum((_find(header, signals, name) for name in channels), [])
        if len({signal.name for signal in chosen}) < len(chosen) or not chosen:
            raise ValueError(
                f"channels must name different channels, at least one; got {list(channels)} for "
                f"{header.path}."
            )
    rates = {signal.n_samples for signal in chosen}
    if len(rates) > 1:
        slow = {
            signal.name: f"{signal.n_samples / header.record_seconds:g} Hz"
            for signal in chosen
            if signal.n_samples < max(rates)
        }
        warnings.warn(
            f"{header.path}: channels are stored at different rates; {slow} are interpolated to "
            f"{max(rates) / header.record_seconds:g} Hz. Choose others by `channels` if this is "
            "not wanted.",
            stacklevel=5,
        )
    return chosen


def _find_one(header: EdfHeader, signals: list[Signal], name: str, wanted: str) -> Signal:
    """Find the signal for one name, which must be unique."""
    found = _find(header, signals, wanted)
    if len(found) > 1:
        raise ValueError(
            f"{header.path} has {len(found)} channels {wanted!r} for {name!r}, "
            f"{[signal.name for signal in found]}; write a pattern that only one has."
        )
    return found[0]


def _find(header: EdfHeader, signals: list[Signal], name: str) -> list[Signal]:
    """Find the signal with a name, or the signals that match a pattern."""
    pattern = any(letter in name for letter in "*?")
    for names in (
        {signal: (signal.name, signal.label) for signal in signals},
        {signal: (without_eeg(signal.name), without_eeg(signal.label)) for signal in signals},
    ):
        if pattern:
            found = [s for s in signals if any(_fits(one, name) for one in names[s])]
        else:
            found = [signal for signal in signals if name in names[signal]]
        if len(found) == 1 or (found and pattern):
            return found
        if found:
            raise ValueError(
                f"{header.path} has {len(found)} channels {name!r}; choose by "
                f"{[signal.name for signal in found]}."
            )
    raise ValueError(
        f"{header.path} has no channels {[name]}; it has {[signal.name for signal in signals]}."
    )


def _fits(label: str, pattern: str) -> bool:
    """Return whether a label matches a pattern of ``*`` and ``?``, in upper or lower case."""
    return fnmatchcase(label.casefold(), pattern.casefold())


def _scale(raw: mne.io.BaseRaw, chosen: list[Signal], header: EdfHeader) -> None:
    """Convert channels to V if MNE does not know their unit, and refuse those without a scale."""
    unclear = {}
    for signal in chosen:
        low, high = signal.physical
        if low == high or signal.digital[0] == signal.digital[1]:
            raise ValueError(
                f"{header.path}, channel {signal.name}: its header gives a physical range of "
                f"{low:g} to {high:g} and a digital range of {signal.digital[0]:g} to "
                f"{signal.digital[1]:g}, which defines no scale. Leave it out by `channels`."
            )
        known = VOLTS.get(_plain_unit(signal.unit))
        if known is None:
            if not signal.unit and max(abs(low), abs(high)) >= 1:
                # EEG is always below a volt, so such numbers are in µV in practice.
                known = 1e-6
            else:
                known = 1.0
                unclear[signal.name] = signal.unit
        factor = known / _factor_of_mne(signal.unit)
        if factor != 1:
            raw.apply_function(
                lambda x, factor=factor: x * factor, picks=[raw.ch_names.index(signal.name)]
            )
    if unclear:
        warnings.warn(
            f"{header.path}: channels whose unit is not a voltage: {unclear}. Their values are "
            "taken as V; choose others by `channels`, or standardise.",
            stacklevel=5,
        )


def _plain_unit(unit: str) -> str:
    unit = unit.replace("\x83\xca", "u").replace("\u03bc", "u").replace("\u00b5", "u")
    unit = re.sub("^(?:micro|mk)", "u", unit, flags=re.IGNORECASE)
    unit = re.sub("^milli", "m", unit, flags=re.IGNORECASE)
    unit = re.sub("volts?$", "V", unit, flags=re.IGNORECASE)
    # For EEG, "MV" can only mean mV.
    return unit.replace(" ", "").casefold()


def _factor_of_mne(unit: str) -> float:
    """Return the factor by which MNE multiplies values of a unit."""
    return {"uV": 1e-6, "\u03bcV": 1e-6, "\u00b5V": 1e-6, "\x83\xcaV": 1e-6, "mV": 1e-3}.get(
        unit, 1
    )
