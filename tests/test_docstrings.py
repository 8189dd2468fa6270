"""Every public object has a docstring in numpydoc's format that says what its signature says."""

import importlib
import inspect
import pkgutil
import tomllib
from pathlib import Path

import pytest
from numpydoc.validate import get_validation_checks, validate

import eeginv

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["numpydoc_validation"]
CHECKS = get_validation_checks(set(SETTINGS["checks"]))


def rooms():
    """Public modules of the package that say what they export, and the package itself."""
    yield eeginv
    for module in pkgutil.iter_modules(eeginv.__path__, "eeginv."):
        if not module.name.rpartition(".")[2].startswith("_"):
            room = importlib.import_module(module.name)
            if hasattr(room, "__all__"):
                yield room


def is_foreign(thing):
    """Whether a class or function comes from another library."""
    return thing.__module__.partition(".")[0] != "eeginv"


def public_objects():
    """Classes and functions in ``__all__`` of the package and its rooms, once each."""
    found = {}
    for room in rooms():
        for name in room.__all__:
            thing = getattr(room, name, None)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                if not is_foreign(thing):
                    found.setdefault(thing, f"{room.__name__}.{name}")
    return dict(sorted((path, thing) for thing, path in found.items()))


def public_members(cls):
    """Methods and properties of a class, each under the class of ours that defines it."""
    for base in cls.__mro__:
        if is_foreign(base):
            continue
        for name, member in vars(base).items():
            # set_fit_request and its like are made, and documented, by scikit-learn.
            if name.startswith("_") or name.endswith("_request"):
                continue
            kinds = (property, classmethod, staticmethod)
            if not (isinstance(member, kinds) or inspect.isfunction(member)):
                continue
            # Overrides what another class describes: ours is checked there, and torch and
            # scikit-learn describe extra_repr and the like in their own format.
            if not member.__doc__ and any(name in vars(above) for above in base.__mro__[1:]):
                continue
            yield f"{base.__module__}.{base.__qualname__}.{name}"


OBJECTS = public_objects()
CLASSES = [thing for thing in OBJECTS.values() if inspect.isclass(thing)]
MEMBERS = sorted({member for cls in CLASSES for member in public_members(cls)})


def complaints(path):
    """What numpydoc finds wrong, among the checks that pyproject.toml asks for."""
    return [f"{code}: {text}" for code, text in validate(path)["errors"] if code in CHECKS]


@pytest.mark.parametrize("path", [*OBJECTS, *MEMBERS])
def test_numpydoc_has_nothing_to_say(path):
    assert complaints(path) == []


@pytest.mark.parametrize("path", OBJECTS)
def test_has_an_example(path):
    # Exceptions and warnings are not called by anyone.
    if inspect.isclass(OBJECTS[path]) and issubclass(OBJECTS[path], BaseException):
        return
    assert ">>> " in (OBJECTS[path].__doc__ or ""), f"{path} has no example in its docstring"


@pytest.mark.parametrize("room", list(rooms()), ids=lambda room: room.__name__)
def test_room_has_a_docstring(room):
    assert (room.__doc__ or "").strip()


def test_complains_where_it_should():
    # The checks themselves work: this function of the standard library is not in the format.
    assert any(text.startswith("PR01") for text in complaints("shutil.copy"))
