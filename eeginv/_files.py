"""Files that are there as a whole or not at all."""

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
    """Write beside a file, and put what was written in its place when it is whole.

    Permissions are those of any new file (the umask), or of the file that is replaced. Names are
    drawn at random, so that two processes, on one machine or on two, do not disturb each other.

    Parameters
    ----------
    path : path-like
        The file. A link is followed; what is no regular file, such as a pipe, is written directly.
    ending : str
        Of the name that is written to, for writers that look at it.

    Yields
    ------
    scratch : pathlib.Path
        Where to write.
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
    """Return the path of a hidden file or folder beside another that nobody else will use.

    Parameters
    ----------
    path : path-like
        What it is to replace.
    ending : str
        Of the name.

    Returns
    -------
    scratch : pathlib.Path
        In the same folder, so that it can be renamed.
    """
    path = Path(path)
    return path.with_name(f".{path.name}-{secrets.token_hex(6)}{ending}")


def write_atomically(path: PathLike, content: str | bytes) -> None:
    """Write a file so that nobody ever sees a part of it.

    Parameters
    ----------
    path : path-like
        The file.
    content : str | bytes
        What to write; text in UTF-8.
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
        The file. It is there as a whole, or not at all.
    content : str
        What to write, in UTF-8.
    """
    scratch = unused_name(path)
    try:
        scratch.write_text(content, encoding="utf-8")
        with suppress(FileExistsError):
            os.link(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
