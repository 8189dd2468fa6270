"""Windows that stay on disk: the same training to the bit, without being read whole."""

import pickle

import mne
import numpy as np
import pytest
import torch
from braindecode.datasets import BaseConcatDataset, EEGWindowsDataset
from recorded import LABELS, Powers, Watched, classifier, recording, signals
from sklearn.model_selection import cross_val_score
from skorch.helper import SliceDataset
from torch.utils.data import Subset

from eeginv import InvariantRegressor
from eeginv.datasets import prepare_windows
from eeginv.estimators.inputs import read_signals
from eeginv.estimators.lazy import InFile, InMemory, Joined, LazyWindows
from eeginv.inspection import invariance_profile, invariance_score
from eeginv.transforms import SignFlip

SIGNALS, CODES = signals()
NAMES = LABELS[CODES]


@pytest.fixture
def on_disk(tmp_path):
    """Signals in memory, and the same memory-mapped."""
    np.save(tmp_path / "X.npy", SIGNALS)
    return SIGNALS, np.load(tmp_path / "X.npy", mmap_mode="r")


def weights_of(clf):
    return {name: value.numpy() for name, value in clf.module_.state_dict().items()}


def assert_same(one, other):
    ours, theirs = weights_of(one), weights_of(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


# reading ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "index",
    [
        np.s_[:],
        np.s_[3:11:2],
        np.s_[::-1],
        np.s_[[5, 1, 1, 8]],
        np.s_[:, ::-1],
        np.s_[2:9, [1, 0]],
        np.s_[:, :, 5:50:3],
    ],
)
def test_views_of_mapped_arrays(on_disk, index):
    X, mapped = on_disk
    view = mapped[index]
    found = read_signals(view).X
    # an index of numbers copies into memory, which has no place in the file
    assert isinstance(found, LazyWindows) == np.may_share_memory(view, mapped)
    np.testing.assert_array_equal(np.asarray(found, "float32"), X[index].astype("float32"))


@pytest.mark.parametrize(
    "index",
    [
        np.s_[2:9],
        np.s_[[5, 1, 1, 8]],
        np.s_[np.arange(12) % 3 == 0],
        np.s_[torch.tensor([4, 2])],
        np.s_[:, [1, 0]],
        np.s_[[3, 2], ...],
        np.s_[np.array([], dtype=int)],
        np.s_[[]],
        np.s_[-2:],
    ],
)
def test_indexing_is_that_of_arrays(index):
    X = np.random.default_rng(0).normal(size=(12, 2, 40)).astype("float32")
    lazy = LazyWindows(InMemory(X))
    plain = X[index.numpy() if isinstance(index, torch.Tensor) else index]
    assert isinstance(lazy[index], LazyWindows)
    assert lazy[index].shape == plain.shape
    np.testing.assert_array_equal(np.asarray(lazy[index]), plain)
    # an index of what an index gave
    np.testing.assert_array_equal(np.asarray(lazy[::2][1:4]), X[::2][1:4])
    np.testing.assert_array_equal(lazy[-1], X[-1])
    with pytest.raises(IndexError):
        lazy[np.array([12])]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", ">f4"])
def test_types_in_the_file(tmp_path, dtype):
    X = np.random.default_rng(0).normal(size=(6, 2, 30)).astype(dtype)
    np.save(tmp_path / "X.npy", X)
    found = read_signals(np.load(tmp_path / "X.npy", mmap_mode="r")).X
    assert isinstance(found, LazyWindows)
    np.testing.assert_array_equal(np.asarray(found), X.astype("float32"))


def test_changes_in_memory_count(on_disk, tmp_path):
    """A copy-on-write mapping may differ from its file, and is therefore not lazy."""
    changed = np.load(tmp_path / "X.npy", mmap_mode="c")
    changed[0, 0, 0] = 7
    assert read_signals(changed).X[0, 0, 0] == 7
    written = np.load(tmp_path / "X.npy", mmap_mode="r+")
    written[0, 0, 0] = 8
    assert np.asarray(read_signals(written).X[:1])[0, 0, 0] == 8


def test_files_one_after_another(tmp_path):
    X = np.random.default_rng(0).normal(size=(9, 2, 30)).astype("float32")
    parts = []
    for number, part in enumerate((X[:4], X[4:5], X[5:])):
        (tmp_path / f"{number}.bin").write_bytes(b"head" + part.tobytes())
        parts.append(InFile(str(tmp_path / f"{number}.bin"), 4, part.shape))
    rows = np.array([8, 0, 4, 4, 3])
    joined = Joined(parts, "parts")
    np.testing.assert_array_equal(joined.read(rows), X[rows])
    (tmp_path / "2.bin").write_bytes(b"head" + X[5:7].tobytes())
    with pytest.raises(ValueError, match=r"2\.bin ends before window 2: it was cut off"):
        joined.read(np.array([7]))


