"""Declared parameters: scikit-learn's contract, users' subclasses and docstrings."""

import inspect
import pickle
from dataclasses import field

import pytest
from joblib import wrap_non_picklable_objects
from numpydoc.docscrape import ClassDoc
from searched import prototype, registered
from sklearn.base import BaseEstimator, clone

from eeginv import CADDASearch, DADASearch, DDASSearch
from eeginv.search.declared import DeclaredParameters, count, positive, share

every_search = pytest.mark.parametrize("cls", registered())


class Declared(DeclaredParameters, BaseEstimator):
    """Declare.

    Parameters
    ----------
    first : object
        What comes first.
    size : int
        Size of the base class.

    Attributes
    ----------
    found_ : int
        What was found.
    """

    first: object = field(kw_only=False)
    size: int = count(3)
    rate: float | None = positive(None)


class Extended(Declared):
    """Declare more.

    Some text.

    Parameters
    ----------
    part : float
        A part,
        in two lines.
    size : int
        Size of the subclass.

    Attributes
    ----------
    more_ : int
        What was found in addition.

    Notes
    -----
    A note.
    """

    part: float = share(0.5)
    size: int = count(5)


@every_search
def test_scikit_learn_reads_and_clones_the_parameters(cls):
    search = cls(prototype(), held_out=0.25, random_state=3)
    parameters = search.get_params(deep=False)
    assert parameters["held_out"] == 0.25
    assert set(parameters) == set(inspect.signature(cls).parameters)
    copy = clone(search)
    assert copy is not search
    assert copy.get_params(deep=False).keys() == parameters.keys()
    assert copy.held_out == 0.25
    copy.set_params(max_seconds=2.0, estimator__batch_size=4)
    assert copy.max_seconds == 2.0
    assert copy.estimator.batch_size == 4
    assert search.max_seconds is None
    assert pickle.loads(pickle.dumps(search)).random_state == 3
    assert "held_out=0.25" in repr(search)


@every_search
def test_constructor_stores_what_it_is_given(cls):
    """Without copies and checks, which are those of ``fit``."""
    given = {name: object() for name in inspect.signature(cls).parameters}
    search = cls(**given)
    assert all(getattr(search, name) is value for name, value in given.items())
    assert set(vars(search)) == set(given)
    assert search != cls(**given)  # Estimators compare by identity.
    assert len({search, cls(**given)}) == 2


@every_search
def test_signature(cls):
    first, *others = inspect.signature(cls).parameters.values()
    assert first.name == "estimator"
    assert first.default is first.empty
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in others)
    assert all(parameter.default is not parameter.empty for parameter in others)
    with pytest.raises(TypeError, match="unexpected keyword argument 'n_level'"):
        cls(prototype(), n_level=3)
    with pytest.raises(TypeError, match="estimator"):
        cls()
    with pytest.raises(TypeError, match="positional"):
        cls(prototype(), [])


@every_search
def test_every_parameter_is_described_once_in_the_order_of_the_signature(cls):
    sections = ClassDoc(cls)
    assert [p.name for p in sections["Parameters"]] == list(inspect.signature(cls).parameters)
    assert all(p.type and p.desc for p in sections["Parameters"])
    attributes = [attribute.name for attribute in sections["Attributes"]]
    assert len(attributes) == len(set(attributes))
    assert {"policy_", "best_estimator_", "classes_", "search_time_"} <= set(attributes)
    assert sections["Examples"]


def test_own_parameters_come_first_and_replace_inherited_ones():
    assert list(inspect.signature(Extended).parameters) == ["first", "size", "part", "rate"]
    assert Extended(1).size == 5
    assert Declared(1).size == 3
    sections = ClassDoc(Extended)
    described = {p.name: " ".join(p.desc) for p in sections["Parameters"]}
    assert described == {
        "first": "What comes first.",
        "part": "A part, in two lines.",
        "size": "Size of the subclass.",
    }
    assert [a.name for a in sections["Attributes"]] == ["found_", "more_"]
    assert sections["Notes"] == ["A note."]
    assert sections["Extended Summary"] == ["Some text."]
    assert "more_" not in Declared.__doc__


