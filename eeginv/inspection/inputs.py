"""One reading of what the functions of this room are given."""

from dataclasses import dataclass

import numpy as np
import torch

from ..estimators.inputs import read_signals
from ..transforms import Transform


@dataclass
class Windows:
    """Signals to inspect a model with.

    Parameters
    ----------
    X : ndarray, shape (n_examples, n_channels, n_times)
        Signals, float32 or float64.
    ndim : int
        Number of dimensions of what came, which is what the model takes: 2 or 3.
    groups : ndarray, shape (n_examples,) | None
        Subjects.
    sfreq : float | None
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels.
    """

    X: np.ndarray
    ndim: int
    groups: np.ndarray | None
    sfreq: float | None
    ch_names: list | None


def read_windows(X, groups=None, sfreq=None, ch_names=None):
    """Read and check signals, and what is known of them.

    Parameters
    ----------
    X : array-like | mne.Epochs | windows dataset
        Signals of shape (n_examples, n_channels, n_times), or (n_examples, n_times) for one
        channel.
    groups : array-like, shape (n_examples,) | None
        Subjects; None takes those that came with X.
    sfreq : float | None
        Sampling frequency in Hz; None takes the one that came with X.
    ch_names : list of str | None
        Names of the channels; None takes those that came with X.

    Returns
    -------
    windows : Windows
        The signals and what is known of them.
    """
    names = getattr(X, "ch_names", None) if ch_names is None else ch_names
    signals = read_signals(X)
    values = signals.X.detach().cpu() if isinstance(signals.X, torch.Tensor) else signals.X
    values = np.asarray(values)
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float32)
    if values.ndim not in (2, 3):
        raise ValueError(
            "Expected signals of shape (n_examples, n_channels, n_times), or (n_examples, n_times) "
            f"for one channel; got an array of shape {values.shape}."
        )
    ndim = values.ndim
    values = values if ndim == 3 else values[:, None, :]
    if len(values) < 2 or 0 in values.shape:
        raise ValueError(
            f"At least two examples are needed, to compare each with others; got {values.shape}."
        )
    if not np.isfinite(values).all():
        raise ValueError("X holds NaN or infinite values; drop or repair these examples.")
    groups = signals.groups if groups is None else groups
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (len(values),):
            raise ValueError(
                f"groups must have one entry for each of {len(values)} examples, got an array of "
                f"shape {groups.shape}."
            )
    if names is not None and len(names) != values.shape[1]:
        raise ValueError(f"Expected {values.shape[1]} channel names, got {len(names)}.")
    return Windows(
        values, ndim, groups, signals.sfreq if sfreq is None else sfreq, names and list(names)
    )


def is_applied_or_not(transform):
    """Whether the strength of a transform is the probability of its being there."""
    return transform.strength_name == "probability"


def check_transform(transform, sfreq=None):
    """Say so if this is no transform, or one for another sampling frequency."""
    if not isinstance(transform, Transform):
        raise TypeError(
            f"Expected a transform, such as make_transform('SignFlip'), got "
            f"{type(transform).__name__}. eeginv.adapters wraps functions and Braindecode's "
            "transforms."
        )
    rate = getattr(transform, "sfreq", None)
    if None not in (rate, sfreq) and rate != sfreq:
        raise ValueError(
            f"{transform.name} was made for signals at {rate:g} Hz, but these were sampled at "
            f"{sfreq:g} Hz."
        )
    return transform


def check_magnitudes(transform, magnitudes):
    """Return strengths as a list of floats within what the transform allows."""
    values = np.atleast_1d(np.asarray(magnitudes, dtype=float))
    highest = 1.0 if is_applied_or_not(transform) else transform.max_magnitude
    # float32 may round the end of the range up
    in_range = (values >= 0) & (values <= highest * (1 + 1e-6))
    if values.ndim > 1 or not len(values) or not in_range.all():
        raise ValueError(
            f"The {transform.strength_name} of {transform.name} lies in [0, {highest:g}], got "
            f"{magnitudes!r}; a larger range is set by max_{transform.strength_name}."
        )
    return values.tolist()


def default_magnitude(transform):
    """Strength of a transform, or 1 if it is there or not."""
    return 1.0 if is_applied_or_not(transform) else transform.magnitude.item()


def check_count(name, value, smallest=1):
    """Return a whole number, or say what is wrong with it."""
    if isinstance(value, bool) or not float(value).is_integer() or value < smallest:
        raise ValueError(f"{name} must be a whole number of at least {smallest}, got {value!r}.")
    return int(value)


def draw_seed(random_state):
    """Return a seed, without touching numpy's global generator."""
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, (int, np.integer)) and random_state >= 0:
        return int(random_state)
    try:
        return int(np.random.default_rng(random_state).integers(2**31 - 1))
    except (TypeError, ValueError) as error:
        raise ValueError(
            "random_state must be None, a non-negative integer, or a numpy generator; got "
            f"{random_state!r}."
        ) from error
