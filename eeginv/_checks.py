"""Checks of arguments, whose errors give the expected and the actual value."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from ._typing import RandomState


def make_rng(random_state: RandomState) -> np.random.Generator:
    """Return a numpy generator for a seed.

    Parameters
    ----------
    random_state : int | numpy.random.Generator | numpy.random.RandomState | None
        The seed. A generator is returned as it is.

    Returns
    -------
    rng : numpy.random.Generator
        The generator.
    """
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"random_state must be None, a non-negative integer, or a numpy.random.Generator; "
            f"got {random_state!r}."
        ) from error


def check_integer(name: str, value: int, *, minimum: int) -> int:
    """Return an integer, or raise an error if it is not valid.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : int
        Its value.
    minimum : int
        Smallest allowed value.

    Returns
    -------
    value : int
        The value as a Python number.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer; got {value!r} ({type(value).__name__}).")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}; got {value}.")
    return int(value)


def check_number(
    name: str,
    value: float,
    *,
    minimum: float = 0.0,
    maximum: float = np.inf,
    exclusive: bool = False,
) -> float:
    """Return a finite number, or raise an error if it is not valid.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : float
        Its value.
    minimum, maximum : float
        Smallest and largest allowed value.
    exclusive : bool
        Whether the minimum itself is not allowed.

    Returns
    -------
    value : float
        The value as a Python number.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number; got {value!r} ({type(value).__name__}).")
    too_low = value <= minimum if exclusive else value < minimum
    if not np.isfinite(value) or too_low or value > maximum:
        low = f"above {minimum:g}" if exclusive else f"at least {minimum:g}"
        high = "" if maximum == np.inf else f" and at most {maximum:g}"
        raise ValueError(f"{name} must be {low}{high}; got {value}.")
    return float(value)
