"""Reading of all kinds of input, for estimators, searches and inspection."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .channels import Expected
from .epochs import is_epochs, read_epochs
from .lazy import LazyWindows, Mapped, is_mapped
from .signals import Signals
from .windows import is_windows, read_windows

ANYTHING = Expected()


def read_signals(X: Any, expected: Expected = ANYTHING) -> Signals:
    """Read an input.

    Parameters
    ----------
    X : array-like | mne.Epochs | windows dataset | list of epochs or items | Signals
        The input. Memory-mapped arrays (of three dimensions) and windows datasets that are not
        preloaded stay on disk. The labels of epochs are the names of their events. Those of a
        windows dataset are its targets, and its subjects are the groups.
    expected : Expected
        Expected channels and sampling frequency, checked where they are known.

    Returns
    -------
    signals : Signals
        The signals, with the metadata of the input.

    Raises
    ------
    TypeError
        If an object of MNE or Braindecode does not hold windows.
    ValueError
        If sampling frequencies differ between recordings, or from the expected one, or if channels
        are missing.

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
    if isinstance(X, LazyWindows):
        return Signals(X, X.sfreq, X.ch_names, is_array=True).matched(expected)
    if is_mapped(X):
        return Signals(LazyWindows(Mapped.of_memmap(X)), is_array=True)
    if isinstance(X, torch.Tensor):
        X = X.detach().cpu()
        # NumPy has no bfloat16
        X = (X.float() if X.dtype == torch.bfloat16 else X).numpy()
    _check_windows(X)
    return Signals(X, is_array=True)


def _check_windows(X: object) -> None:
    """Reject masked arrays, and windows of different shapes."""
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
    """Convert a skorch SliceDataset, and pandas types that may have missing values, to an array."""
    if type(y).__name__ == "SliceDataset":
        return np.array([y[i] for i in range(len(y))])
    check_complete("y", y)
    # of "Int64", "boolean" and the like, which scikit-learn would convert to float
    numpy_dtype = getattr(getattr(y, "dtype", None), "numpy_dtype", None)
    return y if numpy_dtype is None else np.asarray(y, dtype=numpy_dtype)


def check_complete(name: str, values: Any) -> None:
    """Raise an error if some labels or subjects are missing.

    Parameters
    ----------
    name : str
        Name of the argument, for messages.
    values : array-like
        One value for each window.

    Raises
    ------
    ValueError
        If a value is None, NaN, NA or masked.
    """
    if type(values) is np.ndarray and values.dtype.kind in "iubUS":
        return  # these types have no missing values
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
