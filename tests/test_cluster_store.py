"""On a Dask cluster, the windows of a store are read by the workers and not sent to them."""

import pickle

import joblib
import pandas as pd
import pytest
from trials import EVENTS, write_folder

from eeginv.benchmark import default_settings, run_benchmark
from eeginv.benchmark import run as run_module
from eeginv.benchmark.statistics import RUN_METRICS
from eeginv.datasets import load_windows, prepare_windows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("recordings"), files=["S1", "S2", "S3", "S4"])
    path = tmp_path_factory.mktemp("store")
    prepare_windows(folder, path, events=EVENTS, tmax=2.0)
    return path


def test_what_is_sent_does_not_grow_with_the_windows(store):
    windows = load_windows(store)
    n_bytes = len(pickle.dumps(windows.X))
    assert n_bytes < 0.1 * windows.X.nbytes
    half = len(pickle.dumps(windows.X[: len(windows.X) // 2]))
    assert abs(n_bytes - half) <= 16 * len(windows.X)  # row numbers at most


def test_benchmark(store, tmp_path, monkeypatch):
    """The table of two Dask workers is that of one process."""
    from distributed import Client, LocalCluster

    monkeypatch.setattr(run_module, "write_report", lambda folder: folder)
    settings = default_settings(store, n_train=(2,), n_test=2, epochs=3)
    options = {"settings": settings, "methods": ["none", "augnet"], "n_splits": 1}
    run_benchmark(tmp_path / "here", n_jobs=1, progress=False, **options)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        with Client(cluster), joblib.parallel_config("dask"):
            run_benchmark(tmp_path / "there", progress=False, **options)
    here, there = (
        pd.read_csv(tmp_path / name / "results.csv").drop(
            columns=[*RUN_METRICS, "seconds_predict"], errors="ignore"
        )
        for name in ("here", "there")
    )
    assert len(here) >= 2
    pd.testing.assert_frame_equal(here, there, check_exact=True)
