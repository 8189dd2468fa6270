"""Measure how long it takes to score a night, from its EDF file to a table and a picture.

    python benchmarks/night.py [--hours 8] [--rounds 5] [--threads 2] [--output FILE]

A simulated night of two channels at 100 Hz is scored by what ``eeginv predict`` calls: by the plain
network (SleepStagerChambon2018), and by one with a learned augmentation whose predictions are
averaged over 1 and over 10 copies. The calls are interleaved. Reported are the medians of elapsed
seconds, by what they went into, and of the seconds of the processor.
"""

import argparse
import csv
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--hours", type=float, default=8.0, help="length of the night")
parser.add_argument("--rounds", type=int, default=5, help="times that each network scores it")
parser.add_argument("--threads", type=int, default=2, help="threads of torch")
parser.add_argument("--output", type=Path, help="CSV file for the table")
COLUMNS = ["reading", "preprocessing", "network", "writing", "total", "processor"]


def main():
    """Measure, and print a table."""
    options = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(options.threads)  # read when libraries are imported
    import torch

    torch.set_num_threads(options.threads)
    from eeginv.datasets import simulate_recordings, write_sleep_physionet

    with tempfile.TemporaryDirectory() as folder:
        night = simulate_recordings(1, hours=options.hours, sfreq=100, random_state=1)
        ((recording, _),) = write_sleep_physionet(night, folder)
        rows = measure(networks(), recording, Path(folder), options.rounds)
    print(f"a night of {options.hours:g} h, {options.threads} threads, {options.rounds} rounds: s")
    print(f"{'':24}", *(f"{name:>13}" for name in COLUMNS))
    for row in rows:
        print(f"{row['predicts']:24}", *(f"{row[name]:13.2f}" for name in COLUMNS))
    if options.output:
        with options.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["predicts", *COLUMNS], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        print(options.output)


def networks():
    """Return classifiers by name; how well they score does not matter here."""
    from eeginv.benchmark.units import averaged_over
    from eeginv.use import fit_model

    nights = {"n_subjects": 2, "hours": 0.5, "sfreq": 100, "random_state": 0}
    options = {"data_options": nights, "epochs": 3, "n_copies": 10}
    plain = fit_model("simulated", augmentation=None, **options)
    learned = fit_model("simulated", augmentation="augnet", **options)
    one = averaged_over(learned, learned.module_.augmentation, 1)
    return {"plain network": plain, "learned, 1 copy": one, "learned, 10 copies": learned}


def measure(models, recording, folder, rounds):
    """Return a row of medians for each model, all of them run in turn."""
    found = {name: [] for name in models}
    for turn in range(-1, rounds):  # the first is a warm-up
        for number, (name, model) in enumerate(models.items()):
            seconds = score(model, recording, folder / f"{turn} {number}")
            if turn >= 0:
                found[name].append(seconds)
    return [
        {"predicts": name}
        | {column: statistics.median(one[column] for one in ones) for column in COLUMNS}
        for name, ones in found.items()
    ]


def score(model, recording, output):
    """Score a night once, and return the seconds by what they went into."""
    from eeginv.datasets import unlabelled
    from eeginv.use import predict

    spent = dict.fromkeys(["opened", "windows", "network"], 0.0)

    def timed(name, function):
        def call(*args, **kwargs):
            start = time.perf_counter()
            result = function(*args, **kwargs)
            if name == "opened":
                result.raw.load_data(verbose="error")
            spent[name] += time.perf_counter() - start
            return result

        return call

    with ExitStack() as stack:
        for name, place, attribute in (
            ("opened", unlabelled, "_open"),
            ("windows", predict, "load_unlabelled"),
            ("network", model, "predict_proba"),
        ):
            function = timed(name, getattr(place, attribute))
            stack.enter_context(mock.patch.object(place, attribute, function))
        start, processor = time.perf_counter(), time.process_time()
        predict.predict_recordings(model, [recording], output)
        total, processor = time.perf_counter() - start, time.process_time() - processor
    return {
        "reading": spent["opened"],
        "preprocessing": spent["windows"] - spent["opened"],
        "network": spent["network"],
        "writing": total - spent["windows"] - spent["network"],
        "total": total,
        "processor": processor,
    }


if __name__ == "__main__":
    main()
