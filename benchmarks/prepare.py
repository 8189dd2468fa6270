"""Measure time, memory and disk of ``eeginv prepare`` on data of the size of public datasets.

    python benchmarks/prepare.py [--nights 197] [--subjects 109] [--n-jobs 2] [--folder FOLDER]

The files are simulated: one night of 8.2 hours (2 channels, 100 Hz), which is copied as often as
Sleep-EDF has nights, and one recording of imagined movements (64 channels, 160 Hz, 15 trials),
copied three times for each subject of EEGBCI. Printed are the elapsed time, the largest resident
memory of a process, and the size of the files and of the store.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import mne  # noqa: E402
import numpy as np  # noqa: E402

from eeginv.datasets import simulate_recordings, write_sleep_physionet  # noqa: E402

MIB = 2**20


def sleep_edf(folder, n_nights):
    """Fill a folder with copies of a night, two a subject; return the options."""
    population = simulate_recordings(n_subjects=1, hours=8.2, random_state=0)
    source = folder.with_name(f"{folder.name}-source")
    write_sleep_physionet(population, source)
    psg, hypnogram = (next(source.rglob(f"*-{what}.edf")) for what in ("PSG", "Hypnogram"))
    for number in range(n_nights):
        stem = f"SC4{number // 2:02d}{number % 2 + 1}"
        shutil.copyfile(psg, folder / f"{stem}E0-PSG.edf")
        shutil.copyfile(hypnogram, folder / f"{stem}EC-Hypnogram.edf")
    return ["--h-freq", "30"]


def eegbci(folder, n_subjects):
    """Fill a folder with copies of a recording, three a subject."""
    rng = np.random.default_rng(0)
    names = [f"E{i}" for i in range(64)]
    info = mne.create_info(names, 160.0, "eeg")
    raw = mne.io.RawArray(1e-5 * rng.standard_normal((64, 125 * 160)), info, verbose="error")
    onsets = 8.2 * np.arange(15)
    raw.set_annotations(mne.Annotations(onsets, 4.1, ["T1", "T2"] * 7 + ["T1"]))
    source = folder.with_name(f"{folder.name}-source.edf")
    mne.export.export_raw(source, raw, verbose="error", overwrite=True)
    for subject in range(n_subjects):
        for run in (4, 8, 12):
            shutil.copyfile(source, folder / f"S{subject + 1:03d}R{run:02d}.edf")
    return ["--events", "T1=left,T2=right", "--tmax", "4", "--l-freq", "4", "--h-freq", "38"]


def measure(name, fill, number, folder, n_jobs):
    """Prepare once, and print what it took."""
    recordings, store = folder / name, folder / f"{name}-store"
    recordings.mkdir()
    options = fill(recordings, number)
    command = [sys.executable, "-m", "eeginv", "prepare", str(recordings), "--output", str(store)]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *options, "--n-jobs", str(n_jobs)], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(done.stderr)
    # of a preparation that is complete already: what opening a store takes
    start = time.perf_counter()
    code = f"from eeginv.datasets import load_windows; print(load_windows({str(store)!r}))"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    opening = time.perf_counter() - start
    n_recordings = len(re.findall(r": \d+ windows$", done.stdout, re.MULTILINE))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{name}: {done.stdout.splitlines()[-1].partition(': ')[2]}")
    print(
        f"  {n_recordings} recordings in {seconds:.0f} s with {n_jobs} processes "
        f"({seconds / n_recordings:.2f} s each), largest process {peak:.0f} MiB"
    )
    print(
        f"  files {size(recordings) / MIB:.0f} MiB, store {size(store) / MIB:.0f} MiB; a new "
        f"process opens the store in {opening:.1f} s",
        flush=True,
    )


def size(folder):
    """Return the bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nights", type=int, default=197)
    parser.add_argument("--subjects", type=int, default=109)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keeps the files; default a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        measure("sleep", sleep_edf, arguments.nights, folder, arguments.n_jobs)
        measure("imagery", eegbci, arguments.subjects, folder, arguments.n_jobs)


if __name__ == "__main__":
    main()
