"""Windows of recordings without labels, preprocessed as the training data of a model."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..estimators import InvariantClassifier
from ..transforms.layout import same_rate
from .edf.annotations import read_annotations
from .edf.clock import find_segments
from .edf.header import ANNOTATIONS, read_header
from .edf.signals import read_signals, without_eeg
from .preprocessing import check_signal, prepare_recording
from .recipe import Recipe
from .scoring.recording import TOLERANCE, ScoredRecording, Segments
from .sources import events as trials
from .sources.channel_types import set_types
from .sources.preprocessing import Preprocessing, fitting
from .sources.recordings import mark_joints, open_raw

if TYPE_CHECKING:
    import mne

# Forms of data of the reader of sleep recordings, which has its own EDF reader.
_SLEEP = ("simulated nights", "a folder of sleep recordings", "a SleepDataset")
_EDF = {".edf", ".rec"}
# Forms of data that were already cut into windows.
_CUT_BEFORE = (
    *("files of epochs", "files of arrays", "arrays", "mne.Epochs", "a windows dataset"),
    "labelled windows",
)


@dataclass(frozen=True, eq=False)
class UnlabelledWindows:
    """Windows of one recording without labels.

    Parameters
    ----------
    X : ndarray of float32, shape (n_windows, n_channels, n_times)
        Signals.
    onsets : ndarray, shape (n_windows,)
        Onset of each window by the clock, in s after the first sample of the recording.
    sfreq : float
        Sampling frequency in Hz.
    ch_names : list of str
        Names of the channels.
    start : datetime.datetime | None
        Start of the recording, if known.
    remarks : list of str
        Processing that the training data did not need, and windows that were left out.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.datasets import UnlabelledWindows
    >>> X = np.zeros((2, 1, 640), dtype=np.float32)
    >>> UnlabelledWindows(X, onsets=np.array([0.0, 10.0]), sfreq=64.0, ch_names=["Cz"]).seconds
    10.0
    """

    X: np.ndarray
    onsets: np.ndarray
    sfreq: float
    ch_names: list[str]
    start: datetime.datetime | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Length of a window in s."""
        return self.X.shape[2] / self.sfreq

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.X)


class _Opened(NamedTuple):
    """A recording with the channels of the model, its segments without a pause, and its start."""

    raw: mne.io.BaseRaw
    segments: Segments
    start: datetime.datetime | None


def load_unlabelled(
    recording: str | PathLike[str] | mne.io.BaseRaw,
    model: InvariantClassifier | Recipe,
    *,
    events: Sequence[str] | None = None,
) -> UnlabelledWindows:
    """Read a recording without labels into windows for a model to predict.

    The recording is preprocessed as the training data of the model: reference, selection of
    channels, filter, sampling frequency, scale. Windows have the length of the training windows.
    They are contiguous, from the start of the recording and after each pause.

    Parameters
    ----------
    recording : path-like | mne.io.Raw
        A file of any format that MNE reads, or a recording of MNE.
    model : InvariantClassifier | Recipe
        A fitted estimator with its preprocessing, or the preprocessing itself.
    events : sequence of str | None
        Names of events to cut windows around, for models that were trained on such windows. Windows
        start at the same time relative to the event as in training. None cuts contiguous windows.

    Returns
    -------
    windows : UnlabelledWindows
        The windows. Their ``remarks`` list processing that the training data did not need.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the model does not know its preprocessing, or the recording lacks channels of the model,
        is shorter than a window, has samples that are not finite, has none of the
        events, or lacks one that is not of the training.

    Examples
    --------
    >>> from eeginv.datasets import load_unlabelled, load_windows, simulate_recordings
    >>> windows = load_windows("simulated", n_subjects=1, hours=0.25, random_state=0)
    >>> night = simulate_recordings(1, hours=0.25, random_state=1).recordings[0]
    >>> load_unlabelled(night, windows.recipe).X.shape
    (30, 2, 3000)
    """
    recipe: Recipe = Recipe.of_model(model) if isinstance(model, InvariantClassifier) else model
    what = "The recording"
    if isinstance(recording, (str, PathLike)):
        path = Path(recording)
        what = path.name
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist: give a recording.")
        if path.is_dir() and path.suffix.lower() not in (".ds", ".mff"):
            raise ValueError(f"{path} is a folder: give the recordings in it, one by one.")
    if recipe.form == "a dataset of MOABB":
        raise ValueError(
            "The model was trained on a dataset of MOABB, whose paradigm filtered and cut the "
            "recordings: cut other recordings with the paradigm, and call predict_proba."
        )
    if recipe.channels is None:
        raise ValueError(
            "The model does not know the names of its channels, so that they cannot be found in a "
            "recording: train it on data that name them (ch_names)."
        )
    remarks: list[str] = []
    _remark_on_training(recipe, events, remarks)
    opened = _open(recording, recipe, what, remarks)
    if events is not None:  # before trigger channels are removed
        _find_events(opened.raw, events, recipe, what, remarks)
    rate = opened.raw.info["sfreq"]
    if not same_rate(rate, recipe.sfreq):
        remarks.append(f"resampled from {rate:g} Hz to the {recipe.sfreq:g} Hz of the model")
    raw = _prepare(opened.raw, recipe, what)
    if events is None:
        X, onsets = _cut_all(raw, opened.segments, recipe, what, remarks)
    else:
        X, onsets = _cut_at_events(raw, recipe, list(events), what, remarks)
    if recipe.unit == "µV":
        X = Preprocessing(standardize=False).scale(X, raw.get_channel_types())
    names = list(recipe.channels)
    X = X.astype(np.float32)
    return UnlabelledWindows(X, onsets, recipe.sfreq, names, opened.start, remarks)


