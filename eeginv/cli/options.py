"""Options of several commands, for data and preprocessing."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

# Headings in the help.
DATA, SIGNALS, TRAINING = "Data", "Signals", "Training"

Kind = Annotated[
    str | None,
    typer.Option(
        help="Kind of task, for default candidates: sleep, motor_imagery or generic.",
        rich_help_panel=DATA,
    ),
]
Events = Annotated[
    str | None,
    typer.Option(
        help="Events to cut windows around and their classes, such as T1=left,T2=right.",
        rich_help_panel=DATA,
    ),
]
Tmin = Annotated[
    float | None,
    typer.Option(help="Start of windows, in s from the event.", rich_help_panel=DATA),
]
Tmax = Annotated[
    float | None,
    typer.Option(
        help="End of windows, in s from the event. Default: end of the shortest trial.",
        rich_help_panel=DATA,
    ),
]
IgnoreDurations = Annotated[
    bool,
    typer.Option(
        "--ignore-durations",
        help="Allow windows that are longer than annotations, if these mark stimuli.",
        rich_help_panel=DATA,
    ),
]
Task = Annotated[str | None, typer.Option(help="Task of a BIDS dataset.", rich_help_panel=DATA)]
Paradigm = Annotated[
    str | None,
    typer.Option(help="Paradigm of MOABB, for --data moabb:DATASET.", rich_help_panel=DATA),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        help="Regular expression for subjects in the names of files, such as "
        "`(?P<subject>S[0-9]+)R.*`, with an optional group session.",
        rich_help_panel=DATA,
    ),
]
Stages = Annotated[
    str | None,
    typer.Option(
        help="Sleep stages to keep, such as W,N3. Default: all; for benchmark, those that all "
        "subjects have.",
        rich_help_panel=DATA,
    ),
]
CropWake = Annotated[
    float | None,
    typer.Option(
        help="Minutes of wake to keep before and after sleep. Default: all.",
        rich_help_panel=DATA,
    ),
]
StageNumbers = Annotated[
    str | None,
    typer.Option(help="Meaning of numbers in text hypnograms: yasa or nsrr.", rich_help_panel=DATA),
]
Channels = Annotated[
    str | None,
    typer.Option(
        help="Channels, separated by commas, by name or pattern such as EOG*. C3=C3-* selects "
        "one channel and names it C3. Default: the EEG.",
        rich_help_panel=SIGNALS,
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(
        help='"average", or names of channels, separated by commas.', rich_help_panel=SIGNALS
    ),
]
LFreq = Annotated[
    float | None,
    typer.Option(help="Lower edge of the filter in Hz.", rich_help_panel=SIGNALS),
]
HFreq = Annotated[
    float | None,
    typer.Option(help="Upper edge of the filter in Hz.", rich_help_panel=SIGNALS),
]
Resample = Annotated[
    float | None,
    typer.Option(
        "--resample",
        "--sfreq",
        help="Sampling frequency in Hz to resample to. Default: that of the data.",
        rich_help_panel=SIGNALS,
    ),
]
Standardize = Annotated[
    bool | None,
    typer.Option(
        help="Whether to scale each channel of each recording to mean 0 and standard "
        "deviation 1. Default: yes.",
        rich_help_panel=SIGNALS,
    ),
]


DataOptions = dict[str, Any] | None

# The options of all commands that read recordings with labels, with their defaults.
_DATA_OPTIONS: dict[str, tuple[Any, Any]] = {
    "kind": (Kind, None),
    "events": (Events, None),
    "tmin": (Tmin, None),
    "tmax": (Tmax, None),
    "ignore_durations": (IgnoreDurations, False),
    "task": (Task, None),
    "paradigm": (Paradigm, None),
    "pattern": (Pattern, None),
    "stages": (Stages, None),
    "crop_wake": (CropWake, None),
    "stage_numbers": (StageNumbers, None),
    "channels": (Channels, None),
    "reference": (Reference, None),
    "l_freq": (LFreq, None),
    "h_freq": (HFreq, None),
    "resample": (Resample, None),
    "standardize": (Standardize, None),
}


def takes_data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that describe recordings and their preprocessing.

    Parameters
    ----------
    command : callable
        Command with a parameter ``data_options``, which receives the options in the form that
        :func:`~eeginv.datasets.load_windows` takes.

    Returns
    -------
    command : callable
        Command with one parameter for each option, in the place of ``data_options``.
    """

    @functools.wraps(command)
    def run(**given: Any) -> None:
        options = {name: given.pop(name) for name in _DATA_OPTIONS}
        command(**given, data_options=_read(options))

    kept = inspect.signature(command, eval_str=True).parameters
    parameters: list[inspect.Parameter] = []
    for name, parameter in kept.items():
        if name != "data_options":
            parameters.append(parameter)
            continue
        for own, (annotation, default) in _DATA_OPTIONS.items():
            parameters.append(
                inspect.Parameter(own, parameter.kind, default=default, annotation=annotation)
            )
    # typer reads both
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _read(options: dict[str, Any]) -> dict[str, Any]:
    """Convert options of the command line to those of ``load_windows``."""
    stages = options["stages"]
    return {
        **options,
        "events": _names(options["events"]),
        "ignore_durations": options["ignore_durations"] or None,
        "stages": None if stages is None else tuple(stage.strip() for stage in stages.split(",")),
        "channels": _channels(options["channels"]),
        "reference": _reference(options["reference"]),
    }


def _pairs(text: str, option: str) -> dict[str, str]:
    """Parse ``A,B`` or ``A=x,B=y`` as pairs. A without a value means A=A."""
    pairs: dict[str, str] = {}
    for part in text.split(","):
        name, value = (half.strip() for half in part.partition("=")[::2])
        if name in pairs:
            raise typer.BadParameter(f"{option} names {name!r} twice, in {text!r}.")
        pairs[name] = value or name
    return pairs


def _names(text: str | None) -> dict[str, str] | None:
    """Parse events and their classes."""
    return None if text is None else _pairs(text, "--events")


def _channels(text: str | None) -> dict[str, str] | list[str] | None:
    """Parse names and patterns as a list, or as a dict if any is renamed."""
    if text is None:
        return None
    if "=" in text:
        return _pairs(text, "--channels")
    return [part.strip() for part in text.split(",")]


def _reference(text: str | None) -> str | list[str] | None:
    """Parse "average", or names of channels as a list."""
    if text is None or text == "average":
        return text
    return [part.strip() for part in text.split(",")]


def integers(text: str) -> list[int]:
    """Parse whole numbers, separated by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"Expected whole numbers separated by commas, got {text!r}."
        ) from error


DATA_HELP = (
    "a folder: of PSG and hypnogram files, of recordings with annotated --events, in the layout of "
    "BIDS, of epochs (-epo.fif) or of arrays (.npz), or a store that eeginv prepare wrote; or one "
    'file of epochs or arrays; or "simulated" (nights of sleep).'
)


@contextmanager
def resumable(command: str) -> Iterator[None]:
    """End a command that was stopped by Ctrl-C with a message instead of a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"eeginv {command}: stopped. The same command continues it.", err=True)
        raise typer.Exit(130) from None
