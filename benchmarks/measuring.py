"""Time and memory of functions, measured in turn."""

import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import torch  # noqa: E402

torch.set_num_threads(1)

# Of the signals that are measured.
SFREQ = 100.0
CH_NAMES = {
    2: ["C3", "C4"],
    19: "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split(),
}


def timed(function, repeats, device):
    """Return the seconds of a call: of the processor, or elapsed where there is a GPU."""
    if device == "cpu":
        start = time.process_time()
        for _ in range(repeats):
            function()
        return (time.process_time() - start) / repeats
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def measure_time(made, rounds, device, block=0.01):
    """Return the median seconds of each function of a dict, all of them run in turn."""
    # one warm-up; then so many calls in a row that a turn takes about as long as a block
    repeats = {}
    for key, function in made.items():
        function()
        repeats[key] = max(1, min(50, int(block / max(timed(function, 2, device), 1e-6))))
    seconds = {key: [] for key in made}
    for _ in range(rounds):
        for key, function in made.items():
            seconds[key].append(timed(function, repeats[key], device))
    return {key: statistics.median(values) for key, values in seconds.items()}


def measure_memory(made, device):
    """Return the bytes by which each function raises the peak of the memory in use."""
    peaks = {}
    for key, function in made.items():
        function()
        values = []
        for _ in range(3):
            if device == "cpu":
                before = resident("VmRSS")
                Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
                function()
                values.append(resident("VmHWM") - before)
            else:
                torch.cuda.synchronize()
                torch.cuda.reset_peak_memory_stats()
                before = torch.cuda.memory_allocated()
                function()
                values.append(torch.cuda.max_memory_allocated() - before)
        peaks[key] = statistics.median(values)
    return peaks


def resident(field):
    """Return a memory reading of this process in bytes."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 1024 * int(found.group(1))


def run_for_memory(script, *options):
    """Run a script in a process where freed blocks go back to the system at once.

    The script prints what :func:`print_memory` prints; returned are bytes by key.
    """
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    done = subprocess.run(
        [sys.executable, script, *options],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("memory\t")]
    return {tuple(row[1:-1]): float(row[-1]) for row in rows}


def print_memory(peaks):
    """Print what :func:`run_for_memory` reads."""
    for key, value in peaks.items():
        print("memory", *key, value, sep="\t")


def devices(asked=None):
    """Return the devices to measure on."""
    if asked:
        return [asked]
    return ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


def print_table(head, lines):
    """Print rows of text in columns."""
    lines = [head, *lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())
