"""The recordings of a benchmark."""

import hashlib
from pathlib import Path

import numpy as np

from .. import datasets
from ..datasets.file_names import is_read

SIMULATED = "simulated"


def load_data(settings):
    """Load the recordings of a benchmark.

    Parameters
    ----------
    settings : Settings
        Says which.

    Returns
    -------
    data : SleepDataset
        The recordings.
    """
    if settings.data == SIMULATED:
        return datasets.simulate_sleep(**settings.data_options)
    return datasets.load_sleep_folder(settings.data, **settings.data_options)


def common_stages(folder, **options):
    """Name the stages that every recording of a folder has.

    Parameters
    ----------
    folder : path-like
        Folder of recordings.
    **options : object
        Arguments of the loader.

    Returns
    -------
    stages : tuple of str
        At least two.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    data = datasets.load_sleep_folder(folder, **options)
    _, y, groups = data.to_arrays()
    stages = tuple(
        stage for stage in data.stages if all(stage in y[groups == g] for g in np.unique(groups))
    )
    if len(stages) < 2:
        raise ValueError(
            f"The recordings of {folder} have fewer than two stages in common ({stages}); choose "
            "with --stages."
        )
    return stages


def file_digests(folder):
    """Hash what the files of a folder hold: a night that is scored anew keeps its size.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of recordings.

    Returns
    -------
    digests : list of tuple of str
        Name and SHA-256 of each file that the loader reads.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"{folder} is not a folder: give one with *-PSG.edf files.")
    digests = []
    for path in sorted(Path(folder).iterdir()):
        if is_read(path.name) and path.is_file():
            with path.open("rb") as file:
                digests.append((path.name, hashlib.file_digest(file, "sha256").hexdigest()))
    return digests
