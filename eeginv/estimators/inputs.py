"""One reading of every kind of input, for estimators, searches and inspection."""

import numpy as np
import torch

from .channels import Expected
from .epochs import is_epochs, read_epochs
from .signals import Signals
from .windows import is_windows, read_windows

ANYTHING = Expected()


def read_signals(X, expected=ANYTHING):
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
        X = X.detach().cpu().numpy()
    return Signals(X, is_array=True)


def read_targets(y):
    """Turn labels as skorch wraps them into an array; return others as they are."""
    if type(y).__name__ == "SliceDataset":
        return np.array([y[i] for i in range(len(y))])
    return y
