"""Rotated digits, and the transforms of images that an example of the gallery defines."""

import csv
import importlib.util
import subprocess
import sys

import battery
import battery_tensors
import numpy as np
import pytest
import torch
from battery import CHECKS
from checking import generator

from eeginv.datasets import load_rotated_digits

NAMES = ["Rotation", "TranslationX", "TranslationY", "Scaling", "Shear"]


@pytest.fixture(scope="module")
def benchmark(root):
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("digits", root / "benchmarks" / "digits.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["digits"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["digits"]


@pytest.fixture(scope="module")
def own(benchmark):
    """What the example defines."""
    return benchmark.load_example()


# the digits -----------------------------------------------------------------------------------
def test_shapes_and_labels():
    X, y, groups = load_rotated_digits((7, 3), 5, n_images=4, size=20, random_state=0)
    assert X.shape == (2 * 4 * 5 * 2, 20, 20)
    assert X.dtype == np.float32
    assert X.min() == 0
    assert 0.9 < X.max() <= 1
    names, counts = np.unique(y, return_counts=True)
    assert names.tolist() == ["3", "3 upside down", "7", "7 upside down"]
    assert (counts == 20).all()
    # every image is in its two classes, as often
    images, counts = np.unique(groups, return_counts=True)
    assert len(images) == 8
    assert (counts == 10).all()


def test_groups_are_the_original_images():
    from sklearn.datasets import load_digits

    X, y, groups = load_rotated_digits(n_images=6, random_state=3)
    digits = load_digits()
    assert all(name[0] == str(digits.target[i]) for name, i in zip(y, groups, strict=True))
    # all of the brightness stays inside, at every angle
    ink = X.sum(axis=(1, 2)) / (24 * (2 / 3) / 8) ** 2
    np.testing.assert_allclose(ink, digits.images[groups].sum(axis=(1, 2)) / 16, rtol=0.1)


def test_deterministic_and_moved_by_the_seed():
    first, again, other = (load_rotated_digits(n_images=3, random_state=s) for s in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_upright_and_upside_down_without_rotation():
    X, y, groups = load_rotated_digits((3,), 1, n_images=5, max_angle=0, random_state=0)
    for image in np.unique(groups):
        upright = X[(groups == image) & (y == "3")][0]
        upside_down = X[(groups == image) & (y == "3 upside down")][0]
        np.testing.assert_allclose(upright[::-1, ::-1], upside_down, atol=1e-6)
        assert np.abs(upright - upside_down).mean() > 0.05


def test_all_images():
    _, _, groups = load_rotated_digits(n_images=None, n_rotations=1, size=8, random_state=0)
    assert len(np.unique(groups)) == 183 + 179  # all 3s and all 7s


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"digits": ()}, "digits"),
        ({"digits": (3, 3)}, "digits"),
        ({"digits": (3, 10)}, "digits"),
        ({"n_images": 500}, "at most"),
        ({"n_rotations": 0}, "n_rotations"),
        ({"max_angle": -1}, "max_angle"),
        ({"max_angle": 181}, "max_angle"),
        ({"size": 4}, "size"),
        ({"share": 0}, "share"),
        ({"share": 1.5}, "share"),
    ],
)
def test_bad_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        load_rotated_digits(**arguments)


# the transforms -------------------------------------------------------------------------------
@pytest.fixture
def images(monkeypatch):
    """Square and smooth images in the place of the battery's signals of white noise."""

    def smooth(n=6, channels=3, times=200, dtype=torch.float64, seed=0):
        side = 12 if times == 33 else 20
        noise = torch.randn(n, 1, side, side, generator=generator(seed), dtype=torch.float64)
        kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=torch.float64)
        kernel = (kernel[:, None] * kernel / 256)[None, None]
        for _ in range(3):
            noise = torch.nn.functional.conv2d(noise, kernel, padding=2)
        return (noise / noise.std()).squeeze(1).to(dtype)

    for module in (battery, battery_tensors):
        monkeypatch.setattr(module, "signals", smooth)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_battery(check, name, own, images):
    check(lambda: getattr(own, name)())


def dot(row, column, height=21, width=31):
    """Return an image of one small spot, with its place counted from the middle."""
    rows = torch.arange(height, dtype=torch.float64)[:, None] - height // 2 - row
    columns = torch.arange(width, dtype=torch.float64) - width // 2 - column
    return torch.exp(-(rows**2 + columns**2) / 4)[None]


@pytest.mark.parametrize(
    ("name", "strength", "place"),
    [
        ("Rotation", 90.0, (6, 0)),
        ("Rotation", 180.0, (0, -6)),
        ("TranslationX", 4 / 31, (0, 2)),
        ("TranslationY", 4 / 21, (-4, 6)),
        ("Scaling", np.log(1.5), (0, 4)),
        ("Shear", 0.3, (0, 6)),
    ],
)
def test_moves_a_spot_by_what_it_says(name, strength, place, own):
    transform = getattr(own, name)(max_magnitude=180.0)
    noise = {"uniform": torch.ones(1, dtype=torch.float64)}
    moved = transform.transform(dot(0, 6), noise, strength=strength)
    found = np.unravel_index(moved[0].argmax().item(), moved[0].shape)
    assert abs(found[0] - 10) == abs(place[0])
    assert found[1] - 15 == place[1]
    expected = dot(found[0] - 10, found[1] - 15)
    if name != "Scaling":
        torch.testing.assert_close(moved, expected, atol=0.15, rtol=0)


def test_shear_moves_each_row_by_its_distance(own):
    noise = {"uniform": torch.ones(1, dtype=torch.float64)}
    for row in (-8, 8):
        moved = own.Shear(max_magnitude=1.0).transform(dot(row, 0), noise, strength=0.5)
        found = np.unravel_index(moved[0].argmax().item(), moved[0].shape)
        assert found[0] - 10 == row
        assert found[1] - 15 == -row // 2


# learning -------------------------------------------------------------------------------------
OPTIONS = {
    "digits": (3, 7),
    "images": 1,
    "examples": 800,
    "angle": 45.0,
    "size": 16,
    "penalty": None,
    "start": 22.5,
    "epochs": 120,
    "others": ["TranslationX", "TranslationY", "Shear"],
}


@pytest.mark.slow
def test_learns_how_far_a_digit_may_be_rotated(benchmark):
    row = benchmark.run("AugNet", 0, OPTIONS)
    assert row["recovered"], row
    assert row["weight"] > 0.5


@pytest.mark.parametrize("method", ["AugNet, no reward", "Augerino, no reward"])
def test_collapses_without_reward(method, benchmark):
    row = benchmark.run(method, 0, {**OPTIONS, "examples": 400, "epochs": 20})
    assert row["rotation"] < 4
    assert not row["recovered"]


@pytest.mark.slow
def test_script(root, tmp_path, benchmark):
    output = tmp_path / "digits.csv"
    options = ["--seeds", "2", "--epochs", "2", "--examples", "80", "--output", str(output)]
    done = subprocess.run(
        [sys.executable, root / "benchmarks" / "digits.py", *options],
        capture_output=True,
        text=True,
        check=True,
    )
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows[::2]] == list(benchmark.METHODS)
    assert all(row["truth"] == "45.0" for row in rows)
    assert done.stdout.count("of 2 within 5 % of 45 deg") == len(benchmark.METHODS)
