"""Peak memory of a training."""

from __future__ import annotations

from pathlib import Path


class PeakMemory:
    """Peak resident memory of this process since the object was created (Linux)."""

    def __init__(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5")  # resets the peak
            self._known = True
        except OSError:
            self._known = False

    def read(self) -> float:
        """Return the peak memory.

        Returns
        -------
        peak : float
            Peak memory in MiB, NaN if it is not available on this system.
        """
        if not self._known:
            return float("nan")
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
