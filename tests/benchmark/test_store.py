"""The folder of a benchmark: runs of other settings or data, what cannot be read or written."""

import os

import numpy as np
import pytest
from benchmarked import settings
from edf_bytes import write_hypnogram, write_psg

from eeginv.benchmark.plan import Plan
from eeginv.benchmark.store import Store


def test_other_settings_are_not_mixed(tmp_path):
    Store.create(tmp_path, settings())
    Store.create(tmp_path, settings(epochs=3))  # nothing is there yet that could be mixed
    Store.create(tmp_path, settings())
    run = Plan(["none"], (2,), 1, [0]).trained[0]
    Store.create(tmp_path, settings()).write(
        {"run_id": run.run_id, "status": "done", "policy": None}
    )
    with pytest.raises(ValueError, match="other settings"):
        Store.create(tmp_path, settings(epochs=3))


def test_failures_of_other_settings_do_not_stay(tmp_path):
    record = {"run_id": "none-train2-split0-seed0", "status": "failed", "error": "lr too large"}
    Store.create(tmp_path, settings(lr=10.0)).write(record)
    Store.create(tmp_path, settings(lr=10.0))
    assert len(list((tmp_path / "runs").iterdir())) == 1
    Store.create(tmp_path, settings())
    assert list((tmp_path / "runs").iterdir()) == []


def test_data_that_changed_are_not_mixed(tmp_path):
    """A night that is scored anew keeps the sizes of its files."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_psg(folder / "anna-PSG.EDF", 60)
    rows = [(0, 30, "Sleep stage W"), (30, 30, "Sleep stage 1")]
    write_hypnogram(folder / "anna-Hypnogram.edf", rows)
    before = settings(data=str(folder)).fingerprint()
    (folder / "._anna-PSG.EDF").write_bytes(b"x")  # what macOS puts there is not read
    assert settings(data=f"{folder}/").fingerprint() == before
    write_hypnogram(folder / "anna-Hypnogram.edf", [rows[0], (30, 30, "Sleep stage 2")])
    scored_anew = settings(data=str(folder)).fingerprint()
    assert scored_anew != before
    write_psg(folder / "anna-PSG.EDF", 60, unit="mV")
    assert settings(data=str(folder)).fingerprint() not in (before, scored_anew)
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        settings(data=str(tmp_path / "nowhere")).fingerprint()


def test_numbers_of_numpy_in_settings():
    options = {"subjects": np.arange(3), "h_freq": np.float64(30)}
    plain = {"subjects": [0, 1, 2], "h_freq": 30.0}
    assert (
        settings(data_options=options).fingerprint() == settings(data_options=plain).fingerprint()
    )


@pytest.mark.parametrize("content", [b"", b'{"status": "do', b"[]", b"\xff\xfe\x00", b'{"a": 1}'])
def test_a_run_that_cannot_be_read_is_not_done(content, tmp_path):
    store = Store.create(tmp_path, settings())
    unit, other = Plan(["none", "trivial"], (2,), 1, [0]).trained
    for one in (unit, other):
        store.write({"run_id": one.run_id, "status": "done", "policy": None, "scores": {}})
    assert store.record(unit)["run_id"] == unit.run_id
    (tmp_path / "runs" / f"{unit.run_id}.json").write_bytes(content)
    with pytest.warns(UserWarning, match=rf"{unit.run_id}.json cannot be read"):
        assert store.record(unit) is None
    runs, failures = store.load()
    assert [record["run_id"] for record in runs] == [other.run_id]
    assert [failure["run_id"] for failure in failures] == [unit.run_id]
    with pytest.raises(ValueError, match="other sett"):
        Store.create(tmp_path, settings(epochs=3))


def test_empty_settings_are_named(tmp_path):
    unit = Plan(["none"], (2,), 1, [0]).trained[0]
    Store.create(tmp_path, settings()).write(
        {"run_id": unit.run_id, "status": "done", "policy": None}
    )
    (tmp_path / "settings.txt").write_text("")
    with pytest.raises(ValueError, match=r"settings.txt is empty"):
        Store.create(tmp_path, settings())


def test_two_may_start_in_one_folder(tmp_path, monkeypatch):
    """Each start of a benchmark, whatever another does between any two of its steps."""
    starting, original = [], os.replace

    def replace(source, target):
        if len(starting) < 4:  # another one starts, and ends its start, right now
            starting.append(target)
            Store.create(tmp_path, settings())
        original(source, target)

    monkeypatch.setattr(os, "replace", replace)
    Store.create(tmp_path, settings())
    assert len(starting) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "networks", "policies", "runs", "settings.txt"
    ]  # fmt: skip


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written"):
        Store.create(tmp_path / "file" / "out", settings())
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):
        return  # permissions do not bind this user
    with pytest.raises(OSError, match="cannot be written"):
        Store.create(locked / "out", settings())


def test_full_disk_is_noticed_at_once(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        Store.create(tmp_path / "out", settings())
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
