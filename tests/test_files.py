"""Every file that the package writes: whole or not at all, as readable as the umask says."""

import os
import threading

import numpy as np
import pytest
import torch
from searched import data, prototype, trial_search
from torch import nn

from eeginv import AutoAugmentSearch, DDASSearch, InvariantClassifier, Policy
from eeginv._files import replacing, unused_name, write_atomically, write_if_new
from eeginv.benchmark.report import write_report
from eeginv.datasets import simulate_recordings, write_sleep_physionet
from eeginv.policy import PolicyEntry
from eeginv.transforms import GaussianNoise, SignFlip


def write_policy(folder):
    Policy([PolicyEntry("SignFlip", 0.5, binary=True)]).to_json(folder / "policy.json")


def write_estimator(folder):
    X, y, _ = data()
    clf = InvariantClassifier(
        sfreq=64.0, max_epochs=1, augmentation=None, backbone="ShallowFBCSPNet"
    )
    clf.fit(np.tile(X, (1, 1, 8)), y).save(folder / "model")


def write_checkpoint(folder):
    X, y, groups = data()
    options = {"transforms": [SignFlip(), GaussianNoise()], "search_epochs": 1, "refit": False}
    DDASSearch(prototype(), checkpoint=folder / "search.pt", **options).fit(X, y, groups=groups)


def write_journal(folder):
    X, y, groups = data()
    search = trial_search(AutoAugmentSearch, refit=False, n_trials=1, storage=folder / "trials")
    search.fit(X, y, groups=groups)


def write_recording(folder):
    population = simulate_recordings(n_subjects=1, hours=0.25, random_state=0)
    write_sleep_physionet(population, folder)


def test_loading_leaves_the_generators_of_torch(tmp_path):
    write_estimator(tmp_path)
    state = torch.get_rng_state()
    InvariantClassifier.load(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), state)


WRITERS = [
    write_policy, write_estimator, write_checkpoint, write_journal, write_recording, write_report
]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@pytest.mark.parametrize(
    ("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o007, 0o660, 0o770)]
)
def test_permissions_follow_the_umask(write, umask, file, folder, tmp_path):
    before = os.umask(umask)
    try:
        write(tmp_path)
    finally:
        os.umask(before)
    found = sorted(tmp_path.rglob("*"))
    assert found
    for path in found:
        assert path.stat().st_mode & 0o777 == (folder if path.is_dir() else file), path
        assert not path.name.startswith(".")  # nothing is left over


def test_what_was_there_stays_until_the_new_is_whole(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, "earlier")

    def interrupted():
        with replacing(path) as scratch:
            scratch.write_text("ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "earlier"
    path.chmod(0o600)  # the owner's choice
    write_atomically(path, "läter")
    assert path.read_bytes() == "läter".encode()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_many_writers_do_not_disturb_each_other(tmp_path):
    assert unused_name(tmp_path / "a") != unused_name(tmp_path / "a")
    path = tmp_path / "file"
    errors = []

    def write(text):
        try:
            for _ in range(20):
                write_atomically(path, text)
        except OSError as error:
            errors.append(error)

    texts = [str(i) * 10_000 for i in range(4)]
    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert path.read_text() in texts
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"something else"])
def test_a_checkpoint_that_is_none_is_named(content, tmp_path):
    path = tmp_path / "search.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"search.pt is not a checkpoint of a search, or was cut"):
        write_checkpoint(tmp_path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", ["", '{"format": 2, "cl'])
def test_a_saved_estimator_that_was_cut_is_named(content, tmp_path):
    (tmp_path / "estimator.json").write_text(content)
    with pytest.raises(ValueError, match=r"estimator.json is (empty|not JSON, or was cut)"):
        InvariantClassifier.load(tmp_path, backbone=nn.Identity())


def test_of_several_who_begin_a_file_one_succeeds(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("no hard links on this disk")

    for name in ("links", "none"):
        write_if_new(tmp_path / name, "first")
        write_if_new(tmp_path / name, "second")
        assert (tmp_path / name).read_text() == "first"
        monkeypatch.setattr(os, "link", refuse)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["links", "none"]
