"""The command line: a thin layer over the Python interface."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from .search import SEARCHES  # a package that is lazy

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


# Headings of the help.
DATA, SIGNALS = "Data", "Signals"


@app.callback()
def main() -> None:
    """Learn which transformations of a signal leave its label unchanged."""


@app.command()
def benchmark(
    data: Annotated[
        str,
        typer.Option(
            help='"simulated" (nights of sleep), or a folder: of PSG and hypnogram files, of '
            "recordings with annotated --events, in the layout of BIDS, of epochs (-epo.fif) or of "
            "arrays (.npz); or one file of the last two.",
            rich_help_panel=DATA,
        ),
    ] = "simulated",
    kind: Annotated[
        str | None,
        typer.Option(
            help="Kind of task, which the candidates suit: sleep, motor_imagery or generic.",
            rich_help_panel=DATA,
        ),
    ] = None,
    events: Annotated[
        str | None,
        typer.Option(
            help="Events to cut windows around and their classes, such as T1=left,T2=right.",
            rich_help_panel=DATA,
        ),
    ] = None,
    tmin: Annotated[
        float | None,
        typer.Option(help="Beginning of windows, in s from the event.", rich_help_panel=DATA),
    ] = None,
    tmax: Annotated[
        float | None,
        typer.Option(
            help="End of windows, in s from the event. Default: that of the shortest trial.",
            rich_help_panel=DATA,
        ),
    ] = None,
    ignore_durations: Annotated[
        bool,
        typer.Option(
            "--ignore-durations",
            help="Let windows be longer than annotations, which mark stimuli.",
            rich_help_panel=DATA,
        ),
    ] = False,
    task: Annotated[
        str | None, typer.Option(help="Task of a BIDS dataset.", rich_help_panel=DATA)
    ] = None,
    paradigm: Annotated[
        str | None,
        typer.Option(help="Paradigm of MOABB, for --data moabb:DATASET.", rich_help_panel=DATA),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            help="Regular expression that tells subjects by the names of files, such as "
            "'(?P<subject>S[0-9]+)R.*'; it may have a group session.",
            rich_help_panel=DATA,
        ),
    ] = None,
    stages: Annotated[
        str | None,
        typer.Option(
            help="Sleep stages to keep, such as W,N3. Default: those that all subjects have.",
            rich_help_panel=DATA,
        ),
    ] = None,
    crop_wake: Annotated[
        float | None,
        typer.Option(
            help="Minutes of wake to keep before and after sleep. Default: all.",
            rich_help_panel=DATA,
        ),
    ] = None,
    stage_numbers: Annotated[
        str | None,
        typer.Option(
            help="What numbers in text hypnograms mean: yasa or nsrr.", rich_help_panel=DATA
        ),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(
            help="Channels, separated by commas, by name or by pattern such as EOG*; C3=C3-* takes "
            "one and calls it C3. Default: the EEG.",
            rich_help_panel=SIGNALS,
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help='"average", or names of channels, separated by commas.', rich_help_panel=SIGNALS
        ),
    ] = None,
    l_freq: Annotated[
        float | None,
        typer.Option(help="Lower edge of the filter in Hz.", rich_help_panel=SIGNALS),
    ] = None,
    h_freq: Annotated[
        float | None,
        typer.Option(help="Upper edge of the filter in Hz.", rich_help_panel=SIGNALS),
    ] = None,
    resample: Annotated[
        float | None,
        typer.Option(
            "--resample",
            "--sfreq",
            help="Sampling frequency in Hz to resample to. Default: that of the data.",
            rich_help_panel=SIGNALS,
        ),
    ] = None,
    standardize: Annotated[
        bool | None,
        typer.Option(
            help="Whether each channel of each recording is brought to mean 0 and standard "
            "deviation 1. Default: yes.",
            rich_help_panel=SIGNALS,
        ),
    ] = None,
    methods: Annotated[
        str,
        typer.Option(
            help="Methods, separated by commas: none, trivial (random augmentation), augnet, "
            f"augerino, auto, {', '.join(SEARCHES)}."
        ),
    ] = "none,trivial,augnet,ddas",
    split_by: Annotated[
        str,
        typer.Option(
            help="random: test subjects are chosen at random; subject: leave one subject out; "
            "session: leave one session of each subject out."
        ),
    ] = "random",
    n_train: Annotated[
        str | None, typer.Option(help="Numbers of training subjects, separated by commas.")
    ] = None,
    splits: Annotated[
        int | None,
        typer.Option(
            help="Number of splits. Default: 4 random choices of training subjects, or all "
            "subjects or sessions."
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds of the training, separated by commas.")] = "0",
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Training epochs at the largest number of training subjects. Default: by data."
        ),
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="Name of a Braindecode model.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Windows in one training step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of the backbone.")] = None,
    n_copies: Annotated[
        int | None, typer.Option(help="Transformed copies that a prediction averages over.")
    ] = None,
    n_jobs: Annotated[
        int | None, typer.Option(help="Trainings that run in parallel. Default: one for each core.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("results"),
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke", help="A tiny run that checks the installation; its results mean nothing."
        ),
    ] = False,
) -> None:
    """Train and compare methods on the same recordings; write a report.

    Started again with the same options, it continues where it was stopped.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    from .benchmark import default_settings, run_benchmark
    from .benchmark.store import Store

    numbers = None if n_train is None else _integers(n_train)
    chosen_seeds = _integers(seeds)
    try:
        settings = default_settings(
            data,
            smoke=smoke,
            n_train=numbers,
            epochs=epochs,
            backbone=backbone,
            batch_size=batch_size,
            lr=lr,
            n_copies=n_copies,
            split_by=split_by,
            data_options={
                "kind": kind,
                "events": _names(events),
                "tmin": tmin,
                "tmax": tmax,
                "ignore_durations": ignore_durations or None,
                "task": task,
                "paradigm": paradigm,
                "pattern": pattern,
                "stages": None if stages is None else tuple(stages.split(",")),
                "crop_wake": crop_wake,
                "stage_numbers": stage_numbers,
                "channels": _channels(channels),
                "reference": _reference(reference),
                "l_freq": l_freq,
                "h_freq": h_freq,
                "resample": resample,
                "standardize": standardize,
            },
        )
        report = run_benchmark(
            output,
            settings=settings,
            methods=methods.split(","),
            n_splits=1 if smoke and splits != 0 else splits,
            seeds=chosen_seeds[:1] if smoke else chosen_seeds,
            n_jobs=n_jobs,
            command=shlex.join(["eeginv", *sys.argv[1:]]),
        )
    except (ValueError, OSError, TerminatedWorkerError) as error:
        typer.echo(f"eeginv benchmark: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"Report: {report}")
    _, failures = Store(report.parent).load()
    if failures:
        typer.echo(
            f"{len(failures)} runs failed; the report says why. Start again to retry.", err=True
        )
        raise typer.Exit(1)


def _pairs(text: str) -> dict[str, str]:
    """Read ``A,B`` or ``A=x,B=y`` as pairs; what has no second part is its own."""
    pairs = [part.strip().partition("=") for part in text.split(",")]
    return {first: second or first for first, _, second in pairs}


def _names(text: str | None) -> dict[str, str] | None:
    """Read events and their classes."""
    return None if text is None else _pairs(text)


def _channels(text: str | None) -> dict[str, str] | list[str] | None:
    """Read names and patterns as a list, or, if any has a name of its own, as a dict."""
    if text is None:
        return None
    return _pairs(text) if "=" in text else [part.strip() for part in text.split(",")]


def _reference(text: str | None) -> str | list[str] | None:
    """Read "average", or names of channels as a list."""
    if text is None or text == "average":
        return text
    return [part.strip() for part in text.split(",")]


def _integers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"Expected whole numbers separated by commas, got {text!r}."
        ) from error
