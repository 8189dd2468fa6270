"""Files as they are found: names, headers, units, encodings."""

import shutil

import numpy as np
import pytest
from edf_bytes import write_edf, write_hypnogram, write_psg

from eeginv.datasets import load_sleep_folder, load_sleep_physionet

PLAIN = {"crop_wake": None, "h_freq": None, "standardize": False}
ROWS = [(0, 30, "Sleep stage W"), (30, 30, "Sleep stage 2")]


def pair(folder, name, seconds=60, other=None, **options):
    """Write a pair of files."""
    psg = write_psg(folder / f"{name}-PSG.edf", seconds, **options)
    write_hypnogram(folder / f"{other or name}-Hypnogram.edf", ROWS)
    return psg


def load(folder, **options):
    """Load a folder as it is."""
    return load_sleep_folder(folder, **PLAIN, **options)


def assert_tells_time(nights):
    """Check that the two windows begin at 0 s and 30 s, in V."""
    X, y, _ = nights.to_arrays()
    np.testing.assert_allclose(X[:, 0, 0], [0, 30e-6], atol=1e-8)
    np.testing.assert_allclose(X[:, 0, -1], [29e-6, 59e-6], atol=1e-8)
    assert y.tolist() == ["W", "N2"]


def test_capitals_in_names(tmp_path):
    pair(tmp_path, "anna")
    pair(tmp_path, "bert")
    pair(tmp_path, "carl")
    (tmp_path / "anna-PSG.edf").rename(tmp_path / "anna-PSG.EDF")
    (tmp_path / "bert-PSG.edf").rename(tmp_path / "BERT-psg.Edf")
    (tmp_path / "bert-Hypnogram.edf").rename(tmp_path / "bert-HYPNOGRAM.EDF")
    nights = load(tmp_path)
    assert nights.description["subject"].tolist() == ["BERT", "anna", "carl"]
    assert len(nights) == 6


def test_hidden_files_are_passed_over(tmp_path):
    pair(tmp_path, "anna")
    for name in ("._anna-PSG.edf", "._anna-Hypnogram.edf", ".anna-PSG.edf", "._x.edf"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    (tmp_path / "folder-PSG.edf").mkdir()
    assert_tells_time(load(tmp_path))


def test_files_that_are_in_no_pair_are_said(tmp_path):
    pair(tmp_path, "anna")
    write_psg(tmp_path / "bert.EDF", 60)
    write_hypnogram(tmp_path / "carl-Hypnogram.edf", ROWS)
    with pytest.warns(UserWarning, match="not read: bert.EDF, carl-Hypnogram.edf"):
        load(tmp_path)


def test_nights_of_the_telemetry_study(tmp_path):
    for name, other in [
        ("ST7011J0", "ST7011JP"),
        ("ST7012J0", "ST7012JP"),
        ("ST7021J0", "ST7021JM"),
    ]:
        pair(tmp_path, name, other=other)
    nights = load(tmp_path)
    assert nights.description.to_dict("list") == {"subject": [1, 1, 2], "recording": [1, 2, 1]}
    assert nights.to_arrays()[2].tolist() == [1, 1, 1, 1, 2, 2]
    assert load(tmp_path, subjects=2).description["subject"].tolist() == [2]


def test_both_studies_have_different_persons(tmp_path):
    for name, other in [
        ("ST7011J0", "ST7011JP"),
        ("SC4011E0", "SC4011EC"),
        ("sc4012e0", "sc4012ec"),
    ]:
        pair(tmp_path, name, other=other)
    nights = load(tmp_path)
    assert nights.description["subject"].tolist() == ["SC01", "ST01", "SC01"]
    assert nights.description["recording"].tolist() == [1, 1, 2]


def test_one_hypnogram_for_two_recordings(tmp_path):
    pair(tmp_path, "SC4011E0", other="SC4011EC")
    write_psg(tmp_path / "SC4011E1-PSG.edf", 60)
    with pytest.raises(ValueError, match="SC4011E1-PSG.edf and SC4011E0-PSG.edf have the same"):
        load(tmp_path)


def test_names_of_bids(tmp_path):
    for name in ("sub-01_ses-1_task-sleep", "sub-01_ses-2_task-sleep", "sub-02", "sub-1"):
        pair(tmp_path, name)
    nights = load(tmp_path)
    assert nights.description.to_dict("list") == {
        "subject": ["sub-01", "sub-01", "sub-02", "sub-1"],
        "recording": [1, 2, 1, 1],
    }


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["anna_night1", "anna_night2"], r"(?P<subject>.+)_night(?P<recording>\d)"),
        (["p01_1", "p01_2"], r"(?P<subject>p\d+)_."),
        (["07N1", "07N2"], r"(?P<subject>\d+)N(?P<recording>\d)"),
        (["12a", "12b"], r"(?P<subject>\d+)."),
        (["anna-visit1", "anna-Visit-2"], r"(?P<subject>\w+)-.*"),
    ],
)
def test_nights_of_one_person_are_said(tmp_path, names, pattern):
    for name in names:
        pair(tmp_path, name)
    with pytest.warns(UserWarning, match="look like nights of one person: .*give pattern"):
        nights = load(tmp_path)
    assert nights.description["subject"].nunique() == 2
    nights = load(tmp_path, pattern=pattern)
    assert nights.description["subject"].nunique() == 1
    assert sorted(nights.description["recording"]) == [1, 2]
    assert len(set(nights.to_arrays()[2])) == 1


