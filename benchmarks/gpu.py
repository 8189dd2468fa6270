"""Check transforms, learners and estimators on a GPU against the CPU, and measure what they cost.

    python benchmarks/gpu.py [--device cuda] [--budget 220] [--output FILE] [--small]

One command of at most four minutes. What a section finds is printed as it goes; one that fails does
not stop the others, but the script then ends with 1. When the budget is used up, no new case is
opened, and the report says which were left out. ``--small`` runs all of it with tiny cases, on the
CPU in seconds: a test that the script works, whose times mean nothing.

Costs are ratios to the step of the plain network in the same case: interleaved calls, medians of at
least five turns, synchronised. Peak memory is what a step adds to what is there before it.

Checks are in ``gpu_checks.py``, measurements in ``gpu_rates.py``, what both run in
``gpu_learners.py``.
"""

import argparse
import json
import os
import platform
import sys
import warnings
from pathlib import Path

# CUDA's matrix products are deterministic with this, which has to be set before they are used
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import numpy as np
from gpu_checks import (
    determinism,
    estimators,
    learners_against_cpu,
    no_synchronisation,
    transforms_against_cpu,
)
from gpu_rates import costs, predictions
from gpu_report import Report, say

import torch  # isort: skip  (after measuring, which sets the number of threads)

import eeginv


def environment(report):
    """Name the device and the versions."""
    import braindecode
    import skorch

    found = {"device": str(report.device), "python": platform.python_version()}
    for module in (eeginv, torch, np, braindecode, skorch):
        found[module.__name__] = module.__version__
    if report.on_gpu:
        properties = torch.cuda.get_device_properties(report.device)
        found["name"] = properties.name
        found["memory"] = f"{properties.total_memory / 2**30:.0f} GiB"
        found["cuda"], found["cudnn"] = torch.version.cuda, torch.backends.cudnn.version()
    for key, value in found.items():
        say(f"{key}: {value}")
    return found


SECTIONS = {
    "environment": environment,
    "transforms against the CPU": transforms_against_cpu,
    "learners against the CPU": learners_against_cpu,
    "no synchronisation in a training step": no_synchronisation,
    "determinism": determinism,
    "estimators": estimators,
    "predictions over ten copies": predictions,
    "costs of a training step": costs,
}


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--budget", type=float, default=220, help="seconds")
    parser.add_argument("--output", type=Path, help="write the results as JSON")
    parser.add_argument("--small", action="store_true", help="tiny cases, for a test")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    report = Report(arguments.device, arguments.budget, arguments.small)
    for name, function in SECTIONS.items():
        # torch lets convolutions round to ten bits unless it is told not to
        torch.backends.cudnn.allow_tf32 = function in (costs, predictions)
        report.section(name, function)
        if arguments.output:  # after each, in case a later one ends the process
            arguments.output.parent.mkdir(parents=True, exist_ok=True)
            found = {
                "sections": report.sections,
                "left_out": report.left_out,
                "failed": report.failed,
                "seconds": report.elapsed,
            }
            arguments.output.write_text(json.dumps(found, indent=1, default=str) + "\n")
    print(f"\n{report.elapsed:.0f} s; {len(report.left_out)} left out, {len(report.failed)} failed")
    for what in report.failed:
        print(f"FAILED {what}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
