"""The main job: the plan, resuming, failures, equality over jobs, bad input."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from edf_bytes import write_hypnogram, write_psg
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, f1_score, log_loss
from typer.testing import CliRunner

import eeginv.search
from eeginv import InvariantClassifier, Policy, PolicyAugmentation, benchmark
from eeginv.benchmark import METHODS, Settings, default_settings, run_benchmark
from eeginv.benchmark import run as run_module
from eeginv.benchmark.data import load_data
from eeginv.benchmark.methods import complete
from eeginv.benchmark.plan import Plan, choose_subjects
from eeginv.benchmark.scores import calibration_error, score_predictions
from eeginv.benchmark.store import Store
from eeginv.benchmark.units import averaged_over
from eeginv.cli import app

TIMES = ["seconds_search", "seconds_fit", "seconds_predict", "peak_memory_mib"]
SMALL = {
    "data_options": {
        "n_subjects": 4, "hours": 2.0, "sfreq": 64.0, "random_state": 0, "stages": ("W", "N2")
    },
    "n_train": (2,), "n_test": 2, "epochs": 2, "n_copies": 2,
}  # fmt: skip


def settings(**changes):
    return Settings(**{**SMALL, **changes})


def run(folder, **kwargs):
    options = {"settings": settings(), "methods": ["none"], "n_splits": 1, "progress": False}
    return run_benchmark(folder, **{**options, "n_jobs": 1, **kwargs})


def fitted_by(fit):
    """A method that does something else than the one it stands in for."""
    return dataclasses.replace(METHODS["augnet"], fit=fit)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    report = run(folder, methods=list(METHODS), command="eeginv benchmark")
    return folder, report


def test_everything_is_written(finished):
    folder, report = finished
    assert report == folder / "report.html"
    assert "AugNet" in report.read_text()
    table = pd.read_csv(folder / "results.csv")
    assert sorted(set(table.method)) == sorted([*METHODS, "none_learned"])
    for method in METHODS:
        assert sorted(table.averaged[table.method == method]) == [False, True]
    for name in ["data", "split", "seed", "n_train_subjects", "balanced_accuracy", "kappa",
                 "macro_f1", "f1_W", "f1_N2", "nll", "calibration_error", *TIMES]:  # fmt: skip
        assert table[name].notna().all(), name
    for method in ("trivial", "augnet", "ddas"):
        (path,) = (folder / "policies").glob(f"{method}-*.json")
        assert Policy.from_json(path).entries
    for name in ("plan.json", "environment.json"):
        assert json.loads((folder / name).read_text())
    assert not list(folder.rglob(".*"))  # no scratch file is left
    modes = {p.stat().st_mode & 0o777 for p in folder.rglob("*") if p.is_file()}
    umask = os.umask(0o022)
    os.umask(umask)
    assert modes == {0o666 & ~umask}


def test_plain_network_is_averaged_over_what_augnet_learned(finished):
    """Scored by hand: the same network, under the policy of the other run."""
    folder, report = finished
    (path,) = (folder / "runs").glob("none_learned-*.json")
    record = json.loads(path.read_text())
    assert list(record["scores"]) == ["averaged"]
    X, y, groups = load_data(settings()).to_arrays()
    held_out = np.isin(groups, record["test_subjects"])
    (saved,), (policy,) = (
        (folder / part).glob(name) for part, name in (("networks", "*"), ("policies", "augnet-*"))
    )
    model = InvariantClassifier.load(saved)
    plain = json.loads((folder / "runs" / f"{saved.name}.json").read_text())["scores"]
    predicted = model.predict_proba(X[held_out])
    scores = score_predictions(y[held_out], predicted, groups[held_out], model.classes_)
    assert scores["nll"] == plain["plain"]["nll"]  # it is the network of the run
    copies = PolicyAugmentation(Policy.from_json(policy), random_state=0)
    before = model.predict_proba(X[held_out])
    predicted = averaged_over(model, copies, SMALL["n_copies"]).predict_proba(X[held_out])
    np.testing.assert_array_equal(model.predict_proba(X[held_out]), before)
    scores = score_predictions(y[held_out], predicted, groups[held_out], model.classes_)
    assert scores["nll"] == record["scores"]["averaged"]["nll"]
    assert scores["by_subject"] == record["scores"]["averaged"]["by_subject"]
    # neither of the other two: it is another prediction of the same network
    assert len({scores["nll"], plain["plain"]["nll"], plain["averaged"]["nll"]}) == 3
    parts = [json.loads((folder / "runs" / f"{name}.json").read_text())
             for name in (saved.name, policy.stem)]  # fmt: skip
    assert record["seconds_fit"] == parts[0]["seconds_fit"]
    assert record["seconds_search"] == parts[1]["seconds_search"] + parts[1]["seconds_fit"]
    text = report.read_text()
    assert "averaged over AugNet&#x27;s learned copies" in text or "AugNet's learned copies" in text
    assert "averaged over full-strength random copies" in text
    n_runs = len(METHODS) + 1
    assert f"{n_runs} runs finished of {n_runs} planned" in text


def test_control_waits_for_both_runs(tmp_path, monkeypatch):
    def explode(*args):
        raise RuntimeError("out of luck")

    done = tmp_path / "runs" / "none_learned-train2-split0-seed0.json"
    run(tmp_path, methods=["none"])
    assert not done.exists()
    with monkeypatch.context() as patch:
        patch.setitem(METHODS, "augnet", fitted_by(explode))
        run(tmp_path, methods=["none", "augnet"])
    assert not done.exists()
    run(tmp_path, methods=["none", "augnet"])
    first = json.loads(done.read_text())["scores"]["averaged"]
    done.unlink()
    for path in (tmp_path / "networks").iterdir():
        shutil.rmtree(path)  # then the plain network is trained again, and is the same
    run(tmp_path, methods=["none", "augnet"])
    again = json.loads(done.read_text())["scores"]["averaged"]
    assert {**again, "seconds_predict": 0} == {**first, "seconds_predict": 0}


def test_started_again_it_repeats_nothing(finished, monkeypatch):
    folder, _ = finished
    before = {p: p.stat().st_mtime_ns for p in (folder / "runs").iterdir()}
    monkeypatch.setitem(METHODS, "none", fitted_by(None))  # would fail if it were called
    run(folder, methods=list(METHODS))
    assert {p: p.stat().st_mtime_ns for p in (folder / "runs").iterdir()} == before


def test_number_of_jobs_does_not_matter(finished, tmp_path):
    folder, _ = finished
    run(tmp_path, methods=list(METHODS), n_jobs=2)
    one, two = (pd.read_csv(f / "results.csv").drop(columns=TIMES) for f in (folder, tmp_path))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    for path in (folder / "policies").iterdir():
        assert (tmp_path / "policies" / path.name).read_text() == path.read_text()


def test_a_run_that_fails_is_reported_and_tried_again(tmp_path, monkeypatch):
    def explode(*args):
        raise RuntimeError("out of luck")

    with monkeypatch.context() as patch:
        patch.setitem(METHODS, "trivial", fitted_by(explode))
        report = run(tmp_path, methods=["none", "trivial"])
    assert "out of luck" in report.read_text()
    names = sorted(p.name for p in (tmp_path / "runs").iterdir())
    assert names == ["none-train2-split0-seed0.json", "trivial-train2-split0-seed0.failed.json"]
    assert set(pd.read_csv(tmp_path / "results.csv").method) == {"none"}
    monkeypatch.setitem(METHODS, "trivial", METHODS["none"])
    report = run(tmp_path, methods=["none", "trivial"])
    assert "out of luck" not in report.read_text()
    assert not list((tmp_path / "runs").glob("*.failed.json"))


@pytest.mark.slow
def test_killed_at_any_moment_it_loses_the_run_in_progress_at_most(tmp_path):
    command = [
        sys.executable, "-m", "eeginv", "benchmark", "--smoke", "--methods", "none,trivial",
        "--n-jobs", "1", "--output", str(tmp_path / "out"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    first = tmp_path / "out" / "runs" / "none-train2-split0-seed0.json"
    deadline = time.monotonic() + 120
    while not first.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = json.loads(first.read_text())
    stamp = first.stat().st_mtime_ns
    for path in (tmp_path / "out" / "runs").glob("[!.]*.json"):
        json.loads(path.read_text())  # whole
    subprocess.run(command, check=True, capture_output=True)
    assert first.stat().st_mtime_ns == stamp
    assert json.loads(first.read_text()) == kept
    assert len(pd.read_csv(tmp_path / "out" / "results.csv")) == 4


def test_other_settings_are_not_mixed(tmp_path):
    Store.create(tmp_path, settings())
    Store.create(tmp_path, settings(epochs=3))  # nothing is there yet that could be mixed
    Store.create(tmp_path, settings())
    run = Plan(["none"], (2,), 1, [0]).trained[0]
    Store.create(tmp_path, settings()).write(
        {"run_id": run.run_id, "status": "done", "policy": None}
    )
    with pytest.raises(ValueError, match="other settings"):
        Store.create(tmp_path, settings(epochs=3))


def test_failures_of_other_settings_do_not_stay(tmp_path):
    record = {"run_id": "none-train2-split0-seed0", "status": "failed", "error": "lr too large"}
    Store.create(tmp_path, settings(lr=10.0)).write(record)
    Store.create(tmp_path, settings(lr=10.0))
    assert len(list((tmp_path / "runs").iterdir())) == 1
    Store.create(tmp_path, settings())
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_seed_given_twice_is_run_once(tmp_path, monkeypatch):
    plans = []
    monkeypatch.setattr(
        run_module, "_execute", lambda store, _, __, training, *___: plans.append(training)
    )
    monkeypatch.setattr(run_module, "write_report", lambda folder: folder)
    run(tmp_path, seeds=(0, 1, 0))
    assert [one.seed for one in plans[0]] == [0, 1]


def test_data_that_changed_are_not_mixed(tmp_path):
    """A night that is scored anew keeps the sizes of its files."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_psg(folder / "anna-PSG.EDF", 60)
    rows = [(0, 30, "Sleep stage W"), (30, 30, "Sleep stage 1")]
    write_hypnogram(folder / "anna-Hypnogram.edf", rows)
    before = settings(data=str(folder)).fingerprint()
    (folder / "._anna-PSG.EDF").write_bytes(b"x")  # what macOS puts there is not read
    assert settings(data=f"{folder}/").fingerprint() == before
    write_hypnogram(folder / "anna-Hypnogram.edf", [rows[0], (30, 30, "Sleep stage 2")])
    scored_anew = settings(data=str(folder)).fingerprint()
    assert scored_anew != before
    write_psg(folder / "anna-PSG.EDF", 60, unit="mV")
    assert settings(data=str(folder)).fingerprint() not in (before, scored_anew)
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        settings(data=str(tmp_path / "nowhere")).fingerprint()


