"""The simulated hypnograms have the statistics of the table, and the table those of real ones."""

import importlib.util
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from eeginv.datasets import simulate_hypnogram
from eeginv.datasets.scoring.stages import STAGES
from eeginv.datasets.simulation.hypnogram import load_hypnogram_statistics

TOOL = Path(__file__).resolve().parents[3] / "tools" / "make_hypnogram_statistics.py"


@pytest.fixture(scope="module")
def nights():
    """Simulate 150 nights of the length of real ones, without the wake before sleep."""
    rng = np.random.default_rng(0)
    return np.array([simulate_hypnogram(1000, wake_epochs=0, random_state=rng) for _ in range(150)])


def test_stage_proportions_follow_the_table(nights):
    n_epochs = load_hypnogram_statistics()["n_epochs"].sum(axis=0)
    simulated = [np.mean(nights == stage) for stage in STAGES]
    np.testing.assert_allclose(simulated, n_epochs / n_epochs.sum(), atol=0.02)


def test_thirds_of_the_night_follow_the_table(nights):
    n_epochs = load_hypnogram_statistics()["n_epochs"]
    for third, counts in zip(np.array_split(nights, 3, axis=1), n_epochs, strict=True):
        simulated = [np.mean(third == stage) for stage in STAGES]
        # A bout keeps the statistics of the third in which it starts, hence the tolerance.
        np.testing.assert_allclose(simulated, counts / counts.sum(), atol=0.04)


def test_mean_bouts_follow_the_table(nights):
    table = load_hypnogram_statistics()
    real = table["n_epochs"].sum(axis=0) / table["n_bouts"]
    for stage, mean in zip(STAGES, real, strict=True):
        inside = np.pad((nights == stage).astype(int), ((0, 0), (1, 0)))
        n_bouts = np.sum(np.diff(inside, axis=1) == 1)
        assert np.sum(inside) / n_bouts == pytest.approx(mean, rel=0.1)


def test_no_transition_that_real_nights_lack(nights):
    counts = load_hypnogram_statistics()["transitions"].sum(axis=0)
    for night in nights[:50]:
        before, after = night[:-1], night[1:]
        changes = before != after
        for a, b in set(zip(before[changes].tolist(), after[changes].tolist(), strict=True)):
            assert counts[STAGES.index(a), STAGES.index(b)] > 0


def test_starts_with_wake():
    stages = simulate_hypnogram(480, random_state=0)
    assert set(stages[:20]) == {"W"}
    assert stages[20] != "W"


def test_seed_decides():
    first = simulate_hypnogram(300, random_state=5)
    np.testing.assert_array_equal(first, simulate_hypnogram(300, random_state=5))
    assert not np.array_equal(first, simulate_hypnogram(300, random_state=6))


@pytest.mark.parametrize("n_epochs", [1, 2, 11, 13])
def test_short_hypnograms(n_epochs):
    assert simulate_hypnogram(n_epochs, random_state=0).shape == (n_epochs,)
    assert set(simulate_hypnogram(n_epochs, wake_epochs=50, random_state=0)) == {"W"}


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"n_epochs": 0}, ValueError, "n_epochs must be at least 1; got 0"),
        ({"n_epochs": 3.5}, TypeError, "n_epochs must be an integer"),
        ({"n_epochs": 5, "wake_epochs": -1}, ValueError, "wake_epochs must be at least 0"),
        ({"n_epochs": 5, "random_state": "x"}, TypeError, "random_state must be None"),
        ({"n_epochs": 5, "random_state": -1}, ValueError, "random_state must be None"),
    ],
)
def test_bad_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        simulate_hypnogram(**arguments)


def test_tool_makes_the_shipped_table(shared_data):
    folder = shared_data / "sleep_edf_hypnograms"
    if not folder.is_dir():
        pytest.skip("the real hypnograms are not there")
    spec = importlib.util.spec_from_file_location("make_hypnogram_statistics", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    shipped = files("eeginv.datasets.simulation").joinpath("hypnogram_statistics.json")
    text = tool.to_json(tool.make_table(folder))
    assert text == shipped.read_text(encoding="utf-8")
    assert json.loads(text)["n_hypnograms"] == 197
