"""Loading of data of any form as labelled windows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from os import PathLike
from pathlib import Path
from re import Pattern
from typing import Any

import numpy as np

from ..estimators.windows import is_windows
from ..transforms.candidates import KINDS
from . import recipe
from .doubtful_subjects import warn_of_subjects
from .file_names import has_pairs, is_listed, refuse_copies
from .folder import load_sleep_folder
from .labelled import LabelledWindows
from .simulation.nights import simulate_sleep
from .sleep import SleepDataset
from .sources import moabb
from .sources import recordings as recorded
from .sources import windows as given
from .sources.preprocessing import Preprocessing
from .store.files import is_store, read_store

SIMULATED = "simulated"

_PREPROCESSING = {field.name for field in fields(Preprocessing)}
_CUTTING = {"events", "tmin", "tmax", "ignore_durations"}
_WHOSE = {"groups", "sessions"}
# Options of each form of data, in addition to ``kind``. None means all options of its loader.
_FORMS = {
    "simulated nights": None,
    "a folder of sleep recordings": None,
    "a folder of BIDS": _PREPROCESSING | _CUTTING | {"task"},
    "recordings with events": _PREPROCESSING | _CUTTING | {"pattern"},
    "files of epochs": _PREPROCESSING | {"pattern"},
    "files of arrays": _PREPROCESSING | {"pattern"},
    "arrays": _PREPROCESSING | _WHOSE | {"sfreq", "ch_names"},
    "mne.Epochs": _PREPROCESSING | _WHOSE,
    "a windows dataset": _PREPROCESSING | _WHOSE,
    "a dataset of MOABB": moabb.OPTIONS,
    "a SleepDataset": set(),
    "labelled windows": set(),
    "a store": {"stages"},
}
STORE, BIDS, SLEEP_FOLDER = "a store", "a folder of BIDS", "a folder of sleep recordings"
# Forms whose recordings are listed before they are read.
LISTED = (BIDS, "recordings with events")
SLEEP = ("simulated nights", SLEEP_FOLDER, "a SleepDataset")
_CROPPED = SLEEP[:2]
_NOT_OF_SLEEP = _CUTTING | _WHOSE | {"ch_names", "task", "paradigm", "reference"}
_OF_FILES = {"channels", "pattern", "stage_numbers"}
_EPOCHS = re.compile(r"[_-]epo\.fif(?:\.gz)?$", flags=re.IGNORECASE)
_ARRAYS = re.compile(r"\.npz$", flags=re.IGNORECASE)


def load_windows(data: Any, *, kind: str | None = None, **options: Any) -> LabelledWindows:
    r"""Read data of any form into labelled windows.

    Parameters
    ----------
    data : object
        Arrays ``(X, y, groups)``, X of shape (n_windows, n_channels, n_times). ``mne.Epochs``, or a
        list or dict with one item for each subject. A windows dataset of Braindecode.
        ``(dataset, paradigm)`` of MOABB, or "moabb:NAME" with the option ``paradigm``. A
        :class:`~eeginv.datasets.SleepDataset`. "simulated" for simulated nights. The path of an
        ``.npz`` file or a file of epochs. The path of a folder with such files, recordings with
        annotated events, a BIDS dataset, or pairs of polysomnogram and hypnogram. The path of a
        store that :func:`~eeginv.datasets.prepare_windows` wrote, whose windows stay on disk. Each
        form is described in :ref:`any_task`.
    kind : "sleep" | "motor_imagery" | "generic" | None
        Kind of task, see :class:`~eeginv.datasets.LabelledWindows`. None is "sleep" for sleep
        recordings, "motor_imagery" for a paradigm of motor imagery of MOABB, and "generic"
        otherwise.
    **options : object
        Options of the form of data. None means not given, except for ``crop_wake``, where None
        keeps all.

        For all forms except sleep, simulated nights and MOABB: ``l_freq``, ``h_freq`` (edges of the
        band-pass filter in Hz), ``resample`` (sampling frequency in Hz), ``channels`` (names or
        patterns), ``reference`` ("average", or names of channels) and ``standardize`` (each channel
        of each recording to mean 0 and standard deviation 1; default True). Whole recordings are
        preprocessed before they are cut.

        For recordings with events and BIDS: ``events`` (dict from the name of an event to its
        class, or a list of names), ``tmin`` and ``tmax`` (start and end of the windows in s from
        the event; defaults 0 and the end of the shortest trial), and ``ignore_durations`` (whether
        windows may be longer than annotations). For BIDS: ``task``.

        For files in folders: ``pattern``, a regular expression for the path without its ending,
        with a group ``subject`` and an optional group ``session``.

        For arrays: ``sfreq``, ``ch_names``. For arrays, epochs and windows datasets: ``groups`` and
        ``sessions``, one value for each window, if the data do not contain subjects.

        For sleep: the options of :func:`~eeginv.datasets.load_sleep_folder` or
        :func:`~eeginv.datasets.simulate_sleep`, where ``resample`` means their ``sfreq``.

    Returns
    -------
    windows : LabelledWindows
        The windows.

    Raises
    ------
    FileNotFoundError
        If the file or folder does not exist, or the folder contains nothing that can be read.
    TypeError, ValueError
        If the form is not known, an option does not belong to it or is out of range, recordings are
        inconsistent, or a class is missing in one of them. The message names the file or the
        option.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.datasets import load_windows
    >>> X = np.random.default_rng(0).normal(size=(8, 2, 256))
    >>> y, subjects = ["left", "right"] * 4, np.repeat([1, 2], 4)
    >>> load_windows((X, y, subjects), sfreq=128, ch_names=["C3", "C4"], resample=64)
    <LabelledWindows: 2 subjects, 8 windows of 2 s (left 4, right 4); 2 channels at 64 Hz>
    """
    return read_request(parse_request(data, kind, options))


@dataclass(frozen=True)
class Request:
    """What is to be read, and how.

    Parameters
    ----------
    form : str
        Form of the data.
    data : object
        The data; a ``pathlib.Path`` for a path.
    kind : str | None
        Kind of the task, if given.
    options : dict
        Options of the form.
    """

    form: str
    data: Any
    kind: str | None
    options: dict[str, Any]


def parse_request(data: Any, kind: str | None, options: Mapping[str, Any]) -> Request:
    """Find the form of data, and check the options for it.

    Parameters
    ----------
    data, kind, options
        As for :func:`load_windows`.

    Returns
    -------
    request : Request
        What is to be read.
    """
    cropped = {name: options[name] for name in ("crop_wake",) if name in options}
    given = {name: value for name, value in options.items() if value is not None}
    form, data = find_form(data, given)
    if form in _CROPPED:
        given |= cropped  # None keeps all wake, so it is not the default
    _check_options(form, given)
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")
    return Request(form, data, kind, given)


def read_request(request: Request) -> LabelledWindows:
    """Read data into windows.

    Parameters
    ----------
    request : Request
        From :func:`parse_request`.

    Returns
    -------
    windows : LabelledWindows
        The windows.
    """
    form, data, kind = request.form, request.data, request.kind
    if form in ("labelled windows", STORE):
        windows = data if form != STORE else _select(read_store(data), request.options)
        return windows if kind is None else recipe.with_kind(windows, kind)
    if form in SLEEP:
        return _read_sleep(form, data, kind, dict(request.options))
    return _read(form, data, kind, dict(request.options))


def _read(form: str, data: Any, kind: str | None, options: dict[str, Any]) -> LabelledWindows:
    preprocessing = take_preprocessing(form, options)
    name = str(data) if isinstance(data, Path) else form
    if kind is None and form != "a dataset of MOABB":
        kind = "generic"
    common = {"kind": kind, "name": name, **options}
    if isinstance(data, Path):
        windows = _read_path(form, data, preprocessing, common)
    else:
        windows = _IN_MEMORY[form](data, preprocessing, **common)
    return recipe.of_others(windows, preprocessing, form, options)


def _select(windows: LabelledWindows, options: Mapping[str, Any]) -> LabelledWindows:
    """Take the windows of some stages out of a store."""
    if "stages" not in options:
        return windows
    stages = list(options["stages"])
    missing = [stage for stage in stages if stage not in windows.classes]
    if missing:
        raise ValueError(f"{windows.name} has no stages {missing}; it has {windows.classes}.")
    rows = np.isin(windows.y, stages)
    found = replace(
        windows,
        X=windows.X[rows],
        y=windows.y[rows],
        subjects=windows.subjects[rows],
        sessions=None if windows.sessions is None else windows.sessions[rows],
    )
    if found.recipe is None:
        return found
    return replace(found, recipe=replace(found.recipe, classes=found.classes))


def take_preprocessing(form: str, options: dict[str, Any]) -> Preprocessing:
    """Take the preprocessing out of options.

    Parameters
    ----------
    form : str
        Form of the data.
    options : dict
        Options, from which those of the preprocessing are removed.

    Returns
    -------
    preprocessing : Preprocessing
        The preprocessing.
    """
    # the rest is the paradigm's
    taken = {"standardize"} if form == "a dataset of MOABB" else _PREPROCESSING
    return Preprocessing(**{name: options.pop(name) for name in taken & set(options)})


def find_listed(form: str, data: Path, options: dict[str, Any]) -> list[recorded.Recording]:
    """List the recordings of a folder.

    Parameters
    ----------
    form : "a folder of BIDS" | "recordings with events"
        Form of the data.
    data : pathlib.Path
        The folder.
    options : dict
        Options, from which those that choose recordings are removed.

    Returns
    -------
    recordings : list of Recording
        The recordings.
    """
    if form == BIDS:
        return recorded.find_bids(data, options.pop("task", None))
    pattern = options.pop("pattern", None)
    recordings = recorded.find_recordings(data, pattern)
    paths = [one.path.relative_to(data) for one in recordings]
    refuse_copies(paths)
    if pattern is None:
        warn_of_subjects(paths)
    return recordings


def _read_path(
    form: str, data: Path, preprocessing: Preprocessing, common: dict[str, Any]
) -> LabelledWindows:
    if form in LISTED:
        found = find_listed(form, data, common)
        return recorded.read_recordings(found, preprocessing, **common)
    ending, read = (
        (_EPOCHS, given.read_epo_files) if form == "files of epochs" else (_ARRAYS, given.read_npz)
    )
    folder = data if data.is_dir() else data.parent
    paths = _files(data, ending) if data.is_dir() else [data]
    return read(paths, folder, preprocessing, **common)


_IN_MEMORY = {
    "arrays": given.read_arrays,
    "mne.Epochs": given.read_epochs,
    "a windows dataset": given.read_dataset,
    "a dataset of MOABB": moabb.read_moabb,
}


def find_form(data: Any, options: Collection[str] = ()) -> tuple[str, Any]:
    """Return the form of data.

    Parameters
    ----------
    data : object
        The data, or the path.
    options : collection of str
        Names of the options that are given.

    Returns
    -------
    form : str
        Name of the form.
    data : object
        The data, with paths as ``pathlib.Path``.

    Raises
    ------
    FileNotFoundError
        If the file or folder does not exist, or the folder contains nothing that can be read.
    TypeError
        If the form is not known.
    """
    if isinstance(data, str) and data == SIMULATED:
        return "simulated nights", data
    if moabb.is_moabb(data):
        return "a dataset of MOABB", data
    if isinstance(data, (str, PathLike)):
        return _form_of_path(Path(data), options), Path(data)
    if isinstance(data, LabelledWindows):
        return "labelled windows", data
    if isinstance(data, SleepDataset):
        return "a SleepDataset", data
    if given.is_epochs_or_several(data):
        return "mne.Epochs", data
    if isinstance(data, tuple):
        return "arrays", data
    if not isinstance(data, Mapping) and is_windows(data):
        return "a windows dataset", data
    raise TypeError(
        "data must be (X, y, groups), mne.Epochs, a windows dataset, (dataset, paradigm) of MOABB, "
        f"a path, or 'simulated'; got {type(data).__name__}."
    )


def _form_of_path(path: Path, options: Collection[str]) -> str:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: give the path of a file or a folder.")
    if path.is_file():
        if _ARRAYS.search(path.name):
            return "files of arrays"
        if _EPOCHS.search(path.name):
            return "files of epochs"
        raise ValueError(
            f"{path} is neither .npz nor -epo.fif. Recordings are read from a folder: give that."
        )
    if is_store(path):
        return STORE
    if "events" not in options and has_pairs(path):
        return "a folder of sleep recordings"
    if (path / "dataset_description.json").is_file() or "task" in options:
        return "a folder of BIDS"
    for form, ending in (("files of epochs", _EPOCHS), ("files of arrays", _ARRAYS)):
        if "events" not in options and _files(path, ending):
            return form
    if recorded.find_recordings(path):
        return "recordings with events"
    raise recorded.no_recordings(path)


def _files(folder: Path, ending: Pattern[str]) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if ending.search(path.name) and is_listed(path, folder)
    )


def _check_options(form: str, options: Mapping[str, Any]) -> None:
    """Raise an error for options that a form of data does not have."""
    takes = _FORMS[form]
    if takes is None:
        wrong = set(options) & _NOT_OF_SLEEP
        wrong |= set(options) & _OF_FILES if form == "simulated nights" else set()
    else:
        wrong = set(options) - takes
    if wrong:
        others = "" if takes is None else f"; it takes {', '.join(sorted(takes)) or 'none'}"
        raise ValueError(
            f"The data are {form}, which the option {', '.join(sorted(wrong))} is not for{others}."
        )


def _read_sleep(form: str, data: Any, kind: str | None, options: dict[str, Any]) -> LabelledWindows:
    rename_resample(options)
    name = str(data)
    if form == "simulated nights":
        data = simulate_sleep(**options)
    elif form == "a folder of sleep recordings":
        data = load_sleep_folder(data, **options)
    else:
        name = "sleep recordings"
    X, y, subjects = data.to_arrays()
    windows = LabelledWindows(
        X, y, subjects, data.sfreq, data.ch_names, None, kind or "sleep", name,
        data.true_invariances,
    )  # fmt: skip
    return recipe.of_sleep(windows, data.preprocessing, form, options.get("channels"))


def rename_resample(options: dict[str, Any]) -> None:
    """Give the option of sleep recordings the name that their loader has for it.

    Parameters
    ----------
    options : dict
        Options, which are changed.
    """
    if "resample" in options:
        options["sfreq"] = options.pop("resample")