def test_numbers_of_numpy_in_settings():
    options = {"subjects": np.arange(3), "h_freq": np.float64(30)}
    plain = {"subjects": [0, 1, 2], "h_freq": 30.0}
    assert (
        settings(data_options=options).fingerprint() == settings(data_options=plain).fingerprint()
    )


@pytest.mark.parametrize("content", [b"", b'{"status": "do', b"[]", b"\xff\xfe\x00", b'{"a": 1}'])
def test_a_run_that_cannot_be_read_is_not_done(content, tmp_path):
    store = Store.create(tmp_path, settings())
    unit, other = Plan(["none", "trivial"], (2,), 1, [0]).trained
    for one in (unit, other):
        store.write({"run_id": one.run_id, "status": "done", "policy": None, "scores": {}})
    assert store.record(unit)["run_id"] == unit.run_id
    (tmp_path / "runs" / f"{unit.run_id}.json").write_bytes(content)
    with pytest.warns(UserWarning, match=rf"{unit.run_id}.json cannot be read"):
        assert store.record(unit) is None
    runs, failures = store.load()
    assert [record["run_id"] for record in runs] == [other.run_id]
    assert [failure["run_id"] for failure in failures] == [unit.run_id]
    with pytest.raises(ValueError, match="other sett"):
        Store.create(tmp_path, settings(epochs=3))


