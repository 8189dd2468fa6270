"""Epochs from annotations: stages from labels, inferred durations, and consistency checks."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from .recording import TOLERANCE, ScoredRecording, is_bad, is_boundary
from .stages import STAGES, UNKNOWN, UNSCORED, read_label

WITHOUT_DURATION = "without a duration"
# Lengths of epochs are multiples of this, in s. Those of other events are usually not.
EPOCH_UNIT = 10.0


class Epoch(NamedTuple):
    """A span with one label: onset and duration in s, label, and its meaning."""

    onset: float
    duration: float
    label: str
    meaning: str

    @property
    def stop(self) -> float:
        """End in s."""
        return self.onset + self.duration


class Scoring(NamedTuple):
    """Epochs and bad spans of one recording.

    Parameters
    ----------
    epochs : list of Epoch
        Scored and unscored epochs without overlap, and those of unknown meaning, sorted by onset.
    bad : list of Epoch
        Spans marked as bad.
    inferred : str | None
        Description of how missing durations were inferred. None if none were.
    without_duration : Counter
        Number of epochs, by label, whose duration is unknown.
    """

    epochs: list[Epoch]
    bad: list[Epoch]
    inferred: str | None
    without_duration: Counter[str]


def read_scoring(recording: ScoredRecording, name: str) -> Scoring:
    """Read the annotations of a recording as epochs.

    Parameters
    ----------
    recording : ScoredRecording
        Signal and annotations.
    name : str
        Name of the recording in messages.

    Returns
    -------
    scoring : Scoring
        Epochs with their durations.

    Raises
    ------
    ValueError
        If two epochs overlap and have different meanings.
    """
    rows = zip(recording.onsets, recording.durations, recording.labels, strict=True)
    everything = sorted(
        (
            Epoch(float(onset), float(duration), label, _meaning(label))
            for onset, duration, label in rows
        ),
        key=lambda epoch: (epoch.onset, -epoch.duration),
    )
    bad = [epoch for epoch in everything if epoch.meaning == "bad"]
    epochs = [epoch for epoch in everything if epoch.meaning in (*UNDERSTOOD, UNKNOWN)]
    epochs, inferred, marks = _complete(epochs)
    known = _merge([epoch for epoch in epochs if epoch.meaning != UNKNOWN], name)
    marks = _outside(marks, known, name)
    others = [epoch for epoch in everything if epoch.meaning == "other" and _as_long(epoch)]
    strange = [epoch for epoch in epochs if epoch.meaning == UNKNOWN] + others
    spans = np.reshape([(epoch.onset, epoch.stop) for epoch in known], (-1, 2))
    strange = [epoch for epoch in strange if not _is_covered(epoch, spans)]
    without = Counter(epoch.label for epoch in marks)
    return Scoring(sorted(known + strange), bad, inferred, without)


UNDERSTOOD = (*STAGES, UNSCORED)


def _meaning(label: str) -> str:
    if is_boundary(label):
        return "other"
    return "bad" if is_bad(label) else read_label(label) or "other"


def _as_long(epoch: Epoch) -> bool:
    """Return whether an annotation has the length of an epoch."""
    rest = (epoch.duration + TOLERANCE) % EPOCH_UNIT
    return epoch.duration >= EPOCH_UNIT and rest <= 2 * TOLERANCE


def _complete(epochs: list[Epoch]) -> tuple[list[Epoch], str | None, list[Epoch]]:
    """Infer durations if no epoch has one.

    Returns the epochs with a duration, a description of how it was inferred, and the epochs without
    a duration.
    """
    marks = [epoch for epoch in epochs if epoch.duration <= 0]
    if not marks:
        return epochs, None, []
    if len(marks) < len(epochs):
        return [epoch for epoch in epochs if epoch.duration > 0], None, marks
    # Duplicates have no information on the length of an epoch.
    marks = [mark for i, mark in enumerate(marks) if mark not in marks[max(i - 5, 0) : i]]
    steps = np.diff([mark.onset for mark in marks])
    if len(steps) == 0 or (steps <= TOLERANCE).any():
        return [], None, marks
    repeated = any(one.label == two.label for one, two in zip(marks[:-1], marks[1:], strict=True))
    usual = Counter(np.round(steps, 2).tolist()).most_common(1)[0][0]
    if repeated:
        # One mark for each epoch. Longer steps are gaps, shorter ones are not epochs.
        off = np.abs(steps - usual * np.round(steps / usual)) > 0.02
        often = np.mean(np.abs(steps - usual) <= 0.02) >= 0.9
        if steps.min() < usual - 0.02 or (off.any() and not often):
            return [], None, marks
        durations = np.minimum(np.append(steps, usual), usual)
        how = f"one every {usual:g} s, each taken to last {usual:g} s"
    else:
        # One mark for each change of stage. The duration of the last one is unknown.
        units = [unit for unit in (30.0, 20.0) if np.allclose(steps % unit, 0, atol=TOLERANCE)]
        durations = np.append(steps, units[0] if units else 0.0)
        how = "one at each change of stage, each taken to last until the next"
        if units:
            how += f", the last {units[0]:g} s"
    full = [
        mark._replace(duration=float(length)) for mark, length in zip(marks, durations, strict=True)
    ]
    return [one for one in full if one.duration > 0], how, [o for o in full if o.duration <= 0]


def _merge(epochs: list[Epoch], name: str) -> list[Epoch]:
    """Merge overlapping epochs of the same meaning, and raise an error for contradictions."""
    kept: list[Epoch] = []
    for epoch in epochs:
        if not kept or epoch.onset >= kept[-1].stop - TOLERANCE:
            kept.append(epoch)
            continue
        last = kept[-1]
        if last.meaning != epoch.meaning:
            raise ValueError(_contradiction(last, epoch, name))
        if epoch.stop > last.stop:
            # They agree. The second epoch starts where the first ends.
            kept.append(epoch._replace(onset=last.stop, duration=epoch.stop - last.stop))
    return kept


def _contradiction(one: Epoch, two: Epoch, name: str) -> str:
    return (
        f"{name}: epochs contradict each other: {one.label!r} from {one.onset:g} s to "
        f"{one.stop:g} s and {two.label!r} from {two.onset:g} s to {two.stop:g} s. Correct the "
        "annotations; each moment can have one stage."
    )


def _outside(marks: list[Epoch], epochs: list[Epoch], name: str) -> list[Epoch]:
    """Find the marks without duration that are outside all epochs of the same meaning."""
    starts = np.array([epoch.onset for epoch in epochs])
    left = []
    for mark in marks:
        i = np.searchsorted(starts, mark.onset + TOLERANCE, side="right") - 1
        inside = i >= 0 and mark.onset < epochs[i].stop - TOLERANCE
        if not inside:
            left.append(mark)
        elif mark.meaning not in (UNKNOWN, epochs[i].meaning):
            raise ValueError(_contradiction(epochs[i], mark, name))
    return left


def _is_covered(epoch: Epoch, known: np.ndarray) -> bool:
    """Return whether known epochs, rows (onset, stop), cover at least half of a span."""
    shared = np.minimum(epoch.stop, known[:, 1]) - np.maximum(epoch.onset, known[:, 0])
    return np.maximum(shared, 0.0).sum() >= 0.5 * epoch.duration
