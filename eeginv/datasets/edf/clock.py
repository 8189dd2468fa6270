"""Start times of recordings and hypnograms, and pauses of recordings."""

from __future__ import annotations

import datetime
import warnings
from typing import TYPE_CHECKING

import numpy as np

from ..scoring.recording import Segments
from .annotations import read_annotations

if TYPE_CHECKING:
    import mne

    from .annotations import EdfAnnotations
    from .header import EdfHeader

HYPNOGRAM_STARTS = ("header", "recording")
# Rounding error in s of times in files.
_ROUNDING = 0.01


def check_hypnogram_start(value: str) -> None:
    """Raise an error for a value that is not in ``HYPNOGRAM_STARTS``.

    Parameters
    ----------
    value : str
        The value.
    """
    if value not in HYPNOGRAM_STARTS:
        raise ValueError(f"hypnogram_start must be one of {HYPNOGRAM_STARTS}; got {value!r}.")


def find_segments(
    header: EdfHeader, record_onsets: np.ndarray, raw: mne.io.BaseRaw
) -> tuple[Segments, float]:
    """Find the pauses of a recording from the times of its records.

    Parameters
    ----------
    header : EdfHeader
        Header of the recording.
    record_onsets : ndarray, shape (n_records,)
        Onset of each record, in s after the start in the header. NaN if it is not known.
    raw : mne.io.Raw
        The signal.

    Returns
    -------
    segments : Segments
        The segments without a pause.
    first : float
        Onset of the first record, in s after the start in the header.

    Raises
    ------
    ValueError
        If the recording has pauses, but its records have no times.
    """
    length = raw.n_times / raw.info["sfreq"]
    whole = Segments.from_joints([], length)
    usable = len(record_onsets) > 0 and np.isfinite(record_onsets).all()
    steps = np.diff(record_onsets) - header.record_seconds
    tolerance = max(0.5 / raw.info["sfreq"], _ROUNDING)  # at least half a sample
    if header.discontinuous and (not usable or (steps < -tolerance).any()):
        raise ValueError(
            f"{header.path} is a recording with pauses (EDF+D), but its records have "
            f"{'times that run backwards' if usable else 'no times'}, so the "
            "samples of a stage cannot be found."
        )
    if not usable or (steps < -tolerance).any():
        return whole, 0.0
    first = float(record_onsets[0])
    if not (header.discontinuous or 0 <= first < 1):
        return whole, 0.0
    starts = np.flatnonzero(np.append(True, steps > tolerance))
    onsets = starts * header.record_seconds
    lengths = np.diff(onsets, append=length)
    return Segments(record_onsets[starts] - first, onsets, lengths), first


def check_continuous(header: EdfHeader) -> None:
    """Raise an error for a recording with pauses, whose samples MNE reads as if there were none.

    Parameters
    ----------
    header : EdfHeader
        Header of the recording.

    Raises
    ------
    ValueError
        If the recording is marked as discontinuous, unless the times of its records follow each
        other.
    """
    if not header.discontinuous:
        return
    onsets = read_annotations(header, strict=False).record_onsets
    gaps = np.abs(np.diff(onsets) - header.record_seconds)
    if not (gaps <= _ROUNDING).all():  # times that are not known are NaN
        raise ValueError(
            f"{header.path} is a recording with pauses (EDF+D or BDF+D), after which its events "
            "would be looked for at wrong samples: write each continuous part as a file of its own."
        )


def clock_shift(
    header: EdfHeader, scorer: EdfHeader, hypnogram_start: str, first: float, scored: EdfAnnotations
) -> float:
    """Compute the shift that makes onsets of a hypnogram relative to the first sample.

    Parameters
    ----------
    header, scorer : EdfHeader
        Headers of the recording and of the hypnogram.
    hypnogram_start : "header" | "recording"
        Start of the hypnogram: the time in its header, or the start of the recording.
    first : float
        Onset of the first record of the recording, in s after the start in its header.
    scored : EdfAnnotations
        Annotations of the hypnogram.

    Returns
    -------
    shift : float
        The shift, in s.
    """
    begin = scored.record_onsets[0] if len(scored.record_onsets) else 0.0
    begin = begin if 0 <= begin < 1 else 0.0
    if hypnogram_start == "recording" or header.time is None or scorer.time is None:
        return -begin
    shift = (scorer.time - header.time).total_seconds()
    if header.date is not None and scorer.date is not None:
        return shift + (scorer.date - header.date).total_seconds() - first
    if header.date is None and scorer.date is None:
        # Without dates, the hypnogram is assumed to begin within half a day of the recording.
        return (shift + 43200) % 86400 - 43200 - first
    if shift:
        warnings.warn(
            f"{header.path} begins {start_in_words(header)}, {scorer.path} "
            f"{start_in_words(scorer)}: with one date alone they cannot be compared, and the "
            "hypnogram is taken to begin with the recording. Give hypnogram_start='recording' if "
            "this is right.",
            stacklevel=4,
        )
    return -begin


def start_in_words(header: EdfHeader) -> str:
    """Return the start time of a file in words.

    Parameters
    ----------
    header : EdfHeader
        Header of the file.

    Returns
    -------
    text : str
        Text such as "on 1989-04-24 at 16:13:00".
    """
    if header.time is None:
        return "at an unknown time"
    clock = (datetime.datetime.min + header.time).time()
    return f"at {clock}" if header.date is None else f"on {header.date} at {clock}"
