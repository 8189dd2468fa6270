"""Settings that all runs of a benchmark share, and their defaults."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from .._checks import check_integer, check_number
from .._json import plain
from ..datasets.kinds import backbone_of_kind
from ..datasets.load import find_form, load_windows
from ..datasets.sources.moabb import is_moabb
from .data import SIMULATED, SLEEP_FOLDER, STORE, common_stages, file_digests

if TYPE_CHECKING:
    from ..datasets.labelled import LabelledWindows

_DEFAULTS: dict[str, Any] = {
    "data_options": {"n_subjects": 12, "sfreq": 64.0, "random_state": 0},
    "n_train": (2,),
    "n_test": 6,
    "epochs": 40,
    "lr": 2e-3,
}
_DEFAULTS_OF_FOLDERS: dict[str, Any] = {
    "data_options": {"crop_wake": None},
    "n_train": (4,),
    "epochs": 12,
}
# Short trials: networks need more epochs, because there are fewer windows.
_DEFAULTS_OF_TASKS: dict[str, Any] = {
    "data_options": {},
    "n_train": None,
    "backbone": None,
    "epochs": 60,
}
_DEFAULTS_OF = {"simulated nights": _DEFAULTS, SLEEP_FOLDER: _DEFAULTS_OF_FOLDERS}
_DEFAULTS_OF["a SleepDataset"] = {**_DEFAULTS_OF_TASKS, "epochs": 12}
# Windows were cut when a store was prepared.
SLEEP_STORE = "a store of sleep recordings"
_DEFAULTS_OF[SLEEP_STORE] = {**_DEFAULTS_OF_FOLDERS, "data_options": {}}
# Largest default number of training subjects, so that a training takes minutes.
_MOST_SUBJECTS = 8
SPLITS = ("random", "subject", "session")
_SMOKE = {"n_train": (2,), "n_test": 1, "epochs": 2, "n_copies": 2}
_SMOKE_NIGHTS = {"n_subjects": 4, "hours": 2.0, "stages": ("W", "N2", "N3")}


@dataclass(frozen=True)
class Settings:
    """Settings that all runs of a benchmark share.

    Parameters
    ----------
    data : str
        "simulated", the path of the recordings, or the name of data in memory.
    data_options : dict
        Arguments of :func:`~eeginv.datasets.load_windows`.
    n_train : tuple of int | None
        Numbers of training subjects. None is two thirds of the subjects, at most eight. If one
        subject or session is left out at a time, None is all others.
    n_test : int | None
        Number of test subjects. None is all that are never used for training.
    epochs : int
        Epochs with the largest number of training subjects. With fewer subjects, there are more
        epochs, so that the number of optimiser steps is the same.
    backbone : str | None
        Name of a Braindecode model. None is SleepStagerChambon2018 for sleep, EEGNet otherwise.
    batch_size : int
        Windows in a training step.
    lr : float
        Learning rate of the backbone.
    n_copies : int
        Number of copies in the predictions that are averaged over copies.
    split_by : "random" | "subject" | "session"
        Kind of splits. "random" chooses training and test subjects at random. "subject" leaves out
        one subject at a time. "session" leaves out one session of each subject at a time, and
        trains on the other sessions of all subjects.
    content : str
        Hash of data in memory.

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
    data_options: dict[str, Any] = field(default_factory=dict)
    n_train: tuple[int, ...] | None = (2,)
    n_test: int | None = None
    epochs: int = 20
    backbone: str | None = "SleepStagerChambon2018"
    batch_size: int = 32
    lr: float = 1e-3
    n_copies: int = 10
    split_by: str = "random"
    content: str = ""

    def __post_init__(self) -> None:
        if self.n_train is not None:
            sizes = tuple(check_integer("n_train", size, minimum=1) for size in self.n_train)
            if not sizes:
                raise ValueError("n_train must name at least one number of training subjects.")
            object.__setattr__(self, "n_train", sizes)
        if self.split_by not in SPLITS:
            raise ValueError(f"split_by must be one of {', '.join(SPLITS)}; got {self.split_by!r}.")
        for name in ("n_test", "epochs", "batch_size", "n_copies"):
            if getattr(self, name) is not None or name != "n_test":
                value = check_integer(name, getattr(self, name), minimum=1)
                object.__setattr__(self, name, value)
        object.__setattr__(self, "lr", check_number("lr", self.lr, exclusive=True))

    def fingerprint(self) -> str:
        """Compute a hash of all settings, which runs of one benchmark share.

        Returns
        -------
        fingerprint : str
            Sixteen hexadecimal digits.

        Raises
        ------
        FileNotFoundError
            If the recordings do not exist.
        """
        values = plain({**dataclasses.asdict(self), "version": __version__})
        if not self.content and self.data != SIMULATED and not is_moabb(self.data):
            place = Path(self.data).resolve()
            values["data"] = str(place)
            values["files"] = file_digests(place, self.data_options)
        # the order of channels matters, that of options does not
        values["data_options"] = {
            name: list(value.items()) if isinstance(value, dict) else value
            for name, value in values["data_options"].items()
        }
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def settle(self, windows: LabelledWindows, in_memory: bool = False) -> Settings:
        """Set the defaults that depend on the data.

        Parameters
        ----------
        windows : LabelledWindows
            The data.
        in_memory : bool
            Whether the data are objects in memory, without a path.

        Returns
        -------
        settings : Settings
            Settings with numbers of training subjects and a backbone.

        Raises
        ------
        ValueError
            If numbers of training subjects are given but determined by the kind of splits.
        """
        n_subjects = len(np.unique(windows.subjects))
        changes: dict[str, Any] = {"backbone": self.backbone or backbone_of_kind(windows.kind)}
        if self.split_by == "random":
            default = max(1, min(2 * n_subjects // 3, _MOST_SUBJECTS))
        else:
            default = max(1, n_subjects - (self.split_by == "subject"))
            if self.n_train not in (None, (default,)):
                raise ValueError(
                    f"n_train={self.n_train} (--n-train) has no effect with splits by "
                    f"{self.split_by}: training is on all others, here {default}."
                )
        changes["n_train"] = self.n_train or (default,)
        if in_memory:
            changes["content"] = windows.digest()
        return replace(self, **changes)

    def epochs_for(self, n_train: int) -> int:
        """Return the number of epochs for the same number of steps with fewer subjects.

        Parameters
        ----------
        n_train : int
            Number of training subjects.

        Returns
        -------
        epochs : int
            Number of epochs.
        """
        return max(1, round(self.epochs * max(self.n_train or (n_train,)) / n_train))


def default_settings(data: Any = SIMULATED, *, smoke: bool = False, **changes: Any) -> Settings:
    """Return the default settings for data.

    Parameters
    ----------
    data : object
        As for :func:`~eeginv.datasets.load_windows`: "simulated", a path, or an object in memory.
        For sleep recordings, the default is the stages that all of them have.
    smoke : bool
        Whether to return settings for a tiny run that checks the installation.
    **changes : object
        Fields of :class:`Settings` to change. None keeps the default, also in ``data_options``.

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
    changes = _given(changes)
    given = _given(changes.pop("data_options", {}))
    form, data = find_form(data, given)
    simulated = form == "simulated nights"
    of_sleep = form == SLEEP_FOLDER or (form == STORE and load_windows(data).kind == "sleep")
    alike = SLEEP_STORE if of_sleep and form == STORE else form
    fields = dict(_DEFAULTS_OF.get(alike, _DEFAULTS_OF_TASKS))
    options = fields.pop("data_options")
    if smoke:
        fields |= _SMOKE
        options = options | (_SMOKE_NIGHTS if simulated else {})
    if alike not in _DEFAULTS_OF:
        fields |= {"n_train": (1,)} if smoke else {}
    if changes.get("split_by", "random") != "random":
        fields["n_train"] = None  # all others
    options = options | given
    if of_sleep and "stages" not in options:
        options["stages"] = common_stages(data, **options)
    name = str(data) if isinstance(data, (str, Path)) else form
    return Settings(data=name, data_options=options, **{**fields, **changes})


def _given(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if value is not None}
