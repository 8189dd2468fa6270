"""The examples in the pages of the documentation run, and the transforms they define are sound."""

import doctest
import sys
import types

import pytest
import torch
from battery import CHECKS

from eeginv import AugNet
from eeginv.transforms import REGISTRY

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_page(path):
    """Run the examples of a page; return what they define, and how many there were and failed."""
    page = doctest.DocTestParser().get_doctest(path.read_text(), {}, path.name, str(path), 0)
    page.globs["__name__"] = module = f"{path.stem}_page"
    outcome = doctest.DocTestRunner(optionflags=FLAGS).run(page, clear_globs=False)
    sys.modules[module] = types.ModuleType(module)  # where pickle looks for classes
    vars(sys.modules[module]).update(page.globs)
    return page.globs, outcome


@pytest.fixture(scope="module")
def transforms_page(root):
    return run_page(root / "doc" / "transforms.rst")


def test_examples_run(root, transforms_page):
    pages = sorted((root / "doc").glob("*.rst"))
    elsewhere = ("transforms.rst", "cluster.rst")  # the latter in test_cluster.py
    outcomes = [run_page(page)[1] for page in pages if page.name not in elsewhere]
    assert sum(outcome.failed for outcome in [*outcomes, transforms_page[1]]) == 0
    assert transforms_page[1].attempted > 10


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ["LineNoise", "ChannelsFlip"])
def test_battery_runs_over_the_transforms_of_the_page(check, name, transforms_page):
    cls = transforms_page[0][name]
    check(lambda: cls(sfreq=200.0) if name == "LineNoise" else cls())


def test_a_class_of_ones_own_needs_no_registry(transforms_page):
    augmentation = AugNet([transforms_page[0]["LineNoise"](sfreq=200.0, magnitude=0.5)])
    X = torch.zeros(8, 2, 400)
    assert "LineNoise" not in REGISTRY
    assert not torch.equal(augmentation(X), X)
    assert augmentation.policy().entries[0].transform == "LineNoise"
