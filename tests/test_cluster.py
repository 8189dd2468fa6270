"""On a Dask cluster of two processes: what comes out is what one process gives.

That two processes of joblib give the same is tested beside benchmark and searches.
"""

import copy
import json
import shutil

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib._parallel_backends import ThreadingBackend
from sklearn.base import clone
from test_doc import run_page

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
