"""Sleep recordings cut into labelled windows: the object that all sources give."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd

from .._braindecode import load_braindecode
from .._checks import check_number
from .._process import in_this_process
from ._bouts import Bouts, check_stages
from ._epochs import read_scoring
from ._preprocess import check_one_unit, check_signal, prepare_recording
from ._remarks import Remarks
from ._scored import ScoredRecording
from .hypnogram import STAGES


class SleepDataset:
    """Sleep recordings, preprocessed and cut into windows that carry a stage.

    Rechtschaffen and Kales labels become AASM stages: ``Sleep stage 3`` and ``4`` are N3. Movement
    and unscored epochs are dropped and counted, and so are windows that touch a span whose name
    begins with ``BAD``. Windows lie within one bout of a stage. The names that are known, and what
    happens to epochs without a duration or twice in a recording, are listed in :ref:`recordings`.

    Parameters
    ----------
    recordings : list of mne.io.Raw
        Recordings in V with annotations in the vocabulary of Sleep-EDF (``Sleep stage W``, ``R``,
        ``1`` to ``4``, ``?``, ``Movement time``) or other public spellings (``N2``, ``REM``). All
        need the same channels and, unless `sfreq` is given, the same sampling frequency; channels
        are brought into the order of the first, and trigger channels left out with a warning. They
        are copied, not changed.
    description : pandas.DataFrame or list of dict
        One row per recording, with columns ``subject`` and ``recording``.
    stages : sequence of str, optional
        Stages to keep, among ``"W"``, ``"N1"``, ``"N2"``, ``"N3"``, ``"R"``. All by default.
    crop_wake : float or None
        Minutes to keep before the first and after the last sleep epoch. None keeps all.
    l_freq, h_freq : float or None
        Edges of the band-pass filter in Hz, as `mne.io.Raw.filter` takes them. None leaves the
        edge open.
    sfreq : float, optional
        Sampling frequency in Hz to resample to. By default the recordings' own.
    standardize : bool
        Whether each channel of each recording is brought to zero mean and unit standard deviation.
        A flat channel becomes zero.
    window : float
        Length of a window in s. Windows follow each other without overlap from the start of a
        bout; what is left at its end is dropped and counted.

    Attributes
    ----------
    recordings : list of mne.io.Raw
        The recordings after preprocessing, with their own annotations.
    description : pandas.DataFrame
        Subject and recording, one row per recording.
    windows : braindecode.datasets.BaseConcatDataset
        Windows with the index of the stage in `stages` as the target.
    stages : list of str
        The stages that targets stand for, in the order W, N1, N2, N3, R.
    sfreq : float
        Sampling frequency in Hz.
    ch_names : list of str
        Names of the channels.
    standardize : bool
        As given.
    n_dropped : dict of str to int
        Number of windows that were left out, by reason: the annotation itself (such as
        ``"Sleep stage ?"``, ``"Movement time"``, ``"BAD_movement"``), ``"cropped wake"``,
        ``"stage not selected"``, ``"shorter than a window"``, ``"beyond the signal"`` (epochs
        without signal, which only the loaders of files can know: MNE cuts annotations itself),
        ``"no stage annotated"`` (signal without an epoch), ``"in a pause of the recording"``,
        ``"without a duration: NAME"`` (epochs whose duration nothing tells).
    true_invariances : dict or None
        The truth, where the recordings are simulated: see `simulate_sleep`.
    nuisances : pandas.DataFrame or None
        What sets each recording apart, where the recordings are simulated.

    Raises
    ------
    TypeError, ValueError
        If an option is out of range, a stage is unknown, epochs contradict each other, a signal is
        not finite, channels or sampling frequencies differ, a subject is missing or written in two
        ways, recordings are in two units (unless standardised), or nothing is left.

    Warns
    -----
    UserWarning
        If channels are marked as bad, if annotations look like stages and are none that is known,
        if durations are missing, or if a recording has no window of the chosen stages.

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
        recordings,
        description,
        *,
        stages=None,
        crop_wake=30.0,
        l_freq=None,
        h_freq=30.0,
        sfreq=None,
        standardize=True,
        window=30.0,
    ):
        wanted = check_stages(stages)
        if crop_wake is not None:
            crop_wake = check_number("crop_wake", crop_wake)
        window = check_number("window", window, exclusive=True)
        if sfreq is not None:
            sfreq = check_number("sfreq", sfreq, exclusive=True)
        recordings = _as_list(recordings)
        description = _check_description(description, len(recordings))
        names = [f"subject {d.subject}, recording {d.recording}" for d in description.itertuples()]
        scored = _as_scored(recordings, names)
        _check_recordings([one.raw for one in scored], names, sfreq)
        names = [
            f"{name} ({one.source})" if one.source else name
            for name, one in zip(names, scored, strict=True)
        ]

        if not standardize:
            check_one_unit([one.raw for one in scored], names)
        self.standardize = bool(standardize)
        self.true_invariances = None
        self.nuisances = None
        self.n_dropped = {}
        self.recordings, kept, labels, left_out = [], [], [], []
        channels = scored[0].raw.ch_names
        remarks = Remarks()
        for i, (recording, name) in enumerate(zip(scored, names, strict=True)):
            raw = recording.raw
            check_signal(raw, name)
            scoring = read_scoring(recording, name)
            remarks.add(scoring, name)
            bouts = Bouts.from_scoring(scoring, recording.segments, window, self.n_dropped)
            span = None
            if crop_wake is not None and len(bouts):
                bouts = bouts.crop_wake(60 * crop_wake)
                span = bouts.span
            bouts = bouts.select(wanted).leave_out_bad()
            if not len(bouts):
                left_out.append(name)
                continue
            if raw.ch_names != channels:
                raw = raw.copy().reorder_channels(channels)
            self.recordings.append(
                prepare_recording(raw, span, l_freq, h_freq, sfreq, self.standardize)
            )
            kept.append(i)
            labels.append((bouts, -span[0] if span else 0.0))
        remarks.warn()
        if not kept:
            raise ValueError(
                f"No window of the stages {wanted} in any of the {len(recordings)} recordings; "
                f"left out: {self.n_dropped}. Choose other stages or check the annotations."
            )
        if left_out:
            warnings.warn(
                f"Left out, for want of a window of the stages {wanted}: {'; '.join(left_out)}.",
                stacklevel=2,
            )
        self.description = description.iloc[kept].reset_index(drop=True)
        self.sfreq = float(self.recordings[0].info["sfreq"])
        self.ch_names = list(self.recordings[0].ch_names)
        present = set().union(*(bouts.stages.tolist() for bouts, _ in labels))
        if stages is not None and present != set(wanted):
            missing = [stage for stage in wanted if stage not in present]
            raise ValueError(
                f"No recording has a window of the chosen stages {missing}; the recordings have "
                f"{[stage for stage in wanted if stage in present]}."
            )
        self.stages = [stage for stage in STAGES if stage in present]
        self.windows = self._cut(labels, window)

    @in_this_process()
    def _cut(self, labels, window):
        load_braindecode()
        from braindecode.datasets import BaseConcatDataset, RawDataset
        from braindecode.preprocessing import create_windows_from_events

        n_samples = window * self.sfreq
        if abs(n_samples - round(n_samples)) > 1e-6:
            raise ValueError(
                f"A window of {window} s is not a whole number of samples at {self.sfreq} Hz."
            )
        n_samples = round(n_samples)
        rows = self.description.to_dict("records")
        parts = []
        for raw, row, (bouts, shift) in zip(self.recordings, rows, labels, strict=True):
            # Braindecode cuts along annotations: for a moment, those are the selected bouts.
            original = raw.annotations.copy()
            raw.set_annotations(
                bouts.to_annotations(self.sfreq, raw.n_times, shift), emit_warning=False
            )
            cut = create_windows_from_events(
                BaseConcatDataset([RawDataset(raw, row)]),
                mapping={stage: i for i, stage in enumerate(self.stages)},
                window_size_samples=n_samples,
                window_stride_samples=n_samples,
                on_last_window="drop",
                on_missing="ignore",
            )
            raw.set_annotations(original)
            parts += cut.datasets
        return BaseConcatDataset(parts)

    def to_arrays(self):
        """Copy all windows into arrays, for scikit-learn's kind of estimators.

        Returns
        -------
        X : ndarray of float32, shape (n_windows, n_channels, n_times)
            Windows; without unit if standardised, otherwise in V.
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

    def to_windows_dataset(self):
        """Give the windows as a Braindecode dataset, for Braindecode's and skorch's estimators.

        Returns
        -------
        windows : braindecode.datasets.BaseConcatDataset
            Items are ``(X, y, indices)``, y the index into `stages`; ``get_metadata()`` has the
            columns ``target``, ``subject`` and ``recording``.
        """
        return self.windows

    def _window_samples(self):
        first = self.windows.datasets[0].metadata.iloc[0]
        return first["i_stop_in_trial"] - first["i_start_in_trial"]

    def __len__(self):
        """Count the windows."""
        return len(self.windows)

    def __repr__(self):
        """Summarise what there is."""
        targets = np.concatenate([part.metadata["target"] for part in self.windows.datasets])
        counts = np.bincount(targets.astype(int), minlength=len(self.stages))
        listed = ", ".join(f"{stage} {n}" for stage, n in zip(self.stages, counts, strict=True))
        return (
            f"<SleepDataset: {self.description['subject'].nunique()} subjects, "
            f"{len(self.recordings)} recordings, {len(self)} windows of "
            f"{self._window_samples() / self.sfreq:g} s ({listed}); "
            f"{', '.join(self.ch_names)} at {self.sfreq:g} Hz>"
        )


def _check_description(description, n_recordings):
    if n_recordings == 0:
        raise ValueError("At least one recording is needed; got none.")
    if isinstance(description, dict) and not any(
        map(pd.api.types.is_list_like, description.values())
    ):
        description = [description]
    description = pd.DataFrame(description).reset_index(drop=True)
    missing = [name for name in ("subject", "recording") if name not in description]
    if missing:
        raise ValueError(
            f"description needs the columns 'subject' and 'recording'; {missing} missing, "
            f"got {list(description.columns)}."
        )
    if len(description) != n_recordings:
        raise ValueError(
            f"description needs one row per recording; got {len(description)} rows for "
            f"{n_recordings} recordings."
        )
    lacking = description["subject"].isna() | (description["subject"].astype(str).str.strip() == "")
    if lacking.any():
        raise ValueError(
            "description has no subject for the recordings "
            f"{np.flatnonzero(lacking).tolist()}; without one, windows of a person could be in "
            "training and test."
        )
    written = {}
    for subject in description["subject"].unique():
        written.setdefault(str(subject).strip().casefold(), []).append(subject)
    alike = [subjects for subjects in written.values() if len(subjects) > 1]
    if alike:
        raise ValueError(
            f"The subjects {alike[0]} in description differ only by type, capitals or spaces: "
            "windows of one person could be in training and test. Write each in one way."
        )
    return description


def _as_list(recordings):
    import mne

    if isinstance(recordings, mne.io.BaseRaw):
        raise TypeError("recordings must be a list of mne.io.Raw; got one: give [raw].")
    return list(recordings)


def _as_scored(recordings, names):
    """Take recordings as they come from files, or from the user as mne.io.Raw."""
    import mne

    scored = []
    for recording, name in zip(recordings, names, strict=True):
        if isinstance(recording, mne.io.BaseRaw):
            recording = ScoredRecording.from_raw(recording)
        elif not isinstance(recording, ScoredRecording):
            raise TypeError(
                f"recordings must be mne.io.Raw objects; {name} is a {type(recording).__name__}."
            )
        scored.append(recording)
    bad = {name for one in scored for name in one.raw.info["bads"]}
    if bad:
        warnings.warn(
            f"Channels that are marked as bad go in all the same: {', '.join(sorted(bad))}. "
            "Interpolate them, or drop them from all recordings.",
            stacklevel=3,
        )
    stim = {name for one in scored for name in _stim_channels(one.raw)}
    if stim:
        warnings.warn(
            f"Trigger channels are no signals and were left out: {', '.join(sorted(stim))}.",
            stacklevel=3,
        )
        for i, one in enumerate(scored):
            raw = one.raw.copy().drop_channels(_stim_channels(one.raw))
            scored[i] = dataclasses.replace(one, raw=raw)
    return scored


def _stim_channels(raw):
    types = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    return [name for name, kind in types if kind == "stim"]


def _check_recordings(recordings, names, sfreq):
    channels = {name: tuple(raw.ch_names) for raw, name in zip(recordings, names, strict=True)}
    if len({frozenset(value) for value in channels.values()}) > 1:
        listed = "; ".join(f"{name}: {', '.join(value)}" for name, value in channels.items())
        raise ValueError(
            f"All recordings need the same channels; got {listed}. Pick common channels first."
        )
    rates = {name: raw.info["sfreq"] for raw, name in zip(recordings, names, strict=True)}
    if sfreq is None and len(set(rates.values())) > 1:
        listed = "; ".join(f"{name}: {value:g} Hz" for name, value in rates.items())
        raise ValueError(
            f"The recordings differ in sampling frequency: {listed}. Give sfreq to resample them."
        )
