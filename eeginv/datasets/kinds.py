"""Default network and candidates for each kind of task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._process import ignoring
from ..transforms import default_transforms
from ..transforms.candidates import possible_with

_BACKBONES = {"sleep": "SleepStagerChambon2018"}
_OTHER_BACKBONE = "EEGNet"


def backbone_of_kind(kind: str) -> str:
    """Return the default network for a kind of task.

    Parameters
    ----------
    kind : str
        Kind of the task.

    Returns
    -------
    backbone : str
        Name of a Braindecode model.
    """
    return _BACKBONES.get(kind, _OTHER_BACKBONE)


def candidates_of_kind(
    kind: str, sfreq: float, ch_names: Sequence[str] | None, shape: tuple[int, ...]
) -> dict[str, Any]:
    """Return the default candidates for a kind of task.

    Parameters
    ----------
    kind : str
        Kind of the task.
    sfreq : float
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels.
    shape : tuple of int
        Numbers of channels and samples of a window.

    Returns
    -------
    options : dict
        ``transforms`` for an estimator.
    """
    n_channels, n_times = shape
    # no warning of default transforms that the channels do not allow
    with ignoring(("Left out", UserWarning)):
        transforms = default_transforms(sfreq, ch_names, kind, n_times / sfreq)
    return {"transforms": possible_with(n_channels, transforms)}
