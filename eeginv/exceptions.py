"""Warnings that users may want to silence by their class."""


class TorchaudioExtensionWarning(UserWarning):
    """The compiled part of torchaudio did not load; torchaudio runs without it.

    See Also
    --------
    warnings.filterwarnings : Silences it, as in the example.

    Examples
    --------
    >>> import warnings
    >>> from eeginv.exceptions import TorchaudioExtensionWarning
    >>> warnings.filterwarnings("ignore", category=TorchaudioExtensionWarning)
    """
