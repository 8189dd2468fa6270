"""The registry: one line makes a search a public name, and every search is in it."""

import importlib

import pytest

import eeginv
from eeginv import search
from eeginv.search.base import PolicySearch


@pytest.mark.parametrize("method", search.SEARCHES)
def test_method_is_the_class_in_the_file_of_its_name(method):
    name = search.SEARCHES[method]
    cls = getattr(search, name)
    assert cls.__module__ == f"eeginv.search.{method}"
    assert issubclass(cls, PolicySearch)
    assert getattr(eeginv, name) is cls
    assert name in search.__all__
    assert name in eeginv.__all__


def test_every_search_is_registered(root):
    found = []
    for path in (root / "eeginv" / "search").glob("*.py"):
        module = importlib.import_module(f"eeginv.search.{path.stem}")
        for thing in vars(module).values():
            if isinstance(thing, type) and issubclass(thing, PolicySearch):
                if thing.__module__ == module.__name__ and thing is not PolicySearch:
                    found.append((path.stem, thing.__name__))
    assert dict(found) == search.SEARCHES
    assert len(found) == len(search.SEARCHES)


def test_private_methods_of_estimators_are_used_in_one_file(root):
    """``prototype.py`` alone depends on the internals of estimators."""
    internals = ("_prepare", "_build_module", "_train(", "_criterion", "_n_threads", "_check_sides")
    internals += ("_default_transforms",)
    for path in (root / "eeginv" / "search").rglob("*.py"):
        if path.name != "prototype.py":
            text = path.read_text()
            assert [name for name in internals if f".{name}" in text] == [], path.name
