"""What a benchmark consists of: one run for each method, training size, split and seed."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import __version__
from .._json import plain


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

    Examples
    --------
    >>> from eeginv.benchmark import Settings
    >>> Settings(n_train=(1, 4), epochs=12).epochs_for(1)
    48
    """

    data: str = "simulated"
    data_options: dict = dataclasses.field(default_factory=dict)
    n_train: tuple = (2,)
    n_test: int | None = None
    epochs: int = 20
    backbone: str = "SleepStagerChambon2018"
    batch_size: int = 32
    lr: float = 1e-3
    n_copies: int = 10

    def __post_init__(self):
        object.__setattr__(self, "n_train", tuple(self.n_train))
        counts = {"n_train": self.n_train, "epochs": (self.epochs,), "n_copies": (self.n_copies,)}
        counts["batch_size"] = (self.batch_size,)
        counts["n_test"] = () if self.n_test is None else (self.n_test,)
        for name, values in counts.items():
            if any(int(value) != value or value < 1 for value in values):
                raise ValueError(f"{name} must be whole numbers above 0, got {values}.")
        if not self.n_train or not 0 < self.lr < np.inf:
            raise ValueError("Give at least one number of training subjects, and a positive lr.")

    def fingerprint(self):
        """Hash everything here: runs of different fingerprints do not belong together.

        Returns
        -------
        fingerprint : str
            Sixteen hexadecimal digits.
        """
        values = plain({**dataclasses.asdict(self), "version": __version__})
        if self.data != "simulated":
            folder = Path(self.data).resolve()
            values["data"] = str(folder)
            values["files"] = _digests(folder)
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


def _digests(folder):
    """Hash what the files of a folder hold: a night that is scored anew keeps its size."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: give one with *-PSG.edf files.")
    digests = []
    for path in sorted(folder.iterdir()):  # those that the loader looks at
        if path.suffix.lower() == ".edf" and path.name[0] != "." and path.is_file():
            with path.open("rb") as file:
                digests.append((path.name, hashlib.file_digest(file, "sha256").hexdigest()))
    return digests


@dataclass(frozen=True)
class Run:
    """One unit of the plan.

    Parameters
    ----------
    method : str
        Name in ``METHODS``.
    n_train : int
        Number of training subjects.
    split : int
        Which choice of subjects.
    seed : int
        Seed of the training.
    """

    method: str
    n_train: int
    split: int
    seed: int

    @property
    def run_id(self):
        """Name of the run's file."""
        return f"{self.method}-train{self.n_train}-split{self.split}-seed{self.seed}"

    @property
    def random_state(self):
        """Seed of the run: the same for all methods, so that they start from the same weights."""
        words = np.random.SeedSequence([self.seed, self.split]).generate_state(1)
        return int(words[0] % (2**31 - 1))


def make_plan(methods, n_train, n_splits, seeds):
    """List all runs, methods innermost, so that a part of the plan compares them already.

    Parameters
    ----------
    methods : list of str
        Names in ``METHODS``.
    n_train : tuple of int
        Numbers of training subjects.
    n_splits : int
        Number of choices of training subjects.
    seeds : list of int
        Seeds.

    Returns
    -------
    runs : list of Run
        The plan.
    """
    if n_splits < 1 or not seeds:
        raise ValueError("A plan needs at least one split and one seed.")
    return [
        Run(method, size, split, seed)
        for split in range(n_splits)
        for seed in seeds
        for size in n_train
        for method in methods
    ]


def choose_subjects(subjects, n_train, split, sizes, n_test=None):
    """Choose training and test subjects.

    The choices of one split are nested: fewer training subjects are a part of more, and the test
    subjects are the same for every size.

    Parameters
    ----------
    subjects : array-like
        All subjects, each once.
    n_train : int
        Number of training subjects.
    split : int
        Which random choice.
    sizes : tuple of int
        All numbers of training subjects of the plan.
    n_test : int | None
        Number of test subjects; None is all that remain.

    Returns
    -------
    train, test : ndarray
        Training and test subjects, sorted.
    """
    subjects = np.sort(np.asarray(subjects))
    if max(sizes) + (n_test or 1) > len(subjects):
        raise ValueError(
            f"{max(sizes)} training and {n_test or 1} test subjects were asked for, but the data "
            f"have {len(subjects)} subjects."
        )
    order = np.random.default_rng([7919, split]).permutation(subjects)
    rest = order[max(sizes) :]
    return np.sort(order[:n_train]), np.sort(rest[: n_test or len(rest)])
