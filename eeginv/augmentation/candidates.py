"""Checks of the list of candidate transforms that users pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..transforms import Transform


def list_transforms(transforms: Iterable[Any]) -> list[Any]:
    """Return candidates as a list, and reject a single transform or a name.

    Parameters
    ----------
    transforms : iterable
        The candidates.

    Returns
    -------
    transforms : list
        The candidates, not yet checked one by one.
    """
    if isinstance(transforms, str):
        raise TypeError(
            f"transforms must be a list of transforms, got {transforms!r}. For a list by kind of "
            "recording, pass default_transforms(sfreq, ch_names, kind=...) of eeginv.transforms."
        )
    try:
        return list(transforms)
    except TypeError as error:
        raise TypeError(
            f"transforms must be a list of transforms, got {type(transforms).__name__}. Put a "
            "single transform into a list."
        ) from error


def check_transforms(transforms: Iterable[Any]) -> list[Transform]:
    """Return candidates as a list of transforms; the error for others says what to pass instead.

    Parameters
    ----------
    transforms : iterable
        The candidates.

    Returns
    -------
    transforms : list of Transform
        The candidates.
    """
    transforms = list_transforms(transforms)
    for transform in transforms:
        if not isinstance(transform, Transform):
            got = type(transform).__name__
            raise TypeError(f"Expected eeginv transforms, got {got}. {_instead_of(transform)}")
    return transforms


def _instead_of(value: object) -> str:
    """Say what to pass instead of a value that is not a transform."""
    if isinstance(value, str):
        return f"Make it by name: eeginv.transforms.make_transform({value!r})."
    if isinstance(value, type) and issubclass(value, Transform):
        return f"Make an object of the class: {value.__name__}(...)."
    if type(value).__module__.startswith("braindecode"):
        return "Wrap a transform of Braindecode: eeginv.adapters.from_braindecode(...)."
    if callable(value):
        return "Wrap a function of your own: eeginv.adapters.from_callable(...)."
    return "They are in eeginv.transforms."
