"""Prediction of recordings: tables, hypnograms and plots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd

from .._files import replacing
from ..datasets.edf.writing import write_hypnogram
from ..datasets.recipe import Recipe
from ..datasets.unlabelled import UnlabelledWindows, load_unlabelled
from ..viz.hypnogram import plot_hypnogram

if TYPE_CHECKING:
    import mne

    from ..estimators import InvariantClassifier

# Endings of the files that are written in addition to the table.
_HYPNOGRAM, _PICTURE = "-Hypnogram.edf", "-hypnogram.png"


def predict_recording(
    model: InvariantClassifier,
    recording: str | PathLike[str] | mne.io.BaseRaw,
    *,
    events: Sequence[str] | None = None,
) -> tuple[pd.DataFrame, UnlabelledWindows]:
    """Predict the windows of a recording.

    Parameters
    ----------
    model : InvariantClassifier
        A fitted classifier with its preprocessing.
    recording : path-like | mne.io.Raw
        The recording.
    events : sequence of str | None
        As for :func:`~eeginv.datasets.load_unlabelled`.

    Returns
    -------
    table : pandas.DataFrame
        One row for each window: ``onset`` and ``duration`` in s, the predicted ``label``, and the
        probability of each class, in columns such as ``p_W``.
    windows : UnlabelledWindows
        The windows.

    Examples
    --------
    >>> from eeginv.datasets import simulate_recordings
    >>> from eeginv.use import fit_model, predict_recording
    >>> nights = {"n_subjects": 1, "hours": 0.5, "sfreq": 64}
    >>> clf = fit_model("simulated", data_options=nights, augmentation=None, epochs=1)
    >>> night = simulate_recordings(1, hours=0.25, sfreq=64, random_state=1).recordings[0]
    >>> table, _ = predict_recording(clf, night)
    >>> len(table), list(table.columns[:3])
    (30, ['onset', 'duration', 'label'])
    """
    windows = load_unlabelled(recording, model, events=events)
    probabilities = model.predict_proba(windows.X)
    table = pd.DataFrame(
        {
            "onset": windows.onsets,
            "duration": windows.seconds,
            "label": model.classes_[probabilities.argmax(axis=1)],
        }
    )
    for name, column in zip(model.classes_.tolist(), probabilities.T, strict=True):
        table[f"p_{name}"] = column
    return table, windows


def predict_recordings(
    model: InvariantClassifier,
    recordings: Iterable[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    events: Sequence[str] | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """Predict the windows of recordings, and write the predictions to files.

    For each recording, a table ``NAME.csv`` is written. For sleep stages, there is also a
    hypnogram, ``NAME-Hypnogram.edf`` (annotations of EDF+), and a plot, ``NAME-hypnogram.png``.
    NAME is the name of the recording without its ending and without ``-PSG``. If names are not
    unique, they begin with the folders of the recordings.

    Parameters
    ----------
    model : InvariantClassifier
        A fitted classifier with its preprocessing.
    recordings : iterable of path-like
        The recordings.
    output : path-like
        Folder for the files, created if missing.
    events : sequence of str | None
        As for :func:`~eeginv.datasets.load_unlabelled`.
    say : callable | None
        Function that is called after each recording with a description of the result.

    Returns
    -------
    tables : list of pathlib.Path
        The tables, one for each recording.

    Raises
    ------
    FileExistsError
        If a file would be overwritten. Nothing is written then.
    FileNotFoundError, ValueError
        As for :func:`~eeginv.datasets.load_unlabelled`. A ValueError is raised after the other
        recordings have been predicted.

    Examples
    --------
    >>> from eeginv.use import load_model, predict_recordings
    >>> model = load_model("model")  # doctest: +SKIP
    >>> tables = predict_recordings(model, ["night-PSG.edf"], "scored")  # doctest: +SKIP
    """
    recipe = Recipe.of_model(model)
    paths = [Path(recording) for recording in recordings]
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist: give a recording.")
    names = distinct_names(paths)
    folder = Path(output)
    endings = (".csv", _HYPNOGRAM, _PICTURE) if recipe.of_sleep else (".csv",)
    targets = [[folder / f"{name}{ending}" for ending in endings] for name in names]
    for target in (one for ones in targets for one in ones):
        if target.exists():
            raise FileExistsError(f"{target} exists already: name another folder (--output).")
    folder.mkdir(parents=True, exist_ok=True)
    failures: list[ValueError] = []
    for path, name, files in zip(paths, names, targets, strict=True):
        try:
            table, windows = predict_recording(model, path, events=events)
        except ValueError as error:
            failures.append(error)
            continue
        if recipe.of_sleep:
            labels = [f"Sleep stage {stage}" for stage in table["label"]]
            durations = table["duration"].to_numpy()
            write_hypnogram(files[1], windows.onsets, durations, labels, windows.start)
            figure = plot_hypnogram(table, title=name)
            with replacing(files[2], ".png") as scratch:
                figure.savefig(scratch, dpi=130)
            plt.close(figure)
        with replacing(files[0]) as scratch:
            table.to_csv(scratch, index=False)
        if say is not None:
            say(_in_words(path, table, windows))
    if failures:
        others = len(paths) - len(failures)
        listed = "\n".join(map(str, failures))
        raise ValueError(f"{listed}\n{others} other recordings were predicted.") from failures[0]
    return [files[0] for files in targets]


def _in_words(path: Path, table: pd.DataFrame, windows: UnlabelledWindows) -> str:
    counts = table["label"].value_counts()
    listed = ", ".join(f"{label} {n}" for label, n in counts.sort_index().items())
    remarks = "".join(f"\n  {remark}" for remark in windows.remarks)
    return f"{path}: {len(table)} windows of {windows.seconds:g} s ({listed}){remarks}"


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Find a unique name for each recording.

    Parameters
    ----------
    paths : list of pathlib.Path
        The recordings.

    Returns
    -------
    names : list of str
        Names of the files without ending. If they are not unique, in upper or lower case, they
        begin with the folders that distinguish them, or, in one folder, have their endings.

    Raises
    ------
    ValueError
        If a recording is given twice.

    Examples
    --------
    >>> from pathlib import Path
    >>> from eeginv.use.predict import distinct_names
    >>> distinct_names([Path("anna/night-PSG.edf"), Path("ben/night-PSG.edf"), Path("x.bdf")])
    ['anna-night', 'ben-night', 'x']
    """
    places = [path.resolve() for path in paths]
    for i, place in enumerate(places):
        if place in places[:i]:
            raise ValueError(f"{paths[i]} is given twice.")
    names = [_stem(path.name) for path in paths]
    folders = [f"{place.parent}/{name}" for place, name in zip(places, names, strict=True)]
    for i in _repeated(folders):
        names[i] = paths[i].name
    own = list(names)
    for depth in range(1, max((len(place.parts) for place in places), default=1)):
        for i in _repeated(names):
            names[i] = "-".join([*places[i].parts[1:-1][-depth:], own[i]])
    again = _repeated(names)
    if again:
        listed = ", ".join(str(paths[i]) for i in again)
        raise ValueError(f"These recordings have the same names: {listed}. Rename them.")
    return names


def _stem(name: str) -> str:
    stem = Path(name.removesuffix(".gz")).stem
    for ending in ("-PSG", "_PSG", " PSG"):
        if stem.upper().endswith(ending) and len(stem) > len(ending):
            return stem[: -len(ending)]
    return stem


def _repeated(names: Sequence[str]) -> list[int]:
    folded = [name.casefold() for name in names]
    return [i for i, name in enumerate(folded) if folded.count(name) > 1]
