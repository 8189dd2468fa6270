"""Bouts of stages, as spans of the signal, and the account of what is left out of them."""

from __future__ import annotations

import numpy as np

from ._epochs import WITHOUT_DURATION
from ._scored import TOLERANCE
from .hypnogram import STAGES


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
        In s, in the signal.
    stages : array-like of str, shape (n_bouts,)
        AASM stages.
    window : float
        Length of a window in s.
    dropped : dict of str to int
        Number of windows left out, by reason; shared by all bouts and updated in place.
    bad : list of tuple
        Onset, end (in s, in the signal) and label of the spans that no window may touch.
    """

    def __init__(self, onsets, durations, stages, window, dropped, bad=()):
        self.onsets = np.asarray(onsets, dtype=float)
        self.durations = np.asarray(durations, dtype=float)
        self.stages = np.asarray(stages, dtype="<U2")
        self.window = window
        self.dropped = dropped
        self.bad = bad

    @classmethod
    def from_scoring(cls, scoring, segments, window, dropped):
        """Find the bouts of a recording; neighbours of one stage become one bout.

        Parameters
        ----------
        scoring : Scoring
            What was annotated.
        segments : Segments
            Where the signal has pauses.
        window, dropped
            As above.
        """
        bad = [
            (start, start + length, epoch.label)
            for epoch in scoring.bad
            for _, start, length in segments.place(epoch.onset, epoch.duration)
        ]
        nothing = cls([], [], [], window, dropped, sorted(bad))
        bouts, covered = [], []
        for epoch in scoring.epochs:
            pieces = segments.place(epoch.onset, epoch.duration)
            covered += [(start, start + length) for _, start, length in pieces]
            if epoch.meaning in STAGES:
                pieces = nothing._on_grid(pieces, epoch.onset)
                for _, start, length in pieces:
                    _append(bouts, start, start + length, epoch.meaning, segments.onsets)
            else:
                nothing._count(epoch.label, [length for _, _, length in pieces])
            nothing._count_without_signal(epoch, pieces, segments)
        nothing._count("no stage annotated", _gaps(covered, segments))
        for label, number in scoring.without_duration.items():
            reason = f"{WITHOUT_DURATION}: {label}"
            dropped[reason] = dropped.get(reason, 0) + number
        if not bouts:
            return nothing
        onsets, stops, stages = zip(*bouts, strict=True)
        return nothing._replace(onsets, np.subtract(stops, onsets), stages)

    def _on_grid(self, pieces, onset):
        """Let pieces whose beginning is cut off begin with the next window of their epoch."""
        whole = []
        for clock, start, length in pieces:
            n_before = np.ceil((clock - onset - TOLERANCE) / self.window)
            skipped = max(onset + n_before * self.window - clock, 0.0)
            if length - skipped > TOLERANCE:
                whole.append((clock + skipped, start + skipped, length - skipped))
        return whole

    def _count_without_signal(self, epoch, pieces, segments):
        """Count the windows of an epoch that have no signal."""
        outside = epoch.duration - max(
            min(epoch.stop, segments.end) - max(epoch.onset, segments.clock[0]), 0.0
        )
        lost = epoch.duration - sum(length for _, _, length in pieces)
        if outside > TOLERANCE:
            self._count("beyond the signal", lost)
        else:
            self._count("in a pause of the recording", lost)

    def _count(self, reason, seconds):
        number = int(np.sum(np.floor((np.asarray(seconds) + TOLERANCE) / self.window)))
        if number:
            self.dropped[reason] = self.dropped.get(reason, 0) + number

    def _replace(self, onsets, durations, stages):
        return Bouts(onsets, durations, stages, self.window, self.dropped, self.bad)

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

    def leave_out_bad(self):
        """Keep the windows that touch no span marked as bad, as bouts of whole windows."""
        if not self.bad:
            return self
        onsets, durations, stages = [], [], []
        for onset, duration, stage in zip(self.onsets, self.durations, self.stages, strict=True):
            going_on = False
            for k in range(int((duration + TOLERANCE) // self.window)):
                start = onset + k * self.window
                label = self._bad_label(start, start + self.window)
                if label is not None:
                    self.dropped[label] = self.dropped.get(label, 0) + 1
                elif going_on:
                    durations[-1] += self.window
                else:
                    onsets.append(start)
                    durations.append(self.window)
                    stages.append(stage)
                going_on = label is None
        return self._replace(onsets, durations, stages)

    def _bad_label(self, start, stop):
        """Find what marks a window as bad; None if nothing does."""
        for first, last, label in self.bad:
            touched = first < stop - TOLERANCE and last > start + TOLERANCE
            if touched or (first == last and start <= first < stop - TOLERANCE):
                return label
        return None

    def to_annotations(self, sfreq, n_times, shift=0.0):
        """Annotations of whole windows named by stage.

        Parameters
        ----------
        sfreq : float
            Sampling frequency in Hz; a window is a whole number of samples.
        n_times : int
            Number of samples of the signal.
        shift : float
            Seconds to add to onsets.
        """
        import mne

        size = round(self.window * sfreq)
        lengths = size * np.floor((self.durations + TOLERANCE) / self.window).astype(int)
        # Times that lie between samples may not reach beyond the last one.
        first = np.minimum(np.round((self.onsets + shift) * sfreq), n_times - lengths)
        # Braindecode cuts off decimals of a length in samples: a bit more than the whole number.
        return mne.Annotations(np.maximum(first, 0) / sfreq, (lengths + 0.25) / sfreq, self.stages)


def _append(bouts, start, stop, stage, joints):
    """Append a span to the bouts (lists of start, stop, stage), or let the last one go on."""
    last = bouts[-1] if bouts else None
    if last and last[2] == stage and abs(last[1] - start) < TOLERANCE:
        # A bout ends where the recording was interrupted.
        if not (np.abs(joints - start) < TOLERANCE).any():
            last[1] = stop
            return
    bouts.append([start, stop, stage])


def _gaps(covered, segments):
    """Lengths of what no span (start, stop) covers of each segment of the signal, in s."""
    gaps = []
    covered = sorted(covered)
    for begin, length in zip(segments.onsets, segments.lengths, strict=True):
        reached = begin
        for start, stop in covered:
            if stop <= begin or start >= begin + length:
                continue
            gaps.append(max(start - reached, 0.0))
            reached = max(reached, stop)
        gaps.append(max(begin + length - reached, 0.0))
    return gaps