def test_numbered_persons_are_different(tmp_path):
    for name in ("ucddb002", "ucddb003", "S01", "S02", "subject_1", "subject_2"):
        pair(tmp_path, name)
    assert load(tmp_path).description["subject"].nunique() == 6


def test_one_patient_code_in_two_files(tmp_path):
    pair(tmp_path, "first", patient="MCH-0234567 F 02-MAY-1951 Haagse_Harry")
    pair(tmp_path, "second", patient="MCH-0234567 F 02-MAY-1951 Haagse_Harry")
    pair(tmp_path, "third", patient="MCH-0000001 X X X")
    with pytest.warns(UserWarning, match="nights of one person: first, second. "):
        load(tmp_path)


def test_pattern_that_does_not_fit(tmp_path):
    pair(tmp_path, "anna")
    with pytest.raises(ValueError, match="needs a group named subject"):
        load(tmp_path, pattern=".*")
    with pytest.raises(ValueError, match=r"does not fit the names \['anna'\]"):
        load(tmp_path, pattern=r"(?P<subject>\d+)")


@pytest.mark.parametrize("unit", ["uV", "µV", "microV", "UV", "uv"])
def test_header_padded_with_nul(tmp_path, unit):
    psg = pair(tmp_path, "anna", pad=b"\0", unit=unit)
    assert b"\0" in psg.read_bytes()[:256]
    write_hypnogram(tmp_path / "anna-Hypnogram.edf", ROWS, pad=b"\0")
    nights = load(tmp_path)
    assert nights.ch_names == ["C3-A2"]
    assert_tells_time(nights)


def test_reserved_field_that_is_not_ascii(tmp_path):
    psg = pair(tmp_path, "anna")
    content = bytearray(psg.read_bytes())
    content[511] = 0xE9
    psg.write_bytes(content)
    assert_tells_time(load(tmp_path))


@pytest.mark.parametrize(
    ("unit", "scale"),
    [("uV", 1e-6), ("µV", 1e-6), ("UV", 1e-6), ("uv", 1e-6), ("mV", 1e-3), ("nV", 1e-9),
     ("V", 1.0), ("Volt", 1.0), ("", 1e-6)],
)  # fmt: skip
def test_units(tmp_path, unit, scale):
    pair(tmp_path, "anna", unit=unit)
    X, _, _ = load(tmp_path).to_arrays()
    np.testing.assert_allclose(X[1, 0, 0], 30 * scale, rtol=1e-4)


@pytest.mark.parametrize(
    ("unit", "physical"), [("%", (-3276.8, 3276.7)), ("", (-0.00327, 0.00327))]
)
def test_unit_that_is_no_voltage_is_said(tmp_path, unit, physical):
    pair(tmp_path, "anna", unit=unit, physical=physical)
    with pytest.warns(UserWarning, match="anna-PSG.edf: channels whose unit is not a voltage"):
        X, _, _ = load(tmp_path).to_arrays()
    np.testing.assert_allclose(X[1, 0, 0], 300.5 * (physical[1] - physical[0]) / 65535, rtol=1e-2)


def test_channel_without_a_scale(tmp_path):
    pair(tmp_path, "anna", physical=(0, 0))
    with pytest.raises(ValueError, match=r"anna-PSG.edf, channel EEG C3-A2: .* defines no scale"):
        load(tmp_path)


def test_annotations_in_latin_1(tmp_path):
    pair(tmp_path, "anna", annotations=[(3, 1, "Geräusch")], encoding="latin-1")
    rows = [*ROWS, (5, 0, "Licht gelöscht"), (2, 0, "µ")]
    write_hypnogram(tmp_path / "anna-Hypnogram.edf", rows, encoding="latin-1")
    nights = load(tmp_path)
    assert_tells_time(nights)
    assert "Licht gelöscht" in nights.recordings[0].annotations.description
    write_hypnogram(tmp_path / "anna-Hypnogram.edf", rows)
    assert "Licht gelöscht" in load(tmp_path).recordings[0].annotations.description


def test_hypnogram_that_is_no_list_of_annotations(tmp_path):
    pair(tmp_path, "anna")
    path = tmp_path / "anna-Hypnogram.edf"
    path.write_bytes(path.read_bytes().replace(b"+30\x15", b"xyz\x15"))
    with pytest.raises(
        ValueError, match=r"anna-Hypnogram.edf: b'xyz.* is not an annotation of EDF"
    ):
        load(tmp_path)
    shutil.copy(tmp_path / "anna-PSG.edf", path)
    with pytest.raises(ValueError, match=r"anna-Hypnogram.edf has no sleep stage"):
        load(tmp_path)


