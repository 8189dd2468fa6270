"""The registry: one line makes a search a public name, and every search is in it."""

import importlib
import re

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


def test_searches_use_no_private_names_of_other_objects(root):
    """What a search needs of estimators, transforms and policies is public."""
    for path in (root / "eeginv" / "search").rglob("*.py"):
        code = re.sub(r"^ *from .*", "", path.read_text(), flags=re.MULTILINE)
        private = re.findall(r"(?<!self)(?<!cls)(?<!super\(\))\.(_[a-z]\w*)", code)
        assert private == [], path.name
