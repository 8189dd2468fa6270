"""Make the table of sleep-stage statistics that ships with ``eeginv.datasets``.

Usage::

    python tools/make_hypnogram_statistics.py FOLDER [--output FILE]

``FOLDER`` holds the expert hypnograms of Sleep-EDF Expanded (``*Hypnogram.edf``, PhysioNet
``sleep-edfx`` 1.0.0, Kemp et al. 2000). The table holds counts only: it is small, exact, and equal
on every machine.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import mne
import numpy as np

STAGES = ["W", "N1", "N2", "N3", "R"]
STAGE_OF = {
    "Sleep stage W": "W",
    "Sleep stage 1": "N1",
    "Sleep stage 2": "N2",
    "Sleep stage 3": "N3",
    "Sleep stage 4": "N3",
    "Sleep stage R": "R",
}
EPOCH_S = 30.0
N_THIRDS = 3
# Bouts of 1 to 6 epochs are counted one by one, longer ones in bins that grow.
DURATION_EDGES = [1, 2, 3, 4, 5, 6, 7, 9, 12, 16, 22, 30, 42, 60, 90, 140, 241]
# A wake bout longer than this (epochs, two hours) separates sleep periods: the day-long recordings
# hold naps, which are not part of the night.
LONGEST_WAKE = 240


def read_epochs(path):
    """Read one hypnogram as stage indices, one per epoch of 30 s; unscored epochs are left out."""
    annotations = mne.read_annotations(path)
    codes = []
    for description, duration in zip(annotations.description, annotations.duration, strict=True):
        if description in STAGE_OF:
            codes += [STAGES.index(STAGE_OF[description])] * round(duration / EPOCH_S)
    return np.array(codes)


def bouts(codes):
    """Run-length encode: (stage index, length in epochs) of each bout."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    return codes[starts], np.diff(starts, append=len(codes))


def main_sleep_period(codes):
    """Cut to the longest stretch from a first to a last sleep epoch without a very long wake."""
    stages, lengths = bouts(codes)
    stops = np.cumsum(lengths)
    best, start = codes[:0], 0
    for stage, length, stop in zip(stages, lengths, stops, strict=True):
        if stage == 0 and length > LONGEST_WAKE:
            best, start = max(best, codes[start : stop - length], key=len), stop
    best = max(best, codes[start:], key=len)
    asleep = np.flatnonzero(best != 0)
    return best[asleep[0] : asleep[-1] + 1]


def make_table(folder):
    """Count bouts, transitions and epochs in all hypnograms of a folder."""
    paths = sorted(Path(folder).glob("*Hypnogram.edf"))
    if not paths:
        raise SystemExit(f"No *Hypnogram.edf file in {folder}.")
    n_stages, n_bins = len(STAGES), len(DURATION_EDGES) - 1
    first = np.zeros(n_stages, int)
    transitions = np.zeros((N_THIRDS, n_stages, n_stages), int)
    durations = np.zeros((N_THIRDS, n_stages, n_bins), int)
    n_epochs = np.zeros((N_THIRDS, n_stages), int)
    n_bouts = np.zeros(n_stages, int)
    for path in paths:
        codes = main_sleep_period(read_epochs(path))
        thirds = np.arange(len(codes)) * N_THIRDS // len(codes)
        np.add.at(n_epochs, (thirds, codes), 1)
        stages, lengths = bouts(codes)
        starts = np.cumsum(lengths) - lengths
        first[stages[0]] += 1
        np.add.at(n_bouts, stages, 1)
        # The bin of a duration; durations beyond the last edge go into the last bin.
        bins = np.clip(np.searchsorted(DURATION_EDGES, lengths, side="right") - 1, 0, n_bins - 1)
        np.add.at(durations, (thirds[starts], stages, bins), 1)
        # A transition belongs to the third in which the next bout starts.
        np.add.at(transitions, (thirds[starts[1:]], stages[:-1], stages[1:]), 1)
    return {
        "source": "Sleep-EDF Expanded, PhysioNet sleep-edfx 1.0.0, "
        "Kemp et al. 2000, Goldberger et al. 2000; counts within the main sleep period",
        "n_hypnograms": len(paths),
        "epoch_seconds": EPOCH_S,
        "stages": STAGES,
        "first_stage": first.tolist(),
        "transitions": transitions.tolist(),
        "duration_edges": DURATION_EDGES,
        "durations": durations.tolist(),
        "n_epochs": n_epochs.tolist(),
        "n_bouts": n_bouts.tolist(),
    }


def to_json(table):
    """Format the table with one line per entry."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in table.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main():
    """Run from the command line."""
    simulation = Path(__file__).parents[1] / "eeginv" / "datasets" / "simulation"
    default = simulation / "hypnogram_statistics.json"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with the *Hypnogram.edf files")
    parser.add_argument("--output", type=Path, default=default, help="file to write")
    arguments = parser.parse_args()
    arguments.output.write_text(to_json(make_table(arguments.folder)), encoding="utf-8")


if __name__ == "__main__":
    main()
