"""Preprocessing of training data, which is saved with a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

from .._json import plain
from .scoring.stages import STAGES
from .sources.preprocessing import Preprocessing

if TYPE_CHECKING:
    from ..estimators import InvariantClassifier
    from .labelled import LabelledWindows

_FORMAT = 1


@dataclass(frozen=True)
class Recipe:
    """Preprocessing of recordings into windows, to process other recordings in the same way.

    Parameters
    ----------
    form : str
        Form of the data, such as "recordings with events".
    kind : str
        Kind of the task.
    classes : list of str
        The classes, sorted.
    sfreq : float
        Sampling frequency of the windows in Hz.
    n_times : int
        Samples in a window.
    channels : dict of str to str | None
        Names of the channels, in order, and the name or pattern by which each is found in a
        recording. None if their names are not known.
    unit : str
        Unit of the signals: "standardised", "V" or "µV", or "as given" for arrays that were not
        standardised.
    l_freq, h_freq : float | None
        Edges of the band-pass filter in Hz.
    reference : str | list of str | None
        "average", or the channels whose mean is subtracted.
    standardize : bool
        Whether each channel of each recording is scaled to mean 0 and standard deviation 1.
    events : dict of str to str | None
        Class of each event around which windows were cut. None means contiguous windows.
    tmin : float | None
        Start of the windows in s, relative to the event.
    crop_wake : float | None
        Minutes of wake that were kept before and after sleep. None means all.

    See Also
    --------
    load_unlabelled : Process a recording by a recipe.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.datasets import Recipe, load_windows
    >>> X = np.random.default_rng(0).normal(size=(8, 2, 256))
    >>> y, subjects = ["left", "right"] * 4, np.repeat([1, 2], 4)
    >>> windows = load_windows((X, y, subjects), sfreq=128, ch_names=["C3", "C4"], resample=64)
    >>> windows.recipe.seconds, windows.recipe.unit
    (2.0, 'standardised')
    >>> Recipe.from_dict(windows.recipe.to_dict()) == windows.recipe
    True
    """

    form: str
    kind: str
    classes: list[str]
    sfreq: float
    n_times: int
    channels: dict[str, str] | None
    unit: str
    l_freq: float | None = None
    h_freq: float | None = None
    reference: Any = None
    standardize: bool = True
    events: dict[str, str] | None = None
    tmin: float | None = None
    crop_wake: float | None = None

    @property
    def seconds(self) -> float:
        """Length of a window in s."""
        return self.n_times / self.sfreq

    @property
    def of_sleep(self) -> bool:
        """Whether windows are contiguous and their classes are sleep stages."""
        return self.kind == "sleep" and self.events is None and set(self.classes) <= set(STAGES)

    @classmethod
    def of_model(cls, model: InvariantClassifier) -> Self:
        """Read the recipe of a fitted estimator.

        Parameters
        ----------
        model : InvariantClassifier
            The estimator.

        Returns
        -------
        recipe : Recipe
            The recipe.

        Raises
        ------
        ValueError
            If the estimator has none.
        """
        if model.preprocessing_ is None:
            raise ValueError(
                "The model does not know how its windows were made from recordings: make windows "
                "as for its training, and call predict_proba. Models of eeginv fit know it. In "
                "Python, set clf.preprocessing_ = windows.recipe.to_dict() before save()."
            )
        return cls.from_dict(model.preprocessing_)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as a dict that can be saved as JSON.

        Returns
        -------
        values : dict
            The fields, and the format.
        """
        return plain({"format": _FORMAT, **asdict(self)})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a recipe from the result of :meth:`to_dict`.

        Parameters
        ----------
        values : dict
            The fields, and the format.

        Returns
        -------
        recipe : Recipe
            The recipe.

        Raises
        ------
        ValueError
            If the format differs, or fields are missing or unknown.
        """
        given = dict(values)
        number = given.pop("format", None)
        if number != _FORMAT:
            raise ValueError(
                f"The preprocessing of the model has format {number}; this version of eeginv "
                f"reads {_FORMAT}."
            )
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        wrong = (needed - set(given)) | (set(given) - {field.name for field in fields(cls)})
        if wrong:
            raise ValueError(
                f"The preprocessing of the model lacks, or should not have, "
                f"{', '.join(sorted(wrong))}: it was changed after save()."
            )
        return cls(**given)


def of_sleep(
    windows: LabelledWindows, preprocessing: Mapping[str, Any], form: str, channels: object
) -> LabelledWindows:
    """Add the recipe to windows of sleep recordings.

    Parameters
    ----------
    windows : LabelledWindows
        The windows.
    preprocessing : dict
        That of :class:`~eeginv.datasets.SleepDataset`.
    form : str
        Form of the data.
    channels : object
        Option ``channels`` of the loader.

    Returns
    -------
    windows : LabelledWindows
        The windows with their recipe.
    """
    known = {name: value for name, value in preprocessing.items() if name != "window"}
    return _with_recipe(windows, form, channels, "V", **known)


def of_others(
    windows: LabelledWindows, preprocessing: Preprocessing, form: str, options: Mapping[str, Any]
) -> LabelledWindows:
    """Add the recipe to windows of any other data.

    Parameters
    ----------
    windows : LabelledWindows
        The windows.
    preprocessing : Preprocessing
        Their preprocessing.
    form : str
        Form of the data.
    options : dict
        The other options of :func:`~eeginv.datasets.load_windows`.

    Returns
    -------
    windows : LabelledWindows
        The windows with their recipe.
    """
    names = ("l_freq", "h_freq", "reference", "standardize")
    known = {name: getattr(preprocessing, name) for name in names}
    events = options.get("events")
    if events is not None:
        events = events if isinstance(events, Mapping) else {name: name for name in events}
        known["events"] = {str(name): str(label) for name, label in events.items()}
        known["tmin"] = float(options.get("tmin", 0.0))
    unit = "as given" if form in ("arrays", "files of arrays") else "µV"
    return _with_recipe(windows, form, preprocessing.channels, unit, **known)


def with_kind(windows: LabelledWindows, kind: str) -> LabelledWindows:
    """Set the kind of task of windows.

    Parameters
    ----------
    windows : LabelledWindows
        The windows.
    kind : str
        Kind of the task.

    Returns
    -------
    windows : LabelledWindows
        The same windows.
    """
    recipe = None if windows.recipe is None else replace(windows.recipe, kind=kind)
    return replace(windows, kind=kind, recipe=recipe)


def _with_recipe(
    windows: LabelledWindows, form: str, channels: object, unit: str, **known: Any
) -> LabelledWindows:
    names = windows.ch_names
    if isinstance(channels, Mapping):
        channels = {str(name): str(text) for name, text in channels.items()}
    else:
        channels = None if names is None else {name: name for name in names}
    recipe = Recipe(
        form,
        windows.kind,
        windows.classes,
        windows.sfreq,
        windows.X.shape[2],
        channels,
        "standardised" if known["standardize"] else unit,
        **known,
    )
    return replace(windows, recipe=recipe)
