"""Bouts of stages read from annotations, as times relative to the first sample."""

from __future__ import annotations

import numpy as np

from .hypnogram import STAGES

STAGE_OF_LABEL = {
    "Sleep stage W": "W",
    "Sleep stage 1": "N1",
    "Sleep stage 2": "N2",
    "Sleep stage 3": "N3",
    "Sleep stage 4": "N3",
    "Sleep stage N1": "N1",
    "Sleep stage N2": "N2",
    "Sleep stage N3": "N3",
    "Sleep stage R": "R",
}
UNSCORED = ("Sleep stage ?", "Movement time")
# Half a sample at any usual rate: times from files are rounded.
TOLERANCE = 1e-3


def check_stages(stages):
    """Return the wanted stages in their usual order; None means all."""
    if stages is None:
        return list(STAGES)
    if isinstance(stages, str):
        raise TypeError(f"stages must be a sequence of names such as ('W', 'N3'); got {stages!r}.")
    stages = list(stages)
    unknown = [stage for stage in stages if stage not in STAGES]
    if unknown or not stages:
        raise ValueError(f"Unknown stages {unknown} in {stages}: choose from {list(STAGES)}.")
    return [stage for stage in STAGES if stage in stages]


class Bouts:
    """Bouts of one recording; the methods return new bouts and count what they leave out.

    Parameters
    ----------
    onsets, durations : array-like of float, shape (n_bouts,)
        In s, relative to the first sample.
    stages : array-like of str, shape (n_bouts,)
        AASM stages.
    window : float
        Length of a window in s.
    dropped : dict of str to int
        Number of windows left out, by reason; shared by all bouts and updated in place.
    """

    def __init__(self, onsets, durations, stages, window, dropped):
        self.onsets = np.asarray(onsets, dtype=float)
        self.durations = np.asarray(durations, dtype=float)
        self.stages = np.asarray(stages, dtype="<U2")
        self.window = window
        self.dropped = dropped

    @classmethod
    def from_raw(cls, raw, window, dropped):
        """Read the annotations of a recording; neighbours of one stage become one bout."""
        annotations = raw.annotations
        # MNE counts onsets from where a recording began before it was cropped.
        start = raw.first_time
        end = raw.n_times / raw.info["sfreq"]
        nothing = cls([], [], [], window, dropped)
        bouts = []
        for annotation in sorted(annotations, key=lambda one: one["onset"]):
            onset, label = annotation["onset"] - start, annotation["description"]
            stop = onset + annotation["duration"]
            if label not in STAGE_OF_LABEL:
                if label in UNSCORED:
                    nothing._count(label, annotation["duration"])
                continue
            nothing._count("beyond the signal", stop - max(min(stop, end), onset))
            onset, stop = max(onset, 0.0), min(stop, end)
            if stop <= onset:
                continue
            stage = STAGE_OF_LABEL[label]
            if bouts and bouts[-1][2] == stage and abs(bouts[-1][1] - onset) < TOLERANCE:
                bouts[-1][1] = stop
            else:
                bouts.append([onset, stop, stage])
        if not bouts:
            return nothing
        onsets, stops, stages = zip(*bouts, strict=True)
        return nothing._replace(onsets, np.subtract(stops, onsets), stages)

    def _count(self, reason, seconds):
        number = int(np.sum(np.floor((np.asarray(seconds) + TOLERANCE) / self.window)))
        if number:
            self.dropped[reason] = self.dropped.get(reason, 0) + number

    def _replace(self, onsets, durations, stages):
        return Bouts(onsets, durations, stages, self.window, self.dropped)

    def _subset(self, keep):
        return self._replace(self.onsets[keep], self.durations[keep], self.stages[keep])

    def __len__(self):
        """Count the bouts."""
        return len(self.onsets)

    @property
    def span(self):
        """First onset and last end, in s."""
        return float(self.onsets.min()), float((self.onsets + self.durations).max())

    def crop_wake(self, seconds):
        """Keep wake only within `seconds` of sleep; a recording without sleep stays as it is."""
        asleep = self.stages != "W"
        if not asleep.any():
            return self
        first, last = self._subset(asleep).span
        stops = np.minimum(self.onsets + self.durations, last + seconds)
        onsets = np.maximum(self.onsets, first - seconds)
        durations = np.maximum(stops - onsets, 0.0)
        self._count("cropped wake", self.durations - durations)
        cropped = self._replace(onsets, durations, self.stages)
        return cropped._subset(durations > TOLERANCE)

    def select(self, stages):
        """Keep bouts of the given stages that hold a whole window."""
        chosen = np.isin(self.stages, stages)
        self._count("stage not selected", self.durations[~chosen])
        bouts = self._subset(chosen)
        rest = np.mod(bouts.durations + TOLERANCE, self.window) > 2 * TOLERANCE
        if rest.any():
            reason = "shorter than a window"
            self.dropped[reason] = self.dropped.get(reason, 0) + int(rest.sum())
        return bouts._subset(bouts.durations + TOLERANCE >= self.window)

    def to_annotations(self, shift=0.0):
        """Annotations of whole windows named by stage, `shift` seconds later."""
        import mne

        n_windows = np.floor((self.durations + TOLERANCE) / self.window)
        return mne.Annotations(self.onsets + shift, n_windows * self.window, self.stages)
