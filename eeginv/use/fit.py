"""Training of a model on recordings, saved with its preprocessing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._braindecode import load_braindecode
from ..datasets.kinds import backbone_of_kind, candidates_of_kind
from ..datasets.load import find_form, load_windows
from ..estimators import InvariantClassifier
from ..estimators.lazy import LazyWindows
from ..estimators.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._typing import PathLike
    from ..datasets.labelled import LabelledWindows

# Default numbers of epochs. There are fewer short trials than windows of nights.
_EPOCHS = {"sleep": 12}
_OTHER_EPOCHS = 60


def fit_model(
    data: Any,
    output: PathLike | None = None,
    *,
    data_options: dict[str, Any] | None = None,
    augmentation: str | None = "augnet",
    backbone: str | None = None,
    epochs: int | None = None,
    batch_size: int = 32,
    seed: int = 0,
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> InvariantClassifier:
    """Train a classifier on recordings, and save it with its preprocessing.

    Classes have equal weights, whatever their numbers of windows, as in the benchmark.

    Parameters
    ----------
    data : object
        Data as for :func:`~eeginv.datasets.load_windows`.
    output : path-like | None
        Folder for the model, which must be new or empty. None does not save it.
    data_options : dict | None
        Options of :func:`~eeginv.datasets.load_windows`. None means not given. By default, nights
        are not cropped to sleep, because this is not possible in prediction.
    augmentation : str | None
        Augmentation of the classifier, by name.
    backbone : str | None
        Name of a Braindecode model. None is SleepStagerChambon2018 for sleep, EEGNet otherwise.
    epochs : int | None
        Number of epochs. None is 12 for sleep, 60 otherwise.
    batch_size : int
        Number of windows in a training step.
    seed : int
        Seed of all random numbers.
    say : callable | None
        Function that is called with a description of the data, before training.
    **options : object
        Other parameters of :class:`~eeginv.InvariantClassifier`. None means the default.

    Returns
    -------
    model : InvariantClassifier
        The fitted classifier.

    Raises
    ------
    FileExistsError
        If the folder exists and is not empty.
    FileNotFoundError, TypeError, ValueError
        If the data cannot be read, or an option is not valid.

    Examples
    --------
    >>> import numpy as np
    >>> from eeginv.use import fit_model
    >>> X = np.random.default_rng(0).normal(size=(8, 2, 1024))
    >>> y, subjects = ["left", "right"] * 4, np.repeat([1, 2], 4)
    >>> known = {"sfreq": 128, "ch_names": ["C3", "C4"]}
    >>> options = {"backbone": "SleepStagerChambon2018", "augmentation": None, "epochs": 1}
    >>> clf = fit_model((X, y, subjects), data_options=known, **options)
    >>> clf.preprocessing_["channels"]
    {'C3': 'C3', 'C4': 'C4'}
    """
    if output is not None:
        check_new(output)
    windows = _load(data, data_options or {}, seed)
    backbone = backbone or backbone_of_kind(windows.kind)
    if say is not None:
        text = repr(windows).removeprefix("<LabelledWindows: ").removesuffix(">")
        say(f"{text}. Kind of task: {windows.kind}. Network: {backbone}.")
    load_braindecode()
    candidates = {}
    if augmentation is not None:
        candidates = candidates_of_kind(
            windows.kind, windows.sfreq, windows.ch_names, windows.X.shape[1:]
        )
    given = {name: value for name, value in options.items() if value is not None}
    model = InvariantClassifier(
        backbone,
        augmentation,
        sfreq=windows.sfreq,
        max_epochs=epochs or _EPOCHS.get(windows.kind, _OTHER_EPOCHS),
        batch_size=batch_size,
        class_weight="balanced",
        random_state=seed,
        **candidates,
        **given,
    )
    signals: Any = windows.X
    if not isinstance(signals, LazyWindows):  # which know their channels
        signals = Signals(windows.X, windows.sfreq, windows.ch_names, is_array=True)
    model.fit(signals, windows.y, groups=windows.subjects)
    if windows.recipe is not None:
        model.preprocessing_ = windows.recipe.to_dict()
    if output is not None:
        model.save(output)
    return model


def _load(data: Any, options: dict[str, Any], seed: int) -> LabelledWindows:
    given = {name: value for name, value in options.items() if value is not None}
    form, _ = find_form(data, given)
    if form in ("a folder of sleep recordings", "simulated nights"):
        given = {"crop_wake": None, **given}
    if form == "simulated nights":
        given = {"random_state": seed, **given}
    return load_windows(data, **given)


def check_new(output: PathLike) -> None:
    """Raise an error for a folder that is not empty.

    Parameters
    ----------
    output : path-like
        The folder.

    Raises
    ------
    FileExistsError
        If it exists and is not an empty folder.
    """
    path = Path(output)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(f"{path} exists and is not an empty folder: name another (--output).")
