"""The names that ``augmentation=`` of the estimators accepts."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TypeAlias

from ..augmentation import Augmentation
from ..policy import Policy
from ..transforms import Transform

LEARNED = ("augnet", "augerino", "auto")
AUGMENTATIONS = (*LEARNED, "trivial")

# Accepted types of ``augmentation=``.
AugmentationLike: TypeAlias = str | Policy | Augmentation | None


def hint_for_augmentation(value: object) -> str:
    """Return a hint for a value that ``augmentation=`` does not accept.

    Parameters
    ----------
    value : object
        The value that was passed.

    Returns
    -------
    hint : str
        A sentence that begins with a space. Empty if there is no hint for the value.

    Examples
    --------
    >>> from eeginv.estimators.augmentation_names import hint_for_augmentation
    >>> hint_for_augmentation("AugNet")
    " Did you mean 'augnet'?"
    """
    if isinstance(value, str):
        name = value.lower()
        if name in ("none", "no", ""):
            return " For no augmentation pass None, without quotes."
        if name in ("random", "trivialaugment"):
            return " The random augmentation is 'trivial'."
        close = get_close_matches(name, AUGMENTATIONS, n=1)
        if close:
            return f" Did you mean {close[0]!r}?"
        return " Searches are estimators of their own: DADASearch(InvariantClassifier(...))."
    if isinstance(value, type):
        return " Pass an object, not the class."
    several = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(one, Transform) for one in several):
        return " Pass candidates as transforms=[...]."
    return ""
