"""Folders as MASS, the NSRR and users of YASA have them, and channels beside EEG."""

import numpy as np
import pytest
from edf_bytes import SFREQ, write_edf, write_hypnogram, write_psg

from eeginv.benchmark.data import file_digests
from eeginv.datasets import load_sleep_folder

PLAIN = {"crop_wake": None, "h_freq": None, "standardize": False}
SECONDS = 120


def load(folder, **options):
    nights = load_sleep_folder(folder, **PLAIN, **options)
    X, y, groups = nights.to_arrays()
    # the signal is the number of the second in µV: it tells where a window begins
    starts = np.round(1e6 * X[:, 0, SFREQ // 2]).astype(int).tolist()
    return list(zip(groups.tolist(), starts, y.tolist(), strict=True))


def test_mass(tmp_path):
    write_psg(tmp_path / "01-03-0001 PSG.edf", SECONDS)
    rows = [(20 * i, 20, f"Sleep stage {s}") for i, s in enumerate("WWW2?")]
    write_hypnogram(tmp_path / "01-03-0001 Base.edf", rows)
    found = load(tmp_path, window=20.0)
    assert found == [("01-03-0001", s, y) for s, y in ((0, "W"), (20, "W"), (40, "W"), (60, "N2"))]


@pytest.mark.parametrize("kind", ["nsrr", "profusion"])
def test_nsrr(kind, tmp_path):
    write_psg(tmp_path / "shhs1-200001.edf", SECONDS)
    event = (
        "<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>{}</EventConcept>"
        "<Start>{}</Start><Duration>{}</Duration></ScoredEvent>"
    )
    events = event.format("Wake|0", 0, 60) + event.format("REM sleep|5", 60, 60)
    texts = {
        "nsrr": f"<PSGAnnotation><ScoredEvents>{events}</ScoredEvents></PSGAnnotation>",
        "profusion": "<CMPStudyConfig><EpochLength>30</EpochLength><SleepStages>"
        + "".join(f"<SleepStage>{n}</SleepStage>" for n in (0, 0, 5, 5))
        + "</SleepStages></CMPStudyConfig>",
    }
    (tmp_path / f"shhs1-200001-{kind}.xml").write_text(texts[kind])
    starts = (0, "W"), (30, "W"), (60, "R"), (90, "R")
    assert load(tmp_path) == [("shhs1-200001", *start) for start in starts]


def test_text_beside_a_recording(tmp_path):
    write_psg(tmp_path / "anna-PSG.edf", SECONDS)
    (tmp_path / "anna-Hypnogram.txt").write_text("0\n2\n2\n4\n4\n")
    starts = (0, "W"), (30, "N2"), (60, "N2"), (90, "R")
    assert load(tmp_path, stage_numbers="yasa") == [("anna", *start) for start in starts]
    nights = load_sleep_folder(tmp_path, stage_numbers="yasa", **PLAIN)
    assert nights.n_dropped == {"beyond the signal": 1}
    with pytest.raises(ValueError, match=r"anna-Hypnogram.txt has numbers for stages"):
        load(tmp_path)


def test_edf_goes_before_a_copy_in_text(tmp_path):
    write_psg(tmp_path / "anna-PSG.edf", SECONDS)
    write_hypnogram(tmp_path / "anna-Hypnogram.edf", [(0, 120, "Sleep stage 2")])
    (tmp_path / "anna-Hypnogram.csv").write_text("stage\nW\n")
    with pytest.warns(UserWarning, match=r"not read: anna-Hypnogram.csv\.$"):
        assert {y for _, _, y in load(tmp_path)} == {"N2"}


def test_two_texts_are_one_too_many(tmp_path):
    write_psg(tmp_path / "anna-PSG.edf", SECONDS)
    for ending in ("csv", "txt"):
        (tmp_path / f"anna-Hypnogram.{ending}").write_text("W\n")
    with pytest.raises(ValueError, match="more than one hypnogram"):
        load(tmp_path)


def test_text_without_a_stage(tmp_path):
    write_psg(tmp_path / "anna-PSG.edf", SECONDS)
    (tmp_path / "anna-Hypnogram.txt").write_text("light\ndeep\n")
    with pytest.raises(ValueError, match=r"anna-Hypnogram.txt has no sleep stage"):
        load(tmp_path)


def test_a_text_that_is_scored_anew_is_other_data(tmp_path):
    write_psg(tmp_path / "anna-PSG.edf", SECONDS)
    hypnogram = tmp_path / "anna-Hypnogram.txt"
    hypnogram.write_text("W\n")
    before = file_digests(tmp_path)
    (tmp_path / "notes.txt").write_text("slept badly")
    assert file_digests(tmp_path) == before
    hypnogram.write_text("R\n")
    assert file_digests(tmp_path) != before


# channels -----------------------------------------------------------------------------------------
LABELS = ("EEG C3-CLE", "EEG C4-CLE", "EOG Left Horiz", "EMG Chin1", "ECG I")


def write_night(folder, stem, labels=LABELS):
    values = [np.full(SFREQ * 60, 10 * i) for i in range(len(labels))]
    write_edf(folder / f"{stem}-PSG.edf", list(zip(labels, values, strict=True)))
    write_hypnogram(folder / f"{stem}-Hypnogram.edf", [(0, 60, "W")])


def channels_of(folder, channels):
    nights = load_sleep_folder(folder, channels=channels, **PLAIN)
    levels = np.round(1e6 * nights.to_arrays()[0][0, :, 0]).astype(int)
    return dict(zip(nights.ch_names, levels.tolist(), strict=True))


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (None, {"C3-CLE": 0, "C4-CLE": 10}),
        (["C4-CLE", "EOG Left Horiz", "EMG Chin1"],
         {"C4-CLE": 10, "EOG Left Horiz": 20, "EMG Chin1": 30}),
        (["EOG*", "C?-cle"], {"EOG Left Horiz": 20, "C3-CLE": 0, "C4-CLE": 10}),
        ({"C4": "C4-*", "EOG": "EOG Left*", "heart": "ECG I"}, {"C4": 10, "EOG": 20, "heart": 40}),
    ],
)  # fmt: skip
def test_channels_by_name_and_by_pattern(channels, expected, tmp_path):
    write_night(tmp_path, "anna")
    found = channels_of(tmp_path, channels)
    assert list(found.items()) == list(expected.items())


def test_one_name_for_channels_of_several_references(tmp_path):
    write_night(tmp_path, "anna")
    write_night(tmp_path, "bert", [label.replace("CLE", "LER") for label in LABELS])
    with pytest.raises(ValueError, match="need the same channels"):
        channels_of(tmp_path, ["C3-*"])
    assert channels_of(tmp_path, {"C3": "C3-*", "EMG": "EMG*"}) == {"C3": 0, "EMG": 30}


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (["Oz*"], r"has no channels \['Oz\*'\]; it has"),
        ({"EEG": "C*"}, r"has 2 channels 'C\*' for 'EEG'.*a pattern that only one has"),
        (["C3-CLE", "C*"], "must name different channels"),
        ({}, "must name different channels"),
    ],
)
def test_patterns_that_say_too_little(channels, message, tmp_path):
    write_night(tmp_path, "anna")
    with pytest.raises(ValueError, match=message):
        channels_of(tmp_path, channels)
