"""A recording with the annotations of its scorer, before they are read as stages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import mne

# Seconds by which times may differ and still be the same: times from files are rounded.
TOLERANCE = 1e-3


class Piece(NamedTuple):
    """A part of a span that has signal: when and where it begins, and how long it is, in s."""

    clock: float
    onset: float
    duration: float

    @property
    def stop(self) -> float:
        """Where it ends in the signal."""
        return self.onset + self.duration


@dataclass
class Segments:
    """The stretches of a recording without a pause, in the order in which they follow.

    Parameters
    ----------
    clock : ndarray, shape (n_segments,)
        When each begins, in s after the first sample.
    onsets : ndarray, shape (n_segments,)
        Where each begins in the signal, in s; less than ``clock`` after a pause.
    lengths : ndarray, shape (n_segments,)
        How long each is, in s.
    """

    clock: np.ndarray
    onsets: np.ndarray
    lengths: np.ndarray

    @classmethod
    def from_joints(cls, joints: Iterable[float], length: float) -> Segments:
        """Make segments that follow each other without a pause.

        Parameters
        ----------
        joints : iterable of float
            Where two segments meet, in s.
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
        """Find where a span of the clock lies in the signal.

        Parameters
        ----------
        onset, duration : float
            The span, in s.

        Returns
        -------
        pieces : list of Piece
            Those that have signal.
        """
        pieces = []
        for clock, start, length in zip(self.clock, self.onsets, self.lengths, strict=True):
            first, last = max(onset, clock), min(onset + duration, clock + length)
            # A mark without duration lies in the segment that begins with it or holds it.
            if last > first or (duration == 0 and clock <= onset < clock + length):
                pieces.append(Piece(first, start + first - clock, max(last - first, 0.0)))
        return pieces


@dataclass
class ScoredRecording:
    """A recording and what was annotated, also before its beginning and after its end.

    Parameters
    ----------
    raw : mne.io.Raw
        Recording in V. Its own annotations are those within the signal.
    onsets, durations : ndarray of float, shape (n_annotations,)
        In s after the first sample, by the clock.
    labels : list of str
        Descriptions of the annotations.
    segments : Segments
        Where the signal has pauses.
    source : str
        Where it comes from, for messages; empty if it was given in memory.
    patient : str
        What the header of its file says of the patient.
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
        """Take a recording with its own annotations.

        Parameters
        ----------
        raw : mne.io.Raw
            Recording in V.

        Returns
        -------
        recording : ScoredRecording
            The same, with onsets from its first sample.
        """
        annotations = raw.annotations
        length = raw.n_times / raw.info["sfreq"]
        # MNE counts onsets from where a recording began before it was cropped.
        onsets = annotations.onset - raw.first_time
        durations = np.array(annotations.duration)
        if durations.any():
            # Of what ends where a recording was cropped, MNE leaves a mark without duration.
            at_edge = (onsets <= TOLERANCE) | (onsets >= length - TOLERANCE)
            kept = (durations > 0) | ~at_edge
        else:
            kept = np.ones(len(onsets), dtype=bool)
        onsets, durations = onsets[kept], durations[kept]
        labels = annotations.description[kept].tolist()
        # MNE marks where recordings were put together.
        joints = [onset for onset, label in zip(onsets, labels, strict=True) if is_boundary(label)]
        segments = Segments.from_joints(joints, length)
        return cls(raw, onsets, durations, labels, segments)


def is_boundary(label: str) -> bool:
    """Tell whether an annotation marks the joint of two recordings."""
    return label.casefold() in ("bad boundary", "edge boundary")


def is_bad(label: str) -> bool:
    """Tell whether an annotation marks a span as bad, by MNE's rule."""
    return label.upper().startswith("BAD")