def test_docstrings_of_two_base_classes_and_of_none():
    class Other(DeclaredParameters):
        """Other.

        Parameters
        ----------
        other : int
            Of the other one.
        """

        other: int = 1

    class Both(Extended, Other):
        """Both."""

    class Silent(Extended):
        extra: int = 1

    assert {"first", "part", "size", "other"} == {p.name for p in ClassDoc(Both)["Parameters"]}
    assert Both(1, other=2, part=0.1).get_params() == {
        **{"first": 1, "other": 2, "part": 0.1},
        **{"rate": None, "size": 5},
    }
    assert Silent.__doc__ is None
    assert inspect.getdoc(Silent) == inspect.getdoc(Extended)


def test_subclass_that_declares_parameters():
    class Mine(DDASSearch):
        """Mine.

        Parameters
        ----------
        gain : float
            A gain.
        """

        gain: float = positive(2.0)

    search = Mine(prototype(), gain=3.0, n_levels=2)
    assert clone(search).get_params(deep=False)["gain"] == 3.0
    assert {"gain", "n_levels", "held_out"} <= {p.name for p in ClassDoc(Mine)["Parameters"]}
    copy = pickle.loads(pickle.dumps(wrap_non_picklable_objects(search)))  # for joblib's workers
    assert copy.get_params(deep=False)["gain"] == 3.0
    with pytest.raises(ValueError, match=r"gain must be a number above 0, got -1"):
        Mine(prototype(), gain=-1).fit([[0.0]], [0])


def test_subclass_that_defines_its_constructor():
    class Mine(DADASearch):
        """Mine."""

        def __init__(self, estimator, *, gain=1.0, held_out=0.3):
            super().__init__(estimator, held_out=held_out)
            self.gain = gain

    class Further(Mine):
        """Further."""

    for cls in (Mine, Further):
        search = cls(prototype(), gain=2.0)
        assert search.get_params(deep=False).keys() == {"estimator", "gain", "held_out"}
        assert clone(search).gain == 2.0
        assert search.held_out == 0.3
        assert search.search_epochs == 20
    with pytest.raises(TypeError, match="Mine defines __init__ by hand"):

        class Mixed(Mine):
            """Mixed."""

            more: int = 1


def test_constructor_that_stores_only_its_own_parameters():
    """The parameters that it leaves out have their defaults."""

    class Mine(DADASearch):
        """Mine."""

        def __init__(self, estimator, *, held_out=0.3):
            self.estimator = estimator
            self.held_out = held_out

    search = Mine(prototype())
    search._check_parameters()
    assert (search.held_out, search.search_epochs, search.max_seconds) == (0.3, 20, None)
    assert search.get_params(deep=False).keys() == {"estimator", "held_out"}


def test_subclass_without_anything_new():
    class Mine(CADDASearch):
        """Mine."""

    assert inspect.signature(Mine) == inspect.signature(CADDASearch)


def test_default_that_is_not_annotated_is_refused():
    with pytest.raises(TypeError, match=r"Mine\.n_levels .* of DDASSearch: annotate it"):

        class Mine(DDASSearch):
            """Mine."""

            n_levels = 5


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (count(1), [1, 2.0, 10**9], [0, -1, 1.5, True, None, "1", float("nan"), float("inf")]),
        (count(0, at_least=0), [0, 1], [-1, False]),
        (count(None), [None, 1], [0]),
        (share(0.5), [0.1, 0.999], [0, 1, -0.1, None, "0.5", float("nan")]),
        (positive(1.0), [1e-9, 3, float("inf")], [0, -1, None, "1", True, float("nan")]),
        (positive(1.0, or_zero=True), [0, 3], [-1e-9, float("nan")]),
        (positive(None), [None, 0.1], [0]),
    ],
)
def test_ranges(parameter, good, bad):
    check = parameter.metadata["check"]
    for value in good:
        check("value", value)
    for value in bad:
        with pytest.raises(ValueError, match=r"^value must be .*, got "):
            check("value", value)


def test_values_are_checked_by_name():
    Declared(1)._check_parameters()
    with pytest.raises(ValueError, match="rate must be a number above 0, or None, got -1"):
        Declared(1, rate=-1)._check_parameters()
    with pytest.raises(ValueError, match="size must be a whole number of at least 1, got 0"):
        Extended(1, size=0)._check_parameters()
