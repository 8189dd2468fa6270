"""Colours, markers and formats of numbers that all plots share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

# Palette of Okabe and Ito, whose colours can be distinguished with any colour vision.
BLUE = "#0072b2"
SKY = "#56b4e9"
GREEN = "#009e73"
YELLOW = "#f0e442"
ORANGE = "#e69f00"
VERMILION = "#d55e00"
PURPLE = "#cc79a7"
BLACK = "#000000"
GREY = "#5f5f5f"

# Differ from the colours of the methods in the same plot.
TRUE_COLOUR = GREEN
FALSE_COLOUR = PURPLE

# (colour, marker) of the first line of a plot, of the second, and so on.
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
# Keyword arguments of matplotlib, such as color and marker.
Style: TypeAlias = dict[str, Any]


def styles_of(names: Iterable[str]) -> dict[str, Style]:
    """Choose a colour and a marker for each line.

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
    """Format a value with its unit. The unit "1" of plain numbers is left out.

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
        The text, such as "0.5 Hz".
    """
    return f"{value:.{digits}g}" + ("" if unit == "1" else f" {unit}")
