"""Invariance profile of a model on recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .._files import replacing
from .._process import ignoring
from ..datasets.unlabelled import load_unlabelled
from ..inspection import invariance_profile
from ..viz.invariance import plot_invariance_profile
from .fit import check_new

if TYPE_CHECKING:
    import pandas as pd

    from ..estimators import InvariantClassifier

# With this number of windows, intervals are narrow enough.
_WINDOWS = 500


def profile_recordings(
    model: InvariantClassifier,
    recordings: Sequence[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    n_windows: int = _WINDOWS,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Measure the invariance of a model to each transform on windows of recordings.

    Parameters
    ----------
    model : InvariantClassifier
        A fitted classifier with its preprocessing.
    recordings : sequence of path-like
        The recordings. Labels are not needed.
    output : path-like
        Folder for ``profile.csv`` and ``profile.png``, which must be new or empty.
    n_windows : int
        Number of windows, drawn at random in equal parts from all recordings.
    seed : int
        Seed of all random numbers.
    say : callable | None
        Function that is called after each recording with a description of its preprocessing.

    Returns
    -------
    profile : pandas.DataFrame
        As returned by :func:`~eeginv.inspection.invariance_profile`. Intervals are over recordings
        if there are several.

    Raises
    ------
    FileExistsError
        If the folder exists and is not empty.
    FileNotFoundError, ValueError
        As for :func:`~eeginv.datasets.load_unlabelled`.

    Examples
    --------
    >>> from eeginv.use import load_model, profile_recordings
    >>> model = load_model("model")  # doctest: +SKIP
    >>> profile = profile_recordings(model, ["night-PSG.edf"], "profile")  # doctest: +SKIP
    """
    check_new(output)
    rng = np.random.default_rng(seed)
    each = -(-n_windows // max(len(recordings), 1))
    X, groups = [], []
    for place, recording in enumerate(recordings):
        windows = load_unlabelled(recording, model)
        rows = np.sort(rng.permutation(len(windows))[:each])
        X.append(windows.X[rows])
        groups += [place] * len(rows)
        if say is not None:
            remarks = "".join(f"\n  {remark}" for remark in windows.remarks)
            say(f"{recording}: {len(rows)} of {len(windows)} windows{remarks}")
    # no warning of default transforms that the channels do not allow
    with ignoring(("Left out", UserWarning)):
        profile = invariance_profile(
            model,
            np.concatenate(X),
            windows.sfreq,
            windows.ch_names,
            groups=np.array(groups) if len(recordings) > 1 else None,
            random_state=seed,
        )
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    figure = plot_invariance_profile(profile)
    with replacing(folder / "profile.png", ".png") as scratch:
        figure.savefig(scratch, dpi=130)
    with replacing(folder / "profile.csv") as scratch:
        profile.to_csv(scratch)
    return profile
