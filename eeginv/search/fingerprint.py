"""Fingerprint of a search, by which it recognises files from which it may continue."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from ..estimators.lazy import LazyWindows

if TYPE_CHECKING:
    from .base import PolicySearch
    from .problem import Problem


def fingerprint(search: PolicySearch, problem: Problem) -> str:
    """Return a hash that differs between searches whose results differ.

    Parameters
    ----------
    search : PolicySearch
        The search. Its parameters are hashed, except those in ``resumable``.
    problem : Problem
        The data and the candidates, which are hashed as well.

    Returns
    -------
    key : str
        Hexadecimal digits.
    """
    ignored = {*search.resumable, "estimator"}
    parameters = {k: v for k, v in search.get_params().items() if k not in ignored}
    # The configuration holds the ranges, which the repr of a transform does not show.
    objects: list[object] = [
        (transform.name, transform.config()) for transform in problem.transforms
    ]
    # The repr of an object may hold its address in memory, which differs between processes.
    described = ("callbacks", "backbone", "backbone_params")
    for name in [k for k in parameters if k.endswith(described)]:
        objects += _described(parameters.pop(name))
    for name, value in parameters.items():
        if isinstance(value, np.random.RandomState):
            state = value.get_state(legacy=False)["state"]  # its repr is its address
            parameters[name] = [state["key"].tolist(), state["pos"]]
    text = repr([type(search).__name__, sorted(parameters.items()), objects])
    digest = hashlib.sha256(text.encode())
    for values in (problem.X, problem.y, problem.weight):
        if isinstance(values, LazyWindows):
            digest.update(values.digest().encode())
        else:
            digest.update(values.cpu().numpy().tobytes())
    for rows in (problem.inner, problem.groups):
        digest.update(repr(None if rows is None else rows.tolist()).encode())
    return digest.hexdigest()


def _described(value: object) -> list[object]:
    """Describe a backbone or callbacks by what is the same in another process."""
    if isinstance(value, str) or value is None:
        return [value]
    if isinstance(value, (list, tuple)):
        return [part for one in value for part in _described(one)]
    if isinstance(value, Mapping):
        return [(key, _described(part)) for key, part in sorted(value.items())]
    if isinstance(value, (bool, int, float)):
        return [value]
    named: Any = value if hasattr(value, "__qualname__") else type(value)  # classes, functions
    name = f"{named.__module__}.{named.__qualname__}"
    if named is value:
        return [name]
    if isinstance(value, nn.Module):
        tensors = [tensor.cpu().tolist() for tensor in value.state_dict().values()]
        return [name, repr(value), tensors]
    if not hasattr(value, "__dict__"):
        return [name, repr(value)]
    plain = (str, int, float, bool, type(None))
    given = {k: v for k, v in vars(value).items() if isinstance(v, plain)}
    return [name, sorted(given.items())]
