"""Readers of data that are already cut into windows: arrays, MNE epochs, Braindecode datasets."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...estimators.epochs import is_epochs
from ...estimators.inputs import read_signals
from ..doubtful_subjects import warn_of_subjects
from ..file_names import name_parts
from ..labelled import LabelledWindows, check_finite

if TYPE_CHECKING:
    import mne

    from ..._typing import ArrayLike
    from .preprocessing import Preprocessing

# Alternative names of the arrays in files.
_NAMES = {
    "y": ("y", "label", "labels", "target", "targets"),
    "groups": ("subject", "subjects", "group", "groups"),
    "sessions": ("session", "sessions"),
}


def read_arrays(
    data: tuple[Any, ...],
    preprocessing: Preprocessing,
    *,
    kind: str,
    name: str,
    sfreq: float | None = None,
    ch_names: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    sessions: ArrayLike | None = None,
) -> LabelledWindows:
    """Read ``(X, y)``, ``(X, y, groups)`` or ``(X, y, groups, sessions)``.

    Parameters
    ----------
    data : tuple of array-like
        Signals of shape (n_windows, n_channels, n_times), classes, subjects and sessions.
    preprocessing : Preprocessing
        Preprocessing of the windows.
    kind : str
        Kind of the task.
    name : str
        Name of the data.
    sfreq : float
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels.
    groups, sessions : array-like | None
        Subjects and sessions, if they are not in ``data``.

    Returns
    -------
    windows : LabelledWindows
        The windows.
    """
    if not 2 <= len(data) <= 4:
        raise ValueError(f"Expected arrays (X, y, groups); got a tuple of {len(data)}.")
    X, y, *rest = data
    groups = rest[0] if rest else groups
    sessions = rest[1] if len(rest) > 1 else sessions
    if sfreq is None:
        raise ValueError("The sampling frequency of arrays is not known: give sfreq, in Hz.")
    return finish(X, y, groups, sessions, sfreq, ch_names, preprocessing, kind, name)


def read_npz(
    paths: Sequence[Path],
    folder: Path,
    preprocessing: Preprocessing,
    *,
    kind: str,
    name: str,
    pattern: str | None = None,
) -> LabelledWindows:
    """Read files of arrays that were written by :func:`numpy.savez`.

    Parameters
    ----------
    paths : list of pathlib.Path
        The files.
    folder : pathlib.Path
        The folder of the files. Paths relative to it determine the subjects.
    preprocessing : Preprocessing
        Preprocessing of the windows.
    kind : str
        Kind of the task.
    name : str
        Name of the data.
    pattern : str | None
        Regular expression for subject and session in the path of a file. It goes before subjects
        and sessions in the file.

    Returns
    -------
    windows : LabelledWindows
        The windows.

    Raises
    ------
    ValueError
        If a file cannot be read or lacks an array, or files are inconsistent.
    """
    parts = [_read_npz(path, len(paths) == 1) for path in paths]
    if pattern is None:
        _warn_of_one_subject([part["groups"] for part in parts], folder)
        unnamed = [p for p, part in zip(paths, parts, strict=True) if part["groups"] is None]
        warn_of_subjects(path.relative_to(folder) for path in unnamed)
    for path, part in zip(paths, parts, strict=True):
        for key in ("sfreq", "ch_names", "n_times"):
            if part[key] != parts[0][key]:
                raise ValueError(
                    f"{path} has {key} {part[key]}, but {paths[0].name} has {parts[0][key]}."
                )
        subject, session = name_parts(path.relative_to(folder), pattern)
        if part["groups"] is None or pattern is not None:
            part["groups"] = np.repeat(subject, len(part["X"]))
        if session is not None and (part["sessions"] is None or pattern is not None):
            part["sessions"] = np.repeat(session, len(part["X"]))
    joined = {key: [part[key] for part in parts] for key in ("X", "y", "groups", "sessions")}
    by_file = joined.pop("sessions")
    X, y, groups = (np.concatenate(values) for values in joined.values())
    sessions = None if any(values is None for values in by_file) else np.concatenate(by_file)
    first = parts[0]
    return finish(
        X, y, groups, sessions, first["sfreq"], first["ch_names"], preprocessing, kind, name,
        _numbers_of_files([len(part["X"]) for part in parts]),
    )  # fmt: skip


def _numbers_of_files(lengths: Sequence[int]) -> np.ndarray:
    return np.repeat(np.arange(len(lengths)), lengths)


def _warn_of_one_subject(groups: Sequence[np.ndarray | None], folder: Path) -> None:
    """Warn if all files have the key of the subject, and the same one."""
    keys = [of_file for of_file in groups if of_file is not None]
    if len(keys) < len(groups):
        return
    named = {str(name) for of_file in keys for name in of_file}
    if len(groups) > 1 and len(named) == 1:
        warnings.warn(
            f"All {len(groups)} files of {folder} name the same subject, {named.pop()!r}, so that "
            "they are read as one person. If each is another person, leave the key out: the names "
            "of the files are then the subjects.",
            stacklevel=4,
        )


def _read_npz(path: Path, alone: bool) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            saved = {key: file[key] for key in file.files}
    except Exception as error:
        raise ValueError(f"{path} cannot be read as .npz: {error}") from error
    has = f"it has the keys {', '.join(saved) or 'none'}"
    for key in ("X", "sfreq"):
        if key not in saved:
            raise ValueError(f"{path} has no {key}; {has}.")
    found = {}
    for key, known_as in _NAMES.items():
        found[key] = next((saved[name] for name in known_as if name in saved), None)
    if found["y"] is None:
        others = [key for key in saved if key.startswith("y_")]
        if len(others) != 1:
            raise ValueError(f"{path} has no y, the class of each window; {has}.")
        found["y"] = saved[others[0]]
    if found["groups"] is None and alone:
        raise ValueError(f"{path} has no subjects of the windows: add the key subject; {has}.")
    X = saved["X"]
    if X.ndim != 3:
        raise ValueError(
            f"{path}: X must have the shape (n_windows, n_channels, n_times); it is {X.shape}."
        )
    for key, values in found.items():
        if values is not None and values.ndim == 0:
            found[key] = values = np.repeat(values, len(X))
        if values is not None and len(values) != len(X):
            raise ValueError(f"{path}: {key} has {len(values)} values for {len(X)} windows.")
    names = [str(name) for name in saved["ch_names"]] if "ch_names" in saved else None
    if "scale" in saved:  # in float64, because small scales vanish in float16
        X = X.astype(np.float64) * float(saved["scale"])
    known = {"X": X, "sfreq": float(saved["sfreq"]), "ch_names": names, "n_times": X.shape[2]}
    return {**found, **known}


def read_epochs(
    data: Any,
    preprocessing: Preprocessing,
    *,
    kind: str,
    name: str,
    groups: ArrayLike | None = None,
    sessions: ArrayLike | None = None,
) -> LabelledWindows:
    """Read epochs of MNE: one object, or a list or dict with one object for each subject.

    Parameters
    ----------
    data : mne.Epochs | list of mne.Epochs | dict of str to mne.Epochs
        The epochs. Names of events are the classes. Subjects are the keys of a dict, the column
        ``subject`` of the metadata, or else the positions in a list. Sessions are in the column
        ``session``.
    preprocessing : Preprocessing
        Preprocessing of the windows.
    kind : str
        Kind of the task.
    name : str
        Name of the data.
    groups, sessions : array-like | None
        Subjects and sessions, if they are not in ``data``.

    Returns
    -------
    windows : LabelledWindows
        The windows.
    """
    parts = list(data.values()) if isinstance(data, Mapping) else data
    signals = read_signals(parts)
    several = isinstance(parts, (list, tuple))
    parts = list(parts) if several else [parts]
    if groups is None:
        keys = list(data) if isinstance(data, Mapping) else range(len(parts)) if several else None
        groups = _column(parts, "subject") if not isinstance(data, Mapping) else None
        if groups is None and keys is not None:
            groups = np.repeat(np.array(keys), [len(part) for part in parts])
    if groups is None:
        raise ValueError(
            "The Epochs have no subjects: add a column subject to their metadata, give a dict or "
            "list with one item for each subject, or give groups."
        )
    sessions = _column(parts, "session") if sessions is None else sessions
    return finish(
        signals.X, signals.y, groups, sessions, signals.sfreq, signals.ch_names, preprocessing,
        kind, name,
    )  # fmt: skip


def _column(parts: Sequence[mne.BaseEpochs], name: str) -> np.ndarray | None:
    """Return a column of the metadata, or None if some epochs do not have it."""
    tables = [part.metadata for part in parts]
    if any(table is None or name not in table for table in tables):
        return None
    return np.concatenate([table[name].to_numpy() for table in tables])


def read_epo_files(
    paths: Sequence[Path],
    folder: Path,
    preprocessing: Preprocessing,
    *,
    kind: str,
    name: str,
    pattern: str | None = None,
) -> LabelledWindows:
    """Read files of epochs that were written by MNE.

    Parameters
    ----------
    paths : list of pathlib.Path
        The files.
    folder : pathlib.Path
        The folder of the files. Paths relative to it determine the subjects if metadata do not.
    preprocessing : Preprocessing
        Preprocessing of the windows.
    kind : str
        Kind of the task.
    name : str
        Name of the data.
    pattern : str | None
        Regular expression for subject and session in the path of a file. It goes before subjects
        and sessions in the file.

    Returns
    -------
    windows : LabelledWindows
        The windows.

    Raises
    ------
    ValueError
        If a file cannot be read, or files are inconsistent.
    """
    import mne

    parts = []
    for path in paths:
        try:
            parts.append(mne.read_epochs(path, verbose="error"))
        except Exception as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
    identities = [name_parts(path.relative_to(folder), pattern) for path in paths]
    lengths = [len(part) for part in parts]
    groups, sessions = _column(parts, "subject"), _column(parts, "session")
    if groups is None and pattern is None:
        warn_of_subjects(path.relative_to(folder) for path in paths)
    if groups is None or pattern is not None:
        groups = np.repeat([subject for subject, _ in identities], lengths)
    if (sessions is None or pattern is not None) and all(session for _, session in identities):
        sessions = np.repeat([session for _, session in identities], lengths)
    try:
        signals = read_signals(parts)
        return finish(
            signals.X, signals.y, groups, sessions, signals.sfreq, signals.ch_names, preprocessing,
            kind, name, _numbers_of_files(lengths),
        )  # fmt: skip
    except ValueError as error:
        listed = ", ".join(path.name for path in paths[:5])
        raise ValueError(f"The epochs of {folder} ({listed}): {error}") from error


def read_dataset(
    data: Any,
    preprocessing: Preprocessing,
    *,
    kind: str,
    name: str,
    groups: ArrayLike | None = None,
    sessions: ArrayLike | None = None,
) -> LabelledWindows:
    """Read a windows dataset of Braindecode.

    Parameters
    ----------
    data : braindecode.datasets.BaseConcatDataset
        The windows, with ``subject`` and ``session`` in the description.
    preprocessing : Preprocessing
        Preprocessing of the windows.
    kind : str
        Kind of the task.
    name : str
        Name of the data.
    groups, sessions : array-like | None
        Subjects and sessions, if the description does not have them.

    Returns
    -------
    windows : LabelledWindows
        The windows.
    """
    signals = read_signals(data)
    groups = signals.groups if groups is None else groups
    if groups is None:
        raise ValueError(
            "The description of the windows dataset has no subject: set it with set_description, "
            "or give groups."
        )
    if signals.sfreq is None:
        raise ValueError("The sampling frequency of the windows dataset is not known.")
    if sessions is None and hasattr(data, "get_metadata"):
        table = data.get_metadata()
        sessions = table["session"].to_numpy() if "session" in table else None
    return finish(
        signals.X, signals.y, groups, sessions, signals.sfreq, signals.ch_names, preprocessing,
        kind, name,
    )  # fmt: skip


def is_epochs_or_several(data: object) -> bool:
    """Return whether data are epochs of MNE, or a list or dict of them."""
    if isinstance(data, Mapping):
        data = list(data.values())
    return is_epochs(data)


def finish(
    X: ArrayLike,
    y: Any,
    groups: Any,
    sessions: Any,
    sfreq: float | None,
    ch_names: Sequence[str] | None,
    preprocessing: Preprocessing,
    kind: str,
    name: str,
    files: np.ndarray | None = None,
) -> LabelledWindows:
    """Preprocess windows and add their metadata.

    Parameters
    ----------
    X, y, groups, sessions : array-like
        Signals, and class, subject and session (or None) of each window.
    sfreq : float | None
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels.
    preprocessing : Preprocessing
        Preprocessing of the windows.
    kind, name : str
        Kind of the task, and name of the data.
    files : ndarray of int, shape (n_windows,) | None
        Number of the file of each window. Files are separate recordings. None means that files are
        not known; then sessions, or else subjects, are the recordings.

    Returns
    -------
    windows : LabelledWindows
        The windows.
    """
    if sfreq is None:
        raise ValueError("The sampling frequency of the windows is not known.")
    if groups is None:
        raise ValueError("groups, the subject of each window, is missing: methods are compared on "
                         "held-out subjects.")  # fmt: skip
    X = np.asarray(X)
    for what, values in (("y", y), ("groups", groups), ("sessions", sessions)):
        if values is not None and len(values) != len(X):
            raise ValueError(f"{what} has {len(values)} values, but X has {len(X)} windows.")
    if X.ndim == 3 and X.dtype.kind == "f":
        check_finite(X, np.asarray(groups))  # standardisation would spread them over the recording
    columns = [values for values in (groups, sessions, files) if values is not None]
    keys = [str(key) for key in zip(*columns, strict=True)]
    _, recordings = np.unique(keys, return_inverse=True)
    names = None if ch_names is None else [str(channel) for channel in ch_names]
    X, sfreq, names = preprocessing.of_windows(X, sfreq, names, recordings)
    return LabelledWindows(X, y, groups, sfreq, names, sessions, kind, name)