def _remark_on_training(recipe: Recipe, events: Sequence[str] | None, remarks: list[str]) -> None:
    """Add remarks on differences between contiguous windows and the training windows."""
    if recipe.events is None and events is not None:
        raise ValueError(
            "The model was not trained on windows around events: leave events (--events) out."
        )
    if recipe.events is not None and events is None:
        stop = (recipe.tmin or 0.0) + recipe.seconds
        remarks.append(
            f"cut into contiguous windows, although the model was trained on "
            f"{recipe.tmin:g} to {stop:g} s from {', '.join(recipe.events)} (events, --events)"
        )
    if recipe.form in _CUT_BEFORE:
        remarks.append(
            "the preprocessing of the training windows before eeginv is not known, and was not "
            "applied"
        )
    if recipe.crop_wake is not None and recipe.standardize:
        remarks.append(
            f"standardised as a whole: the training recordings were cropped to "
            f"{recipe.crop_wake:g} minutes around sleep first, which needs stages"
        )


def _find_events(
    raw: mne.io.BaseRaw, events: Sequence[str], recipe: Recipe, what: str, remarks: list[str]
) -> None:
    """Add a remark on events of the training that do not occur; others must, and one of all."""
    missing, listed = trials.find_missing(raw, events)
    if len(missing) == len(events) or not set(missing) <= set(recipe.events or ()):
        trials.find_trials(raw, dict.fromkeys(events, ""), what)
    if missing:
        remarks.append(
            f"without the events {', '.join(map(repr, missing))}: the recording has {listed}"
        )


def _open(
    recording: str | PathLike[str] | mne.io.BaseRaw, recipe: Recipe, what: str, remarks: list[str]
) -> _Opened:
    is_sleep = recipe.form in _SLEEP
    if isinstance(recording, (str, PathLike)):
        path = Path(recording)
        if is_sleep and path.suffix.lower() in _EDF:
            return _open_edf(path, recipe, what)
        raw = open_raw(path)
    else:
        raw = recording.copy()
        # as in a recording that is opened by its path
        set_types(raw)
        mark_joints(raw)
    chosen = _choose(raw.ch_names, recipe, what)
    bad = [new for old, new in chosen.items() if old in raw.info["bads"]]
    if bad:
        remarks.append(f"channels that are marked as bad are used: {', '.join(bad)}")
    segments = ScoredRecording.from_raw(raw).segments
    if is_sleep:
        raw = raw.pick(list(chosen)).reorder_channels(list(chosen)).rename_channels(chosen)
    start = raw.info["meas_date"]
    if start is not None:
        start += datetime.timedelta(seconds=raw.first_time)
    return _Opened(raw, segments, start)


