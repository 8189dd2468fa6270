"""On a Dask cluster of two processes: what comes out is what one process gives.

That two processes of joblib give the same is tested beside benchmark and searches.
"""

import copy
import json
import os
import shutil
import signal
import threading
import time
from concurrent.futures import CancelledError

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib._parallel_backends import ThreadingBackend
from sklearn.base import clone
from test_doc import run_page

from eeginv._process import call_all
from eeginv.benchmark import run_benchmark
from eeginv.benchmark.statistics import RUN_METRICS
from eeginv.datasets import SleepDataset, simulate_recordings


@pytest.fixture(scope="module")
def page(root):
    """What the page of the documentation has computed on its cluster."""
    found, outcome = run_page(root / "doc" / "user_guide" / "cluster.rst")
    assert outcome.failed == 0
    assert outcome.attempted > 10
    yield found
    shutil.rmtree(found["output"])


def contents(folder):
    """What the runs of a benchmark have found: plain values, without times."""
    table = pd.read_csv(folder / "results.csv").drop(columns=[*RUN_METRICS, "seconds_predict"])
    policies = {p.name: json.loads(p.read_text()) for p in (folder / "policies").iterdir()}
    weights = {p.parent.name: p.read_bytes() for p in (folder / "networks").rglob("*.safetensors")}
    return table, policies, weights


@pytest.mark.slow
def test_benchmark(page, tmp_path):
    options = {"settings": page["settings"], "methods": ["none", "augnet"], "progress": False}
    run_benchmark(tmp_path, n_splits=1, n_jobs=1, **options)
    here, there = contents(tmp_path), contents(page["report"].parent)
    pd.testing.assert_frame_equal(here[0], there[0], check_exact=True)
    assert sorted(set(here[0].method)) == ["augnet", "none", "none_learned"]
    assert here[1:] == there[1:]


@pytest.mark.slow
def test_search(page):
    search = clone(page["search"]).set_params(n_jobs=1)
    search.fit(page["X"], page["y"], groups=page["groups"])
    found = [one.cv_results_["mean_test_score"].tolist() for one in (search, page["search"])]
    assert found[0] == found[1]
    assert search.policy_ == page["policy"]


# workers that are lost ----------------------------------------------------------------------------


@pytest.fixture
def client():
    """Two workers in processes of their own, which are started again when they are lost."""
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        with Client(cluster) as client:
            yield client


def pids(client):
    return sorted(client.run(os.getpid).values())


@pytest.mark.slow
def test_a_run_that_loses_its_worker_is_repeated(client, page, tmp_path, monkeypatch):
    monkeypatch.setattr("eeginv.benchmark.run.write_report", lambda folder: folder)
    before, killed = client.run(os.getpid), []

    def kill_one():
        while not all(client.processing().values()):  # a run on each
            time.sleep(0.05)
        time.sleep(0.5)
        killed.append(before[min(before)])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    options = {"settings": page["settings"], "methods": ["none", "augnet"], "progress": False}
    with joblib.parallel_config("dask"):
        run_benchmark(tmp_path, n_splits=1, **options)
    killer.join(10)
    assert killed
    assert killed[0] not in pids(client)
    here, there = contents(tmp_path), contents(page["report"].parent)
    pd.testing.assert_frame_equal(here[0], there[0], check_exact=True)
    assert here[1:] == there[1:]


@pytest.mark.slow
def test_calls_whose_arguments_were_lost_with_all_workers_are_repeated(client):
    """Dask keeps what it sends to workers nowhere else; jobs of a cluster may end together."""

    def work(number, values):
        time.sleep(0.5)
        return number + values.sum(), os.getpid()

    values, found, before = np.ones(10_000), {}, pids(client)
    with joblib.parallel_config("dask"):
        calls = [joblib.delayed(work)(number, values) for number in range(6)]
        for number, (result, worker) in call_all(calls):
            assert number not in found
            found[number] = result, worker
            if len(found) == 2:
                for pid in before:
                    os.kill(pid, signal.SIGKILL)
    assert {number: result for number, (result, _) in found.items()} == {
        number: number + 10_000 for number in range(6)
    }
    workers = {worker for _, worker in found.values()}
    assert len(workers - {*before}) >= 1
    assert os.getpid() not in workers


@pytest.mark.parametrize(("ends", "attempts"), [([1, 2, 3], 3), ([0, 0, 0, 1, 0, 0, 5], 7)])
def test_only_what_has_not_ended_is_repeated(ends, attempts, monkeypatch):
    given = lossy(ends, monkeypatch)
    calls = (joblib.delayed(pow)(number, 2) for number in range(6))
    assert dict(call_all(calls)) == {number: number**2 for number in range(6)}
    assert given == [6 - sum(ends[:i]) for i in range(attempts)]


def test_what_is_lost_again_and_again_is_given_up(monkeypatch):
    given = lossy([2, 0, 0, 0], monkeypatch)
    with pytest.raises(CancelledError):
        list(call_all(joblib.delayed(pow)(number, 2) for number in range(6)))
    assert len(given) == 4


def lossy(ends, monkeypatch):
    """Let joblib lose, at each attempt, what is beyond a number of calls; note how many it gets."""
    original, given = joblib.Parallel, []

    def parallel(**options):
        def call(calls):
            calls = list(calls)
            end = ends[len(given)]
            given.append(len(calls))
            yield from original(n_jobs=1, return_as="generator")(calls[:end])
            if end < len(calls):
                raise CancelledError

        return call

    monkeypatch.setattr(joblib, "Parallel", parallel)
    return given


# recordings ---------------------------------------------------------------------------------------


class Elsewhere(ThreadingBackend):
    """Call everything on copies, as a cluster does."""

    def submit(self, func, callback=None):
        sent.append(func)
        func.items = copy.deepcopy(func.items)
        return super().submit(func, callback)


sent = []


@pytest.mark.parametrize("options", [{}, {"sfreq": 32.0, "l_freq": 0.5, "h_freq": 12.0}])
def test_recordings_are_prepared_in_this_process(options):
    """Braindecode's preprocessing works in place, on what a cluster has copies of only."""
    population = simulate_recordings(n_subjects=2, hours=0.25, sfreq=64.0, random_state=0)
    options = {"h_freq": 20.0, **options}
    X, y, groups = SleepDataset(
        population.recordings, population.description, **options
    ).to_arrays()
    joblib.register_parallel_backend("elsewhere", Elsewhere)
    sent.clear()
    with joblib.parallel_config("elsewhere", n_jobs=2):
        joblib.Parallel()([joblib.delayed(abs)(-1)])
        assert len(sent) == 1  # the backend is used
        nights = SleepDataset(population.recordings, population.description, **options)
    assert len(sent) == 1
    for here, there in zip((X, y, groups), nights.to_arrays(), strict=True):
        np.testing.assert_array_equal(here, there)
    assert abs(X).max() > 1  # not in volts
