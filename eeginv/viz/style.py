"""Colours, markers and numbers with units, alike in all pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

# The palette of Okabe and Ito, which readers with any colour vision can tell apart.
BLUE = "#0072b2"
SKY = "#56b4e9"
GREEN = "#009e73"
YELLOW = "#f0e442"
ORANGE = "#e69f00"
VERMILION = "#d55e00"
PURPLE = "#cc79a7"
BLACK = "#000000"
GREY = "#5f5f5f"

# Not those of a method that stands beside them.
TRUE_COLOUR = GREEN
FALSE_COLOUR = PURPLE

# Colour and marker of the first line of a picture, of the second, and so on.
_LOOKS = (
    (BLUE, "D"),
    (VERMILION, "^"),
    (GREY, "o"),
    (ORANGE, "s"),
    (SKY, "v"),
    (GREEN, "P"),
    (PURPLE, "X"),
    (YELLOW, "<"),
    (BLACK, ">"),
)
# Arguments of matplotlib, such as color and marker.
Style: TypeAlias = dict[str, Any]


def styles_of(names: Iterable[str]) -> dict[str, Style]:
    """Choose a colour and a marker for each of several lines.

    Parameters
    ----------
    names : iterable of str
        Names of the lines.

    Returns
    -------
    styles : dict of str to dict
        Keyword arguments of matplotlib, ``color`` and ``marker``.
    """
    looks = [_LOOKS[i % len(_LOOKS)] for i, _ in enumerate(names)]
    return {
        name: {"color": colour, "marker": marker}
        for name, (colour, marker) in zip(names, looks, strict=True)
    }


def with_unit(value: float, unit: str, digits: int = 2) -> str:
    """Write a value with its unit; plain numbers have the unit "1", which is left out.

    Parameters
    ----------
    value : float
        The value.
    unit : str
        Its unit.
    digits : int
        Number of significant digits.

    Returns
    -------
    text : str
        Such as "0.5 Hz".
    """
    return f"{value:.{digits}g}" + ("" if unit == "1" else f" {unit}")
