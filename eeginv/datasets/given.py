"""Checks of the recordings of a dataset."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from .labelled import refuse_alike
from .preprocessing import check_one_unit
from .scoring.recording import ScoredRecording

if TYPE_CHECKING:
    import mne


# A table, its rows, or its columns.
DescriptionLike: TypeAlias = pd.DataFrame | list[dict[str, Any]] | dict[str, Any]


@dataclasses.dataclass
class Given:
    """One of the recordings of a dataset.

    Parameters
    ----------
    recording : ScoredRecording
        Signal and annotations.
    name : str
        Subject, number and file, for messages.
    """

    recording: ScoredRecording
    name: str

    @property
    def raw(self) -> mne.io.BaseRaw:
        """The signal, a ``mne.io.Raw``."""
        return self.recording.raw


def check_description(description: DescriptionLike, n_recordings: int) -> pd.DataFrame:
    """Check the table of subjects and recordings.

    Parameters
    ----------
    description : pandas.DataFrame | list of dict | dict
        Columns ``subject`` and ``recording``.
    n_recordings : int
        Expected number of rows.

    Returns
    -------
    description : pandas.DataFrame
        One row for each recording.

    Raises
    ------
    ValueError
        If columns or rows are missing, or a subject is missing or has two spellings.
    """
    if n_recordings == 0:
        raise ValueError("At least one recording is needed; got none.")
    if isinstance(description, dict) and not any(
        map(pd.api.types.is_list_like, description.values())
    ):
        description = [description]
    description = pd.DataFrame(description).reset_index(drop=True)
    missing = [name for name in ("subject", "recording") if name not in description]
    if missing:
        raise ValueError(
            f"description needs the columns 'subject' and 'recording'; {missing} missing, "
            f"got {list(description.columns)}."
        )
    if len(description) != n_recordings:
        raise ValueError(
            f"description needs one row per recording; got {len(description)} rows for "
            f"{n_recordings} recordings."
        )
    lacking = description["subject"].isna() | (description["subject"].astype(str).str.strip() == "")
    if lacking.any():
        raise ValueError(
            "description has no subject for the recordings "
            f"{np.flatnonzero(lacking).tolist()}; without one, windows of a person could be in "
            "training and test."
        )
    refuse_alike(description["subject"].unique(), " in description")
    return description


def check_recordings(
    recordings: Sequence[mne.io.BaseRaw | ScoredRecording],
    description: pd.DataFrame,
    sfreq: float | None,
    standardize: bool,
) -> list[Given]:
    """Check that recordings are consistent.

    Parameters
    ----------
    recordings : list of mne.io.Raw | list of ScoredRecording
        The recordings.
    description : pandas.DataFrame
        Subject and recording of each.
    sfreq : float | None
        Sampling frequency in Hz for resampling. None means no resampling.
    standardize : bool
        Whether recordings will be standardised, so that their units do not matter.

    Returns
    -------
    given : list of Given
        The recordings, without trigger channels.

    Raises
    ------
    TypeError
        If an item is not a recording.
    ValueError
        If channels, sampling frequencies or units differ.

    Warns
    -----
    UserWarning
        If channels are marked as bad, or trigger channels are left out.
    """
    rows = description.itertuples()
    names = [f"subject {row.subject}, recording {row.recording}" for row in rows]
    given = [Given(*pair) for pair in zip(map(_as_scored, recordings, names), names, strict=True)]
    _warn_of_channels(given)
    for one in given:
        if set(_stim_channels(one.raw)):
            raw = one.raw.copy().drop_channels(_stim_channels(one.raw))
            one.recording = dataclasses.replace(one.recording, raw=raw)
    _check_channels(given)
    if sfreq is None:
        _check_rates(given)
    for one in given:
        if one.recording.source:
            one.name = f"{one.name} ({one.recording.source})"
    if not standardize:
        check_one_unit([(one.name, one.raw) for one in given])
    return given


def _as_scored(recording: object, name: str) -> ScoredRecording:
    import mne

    if isinstance(recording, mne.io.BaseRaw):
        return ScoredRecording.from_raw(recording)
    if not isinstance(recording, ScoredRecording):
        raise TypeError(
            f"recordings must be mne.io.Raw objects; {name} is a {type(recording).__name__}."
        )
    return recording


def _warn_of_channels(given: Sequence[Given]) -> None:
    bad = {name for one in given for name in one.raw.info["bads"]}
    if bad:
        warnings.warn(
            f"Channels that are marked as bad are used: {', '.join(sorted(bad))}. "
            "Interpolate them, or drop them from all recordings.",
            stacklevel=4,
        )
    stim = {name for one in given for name in _stim_channels(one.raw)}
    if stim:
        warnings.warn(
            f"Trigger channels were left out: {', '.join(sorted(stim))}.",
            stacklevel=4,
        )


def _stim_channels(raw: mne.io.BaseRaw) -> list[str]:
    types = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    return [name for name, kind in types if kind == "stim"]


def _check_channels(given: Sequence[Given]) -> None:
    if len({frozenset(one.raw.ch_names) for one in given}) > 1:
        listed = "; ".join(f"{one.name}: {', '.join(one.raw.ch_names)}" for one in given)
        raise ValueError(
            f"All recordings need the same channels; got {listed}. Pick common channels first."
        )


def _check_rates(given: Sequence[Given]) -> None:
    if len({one.raw.info["sfreq"] for one in given}) > 1:
        listed = "; ".join(f"{one.name}: {one.raw.info['sfreq']:g} Hz" for one in given)
        raise ValueError(
            f"The recordings differ in sampling frequency: {listed}. Give sfreq to resample them."
        )
