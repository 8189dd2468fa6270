"""Prepare recordings once: windows of any size of data, on disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._json import plain
from . import recipe
from .folder import Nights, find_nights
from .given import check_description
from .labelled import LabelledPart, LabelledWindows
from .load import (
    LISTED,
    SLEEP_FOLDER,
    STORE,
    Request,
    find_listed,
    parse_request,
    read_request,
    rename_resample,
    take_preprocessing,
)
from .scoring.stages import check_stages
from .sleep import NothingLeft, SleepDataset
from .sources import recordings as recorded
from .store.prepare import Source, write_store

if TYPE_CHECKING:
    from .._typing import PathLike

# Number of windows in a file, for data that are not read recording by recording.
_BLOCK = 512
# Number of characters of an option that are written as they are.
_LONG = 500
# Largest integer up to which float64 holds all.
_EXACT = 2**53
_OF_FOLDER = set(signature(find_nights).parameters) - {"path"}


def prepare_windows(
    data: Any,
    output: PathLike,
    *,
    kind: str | None = None,
    n_jobs: int = 1,
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> LabelledWindows:
    """Read, filter and cut recordings once, and write their windows to a store on disk.

    Sleep folders, folders of recordings with events and BIDS are read recording by recording, so
    that the memory that is needed does not depend on their number. An interrupted preparation
    continues when it is repeated. Other data (arrays, epochs, windows datasets, simulated nights,
    MOABB) are read whole before they are written.

    Parameters
    ----------
    data : object
        As for :func:`~eeginv.datasets.load_windows`.
    output : path-like
        Folder of the store.
    kind : "sleep" | "motor_imagery" | "generic" | None
        Kind of task.
    n_jobs : int
        Number of processes that read recordings at the same time.
    say : callable | None
        Called with a line for each recording.
    **options : object
        Options of the form of data, as for :func:`~eeginv.datasets.load_windows`.

    Returns
    -------
    windows : LabelledWindows
        The windows, which stay on disk. They equal those of
        :func:`~eeginv.datasets.load_windows`, and ``load_windows(output)`` opens them again.

    Raises
    ------
    FileExistsError
        If the folder holds something else.
    FileNotFoundError, TypeError, ValueError
        If the data cannot be read or do not fit together, or the store was begun with other
        recordings or options. What is written so far stays.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from eeginv.datasets import load_windows, prepare_windows
    >>> X = np.random.default_rng(0).normal(size=(8, 2, 256))
    >>> data = X, ["left", "right"] * 4, np.repeat([1, 2], 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = prepare_windows(data, folder, sfreq=128)
    ...     windows = load_windows(folder)
    ...     windows.X[:3].shape, np.asarray(windows.X[:3]).std().round(1)
    ((3, 2, 256), np.float32(1.0))
    """
    request = parse_request(data, kind, options)
    if request.form == STORE:
        raise ValueError(f"{data} is a store already.")
    if request.form == SLEEP_FOLDER:
        source = _nights(request)
    elif request.form in LISTED:
        source = _recordings(request)
    else:
        source = _blocks(read_request(request))
    asked = {"form": request.form, "kind": source.kind, "options": _as_text(request.options)}
    return write_store(source, output, asked, n_jobs, say)


def _as_text(options: Mapping[str, Any]) -> dict[str, str]:
    """Return options as text, a long one as its hash."""
    found = {name: repr(_canonical(value)) for name, value in sorted(options.items())}
    return {
        name: text if len(text) <= _LONG else hashlib.sha256(text.encode()).hexdigest()
        for name, text in found.items()
    }


def _canonical(value: Any) -> Any:
    """Make equal options alike: 32 and 32.0, tuples, lists and arrays."""
    value = plain(value)
    if isinstance(value, dict):
        return {key: _canonical(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_canonical(part) for part in value]
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) <= _EXACT else value


def _stamp(*paths: Path) -> str:
    return " ".join(f"{path.stat().st_size}-{path.stat().st_mtime_ns}" for path in paths)


def _with_sidecars(path: Path) -> list[Path]:
    """Return a recording and the files that belong to it: signals, markers, events of BIDS."""
    stem = path.name.partition(".")[0]
    shared = re.sub(r"_(?:eeg|ieeg|meg)$", "", stem)
    return sorted(
        other
        for other in path.parent.iterdir()
        if other.is_file() and (other.name.startswith((f"{stem}.", f"{shared}_")) or other == path)
    )


# recordings with events ---------------------------------------------------------------------------
def _recordings(request: Request) -> Source:
    options = dict(request.options)
    preprocessing = take_preprocessing(request.form, options)
    found = find_listed(request.form, request.data, options)
    cutting = recorded.plan_cutting(found, preprocessing, **options)

    def finish(windows: LabelledWindows) -> LabelledWindows:
        cutting.check_classes(windows.classes)
        return recipe.of_others(windows, preprocessing, request.form, options)

    return Source(
        [one.name for one in found],
        [_stamp(*_with_sidecars(one.path)) for one in found],
        partial(_read_recording, cutting, found),
        request.kind or "generic",
        str(request.data),
        preprocessing.standardize,
        finish,
    )


def _read_recording(
    cutting: recorded.Cutting, found: Sequence[recorded.Recording], number: int
) -> LabelledPart:
    return cutting.read(found[number])


# nights of sleep ----------------------------------------------------------------------------------
def _nights(request: Request) -> Source:
    options = dict(request.options)
    rename_resample(options)
    stages = options.pop("stages", None)
    wanted = check_stages(stages)
    nights = find_nights(
        request.data, **{name: options.pop(name) for name in _OF_FOLDER & set(options)}
    )
    check_description(nights.rows, len(nights.rows))
    defaults = {name: p.default for name, p in signature(SleepDataset).parameters.items()}
    names = ("crop_wake", "l_freq", "h_freq", "standardize")
    preprocessing = {name: options.get(name, defaults[name]) for name in names}

    def finish(windows: LabelledWindows) -> LabelledWindows:
        missing = [stage for stage in wanted if stage not in windows.classes]
        if stages is not None and missing:
            raise ValueError(
                f"No recording has a window of the chosen stages {missing}; the recordings have "
                f"{windows.classes}."
            )
        return recipe.of_sleep(
            windows, preprocessing, request.form, request.options.get("channels")
        )

    order = nights.read(0).raw.ch_names
    return Source(
        [pair.psg.name for pair in nights.pairs],
        [_stamp(pair.psg, pair.hypnogram) for pair in nights.pairs],
        partial(_read_night, nights, options, wanted, order),
        request.kind or "sleep",
        str(request.data),
        bool(preprocessing["standardize"]),
        finish,
    )


def _read_night(
    nights: Nights, options: dict[str, Any], wanted: list[str], order: list[str], number: int
) -> LabelledPart | None:
    try:
        night = SleepDataset([nights.read(number)], [nights.rows[number]], **options)
    except NothingLeft:
        return None
    X, y, subjects = night.to_arrays()
    names = [name for name in order if name in night.ch_names]
    if len(names) == len(night.ch_names) and names != night.ch_names:
        X = X[:, [night.ch_names.index(name) for name in names]]
    else:
        names = night.ch_names  # others than those of the first recording, which is told later
    rows = np.isin(y, wanted)
    if not rows.any():
        return None
    return LabelledPart(
        X[rows], y[rows].tolist(), subjects[rows].tolist(), None, night.sfreq, names
    )


# anything else ------------------------------------------------------------------------------------
def _blocks(windows: LabelledWindows) -> Source:
    starts = range(0, len(windows), _BLOCK)
    return Source(
        [f"windows from {start}" for start in starts],
        [windows.digest()],
        partial(_read_block, windows),
        windows.kind,
        windows.name,
        True,  # checked when they were read
        lambda stored: replace(
            stored, recipe=windows.recipe, true_invariances=windows.true_invariances
        ),
    )


def _read_block(windows: LabelledWindows, number: int) -> LabelledPart:
    rows = slice(number * _BLOCK, (number + 1) * _BLOCK)
    sessions = None if windows.sessions is None else windows.sessions[rows].tolist()
    return LabelledPart(
        windows.X[rows],
        windows.y[rows].tolist(),
        windows.subjects[rows].tolist(),
        sessions,
        windows.sfreq,
        windows.ch_names,
    )
