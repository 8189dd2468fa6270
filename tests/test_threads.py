"""Threads share a process: results are those of processes, and the process stays as it was."""

import threading
import warnings

import joblib
import numpy as np
import optuna
import pytest
import torch
from searched import SMALL_TRIALS, data, prototype, scores_of, trial_search
from sklearn.model_selection import GridSearchCV
from torch import nn

from eeginv import AutoAugmentSearch, FastAutoAugmentSearch
from eeginv._process import count_threads, ignoring, in_this_process
from eeginv._randomness import isolated
from eeginv.estimators import Trainer
from eeginv.inspection import invariance_profile
from eeginv.transforms import GaussianNoise, SignFlip, TimeReverse


def process_state():
    return {
        "generator": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "filters": list(warnings.filters),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "dtype": torch.get_default_dtype(),
        "optuna": optuna.logging.get_verbosity(),
    }


@pytest.fixture(scope="module", autouse=True)
def _everything_is_imported():
    # modules that are imported late add filters of their own
    X, y, groups = data()
    trial_search(AutoAugmentSearch, n_trials=1, prune=True).fit(X, y, groups=groups)


@pytest.fixture(autouse=True)
def _the_process_stays_as_it_was(request):
    before, after_in_thread = process_state(), {}
    yield
    after = process_state()
    if request.node.get_closest_marker("filterwarnings"):  # scikit-learn's threads change filters
        del before["filters"], after["filters"]
    assert after == before
    thread = threading.Thread(target=lambda: after_in_thread.update(process_state()))
    thread.start()
    thread.join()
    assert after_in_thread["threads"] == before["threads"]


@pytest.mark.parametrize("cls", [AutoAugmentSearch, FastAutoAugmentSearch])
def test_searches(cls):
    X, y, groups = data()
    assert "n_trials" in SMALL_TRIALS[cls]
    options = {"refit": False, "prune": True} if cls is AutoAugmentSearch else {"refit": False}
    one = trial_search(cls, **options).fit(X, y, groups=groups)
    with joblib.parallel_config("threading"):
        threads = trial_search(cls, n_jobs=3, **options).fit(X, y, groups=groups)
    assert scores_of(threads) == scores_of(one)
    assert threads.policy_ == one.policy_
    assert len(set(scores_of(one)[0])) > 1


@pytest.mark.filterwarnings("error")
def test_estimators_in_a_grid_search():
    X, y, _ = data()
    clf = prototype(augmentation="augnet", transforms=[SignFlip(), TimeReverse()])
    found = []
    for backend in ("sequential", "threading"):
        grid = GridSearchCV(clf, {"lr": [1e-3, 1e-2, 3e-2]}, cv=2, scoring="neg_log_loss")
        with joblib.parallel_config(backend, n_jobs=3):
            found.append(grid.fit(X, y).cv_results_)
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(found[0][name], found[1][name])
    assert len(set(found[0]["mean_test_score"])) == 3


def test_profile_of_a_network_that_threads_share():
    X, _, groups = data()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Dropout(0.5), nn.Linear(3, 3))
    network.train()
    transforms = [SignFlip(), TimeReverse(), GaussianNoise()] * 2
    options = {"transforms": transforms, "random_state": 0, "n_draws": 2, "space": "embedding"}
    one = invariance_profile(network, X, groups=groups, **options)
    with joblib.parallel_config("threading"):
        threads = invariance_profile(network, X, groups=groups, n_jobs=4, **options)
    assert one.equals(threads)
    assert all(part.training for part in network.modules())


def test_isolated_threads_do_not_see_each_other():
    alone = []
    for seed in range(4):
        with isolated(seed, 1):
            alone.append(torch.rand(3).tolist() + torch.rand(3).tolist())
    barrier = threading.Barrier(4, timeout=20)

    def draw(seed):
        barrier.wait()
        with isolated(seed, 1):
            first = torch.rand(3).tolist()
            with isolated(99):  # nested, as a score inside a training
                torch.rand(5)
            return first + torch.rand(3).tolist()

    found = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(draw)(seed) for seed in range(4)
    )
    assert found == alone


def test_warnings_are_ignored_by_one_thread_at_a_time():
    inside = threading.Event()
    order = []

    def second():
        inside.wait(20)
        with ignoring(("x", UserWarning)):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with ignoring(("silent", UserWarning)):
        inside.set()
        thread.join(0.2)  # has to wait
        warnings.warn("silent", stacklevel=1)
        with pytest.raises(UserWarning, match="loud"):
            warnings.warn("loud", stacklevel=1)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_number_of_threads_is_not_that_of_a_parallel_context(backend):
    assert count_threads(None) == 1
    assert count_threads(-1) == joblib.cpu_count()
    assert count_threads(-(10**6)) == 1
    with joblib.parallel_config(backend, n_jobs=7):
        assert count_threads(None) == 1
        assert count_threads(2) == 2
        with Trainer(prototype(n_jobs=2)).isolated(0):
            assert torch.get_num_threads() == 2
        with in_this_process():
            assert joblib.effective_n_jobs(3) == 1
    with pytest.raises(ValueError, match="n_jobs == 0"):
        count_threads(0)
