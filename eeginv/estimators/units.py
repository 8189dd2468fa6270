"""One unit for all signals: how large they are, and what brings them to µV."""

from __future__ import annotations

import warnings

import numpy as np

# MNE holds signals in SI units. What multiplies them, by type of channel: EEG goes into networks
# in µV, MEG in fT and fT/cm, fNIRS in µM.
FACTORS = dict.fromkeys(("eeg", "ecog", "seeg", "dbs", "eog", "emg"), 1e6)
FACTORS |= {"mag": 1e15, "grad": 1e13, "csd": 1e6, "hbo": 1e6, "hbr": 1e6}
# EEG in V has standard deviations of 1e-6 to 1e-4, in µV of 1 to 1000; standardised, of 1.
VOLTS = 1e-3
# No signal of a body in V has a standard deviation of 10 mV.
TOO_LARGE = 1e-2
# From here on, signals are not in the unit of those that a network was trained on.
OTHER_UNIT = 100.0
_ENOUGH = 64  # windows


def typical_scale(X: np.ndarray) -> float | None:
    """Measure how large signals are.

    Parameters
    ----------
    X : ndarray, shape (n_windows, n_channels, n_times)
        Signals.

    Returns
    -------
    scale : float | None
        Median of the standard deviations, over time, of the channels of (at most 64) windows that
        are not flat; None if all of them are.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.estimators.units import typical_scale
    >>> typical_scale(np.array([[[0.0, 2.0], [5.0, 5.0]]]))
    1.0
    """
    part = X[:: -(-len(X) // _ENOUGH)] if len(X) else X
    spread = np.asarray(part, dtype=np.float64).std(axis=-1)
    spread = spread[spread > 0]
    return float(np.median(spread)) if spread.size else None


def look_like_volts(scale: float | None) -> bool:
    """Whether signals of a scale are in V."""
    return scale is not None and scale < VOLTS


def to_microvolts(X: np.ndarray, factors: np.ndarray | float, what: str) -> None:
    """Bring signals to µV, in place, if they look like V; say so.

    Parameters
    ----------
    X : ndarray, shape (n_windows, n_channels, n_times)
        Signals.
    factors : ndarray, shape (n_windows or 1, n_channels, 1) | float
        What brings each channel to its unit.
    what : str
        Where they come from.
    """
    scale = typical_scale(X)
    if look_like_volts(scale):
        X *= factors
        warnings.warn(
            f"The signals of {what} look like V (median standard deviation {scale:.1e}) and were "
            "converted to µV, as those of mne.Epochs are.",
            stacklevel=4,
        )


def from_volts(X: np.ndarray, factors: np.ndarray, what: str) -> np.ndarray:
    """Bring signals that should be in V to their unit, unless they cannot be in V.

    Parameters
    ----------
    X : ndarray, shape (n_windows, n_channels, n_times)
        Signals in V, or what MNE takes for it.
    factors : ndarray, shape (n_channels, 1)
        What brings each channel from V to its unit.
    what : str
        Where they come from.

    Returns
    -------
    X : ndarray, same shape
        The signals in their unit; as they are, with a warning, if they are larger than signals in
        V can be: whoever made the epochs standardised them, or gave µV where MNE expects V.
    """
    scale = typical_scale(X)
    if scale is not None and scale > TOO_LARGE and (factors >= 1e6).all():
        warnings.warn(
            f"The signals of {what} cannot be in V, the unit of MNE (median standard deviation "
            f"{scale:.1e}): they seem to be standardised, or in µV. They were taken as they are.",
            stacklevel=4,
        )
        return X
    return X * factors


def warn_of_volts(scale: float | None) -> None:
    """Say so if an array holds signals that look like V."""
    if look_like_volts(scale):
        warnings.warn(
            f"The signals look like V (median standard deviation {scale:.1e}); networks and the "
            "strengths of transforms suppose µV or standardised signals. Multiply them by 1e6, or "
            "standardise them.",
            stacklevel=4,
        )


def warn_of_another_unit(scale: float | None, fitted: float | None) -> None:
    """Say so if signals are of another order of magnitude than those of the training."""
    if scale is None or fitted is None or 1 / OTHER_UNIT <= scale / fitted <= OTHER_UNIT:
        return
    warnings.warn(
        f"The median standard deviation of the signals is {scale:.1e}, that of the signals in fit "
        f"was {fitted:.1e}: they seem to be in another unit, and predictions mean nothing. Bring "
        "them to the unit of those in fit (µV, for mne.Epochs and windows datasets).",
        stacklevel=4,
    )
