"""Warnings that users may want to filter by class."""


class TorchaudioExtensionWarning(UserWarning):
    """The compiled extension of torchaudio did not load. Torchaudio runs without it.

    See Also
    --------
    warnings.filterwarnings : Hides it, as in the example.

    Examples
    --------
    >>> import warnings
    >>> from eeginv.exceptions import TorchaudioExtensionWarning
    >>> warnings.filterwarnings("ignore", category=TorchaudioExtensionWarning)
    """