def test_a_cut_run_is_done_again(tmp_path):
    run(tmp_path)
    path = tmp_path / "runs" / "none-train2-split0-seed0.json"
    whole = json.loads(path.read_text())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match="none-train2-split0-seed0.json cannot be read"):
        run(tmp_path)
    again = json.loads(path.read_text())
    assert again["policy"] == whole["policy"]
    for kind in ("plain", "averaged"):
        assert again["scores"][kind]["by_subject"] == whole["scores"][kind]["by_subject"]
    assert len(pd.read_csv(tmp_path / "results.csv")) == 2


def test_empty_settings_are_named(tmp_path):
    unit = Plan(["none"], (2,), 1, [0]).trained[0]
    Store.create(tmp_path, settings()).write(
        {"run_id": unit.run_id, "status": "done", "policy": None}
    )
    (tmp_path / "settings.txt").write_text("")
    with pytest.raises(ValueError, match=r"settings.txt is empty"):
        Store.create(tmp_path, settings())


def test_two_may_start_in_one_folder(tmp_path, monkeypatch):
    """Each start of a benchmark, whatever another does between any two of its steps."""
    starting, original = [], os.replace

    def replace(source, target):
        if len(starting) < 4:  # another one starts, and ends its start, right now
            starting.append(target)
            Store.create(tmp_path, settings())
        original(source, target)

    monkeypatch.setattr(os, "replace", replace)
    Store.create(tmp_path, settings())
    assert len(starting) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "networks", "policies", "runs", "settings.txt"
    ]  # fmt: skip


