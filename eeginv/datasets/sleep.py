"""Sleep recordings cut into labelled windows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._braindecode import load_braindecode
from .._checks import check_number
from .given import DescriptionLike, check_description, check_recordings
from .preprocessing import check_signal, prepare_recording
from .scoring.bouts import Account, Bouts
from .scoring.epochs import read_scoring
from .scoring.remarks import Remarks
from .scoring.stages import check_stages

if TYPE_CHECKING:
    import mne
    import pandas as pd
    from braindecode.datasets import BaseConcatDataset

    from .scoring.recording import ScoredRecording


class _Prepared(NamedTuple):
    """A recording with windows: its row in the description, preprocessed signal, and bouts."""

    row: int
    raw: mne.io.BaseRaw
    bouts: Bouts


class NothingLeft(ValueError):
    """No recording has a window of the chosen stages."""


class SleepDataset:
    """Sleep recordings, preprocessed and cut into windows with a sleep stage.

    Labels of Rechtschaffen and Kales are converted to AASM stages: ``Sleep stage 3`` and ``4`` are
    N3. Movement and unscored epochs are dropped and counted, and so are windows that overlap an
    annotation whose name begins with ``BAD``. A window is always within one bout of a stage. Known
    names, and the treatment of epochs without a duration and of duplicates, are listed in
    :ref:`recordings`.

    Parameters
    ----------
    recordings : list of mne.io.Raw
        Recordings in V with annotations in the vocabulary of Sleep-EDF (``Sleep stage W``, ``R``,
        ``1`` to ``4``, ``?``, ``Movement time``) or other public spellings (``N2``, ``REM``). All
        must have the same channels and, unless ``sfreq`` is given, the same sampling frequency.
        Channels are reordered as in the first recording. Trigger channels are left out with a
        warning. Recordings are copied.
    description : pandas.DataFrame | list of dict
        One row per recording, with columns ``subject`` and ``recording``.
    stages : sequence of str | None
        Stages to keep, among "W", "N1", "N2", "N3", "R". None keeps all.
    crop_wake : float | None
        Minutes to keep before the first and after the last sleep epoch. None keeps all.
    l_freq, h_freq : float | None
        Edges of the band-pass filter in Hz, as in :meth:`mne.io.Raw.filter`. None means no edge.
    sfreq : float | None
        Sampling frequency in Hz to resample to. None keeps that of the recordings.
    standardize : bool
        Whether each channel of each recording is scaled to zero mean and unit standard deviation. A
        flat channel becomes zero.
    window : float
        Length of a window in s. Windows are contiguous, from the start of a bout. The rest at its
        end is dropped and counted.

    Attributes
    ----------
    recordings : list of mne.io.Raw
        The recordings after preprocessing, with their own annotations.
    description : pandas.DataFrame
        Subject and recording, one row per recording.
    windows : braindecode.datasets.BaseConcatDataset
        Windows with the index of the stage in ``stages`` as the target.
    stages : list of str
        Names of the stages, indexed by the targets, in the order W, N1, N2, N3, R.
    sfreq : float
        Sampling frequency in Hz.
    ch_names : list of str
        Names of the channels.
    standardize : bool
        As given.
    preprocessing : dict
        ``crop_wake``, ``l_freq``, ``h_freq``, ``standardize`` and ``window``, as given.
    n_dropped : dict of str to int
        Number of windows that were left out, by reason: the annotation itself (such as "Sleep stage
        ?", "Movement time", "BAD_movement"), "cropped wake", "stage not selected", "shorter than a
        window", "beyond the signal" (epochs without signal; only counted by the loaders of files,
        because MNE crops annotations), "no stage annotated" (signal without an epoch), "in a pause
        of the recording", "without a duration: NAME" (epochs of unknown duration).
    true_invariances : dict | None
        True invariances of simulated recordings: see :func:`~eeginv.datasets.simulate_sleep`.
    nuisances : pandas.DataFrame | None
        Nuisance parameters of each simulated recording.

    Raises
    ------
    TypeError, ValueError
        If an option is out of range, a stage is unknown, epochs contradict each other, a signal is
        not finite, channels or sampling frequencies differ, a subject is missing or has two
        spellings, recordings are in two units (unless standardised), or no window is left.

    Warns
    -----
    UserWarning
        If channels are marked as bad, annotations look like stages but are unknown, durations are
        missing, or a recording has no window of the selected stages.

    Examples
    --------
    >>> from eeginv.datasets import SleepDataset, simulate_recordings
    >>> population = simulate_recordings(n_subjects=1, hours=0.5, random_state=0)
    >>> nights = SleepDataset(population.recordings, population.description, h_freq=20.0)
    >>> X, y, groups = nights.to_arrays()
    >>> X.shape[1:], sorted(set(groups.tolist()))
    ((2, 3000), [0])
    """

    def __init__(
        self,
        recordings: Sequence[mne.io.BaseRaw | ScoredRecording],
        description: DescriptionLike,
        *,
        stages: Sequence[str] | None = None,
        crop_wake: float | None = 30.0,
        l_freq: float | None = None,
        h_freq: float | None = 30.0,
        sfreq: float | None = None,
        standardize: bool = True,
        window: float = 30.0,
    ) -> None:
        self.preprocessing = {
            "crop_wake": crop_wake,
            "l_freq": l_freq,
            "h_freq": h_freq,
            "standardize": bool(standardize),
            "window": window,
        }
        wanted = check_stages(stages)
        if crop_wake is not None:
            crop_wake = 60 * check_number("crop_wake", crop_wake)
        window = check_number("window", window, exclusive=True)
        if sfreq is not None:
            sfreq = check_number("sfreq", sfreq, exclusive=True)
        recordings = _as_list(recordings)
        description = check_description(description, len(recordings))
        given = check_recordings(recordings, description, sfreq, standardize)

        self.standardize = bool(standardize)
        self.true_invariances: dict[str, dict[str, Any]] | None = None
        self.nuisances: pd.DataFrame | None = None
        account = Account(window)
        self.n_dropped = account.n_dropped
        channels = given[0].raw.ch_names
        prepare = partial(
            prepare_recording, l_freq=l_freq, h_freq=h_freq, sfreq=sfreq, standardize=standardize
        )
        remarks = Remarks()
        prepared: list[_Prepared] = []
        left_out: list[str] = []
        for i, one in enumerate(given):
            check_signal(one.raw, one.name)
            scoring = read_scoring(one.recording, one.name)
            remarks.add(scoring, one.name)
            bouts = Bouts.from_scoring(scoring, one.recording.segments, account)
            span = None
            if crop_wake is not None and len(bouts):
                bouts = bouts.crop_wake(crop_wake)
                span = bouts.span
            bouts = bouts.select(wanted).leave_out_bad()
            if not len(bouts):
                left_out.append(one.name)
                continue
            raw = one.raw
            if raw.ch_names != channels:
                raw = raw.copy().reorder_channels(channels)
            start = span[0] if span else 0.0
            prepared.append(_Prepared(i, prepare(raw, span), bouts.shifted(-start)))
        remarks.warn()
        if not prepared:
            raise NothingLeft(
                f"No window of the stages {wanted} in any of the {len(recordings)} recordings; "
                f"left out: {self.n_dropped}. Choose other stages or check the annotations."
            )
        if left_out:
            warnings.warn(
                f"Recordings without a window of the stages {wanted} were left out: "
                f"{'; '.join(left_out)}.",
                stacklevel=2,
            )
        self.recordings = [one.raw for one in prepared]
        self.description = description.iloc[[one.row for one in prepared]].reset_index(drop=True)
        self.sfreq = float(self.recordings[0].info["sfreq"])
        self.ch_names = list(self.recordings[0].ch_names)
        present = set().union(*(one.bouts.stages.tolist() for one in prepared))
        self.stages = [stage for stage in wanted if stage in present]
        if stages is not None and self.stages != wanted:
            missing = [stage for stage in wanted if stage not in present]
            raise ValueError(
                f"No recording has a window of the chosen stages {missing}; the recordings have "
                f"{self.stages}."
            )
        self.windows = self._cut([one.bouts for one in prepared], window)

    def _cut(self, bouts: list[Bouts], window: float) -> BaseConcatDataset:
        """Make Braindecode's windows dataset from one set of bouts for each recording."""
        load_braindecode()
        from braindecode.datasets import BaseConcatDataset, EEGWindowsDataset

        n_samples = window * self.sfreq
        if abs(n_samples - round(n_samples)) > 1e-6:
            raise ValueError(
                f"A window of {window} s is not a whole number of samples at {self.sfreq} Hz."
            )
        parts, rows = [], self.description.to_dict("records")
        for raw, own, row in zip(self.recordings, bouts, rows, strict=True):
            part = EEGWindowsDataset(raw, own.to_windows(self.sfreq, raw.n_times, self.stages), row)
            part.window_kwargs = [(type(self).__name__, {"window": window})]  # saved with it
            parts.append(part)
        return BaseConcatDataset(parts)

    def to_arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Copy all windows into arrays, for estimators of scikit-learn.

        Returns
        -------
        X : ndarray of float32, shape (n_windows, n_channels, n_times)
            Windows, without unit if standardised, otherwise in V.
        y : ndarray of str, shape (n_windows,)
            Stage of each window.
        groups : ndarray, shape (n_windows,)
            Subject of each window.
        """
        n_times = round(self._window_samples())
        X = np.empty((len(self), len(self.ch_names), n_times), dtype=np.float32)
        targets, groups, i = [], [], 0
        for part, subject in zip(self.windows.datasets, self.description["subject"], strict=True):
            signal = part.raw.get_data()
            for start in part.metadata["i_start_in_trial"]:
                X[i] = signal[:, start : start + n_times]
                i += 1
            targets += part.metadata["target"].tolist()
            groups += [subject] * len(part)
        return X, np.array(self.stages)[targets], np.array(groups)

    def to_windows_dataset(self) -> BaseConcatDataset:
        """Return the windows as a Braindecode dataset, for estimators of Braindecode and skorch.

        Returns
        -------
        windows : braindecode.datasets.BaseConcatDataset
            Items are ``(X, y, indices)``, where y is the index into ``stages``. ``get_metadata()``
            has the columns ``target``, ``subject`` and ``recording``.
        """
        return self.windows

    def _window_samples(self) -> float:
        first = self.windows.datasets[0].metadata.iloc[0]
        return first["i_stop_in_trial"] - first["i_start_in_trial"]

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.windows)

    def __repr__(self) -> str:
        """Return a summary."""
        targets = np.concatenate([part.metadata["target"] for part in self.windows.datasets])
        counts = np.bincount(targets.astype(int), minlength=len(self.stages))
        listed = ", ".join(f"{stage} {n}" for stage, n in zip(self.stages, counts, strict=True))
        return (
            f"<SleepDataset: {self.description['subject'].nunique()} subjects, "
            f"{len(self.recordings)} recordings, {len(self)} windows of "
            f"{self._window_samples() / self.sfreq:g} s ({listed}); "
            f"{', '.join(self.ch_names)} at {self.sfreq:g} Hz>"
        )


def _as_list(recordings: Sequence[Any]) -> list[Any]:
    import mne

    if isinstance(recordings, mne.io.BaseRaw):
        raise TypeError("recordings must be a list of mne.io.Raw; got one: give [raw].")
    return list(recordings)
