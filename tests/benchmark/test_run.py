"""The main job: what it writes, resuming, failures, equality over jobs, bad options."""

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
from benchmarked import SMALL, run, settings
from numpy.exceptions import ComplexWarning
from typer.testing import CliRunner

import eeginv.search
from eeginv import InvariantClassifier, Policy, PolicyAugmentation, benchmark
from eeginv.benchmark import METHODS, default_settings
from eeginv.benchmark import run as run_module
from eeginv.benchmark.data import load_data
from eeginv.benchmark.methods import complete
from eeginv.benchmark.scores import score_predictions
from eeginv.benchmark.units import averaged_over
from eeginv.cli import app

TIMES = ["seconds_search", "seconds_fit", "seconds_predict", "peak_memory_mib"]


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


def test_a_seed_given_twice_is_run_once(tmp_path, monkeypatch):
    plans = []
    monkeypatch.setattr(
        run_module, "_execute", lambda store, _, __, training, *___: plans.append(training)
    )
    monkeypatch.setattr(run_module, "write_report", lambda folder: folder)
    run(tmp_path, seeds=(0, 1, 0))
    assert [one.seed for one in plans[0]] == [0, 1]


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


def filters_of_warnings():
    """All but those of scikit-learn's checks of arrays, which threads may restore out of order."""
    return [one for one in warnings.filters if one[2] not in (ComplexWarning, ResourceWarning)]


def test_threads_leave_the_process_as_it_was(finished, tmp_path):
    folder, _ = finished
    names = ["none", "trivial", "augnet"]
    filters, state = filters_of_warnings(), torch.get_rng_state()
    with joblib.parallel_config("threading", n_jobs=3):
        run(tmp_path, methods=names, n_jobs=None)
    assert filters_of_warnings() == filters
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == 1
    one, threads = (pd.read_csv(f / "results.csv").drop(columns=TIMES) for f in (folder, tmp_path))
    one = one[one.method.isin([*names, "none_learned"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(one, threads, check_exact=True)


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
