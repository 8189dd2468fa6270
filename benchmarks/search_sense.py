"""Find out whether searches tell what destroys the label from what does not.

    python benchmarks/search_sense.py [--methods adda dada ...] [--seeds 10] [--n-jobs 1]

Simulated nights, from which wake, N1 and REM are kept. N1 and REM have the same spectrum and differ
in the direction of time, so that TimeReverse turns one into the other. The polarity of a recording
is arbitrary: SignFlip changes nothing. The other candidates are nuisances of the simulation too, at
strengths that begin below what is in the data and reach beyond it.

Each method is asked how often its policy uses each candidate, relative to the mean over the
candidates; those that follow a gradient start with all alike. Settings were chosen on seeds below
30. Every search is one row of a table that is written as it goes; a second start continues it.
"""

import argparse
import csv
import os
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import joblib  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from eeginv import (  # noqa: E402
    ADDASearch,
    AutoAugmentSearch,
    CADDASearch,
    DADASearch,
    DDASSearch,
    FastAutoAugmentSearch,
    FasterAutoAugmentSearch,
    InvariantClassifier,
)
from eeginv.datasets import simulate_sleep  # noqa: E402
from eeginv.transforms import (  # noqa: E402
    ChannelsDropout,
    FrequencyShift,
    GaussianNoise,
    SignFlip,
    TimeReverse,
)

SUBJECTS, HOURS, STAGES = 8, 2.0, ("W", "N1", "R")
SFREQ, H_FREQ = 32.0, 14.0  # what tells these stages apart is slower, and searches are faster
BATCH = 16
DESTRUCTIVE, NUISANCE = "TimeReverse", "SignFlip"
# the direction of time takes this network fourteen to thirty epochs to learn
EPOCHS, WARMUP, LR = 60, 30, 2e-3


def make_candidates():
    """Return the candidates."""
    return [
        TimeReverse(),
        SignFlip(),
        GaussianNoise(max_magnitude=0.4),
        FrequencyShift(SFREQ, max_magnitude=1.0),
        ChannelsDropout(max_magnitude=0.5),
    ]


def follows(cls, **options):
    """Return a maker of searches along a gradient, which choose one operation an example."""

    def make(prototype, epochs, warmup, **shared):
        numbers = {"n_operations": 1, "search_epochs": epochs, "warmup_epochs": warmup}
        return cls(prototype, **numbers, **options, **shared)

    return make


def tries(cls, **options):
    """Return a maker of searches by trials, whose networks train while those warm up."""

    def make(prototype, epochs, warmup, **shared):
        return cls(prototype, n_operations=1, child_epochs=warmup, **options, **shared)

    return make


# The policy takes about nine hundred steps; three thousandths each let no choice become certain.
SLOW = {"policy_lr": 0.003}
METHODS = {  # from a prototype, numbers of epochs, and what all share, to a search
    "ddas": follows(DDASSearch, n_levels=1, search_lr=LR, policy_lr=0.005),
    "dada": follows(DADASearch, search_lr=LR, **SLOW),
    "adda": follows(ADDASearch, search_lr=LR, **SLOW),
    "cadda": follows(CADDASearch, search_lr=LR, policy_lr=0.01),
    "fasteraa": follows(FasterAutoAugmentSearch, critic_lr=LR, **SLOW),
    "fastaa": tries(FastAutoAugmentSearch, n_folds=2, n_trials=40, n_draws=1),
    "autoaugment": tries(AutoAugmentSearch, n_trials=20),
}


def make_nights(seed):
    """Return signals, stages and subjects."""
    nights = simulate_sleep(
        SUBJECTS, hours=HOURS, sfreq=64, stages=STAGES, h_freq=H_FREQ, random_state=seed
    )
    X, y, groups = nights.to_arrays()
    return np.ascontiguousarray(X[..., :: round(64 / SFREQ)]), y, groups


def run(method, seed, epochs=EPOCHS, warmup=WARMUP):
    """Run one search."""
    X, y, groups = make_nights(seed)
    prototype = InvariantClassifier(
        "SleepStagerChambon2018",
        sfreq=SFREQ,
        batch_size=BATCH,
        lr=LR,
        class_weight="balanced",
        random_state=seed,
    )
    shared = {"transforms": make_candidates(), "refit": False, "random_state": seed}
    start = time.perf_counter()
    search = METHODS[method](prototype, epochs, warmup, **shared).fit(X, y, groups=groups)
    seconds = time.perf_counter() - start
    table = search.policy_.by_transform()
    row = {"method": method, "seed": seed, "epochs": epochs, "warmup": warmup, "seconds": seconds}
    if hasattr(search, "history_"):
        row["outer loss"] = search.history_[-1].get("outer_loss")
    share = table.usage / (table.usage.sum() / len(shared["transforms"]))
    # what none of the best trials chose is not in the policy
    row |= {f"{t.name} share": share.get(t.name, 0.0) for t in shared["transforms"]}
    return row | {f"{name} extent": value for name, value in table.extent.items()}


def report(table):
    """Print what came out."""
    print("\nshares relative to the mean over the candidates: 1 is uniform")
    for method, found in table.groupby("method", sort=False):
        bad, good = found[f"{DESTRUCTIVE} share"], found[f"{NUISANCE} share"]
        n = len(found)
        print(
            f"  {method}: {DESTRUCTIVE} below a half in {(bad < 0.5).sum()}/{n} seeds, "
            f"median {bad.median():.2f} | " + " ".join(f"{value:.2f}" for value in bad)
        )
        print(
            f"  {' ' * len(method)}  {NUISANCE} at least one in {(good >= 1).sum()}/{n} seeds, "
            f"median {good.median():.2f} | " + " ".join(f"{value:.2f}" for value in good)
        )
        print(f"  {' ' * len(method)}  {found['seconds'].median():.0f} s a search")


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=10, help="how many")
    parser.add_argument("--first-seed", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--warmup", type=int, default=WARMUP)
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("results/search_sense.csv"))
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    if arguments.output.exists():
        rows = pd.read_csv(arguments.output).to_dict("records")
    identity = ("method", "seed", "epochs", "warmup")
    if rows and "epochs" not in rows[0]:
        raise SystemExit(f"{arguments.output} is of an earlier version; remove it or name another.")
    done = {tuple(row[key] for key in identity) for row in rows}
    cells = [
        (method, seed, arguments.epochs, arguments.warmup)
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds)
        for method in arguments.methods
    ]
    cells = [cell for cell in cells if cell not in done]
    parallel = joblib.Parallel(n_jobs=arguments.n_jobs, return_as="generator_unordered")
    for number, row in enumerate(parallel(joblib.delayed(run)(*cell) for cell in cells), start=1):
        rows.append(row)
        fields = list(dict.fromkeys(key for row in rows for key in row))
        with arguments.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, fields)
            writer.writeheader()
            writer.writerows(rows)
        print(f"{number}/{len(cells)} {row['method']}, {row['seed']}", flush=True)
    rows.sort(key=lambda row: (list(METHODS).index(row["method"]), row["seed"]))
    report(pd.DataFrame(rows))
    print(f"\n{arguments.output}")


if __name__ == "__main__":
    main()
