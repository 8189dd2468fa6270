"""The first import of Braindecode."""

from __future__ import annotations

from ._process import ignoring
from .exceptions import TorchaudioExtensionWarning


def load_braindecode() -> None:
    """Import Braindecode without a warning of MNE's to it, about which users can do nothing."""
    _load(("Montage name", FutureWarning))


def import_quietly() -> None:
    """Import Braindecode for a command, without what third parties say of it at all."""
    _load(("", TorchaudioExtensionWarning), ("Montage name", FutureWarning))


def _load(*filters: tuple[str, type[Warning]]) -> None:
    import mne

    # MNE prints its warnings as well
    with ignoring(*filters), mne.use_log_level("error"):
        import braindecode.models  # noqa: F401