def test_recording_without_signals_or_samples(tmp_path):
    psg = pair(tmp_path, "anna", seconds=0)
    with pytest.raises(ValueError, match="anna-PSG.edf has no samples"):
        load(tmp_path)
    write_hypnogram(psg, ROWS)
    with pytest.raises(ValueError, match="anna-PSG.edf has no signals, only annotations"):
        load(tmp_path)


def test_number_of_records_that_is_not_true(tmp_path):
    psg = pair(tmp_path, "anna")
    content = psg.read_bytes()
    psg.write_bytes(content[:236] + b"-1      " + content[244:])
    with pytest.warns(UserWarning, match="anna-PSG.edf: the header announces -1 records, .* 60"):
        assert_tells_time(load(tmp_path))


def test_header_that_cannot_be_read(tmp_path):
    psg = pair(tmp_path, "anna")
    content = psg.read_bytes()
    psg.write_bytes(content[:252] + b"7   " + content[256:])
    with pytest.raises(ValueError, match="anna-PSG.edf is not an EDF file: its header announces 7"):
        load(tmp_path)
    psg.write_bytes(content[:360] + b"low     " + content[368:])
    with pytest.raises(ValueError, match=r"anna-PSG.edf is not an EDF file: .*'EEG C3-A2'"):
        load(tmp_path)


def test_what_mne_cannot_read_is_named(tmp_path, monkeypatch):
    import mne

    def fail(*args, **kwargs):
        raise RuntimeError("a bare error")

    pair(tmp_path, "anna")
    monkeypatch.setattr(mne.io, "read_raw_edf", fail)
    with pytest.raises(ValueError, match=r"anna-PSG.edf cannot be read: a bare error"):
        load(tmp_path)


def test_errors_after_reading_name_the_files(tmp_path):
    pair(tmp_path, "anna")
    write_hypnogram(tmp_path / "anna-Hypnogram.edf", [*ROWS, (30, 30, "Sleep stage R")])
    match = r"subject anna, recording 1 \(anna-PSG.edf with anna-Hypnogram.edf\): epochs contradict"
    with pytest.raises(ValueError, match=match):
        load(tmp_path)


@pytest.fixture
def twins(tmp_path):
    """Write a file with two channels of one label."""
    time = np.repeat(np.arange(60), 20)
    signals = [("EEG C3", time), ("EEG C3", 100 + time), ("EEG O1", 200 + time), ("ECG", time)]
    write_edf(tmp_path / "a-PSG.edf", signals)
    write_hypnogram(tmp_path / "a-Hypnogram.edf", ROWS)
    return tmp_path


def test_channels_of_one_label(twins):
    nights = load(twins)
    assert nights.ch_names == ["C3-0", "C3-1", "O1"]
    nights = load(twins, channels=["O1", "C3-1", "EEG C3-0"])
    assert nights.ch_names == ["O1", "C3-1", "C3-0"]
    X, _, _ = nights.to_arrays()
    np.testing.assert_allclose(X[0, :, 0], [200e-6, 100e-6, 0], atol=1e-8)
    with pytest.raises(ValueError, match=r"2 channels 'C3'; choose by \['EEG C3-0', 'EEG C3-1'\]"):
        load(twins, channels=["C3"])
    with pytest.raises(ValueError, match="must name different channels"):
        load(twins, channels=["O1", "EEG O1"])


def test_label_with_and_without_its_kind(tmp_path):
    time = np.repeat(np.arange(60), 20)
    write_edf(tmp_path / "a-PSG.edf", {"EEG C3": time, "C3": 100 + time, "eeg O1": time})
    write_hypnogram(tmp_path / "a-Hypnogram.edf", ROWS)
    nights = load(tmp_path, channels=["C3", "EEG C3", "O1"])
    assert nights.ch_names == ["C3", "EEG C3", "O1"]
    X, _, _ = nights.to_arrays()
    np.testing.assert_allclose(X[0, :, 0], [100e-6, 0, 0], atol=1e-8)


def test_files_that_differ_in_rate_and_order(tmp_path):
    time = np.repeat(np.arange(60), 20)
    write_edf(tmp_path / "a-PSG.edf", {"EEG C3": time, "EEG O1": 100 + time})
    write_edf(tmp_path / "b-PSG.edf", {"EEG O1": 100 + time, "EEG C3": time})
    for name in "ab":
        write_hypnogram(tmp_path / f"{name}-Hypnogram.edf", ROWS)
    nights = load(tmp_path)
    X, _, _ = nights.to_arrays()
    np.testing.assert_allclose(X[:, 0, 0], [0, 30e-6, 0, 30e-6], atol=1e-8)
    np.testing.assert_allclose(X[:, 1, 0], [100e-6, 130e-6, 100e-6, 130e-6], atol=1e-8)
    fast = np.repeat(np.arange(60), 40)
    write_edf(tmp_path / "b-PSG.edf", {"EEG C3": fast, "EEG O1": fast}, rates=[40, 40])
    with pytest.raises(ValueError, match="subject a, recording 1: 20 Hz; subject b.*Give sfreq"):
        load(tmp_path)


def test_the_same_subject_twice(tmp_path):
    with pytest.raises(ValueError, match="subjects must not contain duplicates"):
        load_sleep_physionet([0, 0], path=tmp_path)
