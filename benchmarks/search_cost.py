"""Measure what each search costs, in plain trainings, and how good the model is that it leads to.

    python benchmarks/search_cost.py [--methods none ddas ...] [--choices 5] [--data simulated ...]
    python benchmarks/search_cost.py --steps

A choice is a random choice of training subjects, the same for all methods; the other subjects are
the test. The final training of every method has the epochs of the plain one ("none"). Times are
those of one process at a time, and are divided by the time of the plain training of the same
choice; the table shows medians of the multiples and means of the balanced accuracy, without
averaging over copies, with paired intervals over the choices and the test subjects, and p-values
corrected for the number of methods. The runs
are those of ``eeginv benchmark`` and lie in a folder for each data set: a second start continues
them. Accuracy is drawn against time beside them.

With ``--steps``: what a step of each search along a gradient takes, in training steps of the same
network on a batch of the same size.
"""

import argparse
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from measuring import measure_time  # noqa: E402

from eeginv import (  # noqa: E402
    ADDASearch,
    CADDASearch,
    DADASearch,
    DDASSearch,
    FasterAutoAugmentSearch,
    InvariantClassifier,
)
from eeginv.benchmark import default_settings, run_benchmark  # noqa: E402
from eeginv.benchmark.figures import plot_accuracy_time  # noqa: E402
from eeginv.benchmark.intervals import holm  # noqa: E402
from eeginv.benchmark.methods import METHODS, sort_methods  # noqa: E402
from eeginv.benchmark.statistics import paired_differences  # noqa: E402
from eeginv.benchmark.store import Store  # noqa: E402
from eeginv.estimators import Trainer  # noqa: E402
from eeginv.search.problem import Problem  # noqa: E402
from eeginv.transforms import default_transforms  # noqa: E402


def measure(data, folder, methods, choices, epochs, n_jobs):
    """Run what is missing; return one row a run, and paired differences to no augmentation."""
    settings = default_settings(data, epochs=epochs)
    run_benchmark(
        folder,
        settings=settings,
        methods=["none", *(method for method in methods if method != "none")],
        n_splits=choices,
        n_jobs=n_jobs,
    )
    runs, failures = Store(folder).load()
    for failure in failures:
        print(f"{failure['run_id']} failed: {failure['error']}")
    plain = {_choice(run): run for run in runs if run["method"] == "none"}
    runs = [
        run
        for run in runs
        if _choice(run) in plain and run["method"] in methods and run["split"] < choices
    ]
    if not runs:
        return [], pd.DataFrame()
    plot_accuracy_time(runs).savefig(Path(folder) / "accuracy_time.png", dpi=110)
    rows = []
    for run in runs:
        beside = plain[_choice(run)]
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
    gains = paired_differences([*plain.values(), *(r for r in runs if r["method"] != "none")])
    gains = gains[gains["averaging"] == "plain"].assign(data=Path(data).name)
    # the family is what the table shows
    gains["p_holm"] = gains.groupby("n_train_subjects")["p"].transform(holm)
    return rows, gains


def _choice(run):
    return run["n_train_subjects"], run["split"], run["seed"]


def summarise(table, gains):
    """One row a method: cost in plain trainings, balanced accuracy, and points over no search."""
    gains = gains.set_index(["data", "n_train_subjects", "method"])
    rows = []
    for (data, size), part in table.groupby(["data", "training subjects"]):
        for method in sort_methods(part["method"]):
            of_method = part[part["method"] == method]
            key = (data, size, method)
            gain = gains.loc[key] if key in gains.index else None
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
                    # over subjects, as its interval; accuracies are means over choices
                    "gain": "" if gain is None else f"{100 * gain['difference']:+.1f}",
                    "95 %": _interval(gain),
                    "p, Holm": "" if gain is None else f"{gain['p_holm']:.3f}",
                }
            )
    return pd.DataFrame(rows)


def _interval(gain):
    """Return the ends of an interval in points, nothing for what is compared with itself."""
    if gain is None or np.isnan(gain["low"]):
        return ""
    return f"[{100 * gain['low']:+.1f}, {100 * gain['high']:+.1f}]"


def measure_steps(rounds):
    """Return the time of a step of each search in training steps, and of one of these in ms."""
    sfreq, n, batch = 100.0, 64, 32
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(n, 2, 3000, generator=generator).numpy()
    y = np.arange(n) % 5
    estimator = InvariantClassifier(sfreq=sfreq, batch_size=batch)
    trainer = Trainer(estimator.under(None))
    data = trainer.prepare(X, y)
    rows, outer_rows = torch.arange(n).split(batch)
    tensors = (torch.as_tensor(values) for values in (data.X, data.target, data.weight))
    candidates = default_transforms(sfreq)
    problem = Problem(trainer, candidates, *tensors, rows.numpy(), outer_rows.numpy())
    network = problem.make_network()
    optimizer = torch.optim.Adam(network.parameters())

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(problem.X[rows]), problem.y[rows]).backward()
        optimizer.step()

    made = {"none": step}
    searches = (DDASSearch, DADASearch, ADDASearch, CADDASearch, FasterAutoAugmentSearch)
    for cls in searches:
        learner = cls(estimator)._learner(problem)
        made[cls.__name__] = lambda learner=learner: learner.step(rows, outer_rows, True)
    seconds = measure_time(made, rounds, "cpu")
    plain = seconds.pop("none")
    return {name: value / plain for name, value in seconds.items()}, 1000 * plain


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
    parser.add_argument("--steps", action="store_true", help="measure steps instead")
    parser.add_argument("--rounds", type=int, default=15, help="of measuring steps")
    options = parser.parse_args()
    if options.steps:
        costs, plain = measure_steps(options.rounds)
        print(f"in training steps without augmentation ({plain:.0f} ms), (32, 2, 3000):")
        for name, cost in costs.items():
            print(f"  {name}: {cost:.2f}")
        return
    rows, gains = [], []
    for data in options.data:
        if data != "simulated" and not Path(data).is_dir():
            print(f"{data} is missing: left out.")
            continue
        folder = options.output / Path(data).name
        of_runs, differences = measure(
            data, folder, options.methods, options.choices, options.epochs, options.n_jobs
        )
        if not of_runs:
            continue
        rows += of_runs
        gains.append(differences)
        print(f"accuracy against time is drawn in {folder / 'accuracy_time.png'}")
    if not rows:
        raise SystemExit("Nothing was measured.")
    table = pd.DataFrame(rows)
    path = options.output / "search_cost.csv"
    table.to_csv(path, index=False)
    print(summarise(table, pd.concat(gains)).to_string(index=False))
    print(f"written to {path}")


if __name__ == "__main__":
    main()
