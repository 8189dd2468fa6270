"""One reading of every kind of input, for estimators, searches and inspection."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .channels import Expected
from .epochs import is_epochs, read_epochs
from .signals import Signals
from .windows import is_windows, read_windows

ANYTHING = Expected()


def read_signals(X: Any, expected: Expected = ANYTHING) -> Signals:
    """Read an input.

    Parameters
    ----------
    X : array-like | mne.Epochs | windows dataset | list of epochs or items | Signals
        The input. Of epochs, names of events are the labels; of a windows dataset, its targets
        are, and its subjects are the groups.
    expected : Expected
        What the channels and the sampling frequency have to agree with, where both are known.

    Returns
    -------
    signals : Signals
        The signals, with whatever else the input knows.

    Raises
    ------
    TypeError
        If MNE's or Braindecode's object does not hold windows.
    ValueError
        If recordings, or they and what is expected, differ in sampling frequency or lack channels.

    Warns
    -----
    UserWarning
        If channels are left out, or signals that look like V were converted to µV.
    """
    if isinstance(X, Signals):
        return X.matched(expected)
    if is_epochs(X):
        return read_epochs(X, expected)
    if is_windows(X):
        return read_windows(X, expected)
    if isinstance(X, torch.Tensor):
        X = X.detach().cpu()
        # NumPy has no bfloat16
        X = (X.float() if X.dtype == torch.bfloat16 else X).numpy()
    _check_windows(X)
    return Signals(X, is_array=True)


def _check_windows(X: object) -> None:
    """Refuse what becomes an array without a word, or does not become one."""
    if np.ma.is_masked(X):
        raise ValueError(
            f"{np.ma.count_masked(X)} samples of X are masked, which a network cannot leave out: "
            "leave out or interpolate the windows, or pass X.filled(value)."
        )
    if isinstance(X, (list, tuple)):
        lengths = {tuple(part.shape) for part in X if getattr(part, "ndim", 0) == 2}
        if len(lengths) > 1:
            listed = ", ".join(map(str, sorted(lengths)))
            raise ValueError(
                f"The windows of X have different shapes (channels, samples): {listed}. Cut or pad "
                "them to one."
            )


def read_targets(y: Any) -> Any:
    """Turn labels as skorch wraps them into an array; return others as they are."""
    if type(y).__name__ == "SliceDataset":
        return np.array([y[i] for i in range(len(y))])
    check_complete("y", y)
    return y


def check_complete(name: str, values: Any) -> None:
    """Refuse labels or subjects of which some are missing.

    Parameters
    ----------
    name : str
        What they are called, for messages.
    values : array-like
        One value for each window.

    Raises
    ------
    ValueError
        If a value is None, NaN, NA or masked.
    """
    if type(values) is np.ndarray and values.dtype.kind in "iubUS":
        return  # which cannot lack any
    if np.ma.is_masked(values):
        missing = np.flatnonzero(np.ma.getmaskarray(values))
    else:
        column = np.asarray(values, dtype=object)
        missing = np.flatnonzero([_is_missing(value) for value in column.ravel()])
    if len(missing):
        raise ValueError(
            f"Input {name} contains NaN, None or masked values: {len(missing)} are missing, the "
            f"first at {missing[0]}. Leave out the windows that have none."
        )


def _is_missing(value: object) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))
