"""The study on real EEG: no subject that something was chosen on is reported on."""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

SCRIPTS = ("real_eeg_tasks", "real_eeg_report", "real_eeg")


@pytest.fixture(scope="module")
def study(root):
    """The scripts of the study, as modules."""
    folder = str(root / "benchmarks")
    sys.path.insert(0, folder)
    try:
        found = []
        for name in SCRIPTS:
            spec = importlib.util.spec_from_file_location(name, f"{folder}/{name}.py")
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
            found.append(module)
        yield found
    finally:
        sys.path.remove(folder)
        for name in SCRIPTS:
            sys.modules.pop(name, None)


@pytest.mark.parametrize("n_subjects", [7, 12, 14, 24])
def test_halves_test_different_subjects(study, n_subjects):
    tasks = study[0]
    groups = np.repeat([f"S{i:02d}" for i in range(n_subjects)], 3)
    for task in tasks.TASKS.values():
        most = max(t.n_train for t in tasks.TASKS.values() if t.data == task.data)
        if most + 2 > n_subjects:
            continue
        tested = {half: set() for half in tasks.HALVES}
        for half in tasks.HALVES:
            for choice in range(20):
                train, test = tasks.choose_subjects(task, groups, choice, half)
                assert len(set(train)) == task.n_train
                assert len(set(test)) >= 2
                assert not set(train) & set(test)
                tested[half] |= set(test)
        assert not tested["development"] & tested["reporting"]


def test_smaller_training_sets_are_parts_of_larger_ones(study):
    tasks = study[0]
    groups = np.repeat(np.arange(14), 2)
    found = [
        tasks.choose_subjects(tasks.TASKS[f"ucddb {n}"], groups, 3, "reporting") for n in (1, 2, 4)
    ]
    assert set(found[0][0]) < set(found[1][0]) < set(found[2][0])
    assert all(set(test) == set(found[0][1]) for _, test in found)


def interval(study, capsys, trained_on):
    """Print the report of scores with a gain of three points; return mean, low and high."""
    rng = np.random.default_rng(0)
    rows = []
    for choice in range(6):
        for subject in "abcdef":
            base = rng.normal(0.7, 0.05)
            for method, gain in [("none", 0.0), ("random", 0.03 + 0.005 * rng.normal())]:
                key = {"half": "reporting", "task": "ucddb 1", "method": method, "choice": choice}
                scores = {"plain": base + gain, "averaged": base, "seconds": 2.0}
                scores["device"] = "cpu"
                rows.append({**key, "train": trained_on(choice), "subject": subject, **scores})
    study[1].report(pd.DataFrame(rows).sample(frac=1, random_state=0))
    line = next(x for x in capsys.readouterr().out.splitlines() if "random" in x)
    return tuple(float(x.strip("[],+")) for x in line.split(")")[1].split()[:3])


def test_report_compares_the_same_subjects_and_choices(study, capsys):
    mean, low, high = interval(study, capsys, trained_on=lambda choice: f"t{choice}")
    assert low < 3.0 < high
    assert abs(mean - 3.0) < 0.3
    assert high - low < 2  # far below the scatter of the scores themselves, which is common to both


def test_choices_that_share_training_subjects_say_less(study, capsys):
    apart = interval(study, capsys, trained_on=lambda choice: f"a{choice} b{choice}")
    alike = interval(study, capsys, trained_on=lambda choice: f"a{choice} b")
    assert alike[0] == apart[0]
    assert alike[2] - alike[1] > 1.2 * (apart[2] - apart[1])


def test_methods_are_compared_with_any_of_them(study):
    rows = [
        {"task": "ucddb 1", "method": method, "choice": c, "subject": s, "plain": score + 0.01 * c}
        for method, score in [("none", 0.5), ("random", 0.6), ("auto", 0.75)]
        for c in range(3)
        for s in "ab"
    ]
    gains = study[1].gains_over(pd.DataFrame(rows), baseline="random")
    assert gains.groupby("method")["gain"].mean().round(6).to_dict() == {"auto": 15, "none": -10}
    # subjects count alike, however many choices test them
    few = gains[(gains["method"] == "auto")].copy()
    few.loc[few["subject"] == "b", "gain"] = 0.0
    few = few[(few["subject"] == "a") | (few["choice"] == 0)]
    assert study[1]._mean_of_tasks(few) == pytest.approx(7.5)


