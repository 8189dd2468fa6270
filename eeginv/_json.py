"""JSON as it comes: numbers of other libraries going out, marks and cut files coming in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._typing import PathLike


def plain(value: object) -> Any:
    """Return a value in which numbers and arrays of numpy and torch are Python's.

    Parameters
    ----------
    value : object
        A value, or dicts, lists and tuples of them.

    Returns
    -------
    value : object
        As JSON can hold it, if what remains can be held.
    """
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value.tolist() if hasattr(value, "tolist") else value


def parse(text_or_path: PathLike, expected: str) -> tuple[Any, str]:
    """Parse JSON text, or a file that holds it.

    Parameters
    ----------
    text_or_path : str | path-like
        Text that begins with a bracket, or a path.
    expected : str
        What it should be, for messages.

    Returns
    -------
    values : object
        What the text stands for.
    source : str
        What to call it in messages.
    """
    start = None
    content: str | bytes
    if isinstance(text_or_path, str):
        content, source = text_or_path.lstrip("\ufeff \t\r\n"), "The text"
        start = content[:1]
    if start not in ("", "{", "["):
        # bytes, of which json finds the encoding, with a byte-order mark or without
        content, source = Path(text_or_path).read_bytes(), str(text_or_path)
    if not content.strip():
        raise ValueError(f"{source} is empty: expected {expected}.")
    try:
        return json.loads(content), source
    except ValueError as error:
        raise ValueError(
            f"{source} is not JSON, or was cut ({error}): expected {expected}."
        ) from error


def read_object(path: Path) -> dict[str, Any] | None:
    """Read a JSON object, if there is one.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    values : dict | None
        None if there is no such file, or it cannot be read, was cut or holds something else.
    """
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None
