"""Prepared once: a store gives the windows of the recordings, without reading them again."""

import functools
import json
import re
import shutil

import numpy as np
import pytest
import recorded
from trials import EVENTS, FILES, NAMES, trials, write_folder

from eeginv.benchmark import Settings, default_settings, run_benchmark
from eeginv.benchmark.data import file_digests
from eeginv.datasets import (
    load_windows,
    prepare,
    prepare_windows,
    simulate_recordings,
    write_sleep_physionet,
)
from eeginv.datasets.sources import recordings as recorded_trials
from eeginv.estimators.lazy import LazyWindows

SPAN = {"events": EVENTS, "tmax": 2.0}


def same(stored, windows):
    assert isinstance(stored.X, LazyWindows)
    assert not isinstance(windows.X, LazyWindows)
    np.testing.assert_array_equal(np.asarray(stored.X), windows.X)
    for name in ("y", "subjects"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(windows, name))
    assert (stored.sessions is None) == (windows.sessions is None)
    if windows.sessions is not None:
        np.testing.assert_array_equal(stored.sessions, windows.sessions)
    for name in ("sfreq", "ch_names", "kind", "recipe", "true_invariances"):
        assert getattr(stored, name) == getattr(windows, name), name


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """A folder of sleep recordings, of which one has another order of channels."""
    folder = tmp_path_factory.mktemp("nights")
    population = simulate_recordings(n_subjects=3, hours=1.0, random_state=0)
    population.recordings[1].reorder_channels(population.recordings[1].ch_names[::-1])
    write_sleep_physionet(population, folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("recordings"))


# the same windows ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stages": ("W", "N2"), "crop_wake": None, "h_freq": 20.0, "resample": 50.0},
        {"standardize": False, "channels": {"A": "Pz*", "B": "Fpz*"}},
    ],
)
def test_sleep(nights, tmp_path, options):
    expected = load_windows(nights, **options)
    same(prepare_windows(nights, tmp_path / "store", **options), expected)
    same(load_windows(tmp_path / "store"), expected)


@pytest.mark.parametrize(
    "options", [{}, {"standardize": False, "h_freq": 30.0, "channels": ["C*"]}]
)
def test_recordings_with_events(folder, tmp_path, options):
    expected = load_windows(folder, **SPAN, **options)
    same(prepare_windows(folder, tmp_path, **SPAN, **options), expected)
    same(
        load_windows(tmp_path, kind="motor_imagery"),
        load_windows(folder, kind="motor_imagery", **SPAN, **options),
    )


