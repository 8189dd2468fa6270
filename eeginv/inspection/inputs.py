"""Reading and checks of the arguments of the inspection functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..estimators.channels import Expected
from ..estimators.inputs import ANYTHING, read_signals
from ..estimators.lazy import LazyWindows
from ..estimators.units import typical_scale, warn_of_another_unit, warn_of_volts
from ..transforms import Transform
from ..transforms.layout import check_made_for

if TYPE_CHECKING:
    from .._typing import ArrayLike, RandomState, SignalsLike
    from ..estimators.signals import Signals

# Most bytes of windows on disk that are read into memory.
_MOST_BYTES = 2**30


@dataclass
class Windows:
    """Signals for the inspection of a model.

    Parameters
    ----------
    X : ndarray, shape (n_examples, n_channels, n_times)
        Signals, float32 or float64.
    ndim : int
        Number of dimensions of the input, and of signals that the model takes: 2 or 3.
    groups : ndarray, shape (n_examples,) | None
        Subjects.
    sfreq : float | None
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels.
    expected : Expected
        Known properties of the signals that the model was fitted on.
    """

    X: np.ndarray
    ndim: int
    groups: np.ndarray | None
    sfreq: float | None
    ch_names: list[str] | None
    expected: Expected = ANYTHING

    def check_transform(self, transform: Transform) -> Transform:
        """Return a transform, after checking that it is one and suits these signals."""
        if not isinstance(transform, Transform):
            raise TypeError(
                f"Expected a transform, such as make_transform('SignFlip'), got "
                f"{type(transform).__name__}. eeginv.adapters wraps functions and Braindecode's "
                "transforms."
            )
        check_made_for(transform, self.sfreq, self.ch_names)
        return transform


def read_windows(
    X: SignalsLike,
    groups: ArrayLike | None = None,
    sfreq: float | None = None,
    ch_names: Sequence[str] | None = None,
    expected: Expected = ANYTHING,
) -> Windows:
    """Read and check signals and their metadata.

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
    expected : Expected
        Properties of the signals that a model was fitted on. Other sampling frequencies are
        rejected, and channels are picked by name.

    Returns
    -------
    windows : Windows
        The signals and their metadata.
    """
    signals = read_signals(X, expected if ch_names is None else ANYTHING)
    if sfreq is not None:
        Expected("sfreq is", sfreq=sfreq).check_rate(signals.sfreq, "The signals were")
        Expected(expected.owner, sfreq=expected.sfreq).check_rate(sfreq, "The signals were")
    if ch_names is not None:
        signals = _rename(signals, _check_names(ch_names), expected)
    values, names = _in_memory(signals.X), signals.ch_names
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float32)
    values = np.require(values, requirements=("C", "W"))  # as torch wants arrays
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
    if signals.is_array:
        warn_of_volts(typical_scale(values))
    warn_of_another_unit(typical_scale(values), expected.scale)
    if groups is None and signals.groups is not None and len(set(signals.groups)) > 1:
        groups = signals.groups  # of one subject, examples are independent
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (len(values),):
            raise ValueError(
                f"groups must have one entry for each of {len(values)} examples, got an array of "
                f"shape {groups.shape}."
            )
    if sfreq is None:
        sfreq = expected.sfreq if signals.sfreq is None else signals.sfreq
    # an array without names is passed to the model unchanged, so it has the model's channels
    if names is None and expected.ch_names is not None:
        names = expected.ch_names if len(expected.ch_names) == values.shape[1] else None
    return Windows(values, ndim, groups, sfreq, None if names is None else list(names), expected)


def _in_memory(X: Any) -> np.ndarray:
    """Return signals as an array. Too many on disk are an error."""
    if isinstance(X, LazyWindows) and X.nbytes > _MOST_BYTES:
        raise ValueError(
            f"The inspection of a model takes windows in memory, and X has {len(X)} on disk, "
            f"{X.nbytes / 2**30:.1f} GiB: pass a part of them, such as X[rows] with a few hundred "
            "rows drawn at random, and their groups."
        )
    return np.asarray(X)


def _check_names(ch_names: Iterable[str]) -> list[str]:
    names = list(ch_names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"Channel names must differ; {', '.join(twice)} is there more than once.")
    return names


def _rename(signals: Signals, names: list[str], expected: Expected) -> Signals:
    """Set the channel names of the user, and pick the expected channels."""
    values = _in_memory(signals.X)
    n_channels = values.shape[1] if values.ndim == 3 else 1
    if len(names) != n_channels:
        raise ValueError(f"Expected {n_channels} channel names, got {len(names)}.")
    return replace(signals, X=values, ch_names=names).matched(expected)


def check_strengths(transform: Transform, strengths: ArrayLike) -> list[float]:
    """Return strengths as a list of floats, checked against the range of the transform."""
    values = np.atleast_1d(np.asarray(strengths, dtype=float))
    highest = 1.0 if transform.binary else transform.max_strength
    # float32 may round the end of the range up
    in_range = (values >= 0) & (values <= highest * (1 + 1e-6))
    if values.ndim > 1 or not len(values) or not in_range.all():
        raise ValueError(
            f"The {transform.strength_name} of {transform.name} lies in [0, {highest:g}], got "
            f"{strengths!r}; a larger range is set by max_{transform.strength_name}."
        )
    return values.tolist()


def default_strength(transform: Transform) -> float:
    """Return the strength of a transform, or 1 for an on/off transform."""
    return 1.0 if transform.binary else transform.strength.item()


def check_count(name: str, value: int, smallest: int = 1) -> int:
    """Return an integer, after checking that it is whole and large enough."""
    if isinstance(value, bool) or not float(value).is_integer() or value < smallest:
        raise ValueError(f"{name} must be a whole number of at least {smallest}, got {value!r}.")
    return int(value)


def draw_seed(random_state: RandomState) -> int:
    """Return a seed, without using numpy's global generator."""
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
