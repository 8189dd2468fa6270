"""What all runs of a benchmark share, and defaults that suit the data."""

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
# Networks for trials of seconds need more passes over fewer windows.
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
# Of two thirds of the subjects, as many as make a training of minutes.
_MOST_SUBJECTS = 8
SPLITS = ("random", "subject", "session")
_SMOKE = {"n_train": (2,), "n_test": 1, "epochs": 2, "n_copies": 2}
_SMOKE_NIGHTS = {"n_subjects": 4, "hours": 2.0, "stages": ("W", "N2", "N3")}


@dataclass(frozen=True)
class Settings:
    """What all runs of a benchmark share.

    Parameters
    ----------
    data : str
        "simulated", the path of the recordings, or what data in memory are called.
    data_options : dict
        Arguments of :func:`~eeginv.datasets.load_windows`.
    n_train : tuple of int | None
        Numbers of training subjects. None is two thirds of the subjects, at most eight; where one
        subject or session is left out at a time, it is all others.
    n_test : int | None
        Number of test subjects; None is all that are never used for training.
    epochs : int
        Passes over the training windows with the largest number of training subjects; with fewer,
        more, so that the number of optimiser steps stays the same.
    backbone : str | None
        Name of a Braindecode model. None is SleepStagerChambon2018 for sleep, EEGNet otherwise.
    batch_size : int
        Windows in one step.
    lr : float
        Learning rate of the backbone.
    n_copies : int
        Copies averaged over in the second scoring of each method.
    split_by : "random" | "subject" | "session"
        What test windows are: those of subjects that were chosen at random and not trained on; of
        one subject after the other, with all others for training; or of one session of each
        subject after the other, with the other sessions of all subjects for training.
    content : str
        What data in memory hold, hashed.

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
        """Hash everything here: runs of different fingerprints do not belong together.

        Returns
        -------
        fingerprint : str
            Sixteen hexadecimal digits.

        Raises
        ------
        FileNotFoundError
            If there are no such recordings.
        """
        values = plain({**dataclasses.asdict(self), "version": __version__})
        if not self.content and self.data != SIMULATED and not is_moabb(self.data):
            place = Path(self.data).resolve()
            values["data"] = str(place)
            values["files"] = file_digests(place, self.data_options)
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def settle(self, windows: LabelledWindows, in_memory: bool = False) -> Settings:
        """Settle what depends on the data.

        Parameters
        ----------
        windows : LabelledWindows
            The data.
        in_memory : bool
            Whether they are given as objects, so that no path stands for them.

        Returns
        -------
        settings : Settings
            With numbers of training subjects and a backbone.

        Raises
        ------
        ValueError
            If numbers of training subjects are given where the split decides on them.
        """
        n_subjects = len(np.unique(windows.subjects))
        changes: dict[str, Any] = {"backbone": self.backbone or backbone_of_kind(windows.kind)}
        if self.split_by == "random":
            default = max(1, min(2 * n_subjects // 3, _MOST_SUBJECTS))
        else:
            default = max(1, n_subjects - (self.split_by == "subject"))
            if self.n_train not in (None, (default,)):
                raise ValueError(
                    f"n_train={self.n_train} (--n-train) has no meaning where splits go by "
                    f"{self.split_by}: all others are trained on, here {default}."
                )
        changes["n_train"] = self.n_train or (default,)
        if in_memory:
            changes["content"] = windows.digest()
        return replace(self, **changes)

    def epochs_for(self, n_train: int) -> int:
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
        return max(1, round(self.epochs * max(self.n_train or (n_train,)) / n_train))


def default_settings(data: Any = SIMULATED, *, smoke: bool = False, **changes: Any) -> Settings:
    """Choose settings that suit the data.

    Parameters
    ----------
    data : object
        As :func:`~eeginv.datasets.load_windows` takes them: "simulated", a path, or an object in
        memory. Of sleep recordings, the stages that all of them have are taken.
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
