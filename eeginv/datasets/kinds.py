"""What suits a kind of task: the network and the candidates that nobody has named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._process import ignoring
from ..transforms import default_transforms

_BACKBONES = {"sleep": "SleepStagerChambon2018"}
_OTHER_BACKBONE = "EEGNet"


def backbone_of_kind(kind: str) -> str:
    """Name the default network of a kind of task.

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
    kind: str, sfreq: float, ch_names: Sequence[str] | None, n_times: int
) -> dict[str, Any]:
    """Choose the candidates by the kind of task.

    Parameters
    ----------
    kind : str
        Kind of the task.
    sfreq : float
        Sampling frequency in Hz.
    ch_names : list of str | None
        Names of the channels.
    n_times : int
        Length of the windows in samples.

    Returns
    -------
    options : dict
        ``transforms`` for an estimator; empty for sleep, where it finds them by itself.
    """
    if kind == "sleep":
        return {}
    # nobody asked for those that these channels do not allow; policies show what is in
    with ignoring(("Left out", UserWarning)):
        return {"transforms": default_transforms(sfreq, ch_names, kind, n_times / sfreq)}
