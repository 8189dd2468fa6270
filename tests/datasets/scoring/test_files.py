"""Stages in files of their own: text, tables and XML, as programs write them."""

import numpy as np
import pytest

from eeginv.datasets.scoring.files import Coding, check_coding, read_stage_file
from eeginv.datasets.scoring.stages import read_label

NSRR = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<PSGAnnotation><SoftwareVersion>Compumedics</SoftwareVersion><EpochLength>30</EpochLength>
<ScoredEvents>
<ScoredEvent><EventType/><EventConcept>Recording Start Time</EventConcept><Start>0</Start>
<Duration>90.0</Duration><ClockTime>00.00.00 22.00.00</ClockTime></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Wake|0</EventConcept>
<Start>0.0</Start><Duration>60.0</Duration></ScoredEvent>
<ScoredEvent><EventType>Arousals|Arousals</EventType>
<EventConcept>Arousal|Arousal ()</EventConcept><Start>31.5</Start><Duration>10</Duration>
</ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Stage 4 sleep|4</EventConcept>
<Start>60.0</Start><Duration>30.0</Duration></ScoredEvent>
</ScoredEvents></PSGAnnotation>"""
PROFUSION = """<CMPStudyConfig><EpochLength>20</EpochLength><SleepStages>
<SleepStage>0</SleepStage><SleepStage>4</SleepStage><SleepStage>5</SleepStage>
<SleepStage>9</SleepStage></SleepStages></CMPStudyConfig>"""


def read(folder, name, content, coding=None):
    path = folder / name
    path.write_text(content, encoding="utf-8")
    found = read_stage_file(path, coding)
    meanings = [read_label(label) for label in found.labels]
    return list(zip(found.onsets.tolist(), found.durations.tolist(), meanings, strict=True))


ROWS = [(0, 30, "W"), (30, 30, "N2"), (60, 30, "R"), (90, 30, "unscored")]


@pytest.mark.parametrize(
    ("name", "content", "coding"),
    [
        ("a.txt", "W\nN2\nREM\n?\n", None),
        ("a.txt", "\ufeffW\r\nS2\r\nR\r\nUnscored\r\n", None),
        ("a.txt", "0\n2\n4\n-2\n", "yasa"),
        ("a.txt", "0\n2\n5\n9", "nsrr"),
        ("a.txt", "1\n3\n7\n0\n", {1: "W", 3: "N2", 7: "R", 0: "unscored"}),
        ("a.csv", "Epoch,Stage\n0,WAKE\n1,N2\n2,REM\n3,UNS\n".replace("UNS", "?"), None),
        ("a.csv", "Epoch,Stage,Confidence\n0,0,0.9\n1,2,0.8\n2,4,0.9\n3,-1,0.2\n", "yasa"),
        ("a.txt", "Stages\nW\nN2\nR\n?\n", None),
        ("a.txt", "Sleep Stage\n0\n2\n4\n-1\n", "yasa"),
        ("a.csv", "W\nN2\nR\n?\n", None),
        ("a.csv", "Epoch number,Stage\n1,W\n2,N2\n3,R\n4,?\n", None),
        ("a.csv", "start_time,end_time,stage\n0,30,W\n30,60,N2\n60,90,R\n90,120,?\n", None),
        ("a.csv", "Onset (s),End [s],stage\n0,30,W\n30,60,N2\n60,90,R\n90,120,?\n", None),
        ("a.csv", "0\n2\n4\n-1\n", "yasa"),
        ("a.csv", "onset;duration;description\n0;30;W\n30;30;N2\n60;30;R\n90;30;?\n", None),
        ("a.tsv", "class\tstart\tstop\nW\t0\t30\nN2\t30\t60\nR\t60\t90\n?\t90\t120\n", None),
    ],
)
def test_forms_of_one_hypnogram(name, content, coding, tmp_path):
    assert read(tmp_path, name, content, check_coding(coding)) == ROWS


def test_epochs_of_another_length(tmp_path):
    found = read(tmp_path, "a.txt", "W\nN2\n", Coding(epoch=20.0))
    assert found == [(0, 20, "W"), (20, 20, "N2")]


def test_xml_of_the_nsrr(tmp_path):
    assert read(tmp_path, "a-nsrr.xml", NSRR) == [(0, 60, "W"), (60, 30, "N3")]
    older = NSRR.replace("Start>", "Starttime>").replace("Wake|0", "SDO:WakeState")
    assert read(tmp_path, "b.xml", older) == [(0, 60, "W"), (60, 30, "N3")]


def test_xml_of_profusion_has_numbers_of_its_own(tmp_path):
    expected = [(0, 20, "W"), (20, 20, "N3"), (40, 20, "R"), (60, 20, "unscored")]
    assert read(tmp_path, "a-profusion.xml", PROFUSION) == expected
    assert read(tmp_path, "a-profusion.xml", PROFUSION, check_coding("yasa")) == expected


def test_table_without_durations_leaves_them_open(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("onset,stage\n0,W\n30,N1\n")
    found = read_stage_file(path)
    np.testing.assert_array_equal(found.durations, 0)
    np.testing.assert_array_equal(found.onsets, [0, 30])


def test_empty_text_has_no_stages(tmp_path):
    assert read(tmp_path, "a.txt", "\n") == []


def test_times_are_onsets(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,gender,stage\n300,x,W\n330,x,N1\n")
    np.testing.assert_array_equal(read_stage_file(path).onsets, [300, 330])


@pytest.mark.parametrize(
    ("name", "content", "coding", "message"),
    [
        ("a.csv", "stage,duration\nW,300\nN1,60\n", None, "a.csv has duration, but no onsets"),
        ("a.csv", "Epoch,stage\n11,W\n12,N1\n", None, "a.csv has Epoch, but no onsets that are"),
        ("a.csv", "Epoch,stage\n0,W\n2,N1\n", None, "a.csv has Epoch, but no onsets"),
        ("a.csv", "Begin time,end,stage\n0,9,W\n", None, "a.csv has Begin time, end, but no"),
        ("a.csv", "start (min),stage\n0,W\n1,N1\n", None, r"a.csv has start \(min\), but no on"),
        ("a.txt", "artefact\nW\nN1\n", None, "a.txt has stages, but its first line is 'artefact'"),
        ("a.txt", "0\n1\n", None, "a.txt has numbers for stages, such as 0.*stage_numbers"),
        ("a.txt", "0\n5\n", "yasa", "a.txt has the number 5, which is not among"),
        ("a.csv", "Epoch,Value\n0,W\n", None, "a.csv has no column of stages.*got Epoch, Value"),
        ("a.csv", "", None, "a.csv is empty"),
        ("a.csv", "onset,stage\n0,W\n30\n", None, "a.csv: a row has fewer cells"),
        ("a.csv", "onset,stage\n22:00:30,W\n", None, "a.csv: times must be numbers"),
        ("a.csv", "onset,stage\nnan,W\n", None, "a.csv: times must be finite"),
        ("a.xml", NSRR[:200], None, "a.xml is not XML, or was cut"),
        ("a.xml", "<hypnogram/>", None, "a.xml is XML of another kind.*got hypnogram"),
        ("a.xml", NSRR.replace("<Start>60.0", "<Start>late"), None, "expected a time in s.*late"),
    ],
)
def test_what_cannot_be_read_is_named(name, content, coding, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, name, content, check_coding(coding))


def test_not_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"W\xff\xfe")
    with pytest.raises(ValueError, match=r"a\.txt is not text"):
        read_stage_file(tmp_path / "a.txt")


def test_codings_are_checked():
    with pytest.raises(ValueError, match="stage_numbers must be one of"):
        check_coding("luna")
    with pytest.raises(ValueError, match=r"stage_numbers must name stages.*N5"):
        check_coding({0: "N5"})
    with pytest.raises(ValueError, match="epoch must be above 0"):
        check_coding(epoch=0)
