"""Table of all transforms."""

from __future__ import annotations

import inspect
import re

import pandas as pd

from ..transforms import REGISTRY, Transform
from ..transforms.registry import needs

CONTINUOUS = "signal, strength"
JUMPING = "signal; strength by log_prob"


def transform_table() -> pd.DataFrame:
    """List all transforms of the registry with their properties.

    Returns
    -------
    table : pandas.DataFrame
        One row for each transform, indexed by its name, in the order of the registry. The columns
        are

        - ``family``: what the transform acts on;
        - ``effect``: the first sentence of its documentation;
        - ``unit``: unit of the strength, "1" for a plain number;
        - ``default``: default strength;
        - ``range``: default range of the strength;
        - ``learned``: name of the strength, "magnitude" or "probability" (on/off transforms);
        - ``gradient``: with respect to what the derivative is exact. If the output is a
          discontinuous function of the strength, the gradient of the strength comes from
          ``log_prob``;
        - ``needs``: required arguments that describe the signals.

    Examples
    --------
    >>> from eeginv.viz import transform_table
    >>> table = transform_table()
    >>> table.loc["FrequencyShift", ["unit", "range", "needs"]].tolist()
    ['Hz', '0 to 3', 'sfreq']
    """
    rows = {name: _row(cls) for name, cls in REGISTRY.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("transform")


def _row(cls: type[Transform]) -> dict[str, object]:
    largest = _default(cls, f"max_{cls.strength_name}")
    return {
        "family": cls.family,
        "effect": _effect(cls),
        "unit": cls.unit,
        "default": _default(cls, cls.strength_name),
        "range": "" if largest is None else f"0 to {largest:g}",
        "learned": cls.strength_name,
        "gradient": CONTINUOUS if cls.continuous else JUMPING,
        "needs": ", ".join(needs(cls)) or "nothing",
    }


def _default(cls: type[Transform], argument: str) -> float | None:
    """Return the default value of an argument of a class, or None if there is none."""
    parameter = inspect.signature(cls).parameters.get(argument)
    if parameter is None or parameter.default is parameter.empty:
        return None
    return parameter.default


def _effect(cls: type[Transform]) -> str:
    """Return the first sentence of the docstring of a class, without references."""
    first = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0]
    return re.sub(r"\s*\[\d+\]_", "", " ".join(first.split()))
