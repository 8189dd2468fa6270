"""Atomic writing of files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._typing import PathLike


@contextmanager
def replacing(path: PathLike, ending: str = ".part") -> Iterator[Path]:
    """Write to a temporary file, which replaces the target once it is complete.

    Permissions are those of a new file (the umask), or of the replaced file. Temporary names are
    random, so that several processes, also on different machines, do not interfere.

    Parameters
    ----------
    path : path-like
        The target. Links are followed. Anything but a regular file, such as a pipe, is written
        directly.
    ending : str
        Ending of the temporary name, for writers that depend on it.

    Yields
    ------
    scratch : pathlib.Path
        Path to write to.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        yield path
        return
    scratch = unused_name(path, ending)
    try:
        yield scratch
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())
        if path.exists():
            scratch.chmod(path.stat().st_mode & 0o777)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def unused_name(path: PathLike, ending: str = ".part") -> Path:
    """Return an unused path of a hidden file or folder in the folder of another.

    Parameters
    ----------
    path : path-like
        The path that it will replace.
    ending : str
        Ending of the name.

    Returns
    -------
    scratch : pathlib.Path
        Path in the same folder, so that it can be renamed.
    """
    path = Path(path)
    return path.with_name(f".{path.name}-{secrets.token_hex(6)}{ending}")


def write_atomically(path: PathLike, content: str | bytes) -> None:
    """Write a file atomically, so that no reader sees a part of it.

    Parameters
    ----------
    path : path-like
        The file.
    content : str | bytes
        Content. Text is encoded as UTF-8.
    """
    if isinstance(content, str):
        content = content.encode()
    with replacing(path) as scratch:
        scratch.write_bytes(content)


def write_if_new(path: PathLike, content: str) -> None:
    """Write a file unless somebody has done so before: of several who try, one succeeds.

    Parameters
    ----------
    path : path-like
        The file. It is there as a whole, or not at all; on a disk without hard links, a reader may
        find it empty for a moment.
    content : str
        What to write, in UTF-8.
    """
    scratch = unused_name(path)
    try:
        scratch.write_text(content, encoding="utf-8")
        try:
            os.link(scratch, path)
        except FileExistsError:
            pass
        except OSError:  # a disk without hard links, as some network disks
            with suppress(FileExistsError), Path(path).open("x", encoding="utf-8") as file:
                file.write(content)
    finally:
        scratch.unlink(missing_ok=True)
