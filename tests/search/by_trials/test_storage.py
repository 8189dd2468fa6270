"""Searches that share their trials through a file or a database."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from searched import data, every_trial_search, scores_of, trial_search

from eeginv import AutoAugmentSearch, FastAutoAugmentSearch
from eeginv.search.by_trials import search as trial_loop
from eeginv.search.by_trials import storage as storage_module
from eeginv.search.by_trials.storage import Storage
from eeginv.search.by_trials.study import Study
from eeginv.search.by_trials.trial import Outcome

PLACES = pytest.mark.parametrize("place", ["trials", "sqlite:///{}/trials.db"])
OPTIONS = {"refit": False, "n_trials": 9, "round_size": 3}


def where(place, folder):
    return place.format(folder) if "{}" in place else folder / place


def searched(place, meeting=None, slow=0.0):
    """Search in this process, with trials that take some time; count those that it did itself."""
    X, y, groups = data()
    mine, original = [], trial_loop.run_trial

    def run_trial(*args):
        mine.append(args[1])
        time.sleep(slow)
        return original(*args)

    if meeting is not None:  # two start together
        (meeting / str(os.getpid())).touch()
        while len(list(meeting.iterdir())) < 2:
            time.sleep(0.01)
    trial_loop.run_trial = run_trial
    try:
        found = trial_search(AutoAugmentSearch, storage=place, **OPTIONS)
        found.fit(X, y, groups=groups)
    finally:
        trial_loop.run_trial = original
    return scores_of(found), found.policy_, len(mine)


@pytest.fixture(scope="module")
def alone():
    return searched(None)


@every_trial_search
@PLACES
def test_one_process_finds_what_it_finds_without_storage(cls, place, tmp_path):
    X, y, groups = data()
    place = where(place, tmp_path)
    without, stored, again = (
        trial_search(cls, refit=False, storage=storage).fit(X, y, groups=groups)
        for storage in (None, place, place)
    )
    assert scores_of(without) == scores_of(stored) == scores_of(again)
    assert without.policy_ == stored.policy_ == again.policy_


@pytest.mark.slow
@PLACES
def test_two_processes_share_the_trials_and_find_the_same(place, tmp_path, alone):
    place, meeting = where(place, tmp_path), tmp_path / "meeting"
    meeting.mkdir()
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
        jobs = [processes.submit(searched, place, meeting, 0.4) for _ in range(2)]
        found = [job.result() for job in jobs]
    (scores, policy, n_alone), counts = alone, [count for *_, count in found]
    assert [result[:2] for result in found] == [(scores, policy)] * 2
    assert sum(counts) == n_alone == 9  # none twice
    assert min(counts) >= 2


@pytest.mark.slow
def test_what_a_killed_process_was_at_is_done_by_another(tmp_path, alone, monkeypatch):
    monkeypatch.setattr(storage_module, "_GONE", 6.0)
    place, context = tmp_path / "trials", multiprocessing.get_context("spawn")
    victim = context.Process(target=searched, args=(place, None, 600.0))
    victim.start()
    while not (place.exists() and b'"number"' in place.read_bytes()):  # its first claim
        time.sleep(0.05)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    assert searched(place) == alone


@PLACES
def test_claims(place, tmp_path, monkeypatch):
    place, params = where(place, tmp_path), {}
    with ExitStack() as stack:
        one, two = (stack.enter_context(closing(Storage(place, "key"))) for _ in range(2))
        studies = [storage.study(0) for storage in (one, two)]
        stack.enter_context(one.at_work())
        stack.enter_context(two.at_work())
        assert studies[0].claim(0, params, {})
        assert not studies[1].claim(0, params, {})
        assert studies[1].claim(1, params, {})
        studies[0].finish(0, Outcome(0.5, {1: 0.4}, False, 2.0))
        assert not studies[1].claim(0, params, {})
        assert studies[1].outcomes({0: params, 1: params}) == {
            0: Outcome(0.5, {1: 0.4}, False, 2.0)
        }
        assert studies[0].claim(2, params, {})
        studies[0].release(2)
        assert studies[1].claim(2, params, {})
        assert studies[0].claim(3, params, {})
        assert not studies[1].claim(3, params, {})
        monkeypatch.setattr(storage_module, "_GONE", -1.0)
        assert studies[1].claim(3, params, {})  # the first does not seem to live


def test_claims_of_who_has_left_are_free(tmp_path):
    one, two = (Storage(tmp_path / "trials", "key") for _ in range(2))
    studies = [storage.study(0) for storage in (one, two)]
    with one.at_work():
        assert studies[0].claim(0, {}, {})
    with two.at_work():
        assert studies[1].claim(0, {}, {})


def test_of_two_claims_at_once_the_first_counts(tmp_path, monkeypatch):
    storages = [Storage(tmp_path / "trials", "key") for _ in range(2)]
    one, two = (storage.study(0) for storage in storages)
    for storage in storages:
        storage._tell("at work")
    original, between = one._holder, []

    def holder(number):
        found = original(number)
        if not between:  # just before the claim, another one makes its own
            between.append(two.claim(0, {}, {}))
        return found

    monkeypatch.setattr(one, "_holder", holder)
    assert not one.claim(0, {}, {})
    assert between == [True]


def test_a_trial_that_failed_is_free_again(tmp_path):
    one, two = (Study({}, 0, Storage(tmp_path / "trials", "key").study(0)) for _ in range(2))
    for study in (one, two):
        study.ask(range(1))
    assert one.claim(0, {})
    one.finish(0, Outcome(error="no luck"))
    assert list(two.missing()) == [0]
    assert two.claim(0, {})
    two.finish(0, Outcome(0.5))
    assert list(one.missing()) == []


def test_a_database_holds_several_searches(tmp_path):
    X, y, groups = data()
    place = f"sqlite:///{tmp_path}/trials.db"
    for cls in (AutoAugmentSearch, FastAutoAugmentSearch):
        for seed in (0, 1):
            options = {"refit": False, "random_state": seed}
            stored = trial_search(cls, storage=place, **options).fit(X, y, groups=groups)
            without = trial_search(cls, **options).fit(X, y, groups=groups)
            assert scores_of(stored) == scores_of(without)
            assert opened(tmp_path) == []


def opened(folder):
    """Files of a folder that this process has open."""
    links = [path for path in Path("/proc/self/fd").glob("*") if path.is_symlink()]
    return [name for name in map(os.path.realpath, links) if name.startswith(f"{folder}/")]


def test_a_database_that_is_none_is_an_error(tmp_path):
    X, y, groups = data()
    for place in ("nosuch://host/trials", f"sqlite:///{tmp_path}/no/such/folder/trials.db"):
        with pytest.raises(ValueError, match="cannot be opened"):
            trial_search(AutoAugmentSearch, storage=place).fit(X, y, groups=groups)
