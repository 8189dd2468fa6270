"""Conversion of parameter values to JSON and back."""

from __future__ import annotations

import importlib
import numbers
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from torch import nn

# Layers and functions are saved by name, and only looked up in these libraries: a file must not
# choose what is imported.
_LIBRARIES = ("torch.nn", "braindecode")


class NotPlainError(ValueError):
    """A value that cannot be written as JSON."""


def to_json(value: object) -> Any:
    """Convert a value to types that JSON supports.

    Parameters
    ----------
    value : object
        None, strings, numbers and arrays of numpy or torch, lists, tuples, sets, dicts, slices,
        paths, torch's dtypes and devices, layers of torch and Braindecode, and functions of
        ``torch.nn.functional``.

    Returns
    -------
    plain : object
        None, strings, Python numbers, lists, and dicts with strings as keys.

    Raises
    ------
    NotPlainError
        If the value is of another type.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.estimators.plain import from_json, to_json
    >>> to_json({"n_filters": np.int64(8), "kernels": (3, 5)})
    {'n_filters': 8, 'kernels': {'__kind__': 'tuple', 'values': [3, 5]}}
    >>> from_json(to_json((3, 5)))
    (3, 5)
    """
    if isinstance(value, np.generic) and value.dtype.kind in "iufbU":
        return value.item()
    # exact types, without subclasses such as enum members
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, list):
        return [to_json(one) for one in value]
    if isinstance(value, dict):
        if all(type(key) is str and key != "__kind__" for key in value):
            return {key: to_json(one) for key, one in value.items()}
        return _kind("dict", [[to_json(key), to_json(one)] for key, one in value.items()])
    for name, cls, write, _ in _KINDS:
        if isinstance(value, cls):
            return _kind(name, write(value))
    if isinstance(value, numbers.Real):
        return int(value) if isinstance(value, numbers.Integral) else float(value)
    path = f"{getattr(value, '__module__', None)}:{getattr(value, '__qualname__', None)}"
    if _find(path) is value:
        return _kind("layer", path)
    raise NotPlainError(f"{value!r} cannot be written as JSON.")


def from_json(plain: Any) -> Any:
    """Convert the result of :func:`to_json` back.

    Parameters
    ----------
    plain : object
        Lists, dicts, strings and numbers.

    Returns
    -------
    value : object
        The original value. numpy numbers become Python numbers.
    """
    if isinstance(plain, list):
        return [from_json(one) for one in plain]
    if not isinstance(plain, dict):
        return plain
    if "__kind__" not in plain:
        return {key: from_json(one) for key, one in plain.items()}
    name, values = plain["__kind__"], plain["values"]
    if name == "dict":
        return {from_json(key): from_json(one) for key, one in values}
    if name == "layer":
        found = _find(values)
        if found is None:
            raise ValueError(f"The saved estimator names {values!r}, which is no layer.")
        return found
    return {name: read for name, _, _, read in _KINDS}[name](values)


def _kind(name: str, values: Any) -> dict[str, Any]:
    return {"__kind__": name, "values": values}


def _write_array(array: np.ndarray) -> list[Any]:
    if array.dtype.kind not in "iufbU":
        raise NotPlainError(f"An array of {array.dtype} cannot be written as JSON.")
    return [array.dtype.str, array.tolist()]


# name, type, and functions to write and to read a value
_KINDS: tuple[tuple[str, Any, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    ("tuple", tuple, lambda v: [to_json(one) for one in v], lambda v: tuple(map(from_json, v))),
    ("set", (set, frozenset), lambda v: [to_json(one) for one in v], lambda v: set(from_json(v))),
    ("array", np.ndarray, _write_array, lambda v: np.array(v[1], dtype=v[0])),
    (
        "tensor",
        torch.Tensor,
        lambda v: _write_array(v.detach().cpu().numpy()),
        lambda v: torch.from_numpy(np.array(v[1], dtype=v[0])),
    ),
    ("path", PurePath, str, Path),
    ("dtype", torch.dtype, lambda v: str(v).removeprefix("torch."), lambda v: getattr(torch, v)),
    ("device", torch.device, str, torch.device),
    (
        "slice",
        slice,
        lambda v: [to_json(one) for one in (v.start, v.stop, v.step)],
        lambda v: slice(*v),
    ),
)


def _find(path: str) -> Any:
    """Return the layer, or function of torch.nn.functional, at a path; None if there is none."""
    module, _, name = path.partition(":")
    if not any(module == root or module.startswith(f"{root}.") for root in _LIBRARIES):
        return None
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    is_layer = isinstance(found, type) and issubclass(found, nn.Module)
    return found if is_layer or module == "torch.nn.functional" else None
