"""Measure memory and speed of training from a store on disk.

    python benchmarks/from_disk.py [--gib 20] [--speed-gib 0.25] [--rounds 5] [--folder FOLDER]

Two questions. *Memory*: a store of ``--gib`` GiB is filled with simulated nights and trained on for
one epoch; printed is the peak of the resident memory above that of the process before ``fit``.
*Speed*: one epoch from a store and from an array in memory, in turn, on a part of ``--speed-gib``
that the disk has cached; printed is the median of the ratios. Each measurement is a process of its
own. The results of the two trainings are compared to the bit.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from measuring import resident  # noqa: E402

from eeginv import InvariantClassifier  # noqa: E402
from eeginv.datasets import load_windows, simulate_sleep  # noqa: E402
from eeginv.datasets.labelled import LabelledPart  # noqa: E402
from eeginv.datasets.store.prepare import Source, write_store  # noqa: E402

GIB = 2**30
# Networks whose speed is measured, with their augmentation.
NETWORKS = [
    ("SleepStagerChambon2018", None),
    ("SleepStagerChambon2018", "augnet"),
    ("EEGNet", None),
    ("Pooled", None),
]


class Pooled(torch.nn.Module):
    """A network that takes little time, so that reading takes most of it."""

    def __init__(self, n_chans, n_outputs):
        super().__init__()
        self.head = torch.nn.Linear(n_chans * 50, n_outputs)

    def forward(self, X):
        return self.head(torch.nn.functional.adaptive_avg_pool1d(X.abs(), 50).flatten(1))


def simulated_night():
    """Return the signals and stages of one simulated night, 2 channels at 100 Hz."""
    nights = simulate_sleep(n_subjects=1, hours=8.2, sfreq=100.0, random_state=0)
    X, y, _ = nights.to_arrays()
    return X, y, nights.ch_names


def fill(folder, n_bytes, night):
    """Write a store of copies of a night, each scaled by another factor; return its windows."""
    X, y, ch_names = night
    n_parts = max(1, round(n_bytes / X.nbytes))

    def read(number):
        rng = np.random.default_rng(number)
        scaled = X * rng.uniform(0.8, 1.25, size=(len(X), 1, 1)).astype(np.float32)
        return LabelledPart(scaled, y.tolist(), [number] * len(y), None, 100.0, ch_names)

    source = Source(
        [f"night {number}" for number in range(n_parts)],
        [],
        read,
        "sleep",
        "copies of a simulated night",
        True,
        lambda windows: windows,
    )
    return write_store(source, folder, {"n_bytes": n_bytes})


def classifier(backbone, augmentation, epochs):
    """Return an estimator that trains on batches of 64 windows."""
    return InvariantClassifier(
        Pooled if backbone == "Pooled" else backbone,
        augmentation,
        sfreq=100.0,
        max_epochs=epochs,
        batch_size=64,
        random_state=0,
        n_copies=0,
    )


def train(store, source, backbone, augmentation, epochs):
    """Train in this process, and print what was measured as JSON."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    windows = load_windows(store)
    X = windows.X if source == "store" else np.asarray(windows.X)
    # all that is loaded once, such as the backbone, before the memory is read
    n_few = min(64, len(X))
    classifier(backbone, augmentation, 1).fit(X[:n_few], np.resize(["a", "b"], n_few))
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    clf = classifier(backbone, augmentation, epochs)
    start = time.perf_counter()
    clf.fit(X, windows.y)
    seconds = time.perf_counter() - start
    digest = hashlib.sha256()
    for value in clf.module_.state_dict().values():
        digest.update(value.numpy().tobytes())
    found = {
        "peak": resident("VmHWM") - before,
        "fit": seconds,
        # the last epoch, which finds the files in the cache of the disk
        "epoch": clf.history_[-1, "dur"],
        "n_windows": len(X),
        "weights": digest.hexdigest(),
    }
    print(json.dumps(found))


def child(store, source, backbone, augmentation, epochs):
    """Run :func:`train` in a process of its own."""
    command = [sys.executable, __file__, "--child", str(store), source, backbone]
    command += [augmentation or "none", str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def measure(folder, gib, speed_gib, rounds, networks):
    """Print the two tables."""
    night = simulated_night()
    start = time.perf_counter()
    windows = fill(folder / "large", gib * GIB, night)
    seconds = time.perf_counter() - start
    print(
        f"Memory. Store of {windows.X.nbytes / GIB:.2f} GiB, {len(windows)} windows, written in "
        f"{seconds:.0f} s"
    )
    found = child(folder / "large", "store", "Pooled", None, 1)
    print(
        f"one epoch, pooled signals and a linear layer: {found['fit']:.0f} s, peak "
        f"{found['peak'] / GIB:.2f} GiB above the process before fit"
    )
    fill(folder / "small", speed_gib * GIB, night)
    print(f"\nSpeed. {speed_gib} GiB, windows a second: in memory, from the store, ratio")
    for backbone, augmentation in NETWORKS:
        if backbone not in networks:
            continue
        rates = {"memory": [], "store": []}
        weights = set()
        for _ in range(rounds):
            for source, values in rates.items():
                found = child(folder / "small", source, backbone, augmentation, 2)
                values.append(found["n_windows"] / found["epoch"])
                weights.add(found["weights"])
        memory, store = (statistics.median(values) for values in rates.values())
        ratios = [s / m for m, s in zip(rates["memory"], rates["store"], strict=True)]
        same = "equal to the bit" if len(weights) == 1 else "DIFFERENT WEIGHTS"
        print(
            f"{backbone}, {augmentation or 'no augmentation'}: {memory:.0f}, {store:.0f}, "
            f"{statistics.median(ratios):.2f} ({same})",
            flush=True,
        )


def main():
    """Run."""
    if sys.argv[1:2] == ["--child"]:
        store, source, backbone, augmentation, epochs = sys.argv[2:]
        train(
            store, source, backbone, None if augmentation == "none" else augmentation, int(epochs)
        )
        return
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gib", type=float, default=20.0)
    parser.add_argument("--speed-gib", type=float, default=0.25)
    parser.add_argument("--rounds", type=int, default=5)
    names = list(dict.fromkeys(name for name, _ in NETWORKS))
    parser.add_argument("--networks", nargs="+", choices=names, default=names)
    parser.add_argument("--folder", type=Path, help="keeps the stores; default a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        measure(folder, arguments.gib, arguments.speed_gib, arguments.rounds, arguments.networks)


if __name__ == "__main__":
    main()
