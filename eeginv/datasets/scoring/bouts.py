"""Bouts of stages as spans of the signal, and counts of the windows that are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from .epochs import WITHOUT_DURATION, Epoch, Scoring
from .recording import TOLERANCE, Piece, Segments
from .stages import STAGES

if TYPE_CHECKING:
    from ..._typing import ArrayLike


class Account:
    """Counter of the windows that are left out.

    Parameters
    ----------
    window : float
        Length of a window in s.

    Attributes
    ----------
    n_dropped : dict of str to int
        Number of windows left out, by reason.
    """

    def __init__(self, window: float) -> None:
        self.window = window
        self.n_dropped: dict[str, int] = {}

    def add(self, reason: str, number: int) -> None:
        """Add to the count of a reason.

        Parameters
        ----------
        reason : str
            Reason why the windows are left out.
        number : int
            Number of windows.
        """
        if number:
            self.n_dropped[reason] = self.n_dropped.get(reason, 0) + number

    def add_seconds(self, reason: str, seconds: ArrayLike) -> None:
        """Add the number of windows that fit into spans.

        Parameters
        ----------
        reason : str
            Reason why the windows are left out.
        seconds : float | array-like of float
            Length of each span, in s.
        """
        windows = np.floor((np.asarray(seconds) + TOLERANCE) / self.window)
        self.add(reason, int(np.sum(windows)))


class BadSpan(NamedTuple):
    """A span of the signal that was marked as bad.

    Parameters
    ----------
    onset, stop : float
        Start and end in the signal, in s.
    label : str
        Description of the annotation.
    """

    onset: float
    stop: float
    label: str


class _Bout(NamedTuple):
    onset: float
    stop: float
    stage: str


class Bouts:
    """Bouts of one recording. Methods return new bouts, and count windows that are left out.

    Parameters
    ----------
    onsets, durations : array-like of float, shape (n_bouts,)
        Onsets and durations in the signal, in s.
    stages : array-like of str, shape (n_bouts,)
        AASM stages.
    account : Account
        Length of a window, and counter of windows that are left out.
    bad : list of BadSpan
        Spans that windows must not overlap.
    """

    def __init__(
        self,
        onsets: ArrayLike,
        durations: ArrayLike,
        stages: ArrayLike,
        account: Account,
        bad: Sequence[BadSpan] = (),
    ) -> None:
        self.onsets = np.asarray(onsets, dtype=float)
        self.durations = np.asarray(durations, dtype=float)
        self.stages = np.asarray(stages, dtype="<U2")
        self.window = account.window
        self.account = account
        self.bad = bad

    @classmethod
    def from_scoring(cls, scoring: Scoring, segments: Segments, account: Account) -> Bouts:
        """Find the bouts of a recording. Consecutive epochs of one stage are merged.

        Parameters
        ----------
        scoring : Scoring
            The annotations.
        segments : Segments
            Segments of the signal without a pause.
        account : Account
            Length of a window, and counter of windows that are left out.

        Returns
        -------
        bouts : Bouts
            The bouts, sorted by onset.
        """
        bouts: list[_Bout] = []
        covered: list[tuple[float, float]] = []
        for epoch in scoring.epochs:
            pieces = segments.place(epoch.onset, epoch.duration)
            covered += [(piece.onset, piece.stop) for piece in pieces]
            if epoch.meaning in STAGES:
                pieces = _on_grid(pieces, epoch.onset, account.window)
                for piece in pieces:
                    _append(bouts, piece.onset, piece.stop, epoch.meaning, segments.onsets)
            else:
                account.add_seconds(epoch.label, [piece.duration for piece in pieces])
            _count_without_signal(account, epoch, pieces, segments)
        account.add_seconds("no stage annotated", _gaps(covered, segments))
        for label, number in scoring.without_duration.items():
            account.add(f"{WITHOUT_DURATION}: {label}", number)
        bad = [
            BadSpan(piece.onset, piece.stop, epoch.label)
            for epoch in scoring.bad
            for piece in segments.place(epoch.onset, epoch.duration)
        ]
        onsets = np.array([bout.onset for bout in bouts])
        stops = np.array([bout.stop for bout in bouts])
        stages = [bout.stage for bout in bouts]
        return cls(onsets, stops - onsets, stages, account, sorted(bad))

    def _replace(self, onsets: ArrayLike, durations: ArrayLike, stages: ArrayLike) -> Bouts:
        return Bouts(onsets, durations, stages, self.account, self.bad)

    def _subset(self, keep: np.ndarray) -> Bouts:
        return self._replace(self.onsets[keep], self.durations[keep], self.stages[keep])

    def __len__(self) -> int:
        """Return the number of bouts."""
        return len(self.onsets)

    @property
    def span(self) -> tuple[float, float]:
        """First onset and last end, in s."""
        return float(self.onsets.min()), float((self.onsets + self.durations).max())

    def crop_wake(self, seconds: float) -> Bouts:
        """Remove wake far from sleep. A recording without sleep is not changed.

        Parameters
        ----------
        seconds : float
            Time to keep before the first and after the last epoch of sleep.

        Returns
        -------
        bouts : Bouts
            The remaining bouts.
        """
        asleep = self.stages != "W"
        if not asleep.any():
            return self
        first, last = self._subset(asleep).span
        stops = np.minimum(self.onsets + self.durations, last + seconds)
        onsets = np.maximum(self.onsets, first - seconds)
        durations = np.maximum(stops - onsets, 0.0)
        self.account.add_seconds("cropped wake", self.durations - durations)
        cropped = self._replace(onsets, durations, self.stages)
        return cropped._subset(durations > TOLERANCE)

    def select(self, stages: Sequence[str]) -> Bouts:
        """Select the bouts of some stages that are at least as long as a window.

        Parameters
        ----------
        stages : list of str
            The stages.

        Returns
        -------
        bouts : Bouts
            The selected bouts.
        """
        chosen = np.isin(self.stages, stages)
        self.account.add_seconds("stage not selected", self.durations[~chosen])
        bouts = self._subset(chosen)
        rest = np.mod(bouts.durations + TOLERANCE, self.window) > 2 * TOLERANCE
        self.account.add("shorter than a window", int(rest.sum()))
        return bouts._subset(bouts.durations + TOLERANCE >= self.window)

    def leave_out_bad(self) -> Bouts:
        """Remove windows that overlap a bad span, and return bouts of whole windows."""
        if not self.bad:
            return self
        onsets: list[float] = []
        durations: list[float] = []
        stages: list[str] = []
        for onset, duration, stage in zip(self.onsets, self.durations, self.stages, strict=True):
            going_on = False
            for k in range(int((duration + TOLERANCE) // self.window)):
                start = onset + k * self.window
                label = self._bad_label(start, start + self.window)
                if label is not None:
                    self.account.add(label, 1)
                elif going_on:
                    durations[-1] += self.window
                else:
                    onsets.append(start)
                    durations.append(self.window)
                    stages.append(stage)
                going_on = label is None
        return self._replace(onsets, durations, stages)

    def _bad_label(self, start: float, stop: float) -> str | None:
        """Return the label of a bad span that overlaps a window, or None."""
        for first, last, label in self.bad:
            touched = first < stop - TOLERANCE and last > start + TOLERANCE
            if touched or (first == last and start <= first < stop - TOLERANCE):
                return label
        return None

    def shifted(self, seconds: float) -> Bouts:
        """Shift all bouts in time, for example after the start of the signal was cropped."""
        return self._replace(self.onsets + seconds, self.durations, self.stages)

    def to_windows(self, sfreq: float, n_times: int, stages: Sequence[str]) -> pd.DataFrame:
        """Cut the bouts into windows.

        Parameters
        ----------
        sfreq : float
            Sampling frequency in Hz. A window must be a whole number of samples.
        n_times : int
            Number of samples of the signal.
        stages : list of str
            Stages. Targets are indices into this list.

        Returns
        -------
        windows : pandas.DataFrame
            One row for each window, with the columns of Braindecode's windows datasets.
        """
        size = round(self.window * sfreq)
        counts = np.floor((self.durations + TOLERANCE) / self.window).astype(int)
        # Rounded times must not exceed the last sample.
        first = np.minimum(np.round(self.onsets * sfreq), n_times - size * counts)
        bout = np.repeat(np.arange(len(self)), counts)
        number = np.arange(len(bout)) - np.repeat(np.cumsum(counts) - counts, counts)
        start = np.maximum(first, 0).astype(int)[bout] + size * number
        target = np.array([stages.index(stage) for stage in self.stages])
        return pd.DataFrame(
            {
                "i_window_in_trial": number,
                "i_trial_in_dataset": bout,
                "i_start_in_trial": start,
                "i_stop_in_trial": start + size,
                "target": target[bout],
            }
        )


def _on_grid(pieces: list[Piece], onset: float, window: float) -> list[Piece]:
    """Move the start of cropped pieces to the next window of their epoch."""
    whole = []
    for clock, start, length in pieces:
        n_before = np.ceil((clock - onset - TOLERANCE) / window)
        skipped = max(onset + n_before * window - clock, 0.0)
        if length - skipped > TOLERANCE:
            whole.append(Piece(clock + skipped, start + skipped, length - skipped))
    return whole


def _count_without_signal(
    account: Account, epoch: Epoch, pieces: list[Piece], segments: Segments
) -> None:
    """Count the windows of an epoch that have no signal."""
    outside = epoch.duration - max(
        min(epoch.stop, segments.end) - max(epoch.onset, segments.clock[0]), 0.0
    )
    lost = epoch.duration - sum(piece.duration for piece in pieces)
    reason = "beyond the signal" if outside > TOLERANCE else "in a pause of the recording"
    account.add_seconds(reason, lost)


def _append(bouts: list[_Bout], start: float, stop: float, stage: str, joints: np.ndarray) -> None:
    """Append a span to the bouts (lists of start, stop, stage), or extend the last one."""
    last = bouts[-1] if bouts else None
    if last and last.stage == stage and abs(last.stop - start) < TOLERANCE:
        # A bout ends where the recording was interrupted.
        if not (np.abs(joints - start) < TOLERANCE).any():
            bouts[-1] = last._replace(stop=stop)
            return
    bouts.append(_Bout(start, stop, stage))


def _gaps(covered: list[tuple[float, float]], segments: Segments) -> list[float]:
    """Return the lengths, in s, of the parts of segments that no span (start, stop) covers."""
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
