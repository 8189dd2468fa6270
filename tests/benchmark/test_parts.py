"""Array jobs: parts of the runs, in one folder, at the same time."""

import dataclasses
import itertools
import json
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor

import pandas as pd
import pytest
from typer.testing import CliRunner

from eeginv.benchmark import METHODS, Settings, run_benchmark
from eeginv.benchmark import run as run_module
from eeginv.benchmark.plan import Part, Plan
from eeginv.benchmark.statistics import RUN_METRICS
from eeginv.benchmark.store import Store
from eeginv.cli import app

NIGHTS = {"n_subjects": 4, "hours": 1.0, "sfreq": 64.0, "random_state": 0, "stages": ("W", "N2")}
SETTINGS = Settings(data_options=NIGHTS, n_train=(2,), n_test=2, epochs=2, n_copies=2)
METHODS_HERE = ("none", "trivial", "augnet")


def run(folder, only=None, **changes):
    options = {"settings": SETTINGS, "methods": METHODS_HERE, "n_splits": 2, "progress": False}
    return run_benchmark(folder, n_jobs=1, only=only, **{**options, **changes})


def found(folder):
    """What the runs have found: plain values, without times."""
    table = pd.read_csv(folder / "results.csv").drop(columns=[*RUN_METRICS, "seconds_predict"])
    return table, {p.name: json.loads(p.read_text()) for p in (folder / "policies").iterdir()}


def assert_equal(one, other):
    (table, policies), (other_table, other_policies) = found(one), found(other)
    pd.testing.assert_frame_equal(table, other_table, check_exact=True)
    assert policies == other_policies


def write_report(folder):
    """Write in no time what stands for the report; other processes write the real one."""
    runs, failures = Store(folder).load()
    path = folder / "report.html"
    path.write_text("\n".join([f"{len(runs)} runs", *(f["error"] for f in failures)]))
    return path


@pytest.fixture(autouse=True, scope="module")
def _quick_report():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "write_report", write_report)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    assert set(found(folder)[0].method) == {*METHODS_HERE, "none_learned"}
    return folder


# the division -------------------------------------------------------------------------------------


def spread(shares, name, value):
    counts = [sum(getattr(run, name) == value for run in share) for share in shares]
    return max(counts) - min(counts)


@pytest.mark.parametrize("n_methods", [1, 2, 3, 4])
def test_every_run_is_in_one_part_and_methods_are_spread_evenly(n_methods):
    for n_splits, n_seeds, n_parts in itertools.product((1, 4, 7), (1, 2), (1, 2, 3, 4, 6, 16, 40)):
        plan = Plan(tuple(METHODS)[:n_methods], (1, 2), n_splits, tuple(range(n_seeds)))
        shares = [plan.share(Part(number, n_parts)) for number in range(1, n_parts + 1)]
        runs = [run for share in shares for run in share]
        assert sorted(runs, key=plan.trained.index) == plan.trained
        sizes = [len(share) for share in shares]
        assert max(sizes) - min(sizes) <= 1
        assert all(spread(shares, "method", method) <= 1 for method in plan.methods)


@pytest.mark.parametrize("n_parts", [2, 4])
def test_splits_are_spread_evenly(n_parts):
    """No part gets one method in all splits, or all methods in one split."""
    plan = Plan(tuple(METHODS)[:4], (2,), 4, (0,))
    shares = [plan.share(Part(number, n_parts)) for number in range(1, n_parts + 1)]
    assert all(spread(shares, "split", split) == 0 for split in range(4))
    assert all(spread(shares, "method", method) == 0 for method in plan.methods)


@pytest.mark.parametrize("text", ["0/16", "17/16", "x", "3", "-1/4", "1/0", "1.5/4", "", 3])
def test_what_is_no_part_is_refused_before_anything_is_written(text, tmp_path):
    with pytest.raises(ValueError, match=r"must be one of several parts, such as 3/16"):
        run(tmp_path / "out", text)
    assert not (tmp_path / "out").exists()


def test_what_is_no_part_is_refused_on_the_command_line(tmp_path):
    options = ["benchmark", "--smoke", "--output", str(tmp_path / "out"), "--only", "17/16"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 2
    assert "got '17/16'" in result.output
    assert not (tmp_path / "out").exists()


# one folder ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_parts_at_the_same_time_give_what_an_undivided_run_gives(whole, tmp_path):
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        parts = [processes.submit(run, tmp_path, f"{number}/2") for number in (1, 2)]
        reports = [part.result() for part in parts]
    assert tmp_path / "report.html" in reports
    assert_equal(whole, tmp_path)
    assert "8 runs finished of 8 planned" in (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "plan.json").read_text())["parts"] == 2
    assert not list(tmp_path.rglob(".*"))  # no scratch file is left


