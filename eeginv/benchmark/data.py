"""Loading of the data of a benchmark."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.file_names import is_read
from ..datasets.load import BIDS, SIMULATED, SLEEP_FOLDER, STORE, find_form, load_windows
from ..datasets.scoring.stages import STAGES
from ..datasets.store.files import INDEX

if TYPE_CHECKING:
    from .._typing import PathLike
    from ..datasets.labelled import LabelledWindows
    from .settings import Settings

__all__ = ["SIMULATED", "SLEEP_FOLDER", "STORE", "common_stages", "file_digests", "load_data"]

# Files that readers open, and files with their metadata.
_DATA_FILE = re.compile(
    r"\.(?:edf|bdf|gdf|vhdr|vmrk|eeg|dat|avg|set|fdt|fif|npz|tsv|json)(?:\.gz)?$",
    flags=re.IGNORECASE,
)
# Folders of BIDS that do not contain the data.
_ASIDE = {"derivatives", "sourcedata", "code", "stimuli"}


def load_data(settings: Settings, data: object = None) -> LabelledWindows:
    """Load the data of a benchmark.

    Parameters
    ----------
    settings : Settings
        Settings with the path of the data and the options of the loader.
    data : object
        Data in memory, of which the settings only have the name. Otherwise None.

    Returns
    -------
    windows : LabelledWindows
        The windows.
    """
    return load_windows(settings.data if data is None else data, **settings.data_options)


def common_stages(folder: PathLike, **options: Any) -> tuple[str, ...]:
    """Return the stages that all recordings of a folder have.

    Parameters
    ----------
    folder : path-like
        Folder of recordings.
    **options : object
        Arguments of the loader.

    Returns
    -------
    stages : tuple of str
        At least two stages.

    Raises
    ------
    ValueError
        If there are fewer than two.
    """
    _, y, groups = load_windows(folder, **options).to_arrays()
    stages = tuple(
        stage for stage in STAGES if all(stage in y[groups == g] for g in np.unique(groups))
    )
    if len(stages) < 2:
        raise ValueError(
            f"The recordings of {folder} have fewer than two stages in common ({stages}); choose "
            "with --stages."
        )
    return stages


def file_digests(path: PathLike, options: Collection[str] = ()) -> list[tuple[str, str]]:
    """Hash the contents of files, because a changed hypnogram can have the same size.

    Parameters
    ----------
    path : path-like
        A file, or a folder of recordings.
    options : collection of str
        Names of the options with which the data are read.

    Returns
    -------
    digests : list of tuple of str
        Name and SHA-256 of each file that the loader may read.

    Raises
    ------
    FileNotFoundError
        If the file or folder does not exist.
    """
    root = Path(path)
    form, _ = find_form(root, options)
    if root.is_file():
        return [(root.name, _digest(root))]
    if form == STORE:  # the index has the digests of the windows
        found = [root / INDEX]
    elif form == SLEEP_FOLDER:
        found = [entry for entry in root.iterdir() if is_read(entry.name)]
    else:
        aside = _ASIDE if form == BIDS else set()
        found = [entry for entry in root.rglob("*") if _is_data(entry.relative_to(root), aside)]
    files = sorted(entry for entry in found if entry.is_file())
    return [(entry.relative_to(root).as_posix(), _digest(entry)) for entry in files]


def _is_data(path: PurePath, aside: set[str]) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return bool(_DATA_FILE.search(path.name)) and not hidden and path.parts[0] not in aside


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
