"""Measure what each search costs, in plain trainings, and how good the model is that it leads to.

    python benchmarks/search_cost.py [--methods none ddas ...] [--choices 5] [--data simulated ...]

A choice is a random choice of training subjects, the same for all methods; the other subjects are
the test. The final training of every method has the epochs of the plain one ("none"). Times are
those of one process at a time, and are divided by the time of the plain training of the same
choice; the table shows medians of the multiples and means of the balanced accuracy, without
averaging over copies. The runs are those of ``eeginv benchmark`` and lie in a folder for each data
set: a second start continues them, and ``eeginv report`` draws accuracy against time.
"""

import argparse
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import pandas as pd  # noqa: E402

from eeginv.benchmark import default_settings, run_benchmark  # noqa: E402
from eeginv.benchmark.methods import METHODS  # noqa: E402
from eeginv.benchmark.report import load_runs  # noqa: E402
from eeginv.viz.methods import sort_methods  # noqa: E402


def measure(data, folder, methods, choices, epochs, n_jobs):
    """Run what is missing and return one row a run."""
    settings = default_settings(data, epochs=epochs)
    run_benchmark(
        folder,
        settings=settings,
        methods=["none", *(method for method in methods if method != "none")],
        n_splits=choices,
        n_jobs=n_jobs,
    )
    runs, failures = load_runs(folder)
    for failure in failures:
        print(f"{failure['run_id']} failed: {failure['error']}")
    plain = {_choice(run): run for run in runs if run["method"] == "none"}
    rows = []
    for run in runs:
        beside = plain.get(_choice(run))
        if beside is None or run["method"] not in methods or run["split"] >= choices:
            continue
        accuracy, reference = (
            {kind: scores["balanced_accuracy"] for kind, scores in one["scores"].items()}
            for one in (run, beside)
        )
        rows.append(
            {
                "data": Path(data).name,
                "training subjects": run["n_train_subjects"],
                "method": run["method"],
                "choice": run["split"],
                "search": run["seconds_search"] / beside["seconds_fit"],
                "total": (run["seconds_search"] + run["seconds_fit"]) / beside["seconds_fit"],
                "accuracy": accuracy["plain"],
                "averaged": accuracy["averaged"],
                "gain": accuracy["plain"] - reference["plain"],
                "seconds of a plain training": beside["seconds_fit"],
            }
        )
    return rows


def _choice(run):
    return run["n_train_subjects"], run["split"], run["seed"]


def summarise(table):
    """One row a method: cost in plain trainings, balanced accuracy, and points over no search."""
    rows = []
    for (data, size), part in table.groupby(["data", "training subjects"]):
        for method in sort_methods(part["method"]):
            of_method = part[part["method"] == method]
            rows.append(
                {
                    "data": data,
                    "subjects": size,
                    "method": method,
                    "choices": len(of_method),
                    "search": f"{of_method['search'].median():.2f}",
                    "total": f"{of_method['total'].median():.2f}",
                    "accuracy": f"{of_method['accuracy'].mean():.3f}",
                    "averaged": f"{of_method['averaged'].mean():.3f}",
                    "gain": f"{100 * of_method['gain'].mean():+.1f}",
                    "worst": f"{100 * of_method['gain'].min():+.1f}",
                    "best": f"{100 * of_method['gain'].max():+.1f}",
                }
            )
    return pd.DataFrame(rows)


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = list(METHODS)
    parser.add_argument("--methods", nargs="+", choices=known, default=known, metavar="METHOD")
    parser.add_argument("--choices", type=int, default=5, help="of training subjects")
    parser.add_argument(
        "--data",
        nargs="+",
        default=["simulated", "../shared/data/ucddb"],
        help="'simulated', or folders of recordings; those that are missing are left out",
    )
    parser.add_argument("--epochs", type=int, help="of the final training")
    parser.add_argument("--n-jobs", type=int, default=1, help="more than 1 blurs the times")
    parser.add_argument("--output", type=Path, default=Path("results/search_cost"), help="folder")
    options = parser.parse_args()
    rows = []
    for data in options.data:
        if data != "simulated" and not Path(data).is_dir():
            print(f"{data} is missing: left out.")
            continue
        rows += measure(
            data,
            options.output / Path(data).name,
            options.methods,
            options.choices,
            options.epochs,
            options.n_jobs,
        )
    if not rows:
        raise SystemExit("Nothing was measured.")
    table = pd.DataFrame(rows)
    path = options.output / "search_cost.csv"
    table.to_csv(path, index=False)
    print(summarise(table).to_string(index=False))
    print(f"written to {path}")


if __name__ == "__main__":
    main()
