"""The methods that are compared: one record for each says how it is called, drawn and trained."""

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
        How it is drawn, in the words of matplotlib.
    fit : callable | None
        Trains it: a function of options of :class:`~eeginv.InvariantClassifier`, X, y and groups
        that returns a ``Fitted``. None for a control that is made of two runs.
    parts : tuple of str
        The methods of these two runs: the network of the first is averaged over copies under the
        policy that the second has learned.
    learns : bool
        Whether its training learns a policy.
    averaged : str
        What its predictions are averaged over in the second scoring, in words.

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
    # Shows what averaging alone brings of a learned policy.
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
    # Two networks on six tenths of the subjects: one plain training and a half.
    Method(
        "fastaa",
        "Fast AutoAugment",
        style.GREEN,
        "*",
        with_search("fastaa", n_folds=2, n_trials=60),
    ),
    # Sixteen trainings on half of the subjects: two plain trainings, less what is given up.
    Method(
        "autoaugment",
        "AutoAugment",
        style.PURPLE,
        "p",
        with_search("autoaugment", quarter_each, n_trials=16),
    ),
    # Ten trainings on half of the subjects: one plain training and a quarter.
    Method(
        "randaugment", "RandAugment", style.YELLOW, "h", with_search("randaugment", quarter_each)
    ),
]

_SPARE_COLOURS = (style.GREEN, style.PURPLE, style.YELLOW, style.BLACK)
_SPARE_MARKERS = ("d", "8", "H")


def _spare_look(i: int) -> tuple[str, str]:
    return _SPARE_COLOURS[i % len(_SPARE_COLOURS)], _SPARE_MARKERS[i % len(_SPARE_MARKERS)]


def complete(records: Iterable[Method], searches: dict[str, str]) -> dict[str, Method]:
    """Add a record for each search that has none: default parameters, and a look to spare.

    Parameters
    ----------
    records : list of Method
        The records there are.
    searches : dict of str to str
        From the short name of each search to the name of its class.

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
# Those that are trained, and the controls that are made of two runs.
METHODS = {name: method for name, method in _ALL.items() if method.fit}
COMBINED = {name: method for name, method in _ALL.items() if method.parts}


def label_of(name: str) -> str:
    """Name a method for readers.

    Parameters
    ----------
    name : str
        Short name, of a method that is known here or of another one.

    Returns
    -------
    label : str
        Its label; the name itself if it is not known.
    """
    return _ALL[name].label if name in _ALL else name


def averaging_label(name: str, averaging: str) -> str:
    """Say how a method predicts.

    Parameters
    ----------
    name : str
        Short name of the method.
    averaging : "plain" | "averaged"
        Whether predictions are averaged over transformed copies.

    Returns
    -------
    label : str
        In words.
    """
    if averaging == "averaged" and name in _ALL:
        return _ALL[name].averaged
    return AVERAGING_LABELS[averaging]


def learns_policy(name: str) -> bool:
    """Tell whether the training of a method learns a policy.

    Parameters
    ----------
    name : str
        Short name, of a method that is known here or of another one.

    Returns
    -------
    learns : bool
        False for the controls.
    """
    return name not in _ALL or _ALL[name].learns


def sort_methods(names: Iterable[str]) -> list[str]:
    """Sort methods: controls first, then the learners, then others by name.

    Parameters
    ----------
    names : iterable of str
        Short names.

    Returns
    -------
    names : list of str
        Each once.
    """
    known = list(_ALL)
    return sorted(set(names), key=lambda m: (known.index(m) if m in _ALL else len(known), m))


def method_styles(names: Iterable[str]) -> dict[str, Style]:
    """Look up how methods are drawn.

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
