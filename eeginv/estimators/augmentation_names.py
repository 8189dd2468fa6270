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


def check_augmentation(value: object) -> None:
    """Raise an error for a value that ``augmentation=`` does not accept.

    Parameters
    ----------
    value : object
        The value that was passed.

    Raises
    ------
    ValueError
        If it is not accepted. The message has a hint for frequent mistakes.

    Examples
    --------
    >>> from eeginv.estimators.augmentation_names import check_augmentation
    >>> check_augmentation("augnet")
    """
    if value is None or isinstance(value, (Policy, Augmentation)):
        return
    # ``in`` alone would compare elementwise for an array or a tensor
    if not (isinstance(value, str) and value in AUGMENTATIONS):
        raise ValueError(
            "augmentation must be 'augnet', 'augerino', 'auto', 'trivial', None, a Policy or "
            f"an Augmentation; got {value!r}.{_hint(value)}"
        )


def _hint(value: object) -> str:
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
