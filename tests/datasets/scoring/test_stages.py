"""Public spellings of stages, in labels and in hypnograms."""

import pytest

from eeginv.datasets import SleepDataset
from eeginv.datasets.scoring.stages import read_label

PLAIN = {"crop_wake": None, "h_freq": None, "standardize": False}

SPELLINGS = {
    "W": [
        "Sleep stage W", "sleep stage w", "SLEEP STAGE W", "W", "Wake", "WAKE", "awake", "Stage W",
        "Sleep stage 0", "SLEEP-S0", "Sleep stage Wake", "Wake|0", "SDO:WakeState|WakeState",
        "Sleep stage W@@EEG F4-A1", " Sleep stage W ",
    ],
    "N1": [
        "Sleep stage 1", "Sleep stage N1", "N1", "n1", "S1", "Stage 1", "SLEEP-S1", "NREM1",
        "Stage 1 sleep|1", "Sleep stage 1 (N1)", "SDO:NonRapidEyeMovementSleep-N1", "Stage_N1",
        "Sleep stage S1", "NREM 1", "Stage1", "SleepStage1", "Non-REM 1", "1|1",
    ],
    "N2": ["Sleep stage 2", "Sleep stage N2", "N2", "S2", "Stage 2", "SLEEP-S2", "Stage 2 sleep|2",
           "NREM stage 2", "Sleep_stage_2"],
    "N3": [
        "Sleep stage 3", "Sleep stage 4", "Sleep stage N3", "N3", "S3", "S4", "N4", "Stage 4",
        "Stage 3 sleep|3", "Stage 4 sleep|4", "SLEEP-S4", "NREM4", "SWS", "Slow wave sleep",
        "Sleep stage 3/4",
    ],
    "R": [
        "Sleep stage R", "Sleep stage REM", "REM", "R", "rem", "Stage R", "SLEEP-REM", "REM sleep",
        "REM sleep|5", "SDO:RapidEyeMovementSleep", "Sleep stage R (REM)", "Stage REM",
    ],
    "unscored": [
        "Sleep stage ?", "?", "Movement time", "SLEEP-MT", "Unscored", "Unscored|9", "Movement|6",
        "Sleep stage unknown", "Not scored", "Stage - No Stage", "Sleep stage M",
    ],
    "unknown": [
        "Sleep stage X", "Sleep stage N", "Sleep stage 5", "Stage 7", "4", "5", "NREM",
        "Sleep stage 1 (N2)", "Light sleep", "sleep stage", "Sleep", "UNS",
    ],
    None: [
        "Lights off", "Arousal", "Arousal (stage 2)", "Hypopnea|Hypopnea", "Movement", "Artifact",
        "Spindle", "Recording starts", "SpO2 desaturation", "Stimulus/S  1", "Snore", "",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("meaning", "label"),
    [(meaning, label) for meaning in SPELLINGS for label in SPELLINGS[meaning]],
)
def test_spelling(meaning, label):
    assert read_label(label) == meaning


def test_mixed_spellings_in_a_recording(make_raw, description):
    labels = ["WAKE", "S1", "Stage 2 sleep|2", "Sleep stage 2 (N2)", "N3", "SLEEP-S4", "REM"]
    nights = SleepDataset([make_raw(labels)], description, **PLAIN)
    assert nights.to_arrays()[1].tolist() == ["W", "N1", "N2", "N2", "N3", "N3", "R"]
    assert nights.n_dropped == {}


def test_unknown_stages_are_counted_and_said(make_raw):
    raws = [
        make_raw(["W", "Sleep stage X", "2", "Sleep stage X", "5", "?"]),
        make_raw(["W", "Sleep stage N", "2"]),
    ]
    rows = [{"subject": name, "recording": 1} for name in "ab"]
    match = (
        r"'Sleep stage 5' \(1\), 'Sleep stage N' \(1\), 'Sleep stage X' \(2\) in "
        "subject a, recording 1; subject b, recording 1"
    )
    with pytest.warns(UserWarning, match=match):
        nights = SleepDataset(raws, rows, **PLAIN)
    assert nights.to_arrays()[1].tolist() == ["W", "N2", "W", "N2"]
    assert nights.n_dropped == {
        "Sleep stage X": 2,
        "Sleep stage 5": 1,
        "Sleep stage ?": 1,
        "Sleep stage N": 1,
    }


def test_names_of_another_language_are_said(make_raw, description):
    """What lasts as long as an epoch where no stage is, is taken for a stage."""
    raw = make_raw(["W", "Schlaf 2", "2", "Schlaf 2"])
    with pytest.warns(UserWarning, match=r"left out: 'Schlaf 2' \(2\)"):
        nights = SleepDataset([raw], description, **PLAIN)
    assert nights.n_dropped == {"Schlaf 2": 2}


def test_events_beside_stages_are_no_stages(make_raw, description):
    raw = make_raw(["W", "1", "2", "3"])
    raw.annotations.append([0, 31, 0, 64], [0, 12.3, 120, 10], ["Lights off", "Hypopnea", "5", "1"])
    nights = SleepDataset([raw], description, **PLAIN)
    assert nights.to_arrays()[1].tolist() == ["W", "N1", "N2", "N3"]
    assert nights.n_dropped == {}
