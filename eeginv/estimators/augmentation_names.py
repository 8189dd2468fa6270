"""The names that ``augmentation=`` of the estimators takes."""

from difflib import get_close_matches

from ..transforms import Transform

LEARNED = ("augnet", "augerino", "auto")
AUGMENTATIONS = (*LEARNED, "trivial")


def hint_for_augmentation(value):
    """Say what to pass instead of a value that ``augmentation=`` does not take.

    Parameters
    ----------
    value : object
        What was passed.

    Returns
    -------
    hint : str
        A sentence that begins with a blank; empty if nothing is known of the value.

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
    several = isinstance(value, (list, tuple))
    if any(isinstance(v, Transform) for v in (value if several else [value])):
        return " Pass candidates as transforms=[...]."
    return ""
