"""Recording with its annotations, before these are read as stages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import mne

# Tolerance in s for equal times, because times in files are rounded.
TOLERANCE = 1e-3


class Piece(NamedTuple):
    """Part of a span with signal: onset by the clock and in the signal, and length, in s."""

    clock: float
    onset: float
    duration: float

    @property
    def stop(self) -> float:
        """End in the signal, in s."""
        return self.onset + self.duration


@dataclass
class Segments:
    """Segments of a recording without a pause, in order.

    Parameters
    ----------
    clock : ndarray, shape (n_segments,)
        Onset of each segment by the clock, in s after the first sample.
    onsets : ndarray, shape (n_segments,)
        Onset of each segment in the signal, in s. It is less than ``clock`` after a pause.
    lengths : ndarray, shape (n_segments,)
        Length of each segment, in s.
    """

    clock: np.ndarray
    onsets: np.ndarray
    lengths: np.ndarray

    @classmethod
    def from_joints(cls, joints: Iterable[float], length: float) -> Segments:
        """Make contiguous segments.

        Parameters
        ----------
        joints : iterable of float
            Times between two segments, in s.
        length : float
            Length of the signal, in s.

        Returns
        -------
        segments : Segments
            The segments.
        """
        inside = sorted(
            {float(joint) for joint in joints if TOLERANCE < joint < length - TOLERANCE}
        )
        edges = np.array([0.0, *inside, length])
        return cls(edges[:-1], edges[:-1], np.diff(edges))

    @property
    def end(self) -> float:
        """End of the last segment by the clock, in s."""
        return float(self.clock[-1] + self.lengths[-1])

    def place(self, onset: float, duration: float) -> list[Piece]:
        """Find the parts of the signal in a span of clock time.

        Parameters
        ----------
        onset, duration : float
            The span, in s.

        Returns
        -------
        pieces : list of Piece
            Parts of the span with signal.
        """
        pieces = []
        for clock, start, length in zip(self.clock, self.onsets, self.lengths, strict=True):
            first, last = max(onset, clock), min(onset + duration, clock + length)
            # A mark without duration is in the segment that begins with it or contains it.
            if last > first or (duration == 0 and clock <= onset < clock + length):
                pieces.append(Piece(first, start + first - clock, max(last - first, 0.0)))
        return pieces


@dataclass
class ScoredRecording:
    """Recording with annotations, which may be before its start or after its end.

    Parameters
    ----------
    raw : mne.io.Raw
        Recording in V. Its own annotations are those within the signal.
    onsets, durations : ndarray of float, shape (n_annotations,)
        Onsets and durations by the clock, in s. Onsets are relative to the first sample.
    labels : list of str
        Descriptions of the annotations.
    segments : Segments
        Segments of the signal without a pause.
    source : str
        Name of its file in messages. Empty for data in memory.
    patient : str
        Identification of the patient in the header of its file.
    """

    raw: mne.io.BaseRaw
    onsets: np.ndarray
    durations: np.ndarray
    labels: list[str]
    segments: Segments
    source: str = ""
    patient: str = ""

    @classmethod
    def from_raw(cls, raw: mne.io.BaseRaw) -> ScoredRecording:
        """Make a scored recording from a recording and its own annotations.

        Parameters
        ----------
        raw : mne.io.Raw
            Recording in V.

        Returns
        -------
        recording : ScoredRecording
            The recording, with onsets relative to its first sample.
        """
        annotations = raw.annotations
        length = raw.n_times / raw.info["sfreq"]
        # In MNE, onsets are relative to the start before the recording was cropped.
        onsets = annotations.onset - raw.first_time
        durations = np.array(annotations.duration)
        if durations.any():
            # MNE keeps a mark without duration of annotations that end where a recording was
            # cropped.
            at_edge = (onsets <= TOLERANCE) | (onsets >= length - TOLERANCE)
            kept = (durations > 0) | ~at_edge
        else:
            kept = np.ones(len(onsets), dtype=bool)
        onsets, durations = onsets[kept], durations[kept]
        labels = annotations.description[kept].tolist()
        # MNE marks the times where recordings were concatenated.
        joints = [onset for onset, label in zip(onsets, labels, strict=True) if is_boundary(label)]
        segments = Segments.from_joints(joints, length)
        return cls(raw, onsets, durations, labels, segments)


def is_boundary(label: str) -> bool:
    """Return whether an annotation marks the joint of two recordings."""
    return label.casefold() in ("bad boundary", "edge boundary")


def is_bad(label: str) -> bool:
    """Return whether an annotation marks a span as bad, by the rule of MNE."""
    return label.upper().startswith("BAD")
