"""Measure how often intervals of a mean over crossed subjects and choices hold the true mean.

    python benchmarks/interval_coverage.py [--repetitions 1000] [--output FILE.csv]

A value is that of a test subject under a choice of training subjects: an effect of the subject, one
of the choice, and a rest. Designs are those of ``eeginv benchmark`` (random choices of training
subjects from a pool; those trained on are not tested) and complete tables. Effects are normal, or
skewed to one side (exponential) or the other with long tails (log-normal). Those of choices are
independent, or come from the training subjects, which choices share. Compared are

- ``bootstrap``: percentile bootstrap over subjects;
- ``subjects``, ``choices``: Student's interval over the one or the other alone;
- ``two-way bootstrap``: percentiles, subjects and choices resampled each;
- ``Satterthwaite``: squared errors of both added up, degrees of freedom by Satterthwaite;
- ``crossed``: ``eeginv.benchmark.intervals.crossed_mean``, which the report uses.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

import eeginv  # noqa: F401
from eeginv.benchmark.intervals import crossed_mean, shared_subjects
from eeginv.benchmark.plan import choose_subjects

# Pool of subjects, training subjects (None: a complete table), choices, test subjects (None: all).
DESIGNS = {
    "4 subjects, 2 choices": (4, None, 2, None),
    "6 subjects, 4 choices": (6, None, 4, None),
    "10 subjects, 2 choices": (10, None, 2, None),
    "20 subjects, 10 choices": (20, None, 10, None),
    "2 of 12 train, 6 test, 4 choices": (12, 2, 4, 6),
    "4 of 14 train, 10 test, 5 choices": (14, 4, 5, None),
    "4 of 14 train, 10 test, 8 choices": (14, 4, 8, None),
    "10 of 20 train, 10 test, 10 choices": (20, 10, 10, None),
}
# Standard deviations of subjects, choices and the rest.
SPREADS = {
    "subjects": (1.0, 0.0, 0.3),
    "choices": (0.2, 1.0, 0.3),
    "both": (1.0, 1.0, 1.0),
    "mostly rest": (0.3, 0.5, 1.0),
}
SHAPES = ("normal", "exponential", "-lognormal")
METHODS = ("bootstrap", "subjects", "choices", "two-way bootstrap", "Satterthwaite", "crossed")


def draw(rng, size, shape):
    """Draw numbers of mean zero and standard deviation one."""
    if shape == "normal":
        return rng.standard_normal(size)
    if shape == "exponential":
        return rng.exponential(size=size) - 1
    variance = 0.8**2
    mean, spread = np.exp(variance / 2), np.sqrt(np.expm1(variance) * np.exp(variance))
    return (mean - rng.lognormal(0, 0.8, size)) / spread


def make_design(pool, n_train, n_choices, n_test):
    """Return subjects and choices of the values, and who trains (choices, subjects)."""
    trains, tested = np.zeros((n_choices, pool)), np.ones((n_choices, pool), dtype=bool)
    for choice in range(n_choices if n_train else 0):
        train, test = choose_subjects(np.arange(pool), n_train, choice, (n_train,), n_test)
        trains[choice, train] = 1
        tested[choice] = np.isin(np.arange(pool), test)
    choices, subjects = np.nonzero(tested)
    return subjects, choices, trains


def simulate(rng, design, spread, shape, from_subjects):
    """Draw one table of values whose mean is zero."""
    subjects, choices, trains = design
    n_choices, pool = trains.shape
    of_subject, of_choice, rest = spread
    effects = draw(rng, n_choices, shape)
    if from_subjects:
        effects = trains @ draw(rng, pool, shape) / np.sqrt(trains[0].sum())
    values = of_subject * draw(rng, pool, shape)[subjects] + of_choice * effects[choices]
    return values + rest * draw(rng, len(values), shape)


def intervals(values, subjects, choices, shared, rng, n_resamples=500):
    """Return the six intervals."""
    subject, choice = (np.unique(ids, return_inverse=True)[1] for ids in (subjects, choices))
    counts = np.bincount(subject), np.bincount(choice)
    n_subjects, n_choices = map(len, counts)
    weight = 1 / (n_subjects * counts[0][subject])
    mean = weight @ values
    by_subject = np.bincount(subject, values) / counts[0]
    by_choice = np.bincount(choice, values) / counts[1]

    def student(x):
        half = stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
        return x.mean() - half, x.mean() + half

    drawn = rng.integers(n_subjects, size=(n_resamples, n_subjects))
    one_way = by_subject[drawn].mean(axis=1)
    of_subject = np.stack([np.bincount(row, minlength=n_subjects) for row in drawn])
    drawn = rng.integers(n_choices, size=(n_resamples, n_choices))
    of_choice = np.stack([np.bincount(row, minlength=n_choices) for row in drawn])
    weights = of_subject[:, subject] * of_choice[:, choice] * weight
    weights = weights[weights.sum(axis=1) > 0]
    two_way = weights @ values / weights.sum(axis=1)
    share = weight * (values - mean)
    first, second = (
        n / (n - 1) * np.square(np.bincount(ids, share)).sum()
        for n, ids in ((n_subjects, subject), (n_choices, choice))
    )
    degrees = (first + second) ** 2 / (first**2 / (n_subjects - 1) + second**2 / (n_choices - 1))
    half = stats.t.ppf(0.975, degrees) * np.sqrt(first + second)
    found = crossed_mean(values, subjects, choices, shared)
    return (
        np.quantile(one_way, [0.025, 0.975]),
        student(by_subject),
        student(by_choice),
        np.quantile(two_way, [0.025, 0.975]),
        (mean - half, mean + half),
        (found.low, found.high),
    )


def measure(name, spread, shape, from_subjects, repetitions):
    """Return a row: coverage and median width of each interval."""
    design = make_design(*DESIGNS[name])
    runs = [
        {"split": choice, "train_subjects": np.flatnonzero(row).tolist()}
        for choice, row in enumerate(design[2])
    ]
    shared = shared_subjects(runs) if design[2].any() else 0.0
    seed = [list(DESIGNS).index(name), list(SPREADS).index(spread), SHAPES.index(shape)]
    rng = np.random.default_rng(seed)
    found = np.array(
        [
            intervals(
                simulate(rng, design, SPREADS[spread], shape, from_subjects),
                *design[:2],
                shared,
                rng,
            )
            for _ in range(repetitions)
        ]
    )
    covered = ((found[..., 0] <= 0) & (found[..., 1] >= 0)).mean(axis=0)
    widths = np.median(found[..., 1] - found[..., 0], axis=0)
    return {
        "design": name,
        "spread": spread,
        "shape": shape,
        "effects of choices": "from training subjects" if from_subjects else "independent",
        **dict(zip(METHODS, covered, strict=True)),
        **{f"width, {m}": width for m, width in zip(METHODS, widths, strict=True)},
    }


def main():
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--output", type=Path, default=Path("results/interval_coverage.csv"))
    options = parser.parse_args()
    rows = []
    for name, shape, from_subjects in itertools.product(DESIGNS, SHAPES, (False, True)):
        if from_subjects and DESIGNS[name][1] is None:
            continue  # nobody is said to train
        rows += [measure(name, s, shape, from_subjects, options.repetitions) for s in SPREADS]
    table = pd.DataFrame(rows)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.output, index=False)
    grouped = table.groupby(["effects of choices", "shape", "design"], sort=False)[list(METHODS)]
    print("mean over the spreads:", grouped.mean().round(3).to_string(), sep="\n")
    print("smallest:", grouped.min().round(3).to_string(), sep="\n")
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
