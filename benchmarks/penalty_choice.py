"""Find out how well the weight of the reward can be chosen, and by what.

    python benchmarks/penalty_choice.py [--tasks nights ucddb sinusoids] [--choices 4]

For every weight that ``penalty="auto"`` chooses among, a network is trained on all training
subjects; its log-evidence is what "auto" goes by. A second network, trained without some of the
subjects (of the examples, for sinusoids), is scored on these: what a search on held-out data would
go by. Printed is the test score of what either chooses, beside that of the fixed default and of the
best and worst choice that could have been made. Every weight adds a row to a table; a second start
continues it.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import joblib  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from real_eeg import load_ucddb  # noqa: E402
from recovery import perceptron  # noqa: E402
from sklearn.metrics import balanced_accuracy_score, log_loss  # noqa: E402

from eeginv import InvariantClassifier  # noqa: E402
from eeginv.datasets import make_sinusoids, simulate_sleep  # noqa: E402
from eeginv.estimators import log_evidence  # noqa: E402
from eeginv.estimators.base import PENALTIES  # noqa: E402
from eeginv.transforms import FrequencyShift  # noqa: E402

DEFAULT = 0.02
TASKS = ["sinusoids", "nights", "ucddb"]


def load(task, folder):
    """Return windows, labels, subjects and sampling frequency."""
    if task == "nights":
        nights = simulate_sleep(n_subjects=12, random_state=0)
        return (*nights.to_arrays(), nights.sfreq)
    if task == "ucddb":
        return load_ucddb(folder / "ucddb")[:4]
    return None


def split(task, data, choice):
    """Return training data with groups, test data, and the options of the estimator."""
    common = {"batch_size": 32, "class_weight": "balanced", "random_state": choice}
    if task == "sinusoids":
        frequencies = np.array([2.0, 4.0, 6.0, 8.0])
        X, y = make_sinusoids(400, frequencies, phases=4 * np.pi / frequencies, random_state=choice)
        shift = FrequencyShift(100.0, 0.1, max_magnitude=2.0)
        options = {"sfreq": 100.0, "transforms": [shift], "warmup": 0.0, "lr": 0.01}
        with torch.random.fork_rng():
            torch.manual_seed(choice)
            options |= {"backbone": perceptron(X.shape[-1], 4, 2, 1), "max_epochs": 50}
        return (
            (X[:400], y[:400].astype(str), np.arange(400) // 100),
            (X[400:], y[400:].astype(str)),
            {
                **common,
                **options,
            },
        )
    X, y, groups, sfreq = data
    subjects = np.random.default_rng(choice).permutation(np.unique(groups))
    train, test = np.isin(groups, subjects[:2]), np.isin(groups, subjects[4:])
    epochs, lr = (40, 2e-3) if task == "nights" else (24, 1e-3)
    options = {**common, "sfreq": sfreq, "max_epochs": epochs, "lr": lr, "n_copies": 10}
    return (X[train], y[train], groups[train]), (X[test], y[test]), options


def run(task, choice, penalty, data):
    """Train with one weight, on all subjects and on all but one; return a row."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    (X, y, groups), (X_test, y_test), options = split(task, data, choice)
    clf = InvariantClassifier(penalty=penalty, **options).fit(X, y)
    seconds = time.perf_counter() - start
    weight = torch.from_numpy(clf._class_weights(y)).float()
    labels = torch.from_numpy(np.searchsorted(clf.classes_, y))
    signals = torch.from_numpy(np.asarray(X, dtype=np.float32))
    row = {"task": task, "choice": choice, "penalty": penalty}
    row["evidence"] = log_evidence(clf.module_, signals, labels, weight / weight.mean())
    row["seconds_evidence"] = time.perf_counter() - start - seconds
    row["seconds"] = seconds
    row["score"] = balanced_accuracy_score(y_test, clf.predict(X_test))
    row |= {f"{k} extent": v for k, v in clf.policy_.by_transform()["extent"].items()}
    kept = groups != np.unique(groups)[-1]
    part = InvariantClassifier(penalty=penalty, **options).fit(X[kept], y[kept])
    p = part.predict_proba(X[~kept])
    row["held out"] = -log_loss(y[~kept], p, labels=part.classes_)
    return row


def report(table):
    """Print what each way of choosing gets."""
    for task, rows in table.groupby("task", sort=False):
        print(
            f"\n{task}: test balanced accuracy, mean over choices | of each choice (weight chosen)"
        )
        tables = [here.set_index("penalty") for _, here in rows.groupby("choice", sort=False)]
        tables = [here for here in tables if len(here) == len(PENALTIES)]
        ways = {
            "evidence": lambda here: here["evidence"].idxmax(),
            "held out": lambda here: here["held out"].idxmax(),
            f"fixed {DEFAULT}": lambda here: DEFAULT,
            "best": lambda here: here["score"].idxmax(),
            "worst": lambda here: here["score"].idxmin(),
        }
        for way, choose in ways.items():
            chosen = [(choose(here), here) for here in tables]
            scores = [here.loc[penalty, "score"] for penalty, here in chosen]
            each = " ".join(f"{s:.3f} ({p:g})" for s, (p, _) in zip(scores, chosen, strict=True))
            print(f"  {way:12} {np.mean(scores):.3f} | {each}")
        ratio = (rows["seconds_evidence"] / rows["seconds"]).median()
        print(f"  the evidence costs {ratio:.2f} of a training")


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--choices", type=int, default=4)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("results/penalty_choice.csv"))
    arguments = parser.parse_args()
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    table = pd.read_csv(arguments.output) if arguments.output.exists() else pd.DataFrame()
    keys = ["task", "choice", "penalty"]
    done = set() if table.empty else set(table[keys].itertuples(index=False, name=None))
    cells = [
        (task, choice, penalty)
        for choice in range(arguments.choices)
        for task in arguments.tasks
        for penalty in PENALTIES
        if (task, choice, penalty) not in done
    ]
    data = {task: load(task, arguments.folder) for task in {task for task, _, _ in cells}}
    parallel = joblib.Parallel(n_jobs=arguments.n_jobs, return_as="generator_unordered")
    jobs = (joblib.delayed(run)(*cell, data[cell[0]]) for cell in cells)
    for number, row in enumerate(parallel(jobs), start=1):
        table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
        table.to_csv(arguments.output, index=False)
        print(f"{number}/{len(cells)} {row['task']} {row['choice']} {row['penalty']}", flush=True)
    report(table.sort_values(["task", "choice", "penalty"], kind="stable"))


if __name__ == "__main__":
    main()
