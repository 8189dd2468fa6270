"""Scale of signals, and their conversion to µV."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .lazy import Windows

# MNE stores signals in SI units. Factors by channel type: networks take EEG in µV, MEG in fT and
# fT/cm, fNIRS in µM, and current source densities in mV/m².
FACTORS = dict.fromkeys(("eeg", "ecog", "seeg", "dbs", "eog", "emg", "ecg"), 1e6)
FACTORS |= {"mag": 1e15, "grad": 1e13, "csd": 1e3, "hbo": 1e6, "hbr": 1e6}
# EEG has standard deviations of 1e-6 to 1e-4 in V, of 1 to 1000 in µV, and of 1 if standardised.
VOLTS = 1e-3
# No physiological signal has a standard deviation of 10 mV.
TOO_LARGE = 1e-2
# Ratio of scales above which signals are in another unit than those of the training.
OTHER_UNIT = 100.0
_ENOUGH = 64  # windows


def typical_scale(X: Windows) -> float | None:
    """Measure the scale of signals.

    Parameters
    ----------
    X : ndarray | LazyWindows, shape (n_windows, n_channels, n_times)
        Signals.

    Returns
    -------
    scale : float | None
        Median of the standard deviations over time of the channels that are not flat, in at most 64
        windows. None if all are flat.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.estimators.units import typical_scale
    >>> typical_scale(np.array([[[0.0, 2.0], [5.0, 5.0]]]))
    1.0
    """
    part = X[:: -(-len(X) // _ENOUGH)] if len(X) else X
    spread = np.asarray(part).astype(np.float64).std(axis=-1)
    spread = spread[spread > 0]
    return float(np.median(spread)) if spread.size else None


def look_like_volts(scale: float | None) -> bool:
    """Whether signals of a given scale seem to be in V."""
    return scale is not None and scale < VOLTS


def are_volts(scale: float | None, what: str) -> bool:
    """Whether signals look like V and have to be converted to µV, which is said in a warning.

    Parameters
    ----------
    scale : float | None
        Scale of the signals.
    what : str
        Origin of the signals, for messages.

    Returns
    -------
    converts : bool
        Whether they look like V.
    """
    if scale is None or not look_like_volts(scale):
        return False
    warnings.warn(
        f"The signals of {what} look like V (median standard deviation {scale:.1e}) and were "
        "converted to µV, as those of mne.Epochs are.",
        stacklevel=5,
    )
    return True


def cannot_be_volts(scale: float | None, factors: np.ndarray, what: str) -> bool:
    """Whether signals of MNE are too large to be in V, which is said in a warning.

    Parameters
    ----------
    scale : float | None
        Scale of the signals, nominally in V.
    factors : ndarray
        Conversion factor of each channel.
    what : str
        Origin of the signals, for messages.

    Returns
    -------
    cannot : bool
        Whether they are standardised, or in µV where MNE expects V.
    """
    if scale is None or scale <= TOO_LARGE or not (factors >= 1e6).all():
        return False
    warnings.warn(
        f"The signals of {what} cannot be in V, the unit of MNE (median standard deviation "
        f"{scale:.1e}): they seem to be standardised, or in µV. They were taken as they are.",
        stacklevel=5,
    )
    return True


def warn_of_volts(scale: float | None) -> None:
    """Warn if an array holds signals that look like V."""
    if look_like_volts(scale):
        warnings.warn(
            f"The signals look like V (median standard deviation {scale:.1e}); networks and the "
            "strengths of transforms suppose µV or standardised signals. Multiply them by 1e6, or "
            "standardise them.",
            stacklevel=4,
        )


def warn_of_another_unit(scale: float | None, fitted: float | None) -> None:
    """Warn if the scale of signals differs by orders of magnitude from that of the training."""
    if scale is None or fitted is None or 1 / OTHER_UNIT <= scale / fitted <= OTHER_UNIT:
        return
    warnings.warn(
        f"The median standard deviation of the signals is {scale:.1e}, that of the signals in fit "
        f"was {fitted:.1e}: they seem to be in another unit, and predictions mean nothing. Bring "
        "them to the unit of those in fit (µV, for mne.Epochs and windows datasets).",
        stacklevel=4,
    )


def warn_of_transposed(n_channels: int, n_times: int) -> None:
    """Warn if there are more channels than samples, as if the two axes were exchanged."""
    if n_channels > n_times > 1:
        warnings.warn(
            f"The windows have {n_channels} channels and {n_times} samples. Expected the shape "
            "(n_windows, n_channels, n_times): are the two exchanged?",
            stacklevel=5,
        )
