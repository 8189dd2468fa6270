"""Print the tables of doc/experiments/benchmark.rst, draw the figure of the README, from results.

python tools/make_benchmark_table.py RESULTS [--figure FILE.png]
"""

import argparse

import eeginv  # noqa: F401
from eeginv.benchmark.methods import averaging_label, label_of
from eeginv.benchmark.statistics import paired_differences, summary
from eeginv.benchmark.store import Store

SIGNED = "{:+.1f} [{:+.1f}, {:+.1f}]"


def rows(runs):
    """Yield the rows of the table, texts."""
    differences = paired_differences(runs)
    key = ["n_train_subjects", "method", "averaging"]
    table = summary(runs).merge(differences, on=key, how="left", suffixes=("", "_paired"))
    splits = {}
    for run in runs:
        for averaging, scores in run["scores"].items():
            splits.setdefault((run["n_train_subjects"], run["method"], averaging), {})[
                run["split"]
            ] = scores["balanced_accuracy"]
    for _, row in table.iterrows():
        paired = "--"
        if row["difference"] == row["difference"]:
            values = (100 * row[name] for name in ("difference", "low", "high"))
            paired = SIGNED.format(*values)
        each = splits[row["n_train_subjects"], row["method"], row["averaging"]]
        yield [
            str(row["n_train_subjects"]),
            label_of(row["method"]),
            averaging_label(row["method"], row["averaging"]),
            f"{sum(each.values()) / len(each):.3f}",
            " ".join(f"{each[split]:.2f}" for split in sorted(each)),
            paired,
            f"{row['p_holm']:.3f}" if row["p_holm"] == row["p_holm"] else "--",
            f"{row['kappa']:.2f}",
            f"{row['nll']:.2f}",
        ]


HEADER = [
    "Training subjects",
    "Method",
    "Prediction",
    "Balanced accuracy",
    "by split",
    "Points over no augmentation [95 %]",
    "p, Holm",
    "Kappa",
    "NLL",
]


def main():
    """Print the table; draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results")
    parser.add_argument("--figure")
    arguments = parser.parse_args()
    runs, failures = Store(arguments.results).load()
    print(f".. {len(runs)} runs, {len(failures)} failed\n")
    print(".. list-table::\n   :header-rows: 1\n")
    for row in [HEADER, *rows(runs)]:
        for index, cell in enumerate(row):
            print(f"   {'* -' if index == 0 else '  -'} {cell}")
    if arguments.figure:
        from eeginv import Policy
        from eeginv.viz import plot_policy

        learned = [run for run in runs if run["method"] == "augnet"]
        policies = [Policy.from_dict(run["policy"]) for run in learned]
        figure = plot_policy(policies, truth=learned[0]["truth"])
        figure.savefig(arguments.figure, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
