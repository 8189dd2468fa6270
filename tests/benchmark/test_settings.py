"""What distinguishes the runs of one folder from those of another."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from eeginv.benchmark import Settings, default_settings, run_benchmark
from eeginv.benchmark import run as run_module


def write(path, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(48, 2, 128)), np.arange(48) % 2
    np.savez(path, X=X, y=y, subject=np.arange(48) // 12, sfreq=64.0, ch_names=["C3", "C4"])
    return path


def test_the_order_of_channels_distinguishes(tmp_path):
    path = write(tmp_path / "all.npz", 0)
    one, two = (
        Settings(data=str(path), data_options={"channels": channels})
        for channels in ({"C3": "C3", "C4": "C4"}, {"C4": "C4", "C3": "C3"})
    )
    assert one.fingerprint() != two.fingerprint()
    options = {"kind": "generic", "l_freq": 1.0}
    three, four = (
        dataclasses.replace(one, data_options=dict(items))
        for items in (options.items(), reversed(options.items()))
    )
    assert three.fingerprint() == four.fingerprint()


def test_data_that_are_given_are_those_of_the_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "write_report", lambda folder: folder)
    paths = [write(tmp_path / f"{name}.npz", seed) for seed, name in enumerate(("a", "b"))]
    settings = default_settings(paths[0], n_train=(2,), n_test=2, epochs=1)
    options = {"settings": settings, "methods": ["none"], "n_splits": 1, "n_jobs": 1}
    run_benchmark(tmp_path / "a", data=paths[0], progress=False, **options)
    run_benchmark(tmp_path / "b", data=paths[1], progress=False, **options)
    nlls = [pd.read_csv(tmp_path / name / "results.csv").nll.tolist() for name in "ab"]
    assert nlls[0] != nlls[1]
    with pytest.raises(ValueError, match="holds runs of other settings"):
        run_benchmark(tmp_path / "a", data=paths[1], progress=False, **options)
