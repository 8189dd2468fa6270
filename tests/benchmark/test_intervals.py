"""Intervals over crossed subjects and choices: values by hand, coverage, the correction."""

import csv
import importlib.util
import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from eeginv.benchmark.intervals import crossed_mean, holm, shared_subjects


@pytest.fixture(scope="module")
def script(root):
    path = root / "benchmarks" / "interval_coverage.py"
    spec = importlib.util.spec_from_file_location("interval_coverage", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(n_subjects, n_choices, seed=0):
    values = np.random.default_rng(seed).normal(size=(n_subjects, n_choices))
    subjects, choices = np.indices(values.shape)
    return values, subjects.ravel(), choices.ravel()


def test_complete_table_by_hand():
    values, subjects, choices = table(5, 3)
    found = crossed_mean(values.ravel(), subjects, choices)
    errors = [stats.sem(values.mean(axis=1)), stats.sem(values.mean(axis=0))]
    half = math.hypot(*(stats.t.ppf(0.975, [4, 2]) * errors))
    assert found[:3] == pytest.approx((values.mean(), values.mean() - half, values.mean() + half))


def test_p_value_belongs_to_the_interval():
    values, subjects, choices = table(5, 3)
    values = values.ravel() + 1.5
    p = crossed_mean(values, subjects, choices).p_value
    assert 0.001 < p < 0.5
    for shift, excluded in ((-1e-6, True), (1e-6, False)):
        found = crossed_mean(values, subjects, choices, level=1 - p + shift)
        assert (found.low > 0) is excluded
    assert crossed_mean(-values, subjects, choices).p_value == pytest.approx(p)
    assert crossed_mean(0 * values, subjects, choices)[:] == (0, 0, 0, 1)
    assert crossed_mean(0 * values + 1, subjects, choices).p_value < 1e-10


def test_one_subject_or_one_choice_has_no_interval():
    for ids in (([0, 0, 0], [0, 1, 2]), ([0, 1, 2], [0, 0, 0])):
        mean, *rest = crossed_mean([1.0, 2.0, 3.0], *ids)
        assert mean == 2.0
        assert np.isnan(rest).all()
    assert np.isnan(crossed_mean([], [], [])).all()


def test_a_subject_counts_once_however_often_it_is_tested():
    found = crossed_mean([1.0, 1.0, 1.0, 3.0], ["a", "a", "a", "b"], [0, 1, 2, 0])
    assert found.mean == 2.0


def test_shared_training_subjects_widen_it():
    runs = [{"split": i, "train_subjects": [i, i + 1, 9]} for i in range(3)]
    assert shared_subjects(runs) == pytest.approx((2 / 3 + 2 / 3 + 1 / 3) / 3)
    assert shared_subjects([{"split": i, "train_subjects": ["a"]} for i in range(3)]) == 0
    assert shared_subjects(runs[:1]) == 0
    values, subjects, choices = table(5, 3)
    values = values.mean(axis=0) + np.zeros((5, 1))  # choices differ, subjects do not
    widths = [
        np.ptp(crossed_mean(values.ravel(), subjects, choices, shared)[1:3]) for shared in (0, 0.25)
    ]
    assert widths[1] / widths[0] == pytest.approx(math.sqrt(1 + 3 / 3))


def test_holm():
    assert holm([0.01, 0.04, math.nan, 0.03]) == pytest.approx(
        [0.03, 0.06, math.nan, 0.06], nan_ok=True
    )
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


# the standard error of a coverage of 0.95 is 0.011 here
@pytest.mark.parametrize(
    ("design", "spread", "shape", "from_subjects", "least"),
    [
        ("6 subjects, 4 choices", "subjects", "normal", False, 0.93),
        ("4 subjects, 2 choices", "choices", "normal", False, 0.93),
        ("2 of 12 train, 6 test, 4 choices", "both", "normal", False, 0.93),
        ("2 of 12 train, 6 test, 4 choices", "both", "-lognormal", False, 0.90),
        ("4 of 14 train, 10 test, 5 choices", "choices", "normal", True, 0.92),
        ("20 subjects, 10 choices", "mostly rest", "exponential", False, 0.92),
    ],
)
def test_coverage(script, design, spread, shape, from_subjects, least):
    row = script.measure(design, spread, shape, from_subjects, repetitions=400)
    assert row["crossed"] >= least


def test_intervals_over_subjects_alone_do_not_hold(script):
    row = script.measure("2 of 12 train, 6 test, 4 choices", "both", "normal", False, 400)
    assert row["bootstrap"] < 0.85
    assert row["choices"] < row["crossed"]
    # and the one that holds is not simply wide
    assert row["width, crossed"] < 2 * row["width, two-way bootstrap"]


def test_script_runs(root, tmp_path):
    output = tmp_path / "coverage.csv"
    command = [sys.executable, root / "benchmarks" / "interval_coverage.py", "--repetitions", "2"]
    done = subprocess.run(
        [*command, "--output", str(output)], capture_output=True, text=True, check=True
    )
    with output.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == (8 + 4) * 3 * 4
    assert str(output) in done.stdout
