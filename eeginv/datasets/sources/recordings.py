"""Recordings with annotated events, in folders of any layout and of BIDS."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..file_names import name_parts
from ..labelled import LabelledWindows
from ..preprocessing import check_one_unit
from . import events as trials

if TYPE_CHECKING:
    import mne

    from .preprocessing import Preprocessing

# Files of MNE's own formats that hold no recording have other names.
_RECORDING = re.compile(
    r"\.(?:edf|bdf|gdf|vhdr|set)$|[_-](?:raw|raw_sss|raw_tsss|eeg|ieeg|meg|nirs)\.fif(?:\.gz)?$",
    flags=re.IGNORECASE,
)
_INFERRED = {".edf", ".bdf"}  # whose labels begin with the type of the channel, or do not


@dataclass(frozen=True)
class Recording:
    """A recording that is not read yet.

    Parameters
    ----------
    name : str
        Its file, for messages.
    subject, session : str | None
        Whose it is, and of which session.
    open : callable
        Returns the ``mne.io.Raw``, without its signals.
    """

    name: str
    subject: str
    session: str | None
    open: Callable[[], mne.io.BaseRaw]


def find_recordings(
    folder: Path, pattern: str | None = None, is_one: Callable[[str], object] = _RECORDING.search
) -> list[Recording]:
    r"""List the recordings of a folder and of those inside it.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    pattern : str | None
        Regular expression for the path in the folder without its ending, with groups ``subject``
        and, if there are such, ``session``: ``r"(?P<subject>S\d+)R\d+"``.
    is_one : callable
        Tells by the name of a file whether it is one.

    Returns
    -------
    recordings : list of Recording
        With the subject from the pattern; otherwise, for files in a folder of their own, from the
        name of that folder; otherwise from the name of the file, without what counts runs.
    """
    paths = sorted(
        path
        for path in folder.rglob("*")
        if is_one(path.name)
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    recordings = []
    for path in paths:
        subject, session = name_parts(path.relative_to(folder), pattern)
        name = path.relative_to(folder).as_posix()
        recordings.append(Recording(name, subject, session, partial(open_raw, path)))
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
        If it cannot be read.
    """
    import mne

    options = {"infer_types": True} if path.suffix.lower() in _INFERRED else {}
    try:
        with warnings.catch_warnings():
            # comments on headers, most about filter settings that are not used
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="mne")
            return mne.io.read_raw(path, preload=False, verbose="error", **options)
    except Exception as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def find_bids(root: Path, task: str | None) -> list[Recording]:
    """List the recordings of one task in a folder of BIDS.

    Parameters
    ----------
    root : pathlib.Path
        The folder that has ``dataset_description.json``.
    task : str | None
        The task; None is the only one.

    Returns
    -------
    recordings : list of Recording
        The recordings.

    Raises
    ------
    ValueError
        If the task does not exist, or there are several and none is named.
    """
    import mne_bids

    paths = [
        path
        for path in mne_bids.find_matching_paths(root, datatypes=["eeg", "ieeg", "meg"])
        if _RECORDING.search(path.fpath.name)
        and path.suffix in ("eeg", "ieeg", "meg")
        and path.split in (None, "01")  # MNE reads the others with it
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
            partial(_open_bids, path),
        )
        for path in sorted(paths, key=lambda path: path.fpath)
        if task in (None, path.task)
    ]


def _open_bids(path: Any) -> mne.io.BaseRaw:
    import mne_bids

    try:
        with warnings.catch_warnings():
            # comments on what the dataset does not say; what is needed is checked below
            warnings.filterwarnings("ignore", category=RuntimeWarning)
            return mne_bids.read_raw_bids(path, verbose="error")
    except Exception as error:
        raise ValueError(f"{path.fpath} cannot be read: {error}") from error


