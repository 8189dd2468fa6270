import itertools
import json
import math
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eeginv.benchmark import statistics
from eeginv.benchmark.report import write_report
from eeginv.benchmark.store import Store
from eeginv.policy import Policy, PolicyEntry

STAGES = ["W", "N1", "N2", "N3", "R"]
TRUTH = {
    "TimeReverse": {"extent": 0.0, "unit": "1", "invariant": False},
    "SignFlip": {"extent": 0.5, "unit": "1", "invariant": True},
    "FrequencyShift": {"extent": 0.6, "unit": "Hz", "invariant": True, "margin": 1.0},
    "ChannelsDropout": {"extent": 0.125, "unit": "1", "invariant": True},
    "FTSurrogate": {"extent": 0.0, "unit": "1", "invariant": False},
    "GaussianNoise": {"extent": 0.2, "unit": "1", "invariant": True},
}
# Largest extents, and where each method starts.
CANDIDATES = {
    "TimeReverse": ("1", 0.5),
    "SignFlip": ("1", 0.5),
    "FrequencyShift": ("Hz", 3.0),
    "ChannelsDropout": ("1", 1.0),
    "FTSurrogate": ("1", 1.0),
    "GaussianNoise": ("1", 1.0),
}
GAIN = {"none": 0.0, "trivial": 0.02, "augnet": 0.05, "ddas": 0.03}


def make_policy(method, rng, progress=1.0):
    """A policy as the method would learn it, some way into the training."""
    entries = []
    for layer, (name, (unit, limit)) in itertools.product(
        range(1 if method == "trivial" else 2), CANDIDATES.items()
    ):
        binary = name in ("TimeReverse", "SignFlip")
        extent = limit
        if method != "trivial":
            goal = TRUTH[name]["extent"] * rng.uniform(0.7, 1.1)
            extent = min(limit, 0.05 * limit + progress * (goal - 0.05 * limit))
        config = {"max_probability" if binary else "max_magnitude": limit}
        entries.append(
            PolicyEntry(
                name,
                max(0.0, extent),
                unit,
                weight=1 / len(CANDIDATES),
                layer=layer,
                binary=binary,
                random_strength=method == "trivial",
                config=config,
            )
        )
    return Policy(entries, 1.0 if method != "ddas" else 0.7)


def make_score(rng, level, subjects, stages):
    confusion = np.round(200 * (0.1 * rng.random((len(stages),) * 2) + level * np.eye(len(stages))))
    by_subject = {
        s: {"balanced_accuracy": level + d, "kappa": level + d - 0.1, "macro_f1": level + d - 0.02}
        for s, d in zip(subjects, rng.normal(0, 0.03, len(subjects)), strict=True)
    }
    return {
        **{
            k: float(np.mean([s[k] for s in by_subject.values()]))
            for k in ("balanced_accuracy", "kappa", "macro_f1")
        },
        "nll": 1 - level,
        "calibration_error": 0.04,
        "seconds_predict": 0.8,
        "f1": dict.fromkeys(stages, level),
        "confusion": confusion.astype(int).tolist(),
        "by_subject": by_subject,
    }


def make_run(method="none", size=4, split=0, seed=0, stages=STAGES, truth=TRUTH, subjects=6):
    key = [list(GAIN).index(method) if method in GAIN else 9, size, split, seed]
    rng = np.random.default_rng(key)
    ids = [str(s) for s in range(subjects)]
    level = 0.6 + 0.03 * size + GAIN.get(method, 0.01) + 0.02 * np.sin(3 * split + seed)
    learned = method not in ("none", "trivial")
    steps = [(i + 1) / 12 for i in range(12)] if learned else []
    history = [make_policy(method, np.random.default_rng(key), p) for p in steps]
    policy = None if method == "none" else (history or [make_policy(method, rng)])[-1]
    return {
        "run_id": f"{method}-train{size}-split{split}-seed{seed}",
        "status": "done",
        "data": "simulated",
        "method": method,
        "split": split,
        "seed": seed,
        "n_train_subjects": size,
        "train_subjects": [f"{split}-{i}" for i in range(size)],
        "test_subjects": ids,
        "classes": list(stages),
        "scores": {
            "plain": make_score(rng, level, ids, stages),
            "averaged": make_score(rng, level + 0.01, ids, stages),
        },
        "seconds_search": 40.0 + 5 * seed if method == "ddas" else 0.0,
        "seconds_fit": (12.0 if method == "none" else 15.0) * rng.uniform(0.8, 1.2) * size**0.3,
        "peak_memory_mib": 350.0,
        "policy": policy.to_dict() if policy else None,
        "policy_history": [p.by_transform().to_dict("index") for p in history],
        "history": [{"epoch": 1, "train_loss": 1.2}],
        "truth": truth,
    }


def make_runs(methods=tuple(GAIN), sizes=(1, 4), splits=(0, 1, 2), seeds=(0,), **options):
    grid = itertools.product(methods, sizes, splits, seeds)
    return [make_run(m, size, split, seed, **options) for m, size, split, seed in grid]