def _open_edf(path: Path, recipe: Recipe, what: str) -> _Opened:
    """Open a polysomnogram with the reader of sleep recordings."""
    header = read_header(path)
    signals = [signal.name for signal in header.signals if signal.label != ANNOTATIONS]
    short = [without_eeg(name) for name in signals]
    chosen = _choose(short, recipe, what)
    raw = read_signals(header, {new: signals[short.index(old)] for old, new in chosen.items()})
    segments, first = find_segments(
        header, read_annotations(header, strict=False).record_onsets, raw
    )
    start = raw.info["meas_date"]
    if start is not None:
        start = start.replace(microsecond=0) + datetime.timedelta(seconds=first)
    return _Opened(raw, segments, start)


def _choose(names: list[str], recipe: Recipe, what: str) -> dict[str, str]:
    """Return the name in the model of each channel, by its name in the recording, in order."""
    wanted = recipe.channels or {}
    found = {name: fitting(names, text) for name, text in wanted.items()}
    missing = [name for name, ones in found.items() if not ones]
    if missing:
        raise ValueError(
            f"{what} lacks the channels {', '.join(missing)}: the model was trained on "
            f"{', '.join(wanted)}, and the recording has {', '.join(names)}."
        )
    for name, ones in found.items():
        if len(ones) > 1:
            raise ValueError(
                f"{what} has {len(ones)} channels {wanted[name]!r} for {name!r}: "
                f"{', '.join(ones)}. Rename the others."
            )
    chosen = {ones[0]: name for name, ones in found.items()}
    if len(chosen) < len(found):
        raise ValueError(
            f"{what} has one channel for several of the model, {', '.join(wanted)}; it has "
            f"{', '.join(names)}."
        )
    return chosen


def _prepare(raw: mne.io.BaseRaw, recipe: Recipe, what: str) -> mne.io.BaseRaw:
    band = (recipe.l_freq, recipe.h_freq)
    same = same_rate(raw.info["sfreq"], recipe.sfreq)
    if recipe.form in _SLEEP:
        check_signal(raw, what)
        try:
            sfreq = None if same else recipe.sfreq
            return prepare_recording(raw, None, *band, sfreq, recipe.standardize)
        except ValueError as error:
            raise ValueError(f"{what}: {error}") from error
    preprocessing = Preprocessing(
        *band,
        resample=None if same else recipe.sfreq,
        channels=recipe.channels,
        reference=recipe.reference,
        standardize=recipe.standardize,
    )
    preprocessing.check_rate(raw.info["sfreq"], what)
    raw = preprocessing.of_recording(raw, what)
    check_signal(raw, what)
    return raw


def _cut_all(
    raw: mne.io.BaseRaw, segments: Segments, recipe: Recipe, what: str, remarks: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Cut contiguous windows within each segment without a pause."""
    n_times, seconds = recipe.n_times, recipe.seconds
    starts, onsets, left = [], [], 0.0
    for clock, onset, length in zip(segments.clock, segments.onsets, segments.lengths, strict=True):
        steps = np.arange(int((length + TOLERANCE) // seconds))
        starts += [round(onset * recipe.sfreq) + n_times * step for step in steps.tolist()]
        onsets += [clock + seconds * step for step in steps.tolist()]
        left += max(0.0, length - seconds * len(steps))
    signal = raw.get_data()
    fits = [start + n_times <= signal.shape[1] for start in starts]
    starts = [start for start, ok in zip(starts, fits, strict=True) if ok]
    onsets = [onset for onset, ok in zip(onsets, fits, strict=True) if ok]
    if not starts:
        raise ValueError(
            f"{what} lasts {raw.n_times / raw.info['sfreq']:g} s without a pause, less than a "
            f"window of {seconds:g} s."
        )
    if left > TOLERANCE:
        remarks.append(f"{left:g} s that fill no window of {seconds:g} s were left out")
    return np.stack([signal[:, start : start + n_times] for start in starts]), np.array(onsets)


def _cut_at_events(
    raw: mne.io.BaseRaw, recipe: Recipe, events: list[str], what: str, remarks: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    start = recipe.tmin or 0.0
    epochs, lost = trials.cut_epochs(raw, events, start, start + recipe.seconds, what)
    if lost:
        remarks.append(lost.removeprefix(f"{what}: ").removesuffix("."))
    samples = epochs.events[:, 0] - raw.first_samp
    return epochs.get_data(copy=False), samples / raw.info["sfreq"] + start
