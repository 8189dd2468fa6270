"""The first import of Braindecode."""

from __future__ import annotations

from ._process import ignoring
from .exceptions import TorchaudioExtensionWarning


def load_braindecode() -> None:
    """Import Braindecode without a warning of MNE's to it, about which users can do nothing."""
    with ignoring(("Montage name", FutureWarning)):
        import braindecode.models  # noqa: F401


def import_quietly() -> None:
    """Import Braindecode for a command, without what third parties say of it at all."""
    with ignoring(("", TorchaudioExtensionWarning), ("Montage name", FutureWarning)):
        import braindecode.models  # noqa: F401
