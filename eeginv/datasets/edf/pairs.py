"""Reading of a polysomnogram and its hypnogram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..scoring.files import ENDINGS, Coding, StageFile, read_stage_file
from ..scoring.recording import ScoredRecording, Segments, is_bad
from ..scoring.stages import UNKNOWN, read_label
from .annotations import read_annotations
from .clock import clock_shift, find_segments, start_in_words
from .header import read_header
from .signals import read_signals

if TYPE_CHECKING:
    import mne

    from ..._typing import PathLike

# MNE's annotations where two recordings were concatenated.
JOINT = ("BAD boundary", "EDGE boundary")


def read_pair(
    psg: PathLike,
    hypnogram: PathLike,
    channels: Sequence[str] | Mapping[str, str] | None = None,
    hypnogram_start: str = "header",
    coding: Coding | None = None,
) -> ScoredRecording:
    """Read the EEG of a polysomnogram, annotated with its hypnogram.

    Parameters
    ----------
    psg, hypnogram : path-like
        EDF file with signals, and EDF+ file with annotations. The hypnogram may also be another
        file with stages that begins with the recording (see
        :func:`~eeginv.datasets.scoring.files.read_stage_file`).
    channels : sequence of str | dict of str to str | None
        Channels to read, as for :func:`~eeginv.datasets.edf.signals.read_signals`.
    hypnogram_start : "header" | "recording"
        Start of the hypnogram: the time in its header, or the start of the recording.
    coding : Coding | None
        Coding of stages in files that are not EDF+.

    Returns
    -------
    recording : ScoredRecording
        Recording in memory, in V, without the leading "EEG " in channel names.

    Raises
    ------
    ValueError
        If a file is truncated or not readable, a channel is missing, no stage is annotated, or
        the hypnogram does not belong to the recording.
    """
    header, hypnogram = read_header(psg), Path(hypnogram)
    raw = read_signals(header, channels)
    own = read_annotations(header, strict=False)
    segments, first = find_segments(header, own.record_onsets, raw)
    if hypnogram.suffix.lower() in ENDINGS:
        scored = read_stage_file(hypnogram, coding)
        onsets, begin = scored.onsets, "with it"
    else:
        scorer = read_header(hypnogram)
        found = read_annotations(scorer)
        scored = StageFile(found.onsets, found.durations, found.labels)
        onsets = scored.onsets + clock_shift(header, scorer, hypnogram_start, first, found)
        begin = start_in_words(scorer)

    stages = [read_label(label) not in (None, UNKNOWN) for label in scored.labels]
    if not any(stages):
        raise ValueError(
            f"{hypnogram} has no sleep stage: expected annotations such as 'Sleep stage W', "
            f"'Sleep stage 2' or 'N2', got {sorted(set(scored.labels))[:10]}."
        )
    latest = np.max((onsets + scored.durations)[stages])
    if latest <= 0 or np.min(onsets[stages]) >= segments.end:
        raise ValueError(
            f"{hypnogram} has no stage within {header.path}: the recording begins "
            f"{start_in_words(header)} and lasts {segments.end:g} s, the hypnogram begins "
            f"{begin} and its stages lie from {onsets[stages].min():g} s to "
            f"{latest:g} s of the recording. If it is the hypnogram of this recording and the "
            "start in a header is wrong, give hypnogram_start='recording'."
        )
    # Of the annotations of the recording itself, only spans marked as bad are kept.
    bad = [i for i, label in enumerate(own.labels) if is_bad(label)]
    onsets = np.append(onsets, own.onsets[bad] - first)
    durations = np.append(scored.durations, own.durations[bad])
    labels = scored.labels + [own.labels[i] for i in bad]
    _annotate(raw, onsets, durations, labels, segments)
    source = f"{header.path.name} with {hypnogram.name}"
    return ScoredRecording(raw, onsets, durations, labels, segments, source, header.patient)


def _annotate(
    raw: mne.io.BaseRaw,
    onsets: np.ndarray,
    durations: np.ndarray,
    labels: list[str],
    segments: Segments,
) -> None:
    """Set annotations that are within the signal, and MNE's marks at joints."""
    import mne

    rows = [(start, 0.0, mark) for start in segments.onsets[1:] for mark in JOINT]
    for onset, duration, label in zip(onsets, durations, labels, strict=True):
        for _, start, length in segments.place(onset, duration):
            rows.append((start, length, label))
    raw.set_annotations(mne.Annotations(*zip(*rows, strict=True)), emit_warning=False)