def read_recordings(
    recordings: Sequence[Recording],
    preprocessing: Preprocessing,
    *,
    kind: str,
    name: str,
    events: Sequence[str] | Mapping[str, str] | None = None,
    tmin: float | None = None,
    tmax: float | None = None,
    ignore_durations: bool = False,
) -> LabelledWindows:
    """Preprocess recordings and cut them into windows around their events.

    Parameters
    ----------
    recordings : list of Recording
        The recordings.
    preprocessing : Preprocessing
        What is done to each as a whole.
    kind : str
        Kind of the task.
    name : str
        What to call the data.
    events : dict of str to str | sequence of str
        Class of each event, by its name in the annotations.
    tmin, tmax : float | None
        Beginning (None is 0) and end (None is that of the shortest trial) of the windows, in s
        from the onset of the event.
    ignore_durations : bool
        Whether windows may be longer than the annotations of the trials.

    Returns
    -------
    windows : LabelledWindows
        The windows.
    """
    if events is None:
        trials.find_trials(recordings[0].open(), {}, recordings[0].name)  # tells what there is
    events = trials.check_events(events or {})
    start, stop = trials.check_span(tmin, tmax)
    # all that headers tell, before the first signal is read
    raws = [recording.open() for recording in recordings]
    durations, chosen = {}, {}
    for one, raw in zip(recordings, raws, strict=True):
        preprocessing.check_rate(raw.info["sfreq"], one.name)
        durations[one.name] = trials.find_trials(raw, events, one.name)
        types, bads = raw.get_channel_types(), raw.info["bads"]
        found = preprocessing.choose(raw.ch_names, types, bads, one.name)
        chosen[one.name] = list(found.values())
    by_name = {one.name: raw for one, raw in zip(recordings, raws, strict=True)}
    _check_channels(chosen, {what: raw.info["bads"] for what, raw in by_name.items()})
    if preprocessing.resample is None:
        _check_rates({what: raw.info["sfreq"] for what, raw in by_name.items()})
    if not preprocessing.standardize:
        check_one_unit(list(by_name.items()))
    stop = trials.choose_end(durations, stop, ignore_durations)
    names = chosen[recordings[0].name]
    X: list[np.ndarray] = []
    y: list[str] = []
    subjects: list[str] = []
    sessions: list[str | None] = []
    for one in recordings:
        raw = by_name.pop(one.name)
        raw = preprocessing.of_recording(raw, one.name).reorder_channels(names)
        signals, labels = trials.cut(raw, events, start, stop, one.name)
        X.append(preprocessing.scale(signals, raw.get_channel_types()).astype(np.float32))
        y += labels
        subjects += [one.subject] * len(labels)
        sessions += [one.session] * len(labels)
        sfreq = raw.info["sfreq"]
    return LabelledWindows(
        np.concatenate(X),
        np.array(y),
        np.array(subjects),
        sfreq,
        names,
        None if None in sessions else np.array(sessions),
        kind,
        name,
    )


def _check_channels(chosen: dict[str, list[str]], bads: dict[str, list[str]]) -> None:
    """Refuse recordings whose channels differ; say in what, and what mends it."""
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


def _check_rates(rates: dict[str, float]) -> None:
    first = next(iter(rates))
    for what, rate in rates.items():
        if rate != rates[first]:
            raise ValueError(
                f"The recordings differ in sampling frequency: {first} has {rates[first]:g} Hz, "
                f"{what} has {rate:g} Hz. Bring them to one with resample (--resample)."
            )


def no_recordings(folder: Path) -> FileNotFoundError:
    """Make the error that says what a folder should hold.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.

    Returns
    -------
    error : FileNotFoundError
        To be raised.
    """
    names = sorted(path.name for path in Path(folder).iterdir() if path.name[0] != ".")
    return FileNotFoundError(
        f"{folder} holds nothing that can be read; it has {', '.join(names[:5]) or 'no files'}. "
        "Expected pairs NAME-PSG.edf and NAME-Hypnogram.edf (sleep), recordings (.edf, .bdf, .gdf, "
        ".vhdr, .set, _raw.fif), epochs (-epo.fif), arrays (.npz), or the root of a BIDS dataset."
    )
