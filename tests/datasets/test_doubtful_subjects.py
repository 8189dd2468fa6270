"""Warnings of file names from which subjects cannot be told."""

from pathlib import PurePath

import pytest
from trials import SPAN, write_folder

from eeginv.datasets import load_windows
from eeginv.datasets.doubtful_subjects import warn_of_subjects


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["P01_pre", "P01_post", "P02_pre"], r"alike: P01_post_raw.fif, P01_pre_raw.fif\."),
        (["chb01_03", "chb01_04", "chb02_01"], r"alike: chb01_03_raw.fif, chb01_04_raw.fif\."),
        (["01_pre", "01_post", "02_pre"], r"alike: 01_post_raw.fif, 01_pre_raw.fif\."),
        (["p01_9", "p01_10", "p02_1"], "alike: p01_10_raw.fif, p01_9_raw.fif"),
        (["S001R04", "S002R04", "backup/S001R04"], "alike: S001R04_raw.fif, backup/S001R04_raw"),
    ],
)
def test_parts_of_one_person(names, listed, tmp_path):
    write_folder(tmp_path, files=names)
    with pytest.warns(UserWarning, match=listed) as caught:
        load_windows(tmp_path, **SPAN)
    pattern = str(caught[0].message).split("'")[1]
    found = load_windows(tmp_path, **SPAN, pattern=pattern)
    assert len(set(found.subjects)) == 2


@pytest.mark.parametrize(
    "names",
    [
        ["S001R04", "S001R08", "S002R04"],
        ["study2_S07", "study2_S08"],
        ["site1_S07", "site1_S08", "site2_S01"],
        ["anna/run1", "ben/run1"],
        ["2024-01-05_anna", "2024-01-05_ben"],
        ["S01/run1", "S02/run1"],
        ["day1/S01", "day2/S01", "day1/S02"],
        ["A01T", "A01E", "A02T"],
        ["Subject00_1", "Subject00_2", "Subject01_1"],
    ],
)
def test_names_that_tell_people_apart(names):
    warn_of_subjects(PurePath(f"{name}.edf") for name in names)  # warnings are errors
