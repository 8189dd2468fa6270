"""Readers of recordings with annotated events, in BIDS and other folders."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..edf.clock import check_continuous
from ..edf.header import read_header
from ..file_names import is_listed, name_parts
from ..labelled import LabelledPart, LabelledWindows, join
from ..preprocessing import check_one_unit
from . import events as trials
from .channel_types import find_typed, has_labels, set_types

if TYPE_CHECKING:
    import mne

    from .preprocessing import Preprocessing

# The names distinguish recordings from other files in the formats of MNE.
_RECORDING = re.compile(
    r"\.(?:edf|bdf|gdf|vhdr|set)$|[_-](?:raw|raw_sss|raw_tsss|eeg|ieeg|meg|nirs)\.fif(?:\.gz)?$",
    flags=re.IGNORECASE,
)
_EDF = {".edf", ".bdf"}  # the label of a channel may begin with its type


@dataclass(frozen=True)
class Recording:
    """A recording whose signals have not been read.

    Parameters
    ----------
    name : str
        Name of its file, for messages.
    subject, session : str | None
        Subject and session of the recording.
    path : pathlib.Path
        The file.
    open : callable
        Function that returns the ``mne.io.Raw``, without reading its signals.
    by_label : bool
        Whether types of channels are those of their labels. False if the file, or a file beside it
        as in BIDS, has types.
    """

    name: str
    subject: str
    session: str | None
    path: Path
    open: Callable[[], mne.io.BaseRaw]
    by_label: bool = False


def find_recordings(
    folder: Path, pattern: str | None = None, is_one: Callable[[str], object] = _RECORDING.search
) -> list[Recording]:
    r"""List the recordings of a folder and its subfolders.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    pattern : str | None
        Regular expression for the path in the folder without its ending, with a group ``subject``
        and an optional group ``session``: ``r"(?P<subject>S\d+)R\d+"``.
    is_one : callable
        Function that returns whether a file is a recording, given its name.

    Returns
    -------
    recordings : list of Recording
        The recordings. The subject comes from the pattern, or else from the name of the subfolder,
        or else from the name of the file without the number of the run.
    """
    paths = sorted(
        path for path in folder.rglob("*") if is_one(path.name) and is_listed(path, folder)
    )
    recordings = []
    for path in paths:
        subject, session = name_parts(path.relative_to(folder), pattern)
        name = path.relative_to(folder).as_posix()
        opener = partial(open_raw, path)
        recordings.append(Recording(name, subject, session, path, opener, has_labels(path)))
    return recordings


def open_raw(path: Path) -> mne.io.BaseRaw:
    """Open a recording of any format that MNE reads, without reading its signals.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    raw : mne.io.Raw
        The recording.

    Raises
    ------
    ValueError
        If it cannot be read, or is an EDF or BDF file with pauses.
    """
    import mne

    options = {}
    if path.suffix.lower() in _EDF:
        # refuses a file that was cut off, which MNE would shorten
        check_continuous(read_header(path))
        options["infer_types"] = True
    try:
        with warnings.catch_warnings():
            # warnings about headers, mostly about filter settings, which are not used
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="mne")
            raw = mne.io.read_raw(path, preload=False, verbose="error", **options)
    except Exception as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    set_types(raw)
    mark_joints(raw)
    return raw


def mark_joints(raw: mne.io.BaseRaw) -> None:
    """Mark where EEGLAB and BrainVision note that signal is missing, as MNE marks joints.

    Parameters
    ----------
    raw : mne.io.Raw
        The recording, whose annotations are changed.
    """
    names = raw.annotations.description
    onsets = raw.annotations.onset
    # a recording of BrainVision begins with a segment
    segments = (names == "New Segment/") & (onsets - raw.first_time >= 0.5 / raw.info["sfreq"])
    for onset in onsets[(names == "boundary") | segments].tolist():
        # without a duration: that in EEGLAB is of the signal that was removed
        raw.annotations.append(onset, 0.0, "BAD boundary")
        raw.annotations.append(onset, 0.0, "EDGE boundary")


def find_bids(root: Path, task: str | None) -> list[Recording]:
    """List the recordings of one task in a BIDS dataset.

    Parameters
    ----------
    root : pathlib.Path
        The folder with ``dataset_description.json``.
    task : str | None
        The task. None takes the only one.

    Returns
    -------
    recordings : list of Recording
        The recordings.

    Raises
    ------
    ValueError
        If the task does not exist, or there are several and ``task`` is None.
    """
    import mne_bids

    paths = [
        path
        for path in mne_bids.find_matching_paths(root, datatypes=["eeg", "ieeg", "meg"])
        if _RECORDING.search(path.fpath.name)
        and path.suffix in ("eeg", "ieeg", "meg")
        and path.split in (None, "01")  # MNE reads the other parts with the first
    ]
    tasks = sorted({path.task for path in paths if path.task})
    if not paths:
        raise ValueError(f"{root} has no recordings in the layout of BIDS (sub-01/eeg/...).")
    if task is None and len(tasks) > 1:
        raise ValueError(
            f"{root} has several tasks, {', '.join(tasks)}: choose one with task (--task)."
        )
    if task is not None and task not in tasks:
        raise ValueError(f"{root} has no task {task!r}; it has {', '.join(tasks)} (--task).")
    return [
        Recording(
            path.fpath.name,
            f"sub-{path.subject}",
            None if path.session is None else f"ses-{path.session}",
            Path(path.fpath),
            partial(_open_bids, path),
        )
        for path in sorted(paths, key=lambda path: path.fpath)
        if task in (None, path.task)
    ]


def _open_bids(path: Any) -> mne.io.BaseRaw:
    import mne_bids

    if path.fpath.suffix.lower() in _EDF:
        check_continuous(read_header(path.fpath))
    try:
        with warnings.catch_warnings():
            # warnings about missing metadata; required metadata are checked below
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            raw = mne_bids.read_raw_bids(path, verbose="error")
    except Exception as error:
        raise ValueError(f"{path.fpath} cannot be read: {error}") from error
    mark_joints(raw)
    return raw


@dataclass(frozen=True)
class Cutting:
    """How recordings are preprocessed and cut into windows around their events.

    Parameters
    ----------
    preprocessing : Preprocessing
        Preprocessing of each recording as a whole.
    events : dict of str to str
        Class of each event.
    start, stop : float
        Beginning and end of the windows in s from the onset of the event.
    ch_names : list of str
        Channels, in order.
    """

    preprocessing: Preprocessing
    events: dict[str, str]
    start: float
    stop: float
    ch_names: list[str]

    def read(self, recording: Recording) -> LabelledPart:
        """Read one recording.

        Parameters
        ----------
        recording : Recording
            The recording.

        Returns
        -------
        part : LabelledPart
            Its windows.
        """
        raw = recording.open()
        trials.annotate(raw)
        raw = self.preprocessing.of_recording(raw, recording.name)
        raw = raw.reorder_channels(self.ch_names)
        signals, labels = trials.cut(raw, self.events, self.start, self.stop, recording.name)
        signals = self.preprocessing.scale(signals, raw.get_channel_types())
        return LabelledPart(
            signals.astype(np.float32),
            labels,
            [recording.subject] * len(labels),
            None if recording.session is None else [recording.session] * len(labels),
            raw.info["sfreq"],
            self.ch_names,
        )

    def check_classes(self, found: Collection[str]) -> None:
        """Raise an error if none of the recordings has a window of an event's class.

        Parameters
        ----------
        found : collection of str
            Classes of the windows of all recordings.

        Raises
        ------
        ValueError
            If a class is missing.
        """
        missing = sorted(set(self.events.values()) - set(found))
        if missing:
            raise ValueError(
                f"No recording has a window of the classes {', '.join(map(repr, missing))}: all "
                "windows around their events lie outside of the signal, or in annotations whose "
                'names begin with "BAD". Rename such annotations, or leave the events out.'
            )


def plan_cutting(
    recordings: Sequence[Recording],
    preprocessing: Preprocessing,
    *,
    events: Sequence[str] | Mapping[str, str] | None = None,
    tmin: float | None = None,
    tmax: float | None = None,
    ignore_durations: bool = False,
) -> Cutting:
    """Check by their headers that recordings fit together, before the first signal is read.

    Parameters
    ----------
    recordings : list of Recording
        The recordings.
    preprocessing : Preprocessing
        Preprocessing of each whole recording.
    events : dict of str to str | sequence of str
        Class of each event, by its name in the annotations.
    tmin, tmax : float | None
        Start (None is 0) and end (None is the end of the shortest trial) of the windows, in s from
        the onset of the event.
    ignore_durations : bool
        Whether windows may be longer than the annotations of the trials.

    Returns
    -------
    cutting : Cutting
        Reads one recording after another.
    """
    if events is None:
        trials.find_trials(
            recordings[0].open(), {}, recordings[0].name
        )  # raises an error that lists the events
    events = trials.check_events(events or {})
    start, stop = trials.check_span(tmin, tmax)
    durations, chosen, raws = {}, {}, {}
    for one in recordings:
        raw = raws[one.name] = one.open()
        preprocessing.check_rate(raw.info["sfreq"], one.name)
        durations[one.name] = trials.find_trials(raw, events, one.name)
        types, bads = raw.get_channel_types(), raw.info["bads"]
        found = preprocessing.choose(raw.ch_names, types, bads, one.name)
        chosen[one.name] = list(found.values())
    _check_channels(chosen, {what: raw.info["bads"] for what, raw in raws.items()})
    if preprocessing.channels is None and recordings[0].by_label:
        _warn_of_types(raws[recordings[0].name], recordings[0].name)
    if preprocessing.resample is None:
        _check_rates({what: raw.info["sfreq"] for what, raw in raws.items()})
    if not preprocessing.standardize:
        check_one_unit(list(raws.items()))
    stop = trials.choose_end(durations, stop, ignore_durations)
    return Cutting(preprocessing, events, start, stop, chosen[recordings[0].name])


def read_recordings(
    recordings: Sequence[Recording],
    preprocessing: Preprocessing,
    *,
    kind: str,
    name: str,
    **options: Any,
) -> LabelledWindows:
    """Preprocess recordings and cut them into windows around their events.

    Parameters
    ----------
    recordings : list of Recording
        The recordings.
    preprocessing : Preprocessing
        Preprocessing of each recording as a whole.
    kind : str
        Kind of the task.
    name : str
        What to call the data.
    **options : object
        Those of :func:`plan_cutting`.

    Returns
    -------
    windows : LabelledWindows
        The windows.
    """
    cutting = plan_cutting(recordings, preprocessing, **options)
    parts = [cutting.read(one) for one in recordings]
    cutting.check_classes({label for part in parts for label in part.y})
    return join(parts, kind, name)


def _check_channels(chosen: dict[str, list[str]], bads: dict[str, list[str]]) -> None:
    """Raise an error if channels of recordings differ."""
    first = next(iter(chosen))
    for what, names in chosen.items():
        lacking = [name for name in chosen[first] if name not in names]
        more = [name for name in names if name not in chosen[first]]
        if lacking or more:
            one, other, differing = (what, first, lacking) if lacking else (first, what, more)
            marked = [name for name in differing if name in bads[one]]
            listed = ", ".join(f"{n} (marked as bad)" if n in marked else n for n in differing)
            raise ValueError(
                f"The recordings differ in channels: {one} lacks {listed}, which {other} has. "
                "Name the channels that all have with channels (--channels)."
            )


def _warn_of_types(raw: mne.io.BaseRaw, what: str) -> None:
    """Name the channels that are left out because of their labels."""
    others = find_typed(raw)
    if others:
        warnings.warn(
            f"The channels {', '.join(others)} of {what} are not EEG by their labels and are left "
            "out. Name the channels to use with channels (--channels).",
            stacklevel=4,
        )


def _check_rates(rates: dict[str, float]) -> None:
    first = next(iter(rates))
    for what, rate in rates.items():
        if rate != rates[first]:
            raise ValueError(
                f"The recordings differ in sampling frequency: {first} has {rates[first]:g} Hz, "
                f"{what} has {rate:g} Hz. Bring them to one with resample (--resample)."
            )


def no_recordings(folder: Path) -> FileNotFoundError:
    """Return an error that lists the accepted contents of a folder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.

    Returns
    -------
    error : FileNotFoundError
        The error.
    """
    names = sorted(path.name for path in Path(folder).iterdir() if path.name[0] != ".")
    return FileNotFoundError(
        f"{folder} holds nothing that can be read; it has {', '.join(names[:5]) or 'no files'}. "
        "Expected pairs NAME-PSG.edf and NAME-Hypnogram.edf (sleep), recordings (.edf, .bdf, .gdf, "
        ".vhdr, .set, _raw.fif), epochs (-epo.fif), arrays (.npz), or the root of a BIDS dataset."
    )