def differences(rng, n_tasks, task=0.0, training=0.0, person=0.0, noise=1.0, n_data=None):
    """Differences of a method with known components: 6 choices, 5 subjects in each data set."""
    n_data = n_data or n_tasks
    persons = person * rng.normal(size=(n_data, 5))
    rows = []
    for number in range(n_tasks):
        of_task = task * rng.normal()
        for choice in range(6):
            of_training = training * rng.normal()
            for subject in range(5):
                data = number % n_data
                gain = of_task + of_training + persons[data, subject] + noise * rng.normal()
                rows.append((f"t{number}", f"d{data}", choice, subject, gain))
    return pd.DataFrame(rows, columns=["task", "data", "choice", "subject", "gain"])


def test_balanced_tasks_are_samples_of_tasks(study):
    gains = differences(np.random.default_rng(0), n_tasks=9, task=3.0, training=1.0)
    found = study[1].pooled(gains)
    means = gains.groupby("task")["gain"].mean()
    expected = stats.t.interval(0.95, len(means) - 1, means.mean(), stats.sem(means))
    assert found.mean == pytest.approx(means.mean(), abs=1e-6)
    assert (found.low, found.high) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("component", ["task", "training", "person"])
def test_every_component_widens_the_pooled_interval(study, component):
    widths = []
    for size in (0.0, 3.0):
        gains = differences(np.random.default_rng(1), 8, n_data=4, **{component: size})
        found = study[1].pooled(gains)
        widths.append(found.high - found.low)
    assert widths[1] > 1.5 * widths[0]


def test_the_pooled_model_is_at_its_optimum(study, root):
    """On these rows, the default optimiser of statsmodels ends early, with a wider interval."""
    table = pd.read_csv(root / "benchmarks" / "results" / "real_eeg_reporting.csv")
    gains = study[1].gains_over(table[table["method"].isin(["none", "random"])])
    y = gains["gain"].to_numpy()
    names = [
        gains["task"],
        gains["task"] + gains["choice"].astype(str),
        gains["data"] + gains["subject"].astype(str),
    ]
    alike = [np.equal.outer(*[name.to_numpy()] * 2) for name in names]

    def solve(logarithms):
        """Return minus twice the restricted log-likelihood, the mean and its error."""
        variances = np.exp(logarithms)
        covariance = variances[0] * np.eye(len(y))
        covariance += sum(v * same for v, same in zip(variances[1:], alike, strict=True))
        root = np.linalg.cholesky(covariance)
        ones, values = np.linalg.solve(root, np.stack([np.ones(len(y)), y], axis=1)).T
        mean = ones @ values / (ones @ ones)
        rest = ((values - mean * ones) ** 2).sum()
        return 2 * np.log(np.diag(root)).sum() + np.log(ones @ ones) + rest, mean, ones @ ones

    best = optimize.minimize(lambda x: solve(x)[0], np.log([50.0, 5.0, 5.0, 5.0]), tol=1e-8)
    _, mean, precision = solve(best.x)
    half = stats.t.isf(0.025, gains["task"].nunique() - 1) * precision**-0.5
    found = study[1].pooled(gains)
    assert found.mean == pytest.approx(mean, abs=0.01)
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half), abs=0.02)


def test_intervals_about_other_data_sets_are_those_of_their_means(study):
    rng = np.random.default_rng(3)
    gains = differences(rng, n_tasks=12, n_data=4, noise=0.5)
    gains["gain"] += gains["data"].map(dict(zip(gains["data"].unique(), [0, 3, 6, 9], strict=True)))
    found = study[1].pooled(gains, other_data=True)
    means = gains.groupby("data")["gain"].mean()
    expected = stats.t.interval(0.95, 3, means.mean(), stats.sem(means))
    assert (found.low, found.high) == pytest.approx(expected, rel=0.02)


def test_pooled_intervals_cover(study):
    rng = np.random.default_rng(2)
    components = {"task": 1.5, "training": 2.0, "person": 1.0, "noise": 4.0}
    covered = []
    for _ in range(60):
        found = study[1].pooled(differences(rng, 11, n_data=4, **components))
        covered.append(found.low < 0 < found.high)
    assert np.mean(covered) > 0.88


def test_tables_of_another_revision_are_refused(study, tmp_path, monkeypatch, capsys):
    table = tmp_path / "real_eeg.csv"
    table.write_text("task,method,penalty,choice,average\nucddb 1,none,0.02,0,plain\n")
    monkeypatch.setattr(sys, "argv", ["real_eeg.py", "--output", str(table)])
    with pytest.raises(SystemExit):
        study[2].main()
    assert "table of another revision" in capsys.readouterr().err
    assert table.read_text().count("\n") == 2
