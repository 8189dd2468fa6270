"""Splits into training windows and held-out windows."""

from __future__ import annotations

import numbers

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit


def hold_out(
    share: float, y: np.ndarray, groups: np.ndarray | None, seed: int, stratified: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Split windows into training and held-out windows, by group where there are groups.

    Parameters
    ----------
    share : float
        Share of the groups, or of the windows, to hold out.
    y : ndarray, shape (n_windows, ...)
        Targets.
    groups : ndarray, shape (n_windows,) | None
        Subjects.
    seed : int
        Seed of the split.
    stratified : bool
        Whether both sides have the same label frequencies. Without groups only.

    Returns
    -------
    train, held_out : ndarray of int
        Row indices.

    Raises
    ------
    ValueError
        If the share is not between 0 and 1, or there are too few windows or groups.
    """
    if not (isinstance(share, numbers.Real) and 0 < share < 1):
        raise ValueError(
            "validation must be the share of windows, or of groups, to hold out, between 0 "
            f"and 1; got {share!r}."
        )
    if groups is not None:
        splitter = GroupShuffleSplit
    else:
        splitter = StratifiedShuffleSplit if stratified else ShuffleSplit
    try:
        found = splitter(1, test_size=share, random_state=int(seed)).split(y, y, groups)
        return next(found)
    except ValueError as error:
        raise ValueError(
            f"Too few windows or groups to hold out a share of {share} for validation: {error}"
        ) from error


def check_sides(
    classes: np.ndarray, target: np.ndarray, rows: np.ndarray, held_out: np.ndarray
) -> None:
    """Raise an error if one side of a split lacks a class.

    Parameters
    ----------
    classes : ndarray, shape (n_classes,)
        Labels.
    target : ndarray of int, shape (n_windows,)
        Encoded labels.
    rows, held_out : ndarray of int
        Rows of the two sides.

    Raises
    ------
    ValueError
        If a class is missing. The message names it.
    """
    for name, part in (("training", rows), ("held-out", held_out)):
        missing = np.setdiff1d(np.arange(len(classes)), target[part])
        if len(missing):
            raise ValueError(
                f"No window of class {', '.join(map(repr, classes[missing].tolist()))} "
                f"on the {name} side of the split; use more subjects, or another random_state."
            )
