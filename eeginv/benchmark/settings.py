"""What all runs of a benchmark share, and defaults that suit the data."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from .. import __version__
from .._checks import check_integer, check_number
from .._json import plain
from .data import SIMULATED, common_stages, file_digests

_DEFAULTS = {
    "data_options": {"n_subjects": 12, "sfreq": 64.0, "random_state": 0},
    "n_train": (2,),
    "n_test": 6,
    "epochs": 40,
    "lr": 2e-3,
}
_DEFAULTS_OF_FOLDERS = {"data_options": {"crop_wake": None}, "n_train": (4,), "epochs": 12}
_SMOKE = {"n_train": (2,), "n_test": 1, "epochs": 2, "n_copies": 2}
_SMOKE_NIGHTS = {"n_subjects": 4, "hours": 2.0, "stages": ("W", "N2", "N3")}


@dataclass(frozen=True)
class Settings:
    """What all runs of a benchmark share.

    Parameters
    ----------
    data : str
        "simulated", or the folder of recordings.
    data_options : dict
        Arguments of the loader.
    n_train : tuple of int
        Numbers of training subjects.
    n_test : int | None
        Number of test subjects; None is all that are never used for training.
    epochs : int
        Passes over the training windows with the largest number of training subjects; with fewer,
        more, so that the number of optimiser steps stays the same.
    backbone : str
        Name of a Braindecode model.
    batch_size : int
        Windows in one step.
    lr : float
        Learning rate of the backbone.
    n_copies : int
        Copies averaged over in the second scoring of each method.

    Raises
    ------
    TypeError, ValueError
        If a number has the wrong type or is out of range.

    Examples
    --------
    >>> from eeginv.benchmark import Settings
    >>> Settings(n_train=(1, 4), epochs=12).epochs_for(1)
    48
    """

    data: str = SIMULATED
    data_options: dict = field(default_factory=dict)
    n_train: tuple = (2,)
    n_test: int | None = None
    epochs: int = 20
    backbone: str = "SleepStagerChambon2018"
    batch_size: int = 32
    lr: float = 1e-3
    n_copies: int = 10

    def __post_init__(self):
        sizes = tuple(check_integer("n_train", size, minimum=1) for size in self.n_train)
        if not sizes:
            raise ValueError("n_train must name at least one number of training subjects.")
        object.__setattr__(self, "n_train", sizes)
        for name in ("n_test", "epochs", "batch_size", "n_copies"):
            if getattr(self, name) is not None or name != "n_test":
                value = check_integer(name, getattr(self, name), minimum=1)
                object.__setattr__(self, name, value)
        object.__setattr__(self, "lr", check_number("lr", self.lr, exclusive=True))

    def fingerprint(self):
        """Hash everything here: runs of different fingerprints do not belong together.

        Returns
        -------
        fingerprint : str
            Sixteen hexadecimal digits.

        Raises
        ------
        FileNotFoundError
            If there is no such folder of recordings.
        """
        values = plain({**dataclasses.asdict(self), "version": __version__})
        if self.data != SIMULATED:
            folder = Path(self.data).resolve()
            values["data"] = str(folder)
            values["files"] = file_digests(folder)
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def epochs_for(self, n_train):
        """Return the number of epochs that makes the same number of steps for fewer subjects.

        Parameters
        ----------
        n_train : int
            Number of training subjects.

        Returns
        -------
        epochs : int
            Number of passes over the training windows.
        """
        return max(1, round(self.epochs * max(self.n_train) / n_train))


def default_settings(data=SIMULATED, *, smoke=False, **changes):
    """Choose settings that suit the data.

    Parameters
    ----------
    data : str
        "simulated", or a folder of recordings, of which the stages that all of them have are
        taken.
    smoke : bool
        Whether to make everything as small as possible, to check that it runs.
    **changes : object
        Fields of :class:`Settings` to set otherwise; None leaves the default, in ``data_options``
        too.

    Returns
    -------
    settings : Settings
        The settings.

    Raises
    ------
    ValueError
        If the recordings have fewer than two stages in common, or a change is out of range.

    Examples
    --------
    >>> from eeginv.benchmark import default_settings
    >>> default_settings("simulated", epochs=5).epochs
    5
    """
    simulated = data == SIMULATED
    fields = dict(_DEFAULTS if simulated else _DEFAULTS_OF_FOLDERS)
    options = fields.pop("data_options")
    if smoke:
        fields |= _SMOKE
        options = options | (_SMOKE_NIGHTS if simulated else {})
    changes = _given(changes)
    options = options | _given(changes.pop("data_options", {}))
    if not simulated and "stages" not in options:
        options["stages"] = common_stages(data, **options)
    return Settings(data=data, data_options=options, **{**fields, **changes})


def _given(changes):
    return {name: value for name, value in changes.items() if value is not None}
