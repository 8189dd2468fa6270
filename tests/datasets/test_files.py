"""Recordings go to files and come back through this package's, Braindecode's and MNE's loaders."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from eeginv.datasets import (
    SleepDataset,
    load_sleep_folder,
    load_sleep_physionet,
    simulate_recordings,
    write_sleep_physionet,
)

PLAIN = {"crop_wake": None, "h_freq": None, "standardize": False}


@pytest.fixture(scope="module")
def root(population, tmp_path_factory):
    """Write the recordings into a folder that MNE takes for its data."""
    root = tmp_path_factory.mktemp("data")
    write_sleep_physionet(population, root / "physionet-sleep-data", extra_channels=True)
    return root


@pytest.fixture
def folder(root, tmp_path):
    """Copy the files of subject 0 to a folder of their own."""
    for path in (root / "physionet-sleep-data").glob("SC400*"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def no_network(monkeypatch):
    """Make any connection fail."""
    import socket

    def refuse(*args, **kwargs):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def assert_same_windows(nights, population, indices=(0, 1, 2, 3)):
    """Compare with the recordings in memory, up to the resolution of 16 bits."""
    raws = [population.recordings[i] for i in indices]
    reference = SleepDataset(raws, population.description.iloc[list(indices)], **PLAIN)
    X, y, groups = nights.to_arrays()
    X_true, y_true, groups_true = reference.to_arrays()
    np.testing.assert_array_equal(y, y_true)
    np.testing.assert_array_equal(groups, groups_true)
    step = 2 * np.ceil(1e6 * np.abs(X_true).max()) / 65535 * 1e-6
    np.testing.assert_allclose(X, X_true, atol=step)
    assert nights.ch_names == ["Fpz-Cz", "Pz-Oz"]
    assert nights.n_dropped == reference.n_dropped


def test_files_have_the_names_of_sleep_physionet(root):
    names = sorted(path.name for path in (root / "physionet-sleep-data").iterdir())
    assert names == [
        "SC4001E0-PSG.edf",
        "SC4001EC-Hypnogram.edf",
        "SC4002E0-PSG.edf",
        "SC4002EC-Hypnogram.edf",
        "SC4011E0-PSG.edf",
        "SC4011EH-Hypnogram.edf",
        "SC4012E0-PSG.edf",
        "SC4012EC-Hypnogram.edf",
    ]


def test_read_back_from_the_folder(root, population):
    nights = load_sleep_folder(root / "physionet-sleep-data", **PLAIN)
    assert_same_windows(nights, population)


def test_read_back_as_sleep_physionet(root, population, no_network):
    nights = load_sleep_physionet([0, 1], path=root, **PLAIN)
    assert_same_windows(nights, population)
    night = load_sleep_physionet(1, 2, path=root, **PLAIN)
    assert_same_windows(night, population, [3])


def test_read_back_with_the_environment_variable(root, population, monkeypatch, no_network):
    monkeypatch.setenv("PHYSIONET_SLEEP_PATH", str(root))
    assert_same_windows(load_sleep_physionet([0], **PLAIN), population, [0, 1])


# Braindecode 1.8's own call, under pandas 3.
@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
def test_read_back_with_braindecode(root, population, monkeypatch, no_network):
    from braindecode.datasets import SleepPhysionet

    monkeypatch.setenv("PHYSIONET_SLEEP_PATH", str(root))
    loaded = SleepPhysionet([0, 1], crop_wake_mins=0)
    recordings = [part.raw for part in loaded.datasets]
    assert_same_windows(SleepDataset(recordings, loaded.description, **PLAIN), population)


def test_read_back_with_mne(root, population, no_network):
    import mne
    from mne.datasets.sleep_physionet.age import fetch_data

    paths = fetch_data([0, 1], path=str(root))
    for (psg, hypnogram), raw in zip(paths, population.recordings, strict=True):
        read = mne.io.read_raw_edf(psg, verbose="error")
        assert read.ch_names == ["EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal", "EMG submental"]
        assert read.info["sfreq"] == 100.0
        annotations = mne.read_annotations(hypnogram)
        assert annotations.description.tolist() == raw.annotations.description.tolist()
        np.testing.assert_allclose(annotations.onset, raw.annotations.onset)
        np.testing.assert_allclose(annotations.duration, raw.annotations.duration)


def test_download_of_files_in_place_touches_nothing(root, no_network):
    assert len(load_sleep_physionet([0], [1], path=root, download=True)) > 0


def test_missing_files_are_named(root, no_network):
    with pytest.raises(FileNotFoundError, match=r"SC4021E0-PSG.edf.*download=True"):
        load_sleep_physionet([0, 2], path=root)


def test_default_folder_is_not_made(tmp_path, monkeypatch, no_network):
    monkeypatch.delenv("PHYSIONET_SLEEP_PATH", raising=False)
    monkeypatch.setenv("MNE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_sleep_physionet([0])
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([39],), "no subject 39; it has 0 to 82"),
        (([13], [2]), r"no recording 2 of subject 13; it has \[1\]"),
        (([0], [3]), r"no recording 3 of subject 0; it has \[1, 2\]"),
        ((["0"],), "subjects must be integers"),
        (([],), "subjects must be integers, at least one"),
    ],
)
def test_subjects_that_do_not_exist(root, arguments, match):
    with pytest.raises(ValueError, match=match):
        load_sleep_physionet(*arguments, path=root)


def test_dead_channel_survives_the_files(tmp_path):
    population = simulate_recordings(1, hours=0.25, dead_channel=1.0, random_state=0)
    write_sleep_physionet(population, tmp_path)
    X, _, _ = load_sleep_folder(tmp_path).to_arrays()
    dead = ["Fpz-Cz", "Pz-Oz"].index(population.nuisances["dead_channel"][0])
    assert np.all(X[:, dead] == 0)
    assert X[:, 1 - dead].std() > 0.5


def test_dataset_can_be_written_unless_standardised(population, tmp_path):
    nights = SleepDataset(population.recordings, population.description, **PLAIN)
    write_sleep_physionet(nights, tmp_path)
    assert_same_windows(load_sleep_folder(tmp_path, **PLAIN), population)
    nights = SleepDataset(population.recordings, population.description)
    with pytest.raises(ValueError, match="standardize=False"):
        write_sleep_physionet(nights, tmp_path)


def test_writing_bad_recordings(population, tmp_path, make_raw):
    nights = SimpleNamespace(
        recordings=[make_raw(["W"])], description=population.description.iloc[:1]
    )
    nights.recordings[0]._data[0, 5] = np.nan
    with pytest.raises(ValueError, match="channel Fpz-Cz: NaN"):
        write_sleep_physionet(nights, tmp_path)
    assert list(tmp_path.iterdir()) == []
    nights.description = population.description.iloc[:1].assign(subject=78)
    with pytest.raises(ValueError, match="no subject 78"):
        write_sleep_physionet(nights, tmp_path)
    nights.recordings = nights.recordings * 2
    nights.description = population.description.iloc[[0, 0]]
    with pytest.raises(ValueError, match="same subject and recording"):
        write_sleep_physionet(nights, tmp_path)
    with pytest.raises(TypeError, match="recordings and description"):
        write_sleep_physionet([1], tmp_path)


def test_failed_write_leaves_nothing_behind(population, tmp_path, monkeypatch):
    from edfio import Edf

    def fail(self, target):
        target.write_bytes(b"half a file")
        raise OSError("No space left on device")

    monkeypatch.setattr(Edf, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        write_sleep_physionet(population, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_folder_choices(root):
    path = root / "physionet-sleep-data"
    nights = load_sleep_folder(path, channels=["Pz-Oz"], subjects=[1])
    assert nights.ch_names == ["Pz-Oz"]
    assert nights.description["subject"].tolist() == [1, 1]
    assert nights.description["recording"].tolist() == [1, 2]
    swapped = load_sleep_folder(path, channels=["EEG Pz-Oz", "Fpz-Cz"], subjects=[1])
    assert swapped.ch_names == ["Pz-Oz", "Fpz-Cz"]
    np.testing.assert_array_equal(swapped.to_arrays()[0][:, :1], nights.to_arrays()[0])
    with pytest.raises(ValueError, match=r"no subjects \[7\]; it has \[0, 1\]"):
        load_sleep_folder(path, subjects=[7])
    with pytest.raises(ValueError, match=r"no channels \['C3'\]; it has \['EEG Fpz-Cz'"):
        load_sleep_folder(path, channels=["C3"])


def test_names_of_other_kinds(folder):
    for old, new in [("SC4001E0-PSG", "anna-PSG"), ("SC4001EC-Hypnogram", "anna-Hypnogram")]:
        (folder / f"{old}.edf").rename(folder / f"{new}.edf")
    nights = load_sleep_folder(folder)
    assert nights.description.to_dict("list") == {"subject": [0, "anna"], "recording": [2, 1]}


def test_empty_or_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no \*-PSG.edf file"):
        load_sleep_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        load_sleep_folder(tmp_path / "nowhere")


def test_missing_and_ambiguous_hypnograms(folder):
    shutil.copy(folder / "SC4002EC-Hypnogram.edf", folder / "SC4002EX-Hypnogram.edf")
    (folder / "SC4001EC-Hypnogram.edf").unlink()
    with pytest.raises(ValueError, match="SC4001E0-PSG.edf has no hypnogram") as caught:
        load_sleep_folder(folder)
    assert "SC4002E0-PSG.edf has more than one hypnogram" in str(caught.value)


@pytest.mark.parametrize("name", ["SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf"])
@pytest.mark.parametrize("keep", [0.9, 300, 100, 0])
def test_truncated_files(folder, name, keep):
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match=rf"{name} is truncated"):
        load_sleep_folder(folder)


def test_file_that_is_not_edf(folder):
    (folder / "SC4001E0-PSG.edf").write_bytes(b"not a recording " * 100)
    with pytest.raises(ValueError, match="SC4001E0-PSG.edf is not an EDF file"):
        load_sleep_folder(folder)


def test_hypnogram_without_stages(folder):
    from edfio import Edf, EdfAnnotation

    Edf([], annotations=[EdfAnnotation(0, 30, "Lights off")]).write(
        folder / "SC4001EC-Hypnogram.edf"
    )
    with pytest.raises(ValueError, match=r"SC4001EC-Hypnogram.edf has no sleep stage.*Lights off"):
        load_sleep_folder(folder)


def test_channels_that_differ(folder, make_raw):
    from edfio import Edf, EdfSignal

    signal = EdfSignal(np.zeros(3000), 100, label="EEG C3-A2", physical_range=(-1, 1))
    Edf([signal]).write(folder / "SC4001E0-PSG.edf")
    with pytest.raises(ValueError, match=r"same channels.*subject 0, recording 1: C3-A2"):
        load_sleep_folder(folder)
