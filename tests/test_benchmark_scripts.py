"""The scripts under benchmarks/ run and say what they found."""

import csv
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_transforms_against_braindecode(root, tmp_path):
    output = tmp_path / "transforms.csv"
    script = root / "benchmarks" / "transforms.py"
    options = ["--rounds", "2", "--only", "BandstopFilter", "TimeWarp", "--output", str(output)]
    done = subprocess.run(
        [sys.executable, script, "--device", "cpu", *options],
        capture_output=True,
        text=True,
        check=True,
    )
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["transform"] for row in rows] == ["TimeWarp", "BandstopFilter"] * 2
    assert [row["shape"] for row in rows] == ["64x2x3000"] * 2 + ["16x19x3000"] * 2
    bandstop, warp = rows[1], rows[0]
    assert float(bandstop["floor"]) == 40
    assert float(bandstop["braindecode / ours"]) > 1
    assert float(bandstop["memory both"]) > float(bandstop["memory"]) > 0
    assert warp["braindecode / ours"] == ""  # Braindecode has none
    assert "BandstopFilter" in done.stdout
    assert str(output) in done.stdout


@pytest.mark.slow
def test_recovery_goes_on_where_it_stopped(root, tmp_path):
    output = tmp_path / "recovery.csv"
    command = [sys.executable, root / "benchmarks" / "recovery.py", "--tasks", "sinusoids"]
    command += ["--only", "spread 0.1 | 1", "--n-jobs", "1", "--output", str(output)]
    runs = []
    for seeds in ("1", "1"):
        done = subprocess.run(
            [*command, "--seeds", seeds], capture_output=True, text=True, check=True
        )
        runs.append((done.stdout, output.read_text()))
    assert "1/1 sinusoids: spread 0.1 | 1, 0" in runs[0][0]
    assert "1/1 sinusoids" not in runs[1][0]  # nothing was left to do
    assert "within 0.1 Hz: " in runs[1][0]
    assert runs[0][1] == runs[1][1]
