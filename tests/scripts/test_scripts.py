"""The scripts under benchmarks/ run and say what they found."""

import csv
import importlib.util
import subprocess
import sys

import pytest
import torch


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


@pytest.mark.parametrize("n_times", [100, 211, 1000])
def test_convolution_by_spectra_is_that_of_torch(root, n_times):
    spec = importlib.util.spec_from_file_location("recovery", root / "benchmarks" / "recovery.py")
    recovery = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recovery)
    ours = recovery.LongConv1d(2, 3, 100).double()
    plain = torch.nn.Conv1d(2, 3, 100).double()
    plain.load_state_dict(ours.state_dict())
    X = torch.randn(4, 2, n_times, dtype=torch.float64, requires_grad=True)
    found = []
    for layer in (ours, plain):
        output = layer(X)
        inputs = [X, layer.weight, layer.bias]
        found.append([output, *torch.autograd.grad(output.square().sum(), inputs)])
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=1e-10)


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
    # another weight is another run
    options = ["--seeds", "1", "--penalty", "0"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    assert "1/1 sinusoids: spread 0.1 | 1, 0" in done.stdout
    assert "weight 0.08: shift" in done.stdout
    assert "weight 0: shift" in done.stdout
    # runs of another length are not taken for these
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with output.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "epochs": 50} for row in rows)
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert done.returncode != 0
    assert "is of an earlier version; remove it or name another." in done.stderr


@pytest.mark.slow
def test_search_cost_goes_on_where_it_stopped(root, tmp_path):
    command = [sys.executable, root / "benchmarks" / "search_cost.py", "--choices", "1"]
    command += ["--epochs", "1", "--data", "simulated", str(tmp_path / "nowhere")]
    command += ["--output", str(tmp_path), "--methods"]
    for methods in (["none", "trivial"], ["trivial"]):
        done = subprocess.run([*command, *methods], capture_output=True, text=True, check=True)
        with (tmp_path / "search_cost.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["method"] for row in rows] == methods
        assert "nowhere is missing" in done.stdout
    assert "trivial-train2-split0" not in done.stderr  # nothing was left to do
    (row,) = rows
    assert (tmp_path / "simulated" / "accuracy_time.png").is_file()
    assert float(row["search"]) == 0
    assert float(row["total"]) > 0
    assert 0 < float(row["accuracy"]) <= 1


@pytest.mark.slow
def test_search_cost_takes_a_step_of_each_search(root):
    command = [sys.executable, root / "benchmarks" / "search_cost.py", "--steps", "--rounds", "1"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    costs = dict(line.strip().split(": ") for line in lines[1:])
    names = ["DDASSearch", "DADASearch", "ADDASearch", "CADDASearch", "FasterAutoAugmentSearch"]
    assert list(costs) == names
    assert all(float(cost) > 1 for cost in costs.values())  # each has a training step in it


@pytest.mark.slow
def test_choice_gradients_agree_with_enumeration(root, tmp_path):
    output = tmp_path / "choices"
    command = [sys.executable, root / "benchmarks" / "choice_gradients.py", "--parts", "gradients"]
    command += ["--only", "sinusoids, 4 epochs", "--batches", "100", "--output", str(output)]
    runs = []
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(done.stdout)
    assert "gradients: sinusoids, 4 epochs" in runs[0]
    assert "gradients: sinusoids, 4 epochs" not in runs[1]  # nothing was left to do
    with (tmp_path / "choices_gradients.csv").open(newline="") as file:
        rows = {row["estimator"]: row for row in csv.DictReader(file)}
    assert float(rows["enumeration"]["size along truth"]) == 1
    exact = [name for name in rows if name.startswith("score function")]
    assert len(exact) == 6
    for name in exact:
        error = float(rows[name]["size along truth"]) - 1
        assert abs(error) < 3.5 * float(rows[name]["standard error"])
    shipped = float(rows["score function, baseline of the label (shipped)"]["spread"])
    assert shipped < 0.5 * float(rows["score function, baseline of all"]["spread"])


@pytest.mark.slow
def test_search_sense_goes_on_where_it_stopped(root, tmp_path):
    output = tmp_path / "sense.csv"
    command = [sys.executable, root / "benchmarks" / "search_sense.py", "--seeds", "1"]
    command += ["--first-seed", "0"]
    command += ["--epochs", "2", "--warmup", "1", "--output", str(output), "--methods"]
    for methods in (["adda"], ["adda", "ddas"]):
        done = subprocess.run([*command, *methods], capture_output=True, text=True, check=True)
        assert f"1/1 {methods[-1]}, 0" in done.stdout
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert sorted(row["method"] for row in rows) == methods
    shares = [float(value) for key, value in rows[0].items() if key.endswith("share")]
    assert sum(shares) == pytest.approx(5)
    assert "TimeReverse below a half in" in done.stdout


@pytest.mark.slow
def test_night_says_what_the_time_goes_into(root, tmp_path):
    output = tmp_path / "night.csv"
    command = [sys.executable, root / "benchmarks" / "night.py", "--hours", "0.5", "--rounds", "1"]
    command += ["--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    with output.open(newline="") as file:
        rows = {row.pop("predicts"): row for row in csv.DictReader(file)}
    assert list(rows) == ["plain network", "learned, 1 copy", "learned, 10 copies"]
    for name, row in rows.items():
        assert name in done.stdout
        assert all(float(seconds) > 0 for seconds in row.values())
    ten, one = (float(rows[f"learned, {copies}"]["network"]) for copies in ("10 copies", "1 copy"))
    assert ten > 2 * one


@pytest.mark.slow
def test_training_from_disk(root):
    script = root / "benchmarks" / "from_disk.py"
    options = ["--gib", "0.02", "--speed-gib", "0.01", "--rounds", "1", "--networks", "Pooled"]
    done = subprocess.run(
        [sys.executable, script, *options], capture_output=True, text=True, check=True
    )
    # a night is the smallest store
    assert "Store of 0.02 GiB, 976 windows" in done.stdout
    assert done.stdout.count("(equal to the bit)") == 1


@pytest.mark.slow
def test_preparation_of_many_recordings(root):
    script = root / "benchmarks" / "prepare.py"
    options = ["--nights", "1", "--subjects", "1", "--n-jobs", "1"]
    done = subprocess.run(
        [sys.executable, script, *options], capture_output=True, text=True, check=True
    )
    assert "sleep: 1 subject, 976 windows" in done.stdout
    assert "1 recordings in" in done.stdout
    assert "imagery: 1 subject, 45 windows" in done.stdout
    assert "3 recordings in" in done.stdout
