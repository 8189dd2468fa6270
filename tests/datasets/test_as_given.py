"""Recordings and folders as users have them: read as they are meant, or refused by name."""

import shutil
import unicodedata

import numpy as np
import pytest
from edf_bytes import SFREQ, write_edf, write_hypnogram, write_psg

from eeginv.datasets import SleepDataset, load_sleep_folder

PLAIN = {"crop_wake": None, "h_freq": None, "standardize": False}
ROWS = [(0, 30, "Sleep stage W"), (30, 30, "Sleep stage 2")]


def pair(folder, stem="anna"):
    folder.mkdir(exist_ok=True)
    write_psg(folder / f"{stem}-PSG.edf", 60)
    write_hypnogram(folder / f"{stem}-Hypnogram.edf", ROWS)
    return folder


def load(folder, **options):
    return load_sleep_folder(folder, **PLAIN, **options)


# recordings in memory -----------------------------------------------------------------------------
def test_names_of_channels_that_are_types(make_raw, description):
    raw = make_raw("W2", channels=("C3", "EOG", "EMG", "temp"))
    types = {"EOG": "eog", "EMG": "emg", "temp": "misc"}
    raw.set_channel_types(types, on_unit_change="ignore")
    raw.rename_channels({"temp": "misc"})
    nights = SleepDataset([raw], description, crop_wake=None)
    assert nights.ch_names == ["C3", "EOG", "EMG", "misc"]
    np.testing.assert_allclose(nights.to_arrays()[0].std(axis=(0, 2)), 1, rtol=0.05)


def test_names_of_types_in_a_file(tmp_path):
    seconds = np.repeat(np.arange(60), SFREQ)
    write_edf(tmp_path / "a-PSG.edf", {"EEG": seconds, "EOG": 2 * seconds, "EMG": seconds}, unit="")
    write_hypnogram(tmp_path / "a-Hypnogram.edf", ROWS)
    nights = load(tmp_path, channels=["EOG", "EEG", "EMG"])
    assert nights.ch_names == ["EOG", "EEG", "EMG"]
    np.testing.assert_allclose(nights.to_arrays()[0][1, :, 0], [60e-6, 30e-6, 30e-6], atol=1e-8)


def test_bad_channels_are_said(make_raw, description):
    raw = make_raw("W2")
    raw.info["bads"] = ["Pz-Oz"]
    with pytest.warns(UserWarning, match="marked as bad are used: Pz-Oz"):
        nights = SleepDataset([raw], description)
    assert nights.ch_names == ["Fpz-Cz", "Pz-Oz"]


def test_recordings_in_two_units(make_raw):
    volts, microvolts = make_raw("W2"), make_raw("W2", seed=1)
    microvolts.apply_function(lambda signal: 1e6 * signal)
    rows = [{"subject": "a", "recording": 1}, {"subject": "b", "recording": 1}]
    with pytest.raises(ValueError, match=r"two units: .* in subject a.* in subject b"):
        SleepDataset([volts, microvolts], rows, **PLAIN)
    X, _, _ = SleepDataset([volts, microvolts], rows).to_arrays()  # where it does not matter
    np.testing.assert_allclose(X.std(axis=2).mean(), 1, rtol=0.05)


@pytest.mark.parametrize(
    "subjects", [("S1", "S1 "), ("S1", "s1"), (1, "1"), ("ÄRZTIN", "ärztin"), ("", "a")]
)
def test_subjects_are_written_in_one_way(make_raw, subjects):
    rows = [{"subject": subject, "recording": 1} for subject in subjects]
    message = "no subject" if "" in subjects else "differ only by type, capitals or spaces"
    with pytest.raises(ValueError, match=message):
        SleepDataset([make_raw("W2"), make_raw("2W")], rows)


def test_one_recording(make_raw):
    with pytest.raises(TypeError, match=r"a list of mne.io.Raw; got one: give \[raw\]"):
        SleepDataset(make_raw("W2"), [{"subject": "a", "recording": 1}])
    nights = SleepDataset([make_raw("W2")], {"subject": "a", "recording": 1})
    assert nights.to_arrays()[2].tolist() == ["a", "a"]


# folders ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["Schlaf Möbel ß", "with [brackets] 100%", "été"])
def test_names_of_folders(tmp_path, name):
    folder = pair(tmp_path / name)
    (tmp_path / "link").symlink_to(folder)
    for given in (folder, str(folder), f"{folder}/", tmp_path / "link"):
        assert load(given).to_arrays()[1].tolist() == ["W", "N2"]


def test_accents_in_two_encodings(tmp_path):
    apart, whole = (unicodedata.normalize(form, "Jürgen") for form in ("NFD", "NFC"))
    write_psg(tmp_path / f"{apart}-PSG.edf", 60)
    write_hypnogram(tmp_path / f"{whole}-Hypnogram.edf", ROWS)
    assert load(tmp_path, subjects=[whole]).to_arrays()[2].tolist() == [whole, whole]


def test_links_to_files_that_are_not_there(tmp_path):
    folder = pair(tmp_path / "data")
    for kind in ("PSG", "Hypnogram"):
        (folder / f"bert-{kind}.edf").symlink_to("../.git/annex/objects/x")
    match = r"not read: bert-Hypnogram.edf \(a link to a file that is not there\), bert-PSG.edf \("
    with pytest.warns(UserWarning, match=match):
        load(folder)
    for kind in ("PSG", "Hypnogram"):
        (folder / f"anna-{kind}.edf").unlink()
    with pytest.raises(FileNotFoundError, match=r"bert-PSG.edf \(a link to a file that is not"):
        load(folder)


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_one_file_under_two_names(tmp_path, link):
    folder = pair(tmp_path / "data")
    shutil.copy(folder / "anna-Hypnogram.edf", folder / "bert-Hypnogram.edf")
    getattr(folder / "bert-PSG.edf", link)(folder / "anna-PSG.edf")
    with pytest.raises(ValueError, match="anna-PSG.edf and bert-PSG.edf are links to one file"):
        load(folder)


def test_recordings_of_other_endings_are_said(tmp_path):
    folder = pair(tmp_path / "data")
    for name in ("bert-PSG.bdf", "carl-PSG.edf.gz", "dora-Hypnogram.csv", "notes.txt"):
        (folder / name).write_bytes(b"x")
    with pytest.warns(
        UserWarning, match=r"not read: bert-PSG.bdf, carl-PSG.edf.gz, dora-Hypnogram.csv\.$"
    ):
        load(folder)


def test_folders_inside_are_named(tmp_path):
    pair(tmp_path / "anna")
    with pytest.raises(FileNotFoundError, match=r"it has anna \(a folder, which is not searched\)"):
        load(tmp_path)


def test_capitals_in_names_of_bids(tmp_path):
    for stem in ("sub-01_ses-1", "SUB-01_ses-2"):
        pair(tmp_path, stem)
    assert set(load(tmp_path).to_arrays()[2].tolist()) == {"sub-01"}


def test_arguments_of_a_kind_that_is_close(tmp_path):
    pair(tmp_path)
    with pytest.raises(TypeError, match="channels must be a list of names, got 'C3-A2'"):
        load(tmp_path, channels="C3-A2")
    with pytest.raises(ValueError, match=r"pattern '\(\?P<subject>S' is not a regular expression"):
        load(tmp_path, pattern="(?P<subject>S")
