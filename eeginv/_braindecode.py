"""The first import of Braindecode."""

from __future__ import annotations

from ._process import ignoring


def load_braindecode() -> None:
    """Import Braindecode without a warning of MNE's to it, about which users can do nothing."""
    with ignoring(("Montage name", FutureWarning)):
        import braindecode.models  # noqa: F401
