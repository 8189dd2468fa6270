"""The script that checks and measures on a GPU runs to its end on the CPU."""

import json
import subprocess
import sys

import pytest

SECTIONS = [
    "environment",
    "transforms against the CPU",
    "learners against the CPU",
    "no synchronisation in a training step",
    "determinism",
    "estimators",
    "predictions over ten copies",
    "costs of a training step",
]


def run(root, *options):
    command = [sys.executable, root / "benchmarks" / "gpu.py", "--small", "--device", "cpu"]
    return subprocess.run([*command, *options], capture_output=True, text=True)


@pytest.mark.slow
def test_all_of_it_in_a_small_setting(root, tmp_path):
    output = tmp_path / "gpu.json"
    done = run(root, "--output", str(output))
    assert done.returncode == 0, done.stdout[-3000:]
    found = json.loads(output.read_text())
    assert list(found["sections"]) == SECTIONS
    assert found["failed"] == found["left_out"] == []
    sections = found["sections"]
    assert len(sections["transforms against the CPU"]) == 17
    assert {row["deviation"] for row in sections["transforms against the CPU"]} == {0.0}
    assert len(sections["learners against the CPU"]) == len(sections["determinism"]) == 9
    costs = sections["costs of a training step"]
    assert [row["ratio"] for row in costs if row["method"] == "plain"] == [1.0, 1.0]
    assert {row["method"] for row in costs} == {"plain", "none", "AugNet"}
    assert "0 left out, 0 failed" in done.stdout


@pytest.mark.slow
def test_one_failure_does_not_stop_the_others_nor_does_the_budget(root, tmp_path):
    """By a script that breaks one transform first."""
    script = tmp_path / "broken.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(root / 'benchmarks')!r})\n"
        "import gpu\n"
        "from eeginv.transforms import SignFlip\n"
        "def broken(*arguments): raise ArithmeticError('broken on purpose')\n"
        "SignFlip._transform = broken\n"
        "names = ('environment', 'transforms against the CPU', 'costs of a training step')\n"
        "gpu.SECTIONS = {name: gpu.SECTIONS[name] for name in names}\n"
        "sys.exit(gpu.main())\n"
    )
    options = ["--small", "--device", "cpu", "--budget", "0"]
    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True)
    assert done.returncode == 1
    assert "FAILED transform SignFlip: ArithmeticError: broken on purpose" in done.stdout
    assert "GaussianNoise       deviation 0.0e+00" in done.stdout
    assert "left out, as the budget is used up: EEGNet, 4 windows, float32" in done.stdout
    assert "2 left out, 1 failed" in done.stdout
