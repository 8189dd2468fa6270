"""Reading and writing of JSON: numpy values, byte-order marks, and errors for damaged files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._typing import PathLike


def plain(value: object) -> Any:
    """Convert numbers and arrays of numpy and torch to Python numbers and lists.

    Parameters
    ----------
    value : object
        A value, or dicts, lists and tuples of them.

    Returns
    -------
    value : object
        The converted value. Other objects are not changed.
    """
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value.tolist() if hasattr(value, "tolist") else value


def parse(text_or_path: PathLike, expected: str) -> tuple[Any, str]:
    """Parse JSON text or a JSON file.

    Parameters
    ----------
    text_or_path : str | path-like
        Text that begins with a bracket, or a path.
    expected : str
        Expected content, for messages.

    Returns
    -------
    values : object
        The parsed value.
    source : str
        Name of the text or file in messages.
    """
    start = None
    content: str | bytes
    if isinstance(text_or_path, str):
        content, source = text_or_path.lstrip("\ufeff \t\r\n"), "The text"
        start = content[:1]
    if start not in ("", "{", "["):
        # as bytes, so that json detects the encoding, with or without a byte-order mark
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
    """Read a JSON object from a file, if possible.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    values : dict | None
        The object. None if the file does not exist, cannot be read, is truncated, or does not
        contain an object.
    """
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None
