"""First import of Braindecode, without irrelevant warnings."""

from __future__ import annotations

from ._process import ignoring
from .exceptions import TorchaudioExtensionWarning


def load_braindecode() -> None:
    """Import Braindecode without a warning of MNE that users cannot act on."""
    _load(("Montage name", FutureWarning))


def import_quietly() -> None:
    """Import Braindecode for a command, without any warnings of other libraries."""
    _load(("", TorchaudioExtensionWarning), ("Montage name", FutureWarning))


def _load(*filters: tuple[str, type[Warning]]) -> None:
    import mne

    # MNE also prints its warnings
    with ignoring(*filters), mne.use_log_level("error"):
        import braindecode.models  # noqa: F401
