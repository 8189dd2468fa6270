"""Records of the methods of the benchmark: name, label, style and training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..search import SEARCHES
from ..viz import style
from .training import Fit, half, quarter, quarter_each, with_augmentation, with_search

if TYPE_CHECKING:
    from ..viz.style import Style

AVERAGING_LABELS = {"plain": "without averaging", "averaged": "averaged over copies"}


@dataclass(frozen=True)
class Method:
    """A method of the benchmark.

    Parameters
    ----------
    name : str
        Short name, for the command line and in files.
    label : str
        Name for readers.
    colour, marker : str
        Colour and marker in plots, as for matplotlib.
    fit : callable | None
        Function that trains the method, with the arguments options of
        :class:`~eeginv.InvariantClassifier`, X, y and groups. It returns a ``Fitted``. None for a
        control that combines two runs.
    parts : tuple of str
        Methods of these two runs. The network of the first is averaged over copies under the policy
        that the second has learned.
    learns : bool
        Whether the method learns a policy.
    averaged : str
        Description of predictions that are averaged over copies.

    Examples
    --------
    >>> from eeginv.benchmark import METHODS
    >>> METHODS["fastaa"].label
    'Fast AutoAugment'
    """

    name: str
    label: str
    colour: str
    marker: str
    fit: Fit | None = None
    parts: tuple[str, ...] = ()
    learns: bool = True
    averaged: str = AVERAGING_LABELS["averaged"]


_RECORDS = [
    Method(
        "none",
        "no augmentation",
        style.GREY,
        "o",
        with_augmentation(None),
        learns=False,
        averaged="averaged over full-strength random copies",
    ),
    # Measures the effect of averaging alone under a learned policy.
    Method(
        "none_learned",
        "no augmentation, AugNet's copies",
        style.GREY,
        "D",
        parts=("none", "augnet"),
        learns=False,
        averaged="averaged over AugNet's learned copies",
    ),
    Method(
        "trivial",
        "random augmentation (TrivialAugment)",
        style.ORANGE,
        "s",
        with_augmentation("trivial"),
        learns=False,
    ),
    Method("augnet", "AugNet", style.BLUE, "D", with_augmentation("augnet")),
    Method("augerino", "Augerino", style.SKY, "v", with_augmentation("augerino")),
    Method("auto", "AugNet and random (auto)", style.BLUE, "p", with_augmentation("auto")),
    Method("ddas", "DDAS", style.VERMILION, "^", with_search("ddas", quarter)),
    Method("dada", "DADA", style.GREEN, "P", with_search("dada", half)),
    Method("adda", "ADDA", style.PURPLE, "X", with_search("adda", half)),
    Method("cadda", "CADDA", style.YELLOW, "<", with_search("cadda", half)),
    Method("fasteraa", "Faster AutoAugment", style.BLACK, ">", with_search("fasteraa", half)),
    # Two networks on six tenths of the subjects, which costs about 1.5 plain trainings.
    Method(
        "fastaa",
        "Fast AutoAugment",
        style.GREEN,
        "*",
        with_search("fastaa", n_folds=2, n_trials=60),
    ),
    # Sixteen trainings on half of the subjects, which costs at most two plain trainings.
    Method(
        "autoaugment",
        "AutoAugment",
        style.PURPLE,
        "p",
        with_search("autoaugment", quarter_each, n_trials=16),
    ),
    # Ten trainings on half of the subjects, which costs 1.25 plain trainings.
    Method(
        "randaugment", "RandAugment", style.YELLOW, "h", with_search("randaugment", quarter_each)
    ),
]

_SPARE_COLOURS = (style.GREEN, style.PURPLE, style.YELLOW, style.BLACK)
_SPARE_MARKERS = ("d", "8", "H")


def _spare_look(i: int) -> tuple[str, str]:
    return _SPARE_COLOURS[i % len(_SPARE_COLOURS)], _SPARE_MARKERS[i % len(_SPARE_MARKERS)]


def complete(records: Iterable[Method], searches: dict[str, str]) -> dict[str, Method]:
    """Add a record with default parameters and an unused style for each search without one.

    Parameters
    ----------
    records : list of Method
        The existing records.
    searches : dict of str to str
        Name of the class of each search, by its short name.

    Returns
    -------
    methods : dict of str to Method
        All records by name.
    """
    methods = {method.name: method for method in records}
    new = [name for name in searches if name not in methods]
    for i, name in enumerate(new):
        label = searches[name].removesuffix("Search")
        methods[name] = Method(name, label, *_spare_look(i), with_search(name))
    return methods


_ALL = complete(_RECORDS, SEARCHES)
# Methods that are trained, and controls that combine two runs.
METHODS = {name: method for name, method in _ALL.items() if method.fit}
COMBINED = {name: method for name, method in _ALL.items() if method.parts}


def label_of(name: str) -> str:
    """Return the label of a method.

    Parameters
    ----------
    name : str
        Short name of a known or unknown method.

    Returns
    -------
    label : str
        Label of the method, or the name itself if it is not known.
    """
    return _ALL[name].label if name in _ALL else name


def averaging_label(name: str, averaging: str) -> str:
    """Return the label of a way of predicting.

    Parameters
    ----------
    name : str
        Short name of the method.
    averaging : "plain" | "averaged"
        Whether predictions are averaged over transformed copies.

    Returns
    -------
    label : str
        The label.
    """
    if averaging == "averaged" and name in _ALL:
        return _ALL[name].averaged
    return AVERAGING_LABELS[averaging]


def learns_policy(name: str) -> bool:
    """Return whether a method learns a policy.

    Parameters
    ----------
    name : str
        Short name of a known or unknown method.

    Returns
    -------
    learns : bool
        Whether it does. False for the controls.
    """
    return name not in _ALL or _ALL[name].learns


def sort_methods(names: Iterable[str]) -> list[str]:
    """Sort methods: controls, then methods that learn, then others by name.

    Parameters
    ----------
    names : iterable of str
        Short names.

    Returns
    -------
    names : list of str
        The sorted names, without duplicates.
    """
    known = list(_ALL)
    return sorted(set(names), key=lambda m: (known.index(m) if m in _ALL else len(known), m))


def method_styles(names: Iterable[str]) -> dict[str, Style]:
    """Return the plot styles of methods.

    Parameters
    ----------
    names : iterable of str
        Short names.

    Returns
    -------
    styles : dict of str to dict
        Keyword arguments of matplotlib, ``color`` and ``marker``, in the order of
        :func:`sort_methods`.
    """
    styles, n_others = {}, len(_ALL) - len(_RECORDS)
    for name in sort_methods(names):
        if name in _ALL:
            look = _ALL[name].colour, _ALL[name].marker
        else:
            look, n_others = _spare_look(n_others), n_others + 1
        styles[name] = dict(zip(("color", "marker"), look, strict=True))
    return styles
