"""The memory that a training takes."""

from __future__ import annotations

from pathlib import Path


class PeakMemory:
    """Largest resident memory of this process from now on (Linux)."""

    def __init__(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5")  # start the high-water mark anew
            self._known = True
        except OSError:
            self._known = False

    def read(self) -> float:
        """Return the peak.

        Returns
        -------
        peak : float
            In MiB; not a number where the system does not tell.
        """
        if not self._known:
            return float("nan")
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
