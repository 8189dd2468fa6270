"""Reader of datasets of MOABB, which a paradigm of MOABB filters and cuts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...estimators.inputs import read_signals
from .windows import finish

if TYPE_CHECKING:
    from ..labelled import LabelledWindows
    from .preprocessing import Preprocessing

PREFIX = "moabb:"
# Names of the options in MOABB.
_PARADIGM = {
    "l_freq": "fmin",
    "h_freq": "fmax",
    "resample": "resample",
    "channels": "channels",
    "tmin": "tmin",
    "tmax": "tmax",
}
OPTIONS = {*_PARADIGM, "paradigm", "standardize"}


def is_moabb(data: object) -> bool:
    """Return whether data are a dataset and a paradigm of MOABB, or the name of a dataset."""
    if isinstance(data, str):
        return data.startswith(PREFIX)
    return (
        isinstance(data, tuple)
        and len(data) == 2
        and hasattr(data[1], "get_data")
        and hasattr(data[0], "subject_list")
    )


def read_moabb(
    data: Any, preprocessing: Preprocessing, *, kind: str | None, name: str, **options: Any
) -> LabelledWindows:
    """Read a dataset of MOABB with a paradigm.

    Parameters
    ----------
    data : tuple of (moabb dataset, moabb paradigm) | str
        The dataset and the paradigm, or ``"moabb:"`` followed by the name of the dataset, with the
        name of the paradigm in the options.
    preprocessing : Preprocessing
        Preprocessing, of which only ``standardize`` is used. The paradigm does the rest.
    kind : str | None
        Kind of the task. None is "motor_imagery" for a paradigm of motor imagery.
    name : str
        Name of the data.
    **options : object
        ``paradigm``, and its arguments under the names of eeginv.

    Returns
    -------
    windows : LabelledWindows
        The windows.

    Raises
    ------
    ValueError
        If MOABB is not installed, or has no such dataset or paradigm.
    """
    if isinstance(data, str):
        dataset, paradigm = _make(data.removeprefix(PREFIX), **options)
        name = data
    else:
        dataset, paradigm = data
        if options:
            raise ValueError(
                f"The paradigm is an object, so {', '.join(sorted(options))} must be set when it "
                "is made, not here."
            )
    epochs, labels, table = paradigm.get_data(dataset, return_epochs=True)
    signals = read_signals(epochs)
    if kind is None:
        names = "".join(cls.__name__ for cls in type(paradigm).__mro__)
        kind = "motor_imagery" if "Imagery" in names else "generic"
    return finish(
        signals.X, labels, table["subject"].to_numpy(), table["session"].to_numpy(),
        signals.sfreq, signals.ch_names, preprocessing, kind, name,
    )  # fmt: skip


def _make(name: str, paradigm: str | None = None, **options: Any) -> tuple[Any, Any]:
    try:
        import moabb.datasets
        import moabb.paradigms
    except ImportError as error:
        raise ValueError(
            f"{PREFIX}{name} needs MOABB, which is not installed: pip install 'eeginv[moabb]'."
        ) from error
    if paradigm is None:
        raise ValueError(
            f"{PREFIX}{name} needs the paradigm that cuts it (--paradigm), such as "
            "LeftRightImagery, MotorImagery, P300 or SSVEP."
        )
    classes = []
    for module, wanted in ((moabb.datasets, name), (moabb.paradigms, paradigm)):
        if not hasattr(module, wanted):
            raise ValueError(f"{module.__name__} has no {wanted!r}.")
        classes.append(getattr(module, wanted))
    return classes[0](), classes[1](**{_PARADIGM[key]: value for key, value in options.items()})
