"""Types of channels, where a file only has labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mne

# MNE takes all other channels of these files for EEG.
_UNTYPED = {".edf", ".bdf", ".gdf"}

# Types of MNE by the words of EDF+ for signals that are not EEG, and by usual other words.
_TYPES = {
    **dict.fromkeys(("eog", "heog", "veog", "reog", "leog"), "eog"),
    **dict.fromkeys(("ecg", "ekg"), "ecg"),
    "emg": "emg",
    "resp": "resp",
    **dict.fromkeys(
        "temp sao spo light sound event status trigger trig marker pulse pleth flow airflow thorax "
        "abdomen abdo snore gsr eda position".split(),
        "misc",
    ),
}


def types_by_label(names: Sequence[str]) -> dict[str, str]:
    """Find channels that are not EEG by their labels.

    Parameters
    ----------
    names : list of str
        Labels of channels whose type is not known.

    Returns
    -------
    types : dict of str to str
        Type, as in MNE, of each channel whose label begins with the name of another signal.

    Examples
    --------
    >>> from eeginv.datasets.sources.channel_types import types_by_label
    >>> types_by_label(["C3", "ECG", "EOG-left", "Resp nasal", "SpO2", "Temporal", "T7"])
    {'ECG': 'ecg', 'EOG-left': 'eog', 'Resp nasal': 'resp', 'SpO2': 'misc'}
    """
    words = {name: re.match(r"[^\W\d_]*", name.strip().lower()) for name in names}
    known = {name: _TYPES.get(word[0]) for name, word in words.items() if word}
    return {name: kind for name, kind in known.items() if kind}


def set_types(raw: mne.io.BaseRaw) -> None:
    """Set the types of channels of an EDF, BDF or GDF file that are not EEG by their labels.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording, which is changed.
    """
    if any(has_labels(Path(name)) for name in raw.filenames if name):
        kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
        types = types_by_label([name for name, kind in kinds.items() if kind == "eeg"])
        raw.set_channel_types(types, on_unit_change="ignore", verbose="error")


def find_typed(raw: mne.io.BaseRaw) -> list[str]:
    """Name the channels whose types :func:`set_types` has set.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording.

    Returns
    -------
    names : list of str
        Names of the channels.
    """
    kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    types = types_by_label(raw.ch_names)
    return [name for name, kind in types.items() if kinds[name] == kind]


def has_labels(path: Path) -> bool:
    """Return whether files of a format have labels of channels instead of types.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    has : bool
        Whether it is an EDF, BDF or GDF file.
    """
    return path.suffix.lower() in _UNTYPED