def test_pickled_without_signals(on_disk):
    lazy = read_signals(on_disk[1]).X[3:8]
    assert len(pickle.dumps(lazy)) < 2000
    np.testing.assert_array_equal(
        np.asarray(pickle.loads(pickle.dumps(lazy))), on_disk[0][3:8].astype("float32")
    )


def test_equal_signals_have_equal_digests(on_disk):
    X, mapped = on_disk
    lazy = read_signals(mapped).X
    assert lazy.digest() == LazyWindows(InMemory(X.astype("float32"))).digest()
    assert lazy[:5].digest() != lazy[1:6].digest()


# estimators ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"augmentation": "augnet", "sfreq": 64, "validation": 0.25, "callbacks": ["accuracy"]},
        {"augmentation": "augnet", "sfreq": 64, "penalty": "auto", "max_epochs": 3},
    ],
)
def test_training_is_the_same_to_the_bit(on_disk, options):
    X, mapped = on_disk
    clf, lazy = (classifier(**options).fit(values, NAMES) for values in (X, mapped))
    assert_same(clf, lazy)
    assert clf.history_[:, "train_loss"] == lazy.history_[:, "train_loss"]
    assert clf.scale_ == lazy.scale_
    np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(mapped))
    np.testing.assert_array_equal(clf.predict_proba(X[2:5]), clf.predict_proba(mapped[2:5]))


def test_a_regression_is_the_same_to_the_bit(on_disk):
    X, mapped = on_disk
    y = np.random.default_rng(1).normal(size=(len(X), 2))
    options = {"max_epochs": 2, "backbone": Powers, "augmentation": None, "random_state": 0}
    fitted = [InvariantRegressor(**options).fit(values, y) for values in (X, mapped)]
    assert_same(*fitted)
    assert fitted[0].score(X, y) == fitted[1].score(mapped, y)


def test_at_most_a_batch_is_read_at_once():
    X = np.tile(SIGNALS, (10, 1, 1)).astype("float32")
    reader = Watched(X)
    clf = classifier(max_epochs=2, batch_size=16, validation=0.2)
    clf.fit(LazyWindows(reader), np.tile(NAMES, 10))
    assert max(reader.sizes) <= 64  # of the scale
    reader.sizes.clear()
    clf.predict(LazyWindows(reader))
    assert max(reader.sizes) <= 64


def test_cross_validation_reads_no_training_set():
    X, y = np.tile(SIGNALS, (10, 1, 1)).astype("float32"), np.tile(NAMES, 10)
    reader, clf = Watched(X), classifier(max_epochs=2)
    scores = cross_val_score(clf, LazyWindows(reader), y, cv=2)
    np.testing.assert_array_equal(scores, cross_val_score(clf, X, y, cv=2))
    assert max(reader.sizes) <= 64 < len(X) // 2


def test_a_sample_that_is_not_finite(tmp_path):
    X = SIGNALS.astype("float32")
    X[5, 1, 3] = np.nan
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    with pytest.raises(ValueError, match=r"contains NaN or infinity: window 5 of X\.npy"):
        classifier().fit(mapped, NAMES)
    clf = classifier().fit(SIGNALS, NAMES)
    with pytest.raises(ValueError, match=r"contains NaN or infinity: window 5 of X\.npy"):
        clf.predict(mapped)


def test_labels_that_do_not_fit(on_disk):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier().fit(on_disk[1], NAMES[:-1])
    with pytest.raises(ValueError, match="NaN"):
        classifier().fit(on_disk[1], [float("nan"), *CODES[1:]])


def test_other_channels_than_in_fit(on_disk):
    clf = classifier().fit(on_disk[0], NAMES)
    with pytest.raises(
        ValueError, match=r"shape \(n_windows, 2, 64\) as in fit, got \(32, 1, 64\)"
    ):
        clf.predict(on_disk[1][:, :1])


# windows datasets ---------------------------------------------------------------------------------
def lazy_dataset(folder, n_subjects=3, unit=1.0, names=(("C3", "C4"),)):
    """Return windows of recordings on disk, twice: preloaded, and not."""
    found = {True: [], False: []}
    for subject in range(n_subjects):
        X, y = signals(n=16, seed=subject)
        part = recording(X, y, names[subject % len(names)], subject=subject, unit=unit)
        path = folder / f"{subject}_raw.fif"
        part.raw.save(path, overwrite=True, verbose="error")
        for preload, parts in found.items():
            raw = mne.io.read_raw_fif(path, preload=preload, verbose="error")
            parts.append(EEGWindowsDataset(raw, part.metadata, part.description))
    return BaseConcatDataset(found[True]), BaseConcatDataset(found[False])


