"""Channels that are not EEG, in files that have labels instead of types."""

import dataclasses
import warnings

import mne
import numpy as np
import pytest
from edf_bytes import SFREQ, write_edf

from eeginv.datasets import load_unlabelled, load_windows
from eeginv.datasets.sources.preprocessing import Preprocessing
from eeginv.datasets.sources.recordings import find_recordings, open_raw, plan_cutting

ROWS = [(5 + 10 * i, 0, ("T1", "T2")[i % 2]) for i in range(5)]
CUT = {"events": {"T1": "left", "T2": "right"}, "tmax": 1.0, "standardize": False}


def write(path, names):
    """Write noise, one channel ten times as large as the one before."""
    noise = np.random.default_rng(0).standard_normal((len(names), 60 * SFREQ))
    signals = {name: 10.0**i * noise[i] for i, name in enumerate(names)}
    return write_edf(path, signals, annotations=ROWS)


@pytest.mark.parametrize(
    "label", ["ECG", "EKG1", "EOG-left", "HEOG", "EMG_chin", "Resp_nasal", "SpO2"]
)
def test_a_channel_with_the_label_of_another_signal_is_left_out(label, tmp_path):
    write(tmp_path / "S1.edf", ["C3", "C4", label])
    with pytest.warns(UserWarning, match=rf"channels {label} of S1.edf are not EEG.*--channels"):
        windows = load_windows(tmp_path, **CUT)
    assert windows.ch_names == ["C3", "C4"]


def test_it_is_read_if_it_is_named_and_is_in_no_average(tmp_path):
    """Without a warning, and in µV."""
    write(tmp_path / "S1.edf", ["C3", "C4", "ECG"])
    named = load_windows(tmp_path, **CUT, channels=["C4", "ECG"])
    assert named.ch_names == ["C4", "ECG"]
    np.testing.assert_allclose(named.X.std(axis=(0, 2)), [10, 100], rtol=0.2)
    average = load_windows(tmp_path, **CUT, channels=["C3", "C4"], reference="average")
    np.testing.assert_allclose(average.X.mean(axis=1), 0, atol=1e-3)


def test_the_average_of_an_open_recording_is_that_of_the_training(tmp_path):
    """Also if the user opened the file."""
    path = write(tmp_path / "S1.edf", ["C3", "C4", "O1", "ECG"])
    windows = load_windows(tmp_path, **CUT, channels=["C3", "C4"], reference="average")
    raw = mne.io.read_raw_edf(path, verbose="error")
    found = load_unlabelled(raw, windows.recipe, events=["T1", "T2"])
    np.testing.assert_array_equal(found.X, windows.X)
    assert raw.get_channel_types() == ["eeg"] * 4  # the user's object is left as it was


@pytest.mark.parametrize("label", ["C3", "Fpz", "T7", "EEG Temporal", "Tempo", "E1", "A1", "P3-Pz"])
def test_electrodes_are_eeg(label, tmp_path):
    raw = open_raw(write(tmp_path / "S1.edf", [label, "O1"]))
    assert raw.get_channel_types() == ["eeg", "eeg"]


def test_types_that_a_user_set_are_kept(tmp_path):
    """A file of MNE has types; one may be set to EEG in order to be used."""
    raw = open_raw(write(tmp_path / "S1.edf", ["C3", "EOG"])).load_data()
    raw.set_channel_types({"EOG": "eeg"}, verbose="error")
    (tmp_path / "fif").mkdir()
    raw.save(tmp_path / "fif" / "S1_raw.fif", verbose="error")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        windows = load_windows(tmp_path / "fif", **CUT)
    assert windows.ch_names == ["C3", "EOG"]


def test_types_of_bids_are_no_reason_for_a_warning(tmp_path):
    """They are those of channels.tsv, whatever the labels are."""
    write(tmp_path / "S1.edf", ["C3", "C4", "ECG"])
    recordings = find_recordings(tmp_path)
    options = {"events": CUT["events"], "tmax": 1.0}
    with pytest.warns(UserWarning, match="ECG of S1.edf"):
        plan_cutting(recordings, Preprocessing(), **options)
    as_in_bids = [dataclasses.replace(one, by_label=False) for one in recordings]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cutting = plan_cutting(as_in_bids, Preprocessing(), **options)
    assert cutting.ch_names == ["C3", "C4"]