def test_threads_leave_the_process_as_it_was(finished, tmp_path):
    folder, _ = finished
    names = ["none", "trivial", "augnet"]
    filters, state = list(warnings.filters), torch.get_rng_state()
    with joblib.parallel_config("threading", n_jobs=3):
        run(tmp_path, methods=names, n_jobs=None)
    assert warnings.filters == filters
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == 1
    one, threads = (pd.read_csv(f / "results.csv").drop(columns=TIMES) for f in (folder, tmp_path))
    one = one[one.method.isin([*names, "none_learned"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, threads, check_exact=True)


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written"):
        Store.create(tmp_path / "file" / "out", settings())
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        return  # permissions do not bind this user
    with pytest.raises(OSError, match="cannot be written"):
        Store.create(locked / "out", settings())


def test_full_disk_is_noticed_at_once(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        Store.create(tmp_path / "out", settings())
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


# the plan -----------------------------------------------------------------------------------------


def test_choices_are_nested_and_test_subjects_are_never_trained_on():
    subjects = np.arange(14)
    for split in range(6):
        one, test_one = choose_subjects(subjects, 1, split, (1, 4))
        four, test_four = choose_subjects(subjects, 4, split, (1, 4))
        assert set(one) < set(four)
        assert set(test_one) == set(test_four) == set(subjects) - set(four)
    choices = {tuple(choose_subjects(subjects, 4, split, (1, 4))[0]) for split in range(6)}
    assert len(choices) == 6
    with pytest.raises(ValueError, match="have 14 subjects"):
        choose_subjects(subjects, 14, 0, (14,))


def test_plan_and_budget():
    plan = Plan(["none", "augnet"], (1, 4), 2, [0, 1]).trained
    assert len({r.run_id for r in plan}) == len(plan) == 16
    assert plan[0].random_state == plan[1].random_state  # methods start from the same weights
    assert len({r.random_state for r in plan}) == 4
    assert settings(n_train=(1, 4), epochs=12).epochs_for(1) == 48
    assert settings().fingerprint() != settings(lr=2e-3).fingerprint()


def test_a_control_needs_both_of_its_parts():
    (run,) = Plan(["none", "augnet"], (2,), 1, [3]).combined
    assert run.run_id == "none_learned-train2-split0-seed3"
    assert [part.run_id for part in run.parts] == [
        "none-train2-split0-seed3", "augnet-train2-split0-seed3"
    ]  # fmt: skip
    assert Plan(["none", "ddas"], (2,), 1, [3]).combined == []
    assert Plan(["augnet"], (2,), 1, [3]).combined == []


def test_numbers_out_of_range_are_named():
    with pytest.raises(ValueError, match="epochs must be at least 1; got 0"):
        settings(epochs=0)
    with pytest.raises(ValueError, match="n_train must name at least one"):
        settings(n_train=())
    with pytest.raises(TypeError, match="batch_size must be an integer"):
        settings(batch_size=2.5)
    with pytest.raises(ValueError, match="lr must be above 0"):
        settings(lr=0.0)


# methods ------------------------------------------------------------------------------------------


def test_every_search_is_a_method():
    """The line in SEARCHES is enough; a record of its own adds a label, a look and a budget."""
    assert set(eeginv.search.SEARCHES) <= set(METHODS)
    records = [method for name, method in METHODS.items() if name != "randaugment"]
    new = complete(records, eeginv.search.SEARCHES)["randaugment"]
    assert new.label == "RandAugment"
    looks = {(method.colour, method.marker) for method in records}
    assert (new.colour, new.marker) not in looks
    X, y, groups = load_data(settings()).to_arrays()
    options = {"sfreq": 64.0, "max_epochs": 1, "n_copies": 0, "random_state": 0}
    fitted = new.fit(options, X[:32], y[:32], groups[:32])
    assert isinstance(fitted.model, InvariantClassifier)
    assert fitted.policy_history[-1].entries


# scores -------------------------------------------------------------------------------------------


def test_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    classes = np.array(["N2", "R", "W"])
    labels, subjects = rng.choice(classes, 300), rng.integers(3, size=300)
    p = rng.dirichlet(np.ones(3), 300)
    scores = score_predictions(labels, p, subjects, classes)
    predicted = classes[p.argmax(1)]
    assert scores["kappa"] == pytest.approx(cohen_kappa_score(labels, predicted))
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert scores["nll"] == pytest.approx(log_loss(labels, p))
    each = [
        balanced_accuracy_score(labels[subjects == s], predicted[subjects == s]) for s in range(3)
    ]
    assert scores["balanced_accuracy"] == pytest.approx(np.mean(each))
    assert np.sum(scores["confusion"]) == 300


def test_a_stage_that_a_subject_lacks_is_left_out():
    scores = score_predictions(
        np.array(["N2", "N2", "W", "W"]), np.eye(3)[[0, 1, 2, 2]], np.zeros(4), ["N2", "R", "W"]
    )
    assert scores["balanced_accuracy"] == pytest.approx(0.75)


def test_calibration_error():
    p = np.repeat([[0.8, 0.2]], 100, axis=0)
    right = np.arange(100) < 80
    assert calibration_error(p, right) == pytest.approx(0.0)
    assert calibration_error(p, ~right) == pytest.approx(0.6)


# the command line ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "augnett"], "Unknown methods"),
        (["--data", "nowhere/at/all"], "nowhere"),
        (["--n-train", "two"], "whole numbers"),
        (["--n-train", "40", "--smoke"], "subjects"),
        (["--stages", "N2,N5"], "N5"),
        (["--backbone", "EEGNett", "--smoke"], "EEGNet"),
        (["--epochs", "0"], "epochs"),
        (["--splits", "0", "--smoke"], "at least one split"),
        (["--channels", "C3"], "simulated nights, which the option channels is not for"),
    ],
)
def test_bad_options_are_refused_in_a_line(arguments, message, tmp_path):
    result = CliRunner().invoke(
        app, ["benchmark", "--output", str(tmp_path), "--n-jobs", "1", *arguments]
    )
    assert message in result.output
    assert "Traceback" not in result.output
    assert result.exit_code == 2
    assert not list(tmp_path.rglob("results.csv"))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("C3-A2,EOG*", {"channels": ["C3-A2", "EOG*"]}),
        ("C3=C3-*,EMG", {"channels": {"C3": "C3-*", "EMG": "EMG"}}),
    ],
)
def test_channels_on_the_command_line(text, options, tmp_path, monkeypatch):
    found = {}
    monkeypatch.setattr(benchmark, "default_settings", lambda data, **given: found.update(given))
    monkeypatch.setattr(benchmark, "run_benchmark", lambda *_, **__: tmp_path / "report.html")
    arguments = ["benchmark", "--data", "nights", "--channels", text, "--sfreq", "100"]
    result = CliRunner().invoke(app, [*arguments, "--stage-numbers", "yasa"])
    assert result.exit_code == 0, result.output
    given = {name: value for name, value in found["data_options"].items() if value is not None}
    assert given == {"resample": 100.0, "stage_numbers": "yasa", **options}


def test_defaults_of_real_data(shared_data):
    found = default_settings(str(shared_data / "ucddb"))
    assert found.data_options["stages"] == ("W", "N3")
    assert (found.n_train, found.epochs) == ((4,), 12)
    assert benchmark.default_settings is default_settings