def test_data_that_are_read_whole(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(700, 2, 40)), np.array(["a", "b"] * 350)
    data = X, y, rng.integers(0, 3, 700), rng.integers(0, 2, 700)  # subjects in any order
    same(prepare_windows(data, tmp_path / "arrays", sfreq=20), load_windows(data, sfreq=20))
    options = {"n_subjects": 2, "hours": 1.0, "random_state": 0}
    expected = load_windows("simulated", **options)
    same(prepare_windows("simulated", tmp_path / "simulated", **options), expected)
    dataset = recorded.dataset(*recorded.signals(), subjects=np.arange(32) // 8, unit=1.0)
    same(prepare_windows(dataset, tmp_path / "dataset"), load_windows(dataset))


def test_several_processes_write_the_same(nights, tmp_path):
    prepare_windows(nights, tmp_path / "one")
    prepare_windows(nights, tmp_path / "two", n_jobs=2)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 2 + 2 * 3
    for name in files:
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        if name.parent.name == "windows" and name.suffix == ".json":
            one, two = (json.loads(text) for text in (one, two))
            assert one.pop("modified") != two.pop("modified")
        assert one == two


def test_a_night_without_the_stages(nights, tmp_path, monkeypatch):
    """It is left out and the stages of the others are taken, as when all are read at once."""
    read = prepare.SleepDataset

    @functools.wraps(read)
    def without(recordings, rows, **options):
        if rows[0]["subject"] == 1:
            raise prepare.NothingLeft("none")
        return read(recordings, rows, **options)

    monkeypatch.setattr(prepare, "SleepDataset", without)
    stored = prepare_windows(nights, tmp_path)
    assert set(stored.subjects.tolist()) == {0, 2}
    same(stored, load_windows(nights, subjects=[0, 2]))


# interruptions ------------------------------------------------------------------------------------
def test_an_interrupted_preparation_continues(folder, tmp_path, monkeypatch):
    read, seen = recorded_trials.Cutting.read, []

    def interrupted(self, recording):
        seen.append(recording.name)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return read(self, recording)

    monkeypatch.setattr(recorded_trials.Cutting, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_windows(folder, tmp_path, **SPAN)
    with pytest.raises(ValueError, match="whose preparation was interrupted: repeat"):
        load_windows(tmp_path)
    said = []
    stored = prepare_windows(folder, tmp_path, say=said.append, **SPAN)
    assert seen == [*sorted(seen[:3]), *seen[2:3], *seen[4:]]  # the first two were not read again
    assert said[0] == f"2 of {len(FILES)} recordings are prepared already."
    monkeypatch.undo()
    same(stored, load_windows(folder, **SPAN))


def test_a_file_that_is_cut_off_is_written_again(folder, tmp_path):
    prepare_windows(folder, tmp_path, **SPAN)
    path = tmp_path / "windows" / "00001.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(
        ValueError, match=r"00001\.npy is missing, cut off or changed: prepare the store"
    ):
        load_windows(tmp_path)
    same(prepare_windows(folder, tmp_path, **SPAN), load_windows(folder, **SPAN))


def test_another_request_is_refused(folder, tmp_path):
    copied = tmp_path / "recordings"
    shutil.copytree(folder, copied)
    prepare_windows(copied, tmp_path / "store", **SPAN)
    with pytest.raises(
        ValueError, match=r"was begun with other option h_freq: name another folder"
    ):
        prepare_windows(copied, tmp_path / "store", h_freq=30.0, **SPAN)
    trials(seed=9).save(copied / "S9_raw.fif", verbose="error")
    with pytest.raises(ValueError, match="was begun with other files, recordings: name another"):
        prepare_windows(copied, tmp_path / "store", **SPAN)


def test_equal_options_are_one_request(folder, tmp_path):
    options = {"resample": 64, "channels": ("C3", "C4")}
    first = prepare_windows(folder, tmp_path, **SPAN, **options)
    equal = {"resample": np.float64(64), "channels": np.array(["C3", "C4"])}
    again = prepare_windows(folder, tmp_path, events=dict(EVENTS), tmax=2, **equal)
    assert first.digest() == again.digest()
    with pytest.raises(ValueError, match="begun with other option channels"):
        prepare_windows(folder, tmp_path, **SPAN, resample=64.0, channels=["C4", "C3"])


def test_a_relative_path_stays_valid_in_another_folder(folder, tmp_path, monkeypatch):
    expected = prepare_windows(folder, tmp_path / "store", **SPAN)
    monkeypatch.chdir(tmp_path)
    opened = load_windows("store")
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(np.asarray(opened.X), np.asarray(expected.X))


def test_a_recording_that_was_changed_is_noticed(folder, tmp_path):
    copied = tmp_path / "recordings"
    shutil.copytree(folder, copied)
    prepare_windows(copied, tmp_path / "store", **SPAN)
    path = next(path for path in sorted(copied.rglob("*")) if path.is_file())
    path.write_bytes(path.read_bytes())  # another time
    with pytest.raises(ValueError, match="was begun with other files"):
        prepare_windows(copied, tmp_path / "store", **SPAN)


def test_files_that_belong_to_a_recording_are_noticed(folder, tmp_path):
    """Markers and signals of BrainVision, events of BIDS, and the end of a long option."""
    copied = tmp_path / "recordings"
    shutil.copytree(folder, copied)
    first = next(path for path in sorted(copied.rglob("*_raw.fif")))
    beside = first.with_name(first.name.replace("_raw.fif", "_raw.vmrk"))
    beside.write_text("old")
    prepare_windows(copied, tmp_path / "store", **SPAN)
    beside.write_text("newer")
    with pytest.raises(ValueError, match="was begun with other files"):
        prepare_windows(copied, tmp_path / "store", **SPAN)
    events = {**{f"E{i}": "none of this name" for i in range(200)}, "T1": "left"}
    texts = [prepare._as_text({"events": {**events, "T2": name}}) for name in ("right", "rest")]
    assert texts[0] != texts[1]


def test_sidecars_of_bids(tmp_path):
    names = ["eeg.vhdr", "eeg.eeg", "events.tsv", "channels.tsv"]
    for stem in ("sub-01_task-a_", "sub-01_task-b_", "sub-011_task-a_"):
        for name in names:
            (tmp_path / f"{stem}{name}").write_text("")
    found = prepare._with_sidecars(tmp_path / "sub-01_task-a_eeg.vhdr")
    assert {path.name for path in found} == {f"sub-01_task-a_{name}" for name in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.update(format=0), "is a store of format 0; this version"),
        (lambda index: index["parts"].__setitem__(0, "0"), r"00000\.json was changed after"),
    ],
)
def test_a_store_that_was_changed(folder, tmp_path, change, message):
    prepare_windows(folder, tmp_path, **SPAN)
    index = json.loads((tmp_path / "store.json").read_text())
    change(index)
    (tmp_path / "store.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match=message):
        load_windows(tmp_path)
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(ValueError, match=r"store\.json cannot be read: prepare the store again"):
        load_windows(tmp_path)


def test_windows_that_were_changed(folder, tmp_path):
    """Of the same size, or exchanged between recordings, or with other labels."""
    prepare_windows(folder, tmp_path, **SPAN)
    first, second = (tmp_path / "windows" / f"0000{k}.npy" for k in (0, 1))
    original = first.read_bytes()
    np.save(first, 3 * np.load(first))
    with pytest.raises(ValueError, match=r"00000\.npy is missing, cut off or changed"):
        load_windows(tmp_path)
    first.write_bytes(original)  # as a copy does: the same samples at another time
    same(load_windows(tmp_path), load_windows(folder, **SPAN))
    first.rename(tmp_path / "aside")
    second.rename(first)
    (tmp_path / "aside").rename(second)
    with pytest.raises(ValueError, match=r"00000\.npy is missing, cut off or changed"):
        load_windows(tmp_path)
    # a preparation writes again what is not what it wrote
    same(prepare_windows(folder, tmp_path, **SPAN), load_windows(folder, **SPAN))
    described = json.loads(first.with_suffix(".json").read_text())
    described["labels"] = [*described["labels"][1:], described["labels"][0]]
    first.with_suffix(".json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match=r"00000\.json was changed after the preparation"):
        load_windows(tmp_path)


def test_a_folder_of_something_else(folder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="exists and is not a store: name another"):
        prepare_windows(folder, tmp_path, **SPAN)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_two_spellings_of_a_subject(nights, tmp_path):
    copied = tmp_path / "nights"
    copied.mkdir()
    kinds = sorted(nights.glob("*-PSG.edf"))[:2], sorted(nights.glob("*-Hypnogram.edf"))[:2]
    for pair, name in zip(zip(*kinds, strict=True), ("Anna", "anna "), strict=True):
        for path, kind in zip(pair, ("PSG", "Hypnogram"), strict=True):
            shutil.copy(path, copied / f"{name}-{kind}.edf")
    with pytest.raises(ValueError, match="'Anna', 'anna '.* differ only by type, capitals"):
        prepare_windows(copied, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_errors_name_the_recording(tmp_path):
    raw = trials(seed=0)
    raw._data[0, 50:60] = np.nan
    (tmp_path / "in").mkdir()
    raw.save(tmp_path / "in" / "S1_raw.fif", verbose="error")
    with pytest.raises(ValueError, match=r"S1_raw\.fif"):
        prepare_windows(tmp_path / "in", tmp_path / "store", **SPAN)
    with pytest.raises(ValueError, match=r"store is a store already"):
        prepare_windows(tmp_path / "store", tmp_path / "other")


def test_a_store_has_no_options_of_recordings(folder, tmp_path):
    prepare_windows(folder, tmp_path, **SPAN)
    with pytest.raises(ValueError, match="a store, which the option h_freq is not for"):
        load_windows(tmp_path, h_freq=30.0)
    assert NAMES  # the channels are those of the recordings
    assert load_windows(tmp_path).ch_names == list(NAMES)


# the benchmark ------------------------------------------------------------------------------------
def test_the_benchmark_of_a_store_is_that_of_its_recordings(nights, tmp_path):
    changes = {"n_train": (2,), "n_test": 1, "epochs": 1, "n_copies": 2}
    options = {"crop_wake": None, "stages": ("W", "N2", "N3"), "resample": 64.0}
    prepare_windows(nights, tmp_path / "store", **options)
    names = {"methods": ("none",), "n_splits": 1, "n_jobs": 1, "progress": False}
    tables = [
        run_benchmark(tmp_path / name, data=data, data_options=given, **names, **changes)
        for name, data, given in (
            ("of_folder", nights, options),
            ("of_store", tmp_path / "store", {"stages": options["stages"]}),
        )
    ]
    assert all(path.exists() for path in tables)
    results = [
        (tmp_path / name / "results.csv").read_text().splitlines()
        for name in ("of_folder", "of_store")
    ]
    assert len(results[0]) > 1
    header = results[0][0].split(",")
    timed = [i for i, name in enumerate(header) if re.search("^data$|second|mib", name)]
    rows = [
        [[v for i, v in enumerate(line.split(",")) if i not in timed] for line in lines]
        for lines in results
    ]
    assert rows[0] == rows[1]
    assert file_digests(tmp_path / "store")[0][0] == "store.json"


def test_settings_of_a_store_of_sleep(nights, tmp_path):
    prepare_windows(nights, tmp_path)
    settings = default_settings(tmp_path)
    assert isinstance(settings, Settings)
    assert settings.epochs == default_settings(nights).epochs
    assert set(settings.data_options["stages"]) <= {"W", "N1", "N2", "N3", "R"}