def test_parts_one_after_the_other(whole, tmp_path, capsys):
    """In any order; the control is made by whoever ends later of the two that it is made of."""
    assert run(tmp_path, "3/3", progress=True) is None
    said = " ".join(capsys.readouterr().out.split())
    assert "Part 3/3 is done. 6 of the benchmark's 8 runs are missing" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "environment.json", "networks", "plan.json", "policies", "runs", "settings.txt"
    ]  # fmt: skip
    assert run(tmp_path, "1/3") is None
    assert run(tmp_path, "2/3") == tmp_path / "report.html"
    assert_equal(whole, tmp_path)
    (tmp_path / "report.html").unlink()
    assert run(tmp_path, "3/3") == tmp_path / "report.html"  # nothing is left to do but this


def test_a_part_without_runs(tmp_path):
    assert run(tmp_path, "7/7") is None
    assert not list((tmp_path / "runs").iterdir())


def test_an_undivided_call_does_what_parts_have_left(whole, tmp_path):
    run(tmp_path, "1/2")
    done = {p: p.stat().st_mtime_ns for p in (tmp_path / "runs").iterdir()}
    assert len(done) == 4  # a control among them
    run(tmp_path)
    assert {p: p.stat().st_mtime_ns for p in done} == done
    assert_equal(whole, tmp_path)


def test_a_run_that_fails_does_not_keep_the_report_from_being_written(tmp_path, monkeypatch):
    def explode(*args):
        raise RuntimeError("out of luck")

    broken = dataclasses.replace(METHODS["augnet"], fit=explode)
    with monkeypatch.context() as patch:
        patch.setitem(METHODS, "augnet", broken)
        assert run(tmp_path, "1/2", n_splits=1, methods=["none", "augnet"]) is None
        report = run(tmp_path, "2/2", n_splits=1, methods=["none", "augnet"])
    assert "out of luck" in report.read_text()
    for only in ("1/2", "2/2"):
        report = run(tmp_path, only, n_splits=1, methods=["none", "augnet"])
    assert "out of luck" not in report.read_text()
    assert set(found(tmp_path)[0].method) == {"none", "augnet", "none_learned"}


@pytest.mark.parametrize("failed", [False, True])
def test_the_command_says_what_is_missing(failed, tmp_path, monkeypatch):
    store = Store.create(tmp_path, SETTINGS)
    if failed:
        store.write({"run_id": "none-train2-split0-seed0", "status": "failed", "error": "no luck"})
    monkeypatch.setattr("eeginv.benchmark.run_benchmark", lambda *_, **given: None)
    result = CliRunner().invoke(
        app, ["benchmark", "--smoke", "--only", "2/3", "--output", str(tmp_path)]
    )
    assert result.exit_code == failed
    assert ("failed so far: none-train2-split0-seed0" in result.output) == failed
    assert "Report" not in result.output


def test_parts_with_other_settings_are_refused(tmp_path, monkeypatch):
    """Even before a run of the first is there."""
    monkeypatch.setattr(run_module, "_execute", lambda *_: None)
    run(tmp_path, "1/2")
    with pytest.raises(ValueError, match="was begun with other settings"):
        run(tmp_path, "2/2", settings=dataclasses.replace(SETTINGS, epochs=3))
    run(tmp_path, "2/2")


def test_of_many_who_start_at_once_one_settles_the_settings(tmp_path):
    barrier, refused = threading.Barrier(8), []

    def start(epochs):
        barrier.wait()
        try:
            Store.create(tmp_path, dataclasses.replace(SETTINGS, epochs=epochs), shared=True)
        except ValueError:
            refused.append(epochs)

    threads = [threading.Thread(target=start, args=(epochs,)) for epochs in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (settled,) = {*range(1, 9)} - {*refused}
    text = (tmp_path / "settings.txt").read_text().strip()
    assert text == dataclasses.replace(SETTINGS, epochs=settled).fingerprint()
    umask = os.umask(0o022)
    os.umask(umask)
    assert (tmp_path / "settings.txt").stat().st_mode & 0o777 == 0o666 & ~umask
    assert not list(tmp_path.glob(".*"))
