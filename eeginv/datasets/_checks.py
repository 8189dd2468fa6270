"""Checks of arguments that the functions of this folder share."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np


def make_rng(random_state):
    """Return a generator for a seed, a generator, or None."""
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**31)
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"random_state must be None, a non-negative integer, or a numpy.random.Generator; "
            f"got {random_state!r}."
        ) from error


def check_integer(name, value, *, minimum):
    """Return an integer of at least `minimum`, or say what is wrong."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer; got {value!r} ({type(value).__name__}).")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}; got {value}.")
    return int(value)


def check_number(name, value, *, minimum=0.0, maximum=np.inf, exclusive=False):
    """Return a finite float within the bounds, or say what is wrong.

    With `exclusive`, the value must be above the minimum, not only at it.
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number; got {value!r} ({type(value).__name__}).")
    too_low = value <= minimum if exclusive else value < minimum
    if not np.isfinite(value) or too_low or value > maximum:
        low = f"above {minimum:g}" if exclusive else f"at least {minimum:g}"
        high = "" if maximum == np.inf else f" and at most {maximum:g}"
        raise ValueError(f"{name} must be {low}{high}; got {value}.")
    return float(value)