@pytest.mark.filterwarnings("ignore:The signals of the BaseConcatDataset look like V")
@pytest.mark.parametrize("unit", [1e-6, 1.0])
@pytest.mark.parametrize("names", [(("C3", "C4"),), (("C3", "C4"), ("C4", "C3"))])
def test_datasets_that_are_not_preloaded(tmp_path, unit, names):
    """Channels are brought to one order and signals to µV, window by window."""
    loaded, lazy = lazy_dataset(tmp_path, unit=unit, names=names)
    expected, found = read_signals(loaded), read_signals(lazy)
    assert isinstance(found.X, LazyWindows)
    assert isinstance(expected.X, np.ndarray)
    np.testing.assert_array_equal(np.asarray(found.X), expected.X)
    np.testing.assert_array_equal(found.y, expected.y)
    np.testing.assert_array_equal(found.groups, expected.groups)
    assert (found.sfreq, found.ch_names) == (expected.sfreq, expected.ch_names)
    assert expected.X.std() == pytest.approx(10 if unit == 1e-6 else 10 * unit, rel=0.5)


def test_parts_of_a_dataset_on_disk(tmp_path):
    loaded, lazy = lazy_dataset(tmp_path)
    rows = np.random.default_rng(0).permutation(len(loaded))[:20]
    for part in (
        lambda whole: Subset(whole, rows),
        lambda whole: SliceDataset(Subset(whole, rows)),
    ):
        expected, found = read_signals(part(loaded)), read_signals(part(lazy))
        np.testing.assert_array_equal(np.asarray(found.X), expected.X)
        np.testing.assert_array_equal(found.groups, expected.groups)
        assert (found.y is None) == (expected.y is None)
        if expected.y is not None:
            np.testing.assert_array_equal(found.y, expected.y)


def test_positions_from_the_end_of_a_dataset(tmp_path):
    """As torch reads them: with the signals, targets and subjects of these windows."""
    for whole in lazy_dataset(tmp_path):
        places = np.arange(len(whole))[::3]
        expected = read_signals(Subset(whole, places))
        places[::2] -= len(whole)
        found = read_signals(Subset(whole, places))
        np.testing.assert_array_equal(np.asarray(found.X), np.asarray(expected.X))
        np.testing.assert_array_equal(found.y, expected.y)
        np.testing.assert_array_equal(found.groups, expected.groups)
        assert len(set(found.groups)) > 1


def test_a_dataset_on_disk_trains_as_in_memory(tmp_path):
    loaded, lazy = lazy_dataset(tmp_path)
    lazy.target_transform = loaded.target_transform = lambda target: 1 - target
    ours, theirs = (classifier(validation=0.3).fit(windows) for windows in (lazy, loaded))
    assert_same(ours, theirs)
    np.testing.assert_array_equal(ours.predict(lazy), theirs.predict(loaded))
    assert ours.score(lazy) == theirs.score(loaded) > 0.9


def test_no_window_of_a_dataset_on_disk_is_read_for_its_labels(tmp_path, monkeypatch):
    _, lazy = lazy_dataset(tmp_path)
    found = read_signals(lazy)
    monkeypatch.setattr(EEGWindowsDataset, "__getitem__", None)
    assert len(found.y) == len(found.groups) == len(lazy)


def test_windows_of_a_store_have_names_and_a_rate(tmp_path):
    """They are matched by name, like those of epochs."""
    y, subjects = CODES.astype(str), np.arange(len(CODES)) // 16
    stored = prepare_windows(
        (SIGNALS, y, subjects), tmp_path, sfreq=64, ch_names=["C3", "C4"], standardize=False
    )
    clf = classifier(augmentation="augnet", max_epochs=2).fit(stored.X, stored.y)
    assert (clf.sfreq_, clf.ch_names_) == (64.0, ["C3", "C4"])
    expected = clf.predict_proba(stored.X)
    np.testing.assert_array_equal(clf.predict_proba(stored.X[:, ::-1]), expected)
    np.testing.assert_array_equal(clf.predict_proba(SIGNALS.astype("float32")), expected)
    with pytest.raises(ValueError, match="lacks the channels C4"):
        clf.predict(stored.X[:, [0]])


def test_inspection_takes_a_part_of_what_is_on_disk(monkeypatch):
    reader = Watched(np.tile(SIGNALS, (10, 1, 1)).astype("float32"))
    X = LazyWindows(reader)
    monkeypatch.setattr("eeginv.inspection.inputs._MOST_BYTES", X.nbytes // 2)
    clf = classifier(max_epochs=1).fit(SIGNALS, NAMES)
    for names in (None, ["C3", "C4"]):
        with pytest.raises(ValueError, match=r"X has 320 on disk, .* pass a part of them"):
            invariance_profile(clf, X, 64, names)
    assert max(reader.sizes, default=0) <= 64
    found = invariance_score(clf, X[:32], SignFlip(), random_state=0)
    expected = invariance_score(clf, np.asarray(X[:32]), SignFlip(), random_state=0)
    assert found.score == expected.score
