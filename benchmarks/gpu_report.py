"""What ``gpu.py`` found: printed at once, and kept for its file."""

import sys
import time
import traceback
from contextlib import contextmanager

import torch


class Report:
    """What was found: printed at once, and kept for the file."""

    def __init__(self, device, budget, small):
        self.device, self.budget, self.small = torch.device(device), budget, small
        self.start = time.perf_counter()
        self.sections, self.left_out, self.failed = {}, [], []
        self.rounds = 2 if small else 7

    @property
    def on_gpu(self):
        """Whether there is a GPU to wait for."""
        return self.device.type == "cuda"

    @property
    def elapsed(self):
        """Seconds since the start."""
        return time.perf_counter() - self.start

    def section(self, name, function):
        """Run a section; print what goes wrong and go on."""
        print(f"\n== {name} ({self.elapsed:.0f} s)", flush=True)
        with self.attempt(name):
            self.sections[name] = function(self)

    @contextmanager
    def attempt(self, what):
        """Go on after an error, and remember it."""
        try:
            yield
        except Exception as error:
            self.failed.append(f"{what}: {type(error).__name__}: {str(error)[:300]}")
            print(f"FAILED {what}", flush=True)
            traceback.print_exc(limit=-6, file=sys.stdout)
            sys.stdout.flush()

    def check(self, what, passed):
        """Remember a result that is wrong; return what to print of it."""
        if not passed:
            self.failed.append(what)
        return "ok" if passed else "WRONG"

    def opens(self, what, expected):
        """Whether there is time for a case."""
        if self.elapsed + expected <= self.budget:
            return True
        self.left_out.append(what)
        print(f"left out, as the budget is used up: {what}", flush=True)
        return False

    def synchronise(self):
        """Wait for the GPU."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)


def say(*cells):
    """Print a line of results now."""
    print("  ".join(str(cell) for cell in cells), flush=True)
