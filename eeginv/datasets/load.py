"""One door for all data: what users have, read into labelled windows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from os import PathLike
from pathlib import Path
from re import Pattern
from typing import Any

from ..estimators.windows import is_windows
from ..transforms.candidates import KINDS
from . import recipe
from .file_names import has_pairs
from .folder import load_sleep_folder
from .labelled import LabelledWindows
from .simulation.nights import simulate_sleep
from .sleep import SleepDataset
from .sources import moabb
from .sources import recordings as recorded
from .sources import windows as given
from .sources.preprocessing import Preprocessing

SIMULATED = "simulated"

_PREPROCESSING = {field.name for field in fields(Preprocessing)}
_CUTTING = {"events", "tmin", "tmax", "ignore_durations"}
_WHOSE = {"groups", "sessions"}
# What each form of data is called, and the options that it takes beside ``kind``. None takes all
# that its loader takes.
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
}
_SLEEP = ("simulated nights", "a folder of sleep recordings", "a SleepDataset")
_CROPPED = _SLEEP[:2]
_NOT_OF_SLEEP = _CUTTING | _WHOSE | {"ch_names", "task", "paradigm", "reference"}
_OF_FILES = {"channels", "pattern", "stage_numbers"}
_EPOCHS = re.compile(r"[_-]epo\.fif(?:\.gz)?$", flags=re.IGNORECASE)
_ARRAYS = re.compile(r"\.npz$", flags=re.IGNORECASE)


def load_windows(data: Any, *, kind: str | None = None, **options: Any) -> LabelledWindows:
    r"""Read data of any form into labelled windows.

    Parameters
    ----------
    data : object
        Arrays ``(X, y, groups)``, X of shape (n_windows, n_channels, n_times); ``mne.Epochs``, or a
        list or dict of those of one subject each; a windows dataset of Braindecode; ``(dataset,
        paradigm)`` of MOABB; a :class:`~eeginv.datasets.SleepDataset`; or a path: of an ``.npz``
        file, a file of epochs, or a folder with such files, with recordings whose annotations are
        events, in the layout of BIDS, or with pairs of polysomnogram and hypnogram. "simulated"
        stands for simulated nights, and "moabb:NAME" for a dataset of MOABB, with the option
        ``paradigm``. Each form is described in :ref:`any_task`.
    kind : "sleep" | "motor_imagery" | "generic" | None
        Kind of task; see :class:`~eeginv.datasets.LabelledWindows`. None is "sleep" for sleep
        recordings, "motor_imagery" for such a paradigm of MOABB, and "generic" otherwise.
    **options : object
        Options of the form of data; those that are None count as not given, but for
        ``crop_wake``, where None keeps all.

        For all but sleep, simulated nights and MOABB: ``l_freq``, ``h_freq`` (edges of the
        band-pass filter in Hz), ``resample`` (sampling frequency in Hz), ``channels`` (names or
        patterns), ``reference`` ("average", or names of channels) and ``standardize`` (each channel
        of each recording to mean 0 and standard deviation 1; default True). Recordings are
        preprocessed as a whole, before they are cut.

        For recordings with events and BIDS: ``events`` (dict from the name of an event to its
        class, or a list of names), ``tmin`` and ``tmax`` (beginning and end of the windows in s
        from the event; defaults 0 and the end of the shortest trial), and ``ignore_durations``
        (whether windows may be longer than what is annotated). For BIDS: ``task``.

        For files whose place in the folder tells the subject: ``pattern``, a regular expression
        for the path without its ending, with groups ``subject`` and perhaps ``session``.

        For arrays: ``sfreq``, ``ch_names``. For arrays, epochs and windows datasets: ``groups`` and
        ``sessions``, one value for each window, where they do not tell subjects themselves.

        For sleep: the options of :func:`~eeginv.datasets.load_sleep_folder` or
        :func:`~eeginv.datasets.simulate_sleep`; ``resample`` is their ``sfreq``.

    Returns
    -------
    windows : LabelledWindows
        The windows.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder, or nothing in it that can be read.
    TypeError, ValueError
        If the form is not known, an option is not one of it or out of range, recordings do not fit
        together, or a class is missing in one of them. The message names the file or the option.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.datasets import load_windows
    >>> X = np.random.default_rng(0).normal(size=(8, 2, 256))
    >>> y, subjects = ["left", "right"] * 4, np.repeat([1, 2], 4)
    >>> load_windows((X, y, subjects), sfreq=128, ch_names=["C3", "C4"], resample=64)
    <LabelledWindows: 2 subjects, 8 windows of 2 s (left 4, right 4); 2 channels at 64 Hz>
    """
    cropped = {name: options[name] for name in ("crop_wake",) if name in options}
    options = {name: value for name, value in options.items() if value is not None}
    form, data = find_form(data, options)
    if form in _CROPPED:
        options |= cropped  # None is all of it, and not the default
    _check_options(form, options)
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")
    if form == "labelled windows":
        return data if kind is None else recipe.with_kind(data, kind)
    if form in _SLEEP:
        return _read_sleep(form, data, kind, options)
    return _read(form, data, kind, options)


def _read(form: str, data: Any, kind: str | None, options: dict[str, Any]) -> LabelledWindows:
    of_moabb = form == "a dataset of MOABB"
    of_signals = {"standardize"} if of_moabb else _PREPROCESSING  # the rest is the paradigm's
    preprocessing = Preprocessing(**{name: options.pop(name) for name in of_signals & set(options)})
    name = str(data) if isinstance(data, Path) else form
    if kind is None and not of_moabb:
        kind = "generic"
    common = {"kind": kind, "name": name, **options}
    if isinstance(data, Path):
        windows = _read_path(form, data, preprocessing, common)
    else:
        windows = _IN_MEMORY[form](data, preprocessing, **common)
    return recipe.of_others(windows, preprocessing, form, options)


def _read_path(
    form: str, data: Path, preprocessing: Preprocessing, common: dict[str, Any]
) -> LabelledWindows:
    if form == "a folder of BIDS":
        found = recorded.find_bids(data, common.pop("task", None))
        return recorded.read_recordings(found, preprocessing, **common)
    if form == "recordings with events":
        found = recorded.find_recordings(data, common.pop("pattern", None))
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
    """Find out what form data come in.

    Parameters
    ----------
    data : object
        The data, or the path.
    options : collection of str
        Names of the options that are given.

    Returns
    -------
    form : str
        What the form is called.
    data : object
        The data; a ``pathlib.Path`` for a path.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder, or nothing in it that can be read.
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
        raise FileNotFoundError(
            f"{path} is not a folder, nor a file: there is nothing of that name."
        )
    if path.is_file():
        if _ARRAYS.search(path.name):
            return "files of arrays"
        if _EPOCHS.search(path.name):
            return "files of epochs"
        raise ValueError(
            f"{path} is neither .npz nor -epo.fif. Recordings are read from a folder: give that."
        )
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
        path for path in folder.rglob("*") if ending.search(path.name) and path.name[0] != "."
    )


def _check_options(form: str, options: Mapping[str, Any]) -> None:
    """Refuse options that a form of data does not have."""
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
    if "resample" in options:
        options["sfreq"] = options.pop("resample")
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
    return recipe.of_sleep(windows, data, form, options.get("channels"))
