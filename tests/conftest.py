"""What every test runs under: one torch thread, no window, a quiet MNE, no writing at home."""

import os
import sys
from pathlib import Path

# Read when the libraries are imported, and handed on to the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("MNE_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MNE_DONTWRITE_HOME", "true")

import pytest
import torch

import eeginv  # noqa: F401  (its import hook makes Braindecode importable)

torch.set_num_threads(1)
pytest.register_assert_rewrite("battery", "battery_tensors")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _close_figures():
    """Leave no figure open for the next test."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def root():
    """Root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real recordings beside the repository; tests that need it are skipped without."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real recordings in ../shared/data, which are not on this machine")
    return folder
