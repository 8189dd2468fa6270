"""Real recordings and hypnograms, where they are at hand."""

import numpy as np
import pytest
from scipy import signal

from eeginv.datasets import load_sleep_folder
from eeginv.datasets.edf.annotations import read_annotations
from eeginv.datasets.edf.header import read_header
from eeginv.datasets.scoring.stages import UNKNOWN, read_label


@pytest.fixture(scope="module")
def ucddb(shared_data):
    """Give the folder of the clinical recordings, or skip."""
    folder = shared_data / "ucddb"
    if not folder.is_dir():
        pytest.skip("the recordings of ucddb are not there")
    return folder


def test_wake_and_slow_wave_sleep(ucddb):
    subjects = ["ucddb002", "ucddb003", "ucddb018"]
    nights = load_sleep_folder(ucddb, stages=("W", "N3"), crop_wake=None, subjects=subjects)
    X, y, groups = nights.to_arrays()
    assert nights.stages == ["W", "N3"]
    assert nights.sfreq == 128.0
    assert X.shape[1:] == (1, 3840)
    assert np.isfinite(X).all()
    assert np.unique(groups).tolist() == subjects
    for subject in subjects:
        assert set(y[groups == subject]) == {"W", "N3"}
        frequencies, power = signal.welch(X[groups == subject, 0], nights.sfreq, nperseg=512)
        power = power[:, frequencies >= 0.5]
        slow = power[:, frequencies[frequencies >= 0.5] < 4].sum(axis=1) / power.sum(axis=1)
        own = y[groups == subject]
        assert np.median(slow[own == "N3"]) > np.median(slow[own == "W"])


def test_every_scored_epoch_is_a_window_or_counted(ucddb):
    nights = load_sleep_folder(ucddb, subjects=["ucddb018"], crop_wake=None)
    epochs = (ucddb / "ucddb018-epochs.csv").read_text().strip().splitlines()[1:]
    assert len(nights) + sum(nights.n_dropped.values()) == len(epochs)
    assert nights.stages == ["W", "N1", "N2", "N3", "R"]


def test_real_annotations_are_those_of_mne(shared_data):
    import mne

    files = sorted((shared_data / "sleep_edf_hypnograms").glob("*.edf"))[::10]
    files += sorted((shared_data / "eegbci").glob("S00[1-3]R04.edf"))
    if not files:
        pytest.skip("the real hypnograms are not there")
    for path in files:
        header = read_header(path)
        ours, theirs = read_annotations(header), mne.read_annotations(path)
        assert header.date is not None
        assert not header.discontinuous
        np.testing.assert_array_equal(ours.onsets, theirs.onset)
        np.testing.assert_array_equal(ours.durations, theirs.duration)
        assert ours.labels == theirs.description.tolist()
        if path.name.startswith("S0"):
            np.testing.assert_array_equal(ours.record_onsets, np.arange(header.n_records))
        else:
            assert all(read_label(label) not in (None, UNKNOWN) for label in ours.labels)