def write_folder(folder, runs, failures=(), plan=True):
    (folder / "runs").mkdir(exist_ok=True)
    for run in runs:
        (folder / "runs" / f"{run['run_id']}.json").write_text(json.dumps(run))
    for failure in failures:
        (folder / "runs" / f"{failure['run_id']}.failed.json").write_text(json.dumps(failure))
    if plan:
        values = {
            "command": "eeginv benchmark --epochs 12",
            "data": "simulated",
            "methods": list(GAIN),
            "n_train_subjects": [1, 4],
            "splits": 3,
            "seeds": [0],
            "data_options": {"n_subjects": 12},
            "n_test": None,
        }
        (folder / "plan.json").write_text(json.dumps(values))
        environment = {"python": "3.11.2", "packages": {"torch": "2.13.0"}, "cpu_count": 2}
        (folder / "environment.json").write_text(json.dumps(environment))
    return folder


FAILURE = {
    "run_id": "ddas-train1-split0-seed0",
    "method": "ddas",
    "split": 0,
    "seed": 0,
    "n_train_subjects": 1,
    "error": "ValueError: <no> window of class 'N3'",
    "traceback": "Traceback (most recent call last):\n  & so on",
}


def shifted(runs, constant, method="augnet"):
    """The runs without augmentation, and the same again as another method, better by so much."""
    copies = json.loads(json.dumps(runs))
    for run in copies:
        run["method"] = method
        for score in run["scores"].values():
            for values in score["by_subject"].values():
                for metric in values:
                    values[metric] += constant
    return [*runs, *copies]


# statistics -----------------------------------------------------------------------------------
def test_identical_runs_differ_by_exactly_zero():
    baseline = make_runs(["none"])
    for run in baseline:
        run["scores"]["averaged"] = run["scores"]["plain"]
    table = statistics.paired_differences(shifted(baseline, 0.0))
    assert len(table) == 2 * 3  # both sizes; averaged none, and augnet in both ways
    assert (table[["difference", "low", "high"]] == 0).all().all()
    assert (table[["p", "p_holm"]] == 1).all().all()
    assert (table["n_runs"] == 3).all()
    assert (table["n_subjects"] == 6).all()
    assert (table["n_splits"] == 3).all()


@given(constant=st.floats(-0.5, 0.5))
@settings(max_examples=10, deadline=None)
def test_a_constant_shifts_the_difference_by_itself(constant):
    runs = make_runs(["none"], sizes=(4,))
    columns = ["difference", "low", "high"]
    before = statistics.paired_differences(shifted(runs, 0.0))[columns].to_numpy()
    after = statistics.paired_differences(shifted(runs, constant))[columns].to_numpy()
    # the first row is no augmentation, averaged, which is not shifted
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_allclose(after[1:] - before[1:], constant, atol=1e-12)


@pytest.mark.parametrize(
    "tabulate",
    [
        statistics.subject_scores,
        statistics.summary,
        statistics.paired_differences,
        statistics.class_scores,
        statistics.learned_policies,
    ],
)
def test_order_of_runs_does_not_matter(tabulate):
    runs = make_runs(seeds=(0, 1))
    mixed = [runs[i] for i in np.random.default_rng(0).permutation(len(runs))]
    pd.testing.assert_frame_equal(tabulate(mixed), tabulate(runs), check_exact=True)


def test_one_subject_has_no_interval():
    runs = make_runs(["none", "augnet"], splits=(0,), subjects=1)
    table = statistics.summary(runs)
    assert table["balanced_accuracy"].notna().all()
    assert table[["balanced_accuracy_low", "balanced_accuracy_high"]].isna().all().all()
    table = statistics.paired_differences(runs)
    assert table["difference"].notna().all()
    assert table[["low", "high", "p", "p_holm"]].isna().all().all()


def test_a_subject_counts_once_however_many_runs_it_is_in():
    runs = make_runs(["none"], sizes=(4,), splits=(0, 1))
    for run, accuracy in zip(runs, (0.5, 0.7), strict=True):
        run["scores"] = {"plain": run["scores"]["plain"]}
        for values in run["scores"]["plain"]["by_subject"].values():
            values["balanced_accuracy"] = accuracy
    # one more subject, in the second run only
    runs[1]["scores"]["plain"]["by_subject"]["x"] = {"balanced_accuracy": 0.9}
    table = statistics.summary(runs)
    assert table["n_subjects"].item() == 7
    assert table["balanced_accuracy"].item() == pytest.approx((6 * 0.6 + 0.9) / 7)
    low, high = table[["balanced_accuracy_low", "balanced_accuracy_high"]].to_numpy()[0]
    assert low < table["balanced_accuracy"].item() < high


def test_runs_without_partner_are_left_out():
    runs = make_runs(["none", "augnet"], sizes=(4,))
    table = statistics.paired_differences([r for r in runs if r["run_id"] != runs[0]["run_id"]])
    assert table["n_runs"].tolist() == [2, 2, 2]
    assert statistics.paired_differences(make_runs(["augnet"])).empty
    with pytest.raises(ValueError, match="metric must be one of"):
        statistics.paired_differences(runs, "accuracy")


def test_missing_scores_are_left_out():
    runs = make_runs(["none", "augnet"], sizes=(4,))
    runs[0]["scores"]["plain"]["by_subject"]["0"]["kappa"] = math.nan
    runs[0]["scores"]["plain"]["nll"] = None
    runs[0]["peak_memory_mib"] = None
    summary = statistics.summary(runs)
    assert summary[["kappa", "nll", "peak_memory_mib"]].notna().all().all()
    assert statistics.paired_differences(runs, "kappa")["difference"].notna().all()


def test_policies_beside_the_truth():
    table = statistics.learned_policies(make_runs())
    assert set(table["method"]) == {"trivial", "augnet", "ddas"}
    rows = table[(table["method"] == "augnet") & (table["n_train_subjects"] == 4)]
    rows = rows.set_index("transform")
    assert rows.loc["FrequencyShift", "unit"] == "Hz"
    assert rows.loc["FrequencyShift", "true_extent"] == 0.6
    assert rows.loc["FrequencyShift", "extent"] == pytest.approx(0.54, abs=0.13)
    assert not rows.loc["TimeReverse", "invariant"]


# the report -----------------------------------------------------------------------------------
def sections(text):
    names = ["What was run", "Results", "Paired differences", "Accuracy against time"]
    names += ["Learned policies", "Confusion matrices", "Failed runs", "How to read this"]
    return [name for name in names if re.search(rf">\s*{name}\s*<", text)]


def test_full_report(tmp_path):
    write_folder(tmp_path, make_runs())
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    text = path.read_text()
    assert sections(text) == [
        "What was run",
        "Results",
        "Paired differences",
        "Accuracy against time",
        "Learned policies",
        "Confusion matrices",
        "How to read this",
    ]
    for expected in (
        "24 runs finished of 24 planned, 0 failed",
        "eeginv benchmark --epochs 12",
        "random augmentation (TrivialAugment)",
        "averaged over copies",
        "torch 2.13.0",
        "changes the label",
    ):
        assert expected in text
    assert path.stat().st_size < 5e6
    assert plt.get_fignums() == []
    assert [p.name for p in tmp_path.glob("*.html")] == ["report.html"]
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param(make_runs(["none"], sizes=(4,), splits=(0,)), id="no partner"),
        pytest.param(make_runs(["augnet"], sizes=(4,), splits=(0,), truth=None), id="no baseline"),
        pytest.param(
            make_runs(["none", "trivial"], sizes=(1,), splits=(0,), stages=["W", "N3"], subjects=1),
            id="two stages, one subject",
        ),
        pytest.param(
            [
                make_run("ddas", 1, 1, 0, truth=None),
                make_run("none", 4, 0, 0, stages=["W", "N3"]),
                {**make_run("a method of mine", 4, 0, 0), "policy_history": []},
            ],
            id="mixed",
        ),
    ],
)
def test_partial_results(tmp_path, runs):
    text = write_report(write_folder(tmp_path, runs, [FAILURE])).read_text()
    n = len(runs)
    assert f"{n} run{'' if n == 1 else 's'} finished of 24 planned, 1 failed" in text
    assert "Failed runs" in sections(text)
    assert "ValueError: &lt;no&gt; window" in text
    assert "<no>" not in text
    assert plt.get_fignums() == []


def test_only_failures(tmp_path):
    text = write_report(write_folder(tmp_path, [], [FAILURE], plan=False)).read_text()
    assert sections(text) == ["What was run", "Failed runs", "How to read this"]
    assert "0 runs finished, 1 failed. There are no results to show yet." in text
    assert "The plan was not recorded." in text


def test_scores_of_one_kind_only(tmp_path):
    runs = make_runs(["none", "augnet"], sizes=(4,), splits=(0,))
    for run in runs:
        run["scores"]["averaged"] = None
    text = write_report(write_folder(tmp_path, runs)).read_text()
    assert "Confusion matrices, without averaging" in text
    assert "Confusion matrices, averaged over copies" not in text


def test_reading_runs(tmp_path):
    run = make_run("none")
    retried = {**FAILURE, "run_id": run["run_id"]}
    write_folder(tmp_path, [run], [FAILURE, retried])
    (tmp_path / "runs" / "torn.json").write_text('{"status": "do')
    (tmp_path / "runs" / "torn.failed.json").write_text("[]")
    (tmp_path / "runs" / "half.json").write_text('{"status": "running"}')
    (tmp_path / "runs" / "odd.failed.json").write_text("")
    runs, failures = Store(tmp_path).load()
    assert [r["run_id"] for r in runs] == [run["run_id"]]
    assert [f["run_id"] for f in failures] == [FAILURE["run_id"], "half", "odd", "torn"]
    assert all(f["error"] for f in failures)


def test_an_earlier_report_survives_a_failure(tmp_path, monkeypatch):
    import mne

    write_folder(tmp_path, [])
    (tmp_path / "report.html").write_text("earlier")

    def disk_full(self, fname, **options):
        fname.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mne.Report, "save", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path)
    assert (tmp_path / "report.html").read_text() == "earlier"
    assert list(tmp_path.glob(".*")) == []


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        write_report(tmp_path / "nowhere")
