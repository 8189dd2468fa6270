"""The command line: a thin layer over the Python interface."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from .search import SEARCHES  # a package that is lazy

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def main():
    """Learn which transformations of a signal leave its label unchanged."""


@app.command()
def benchmark(
    data: Annotated[
        str, typer.Option(help='"simulated", or a folder of PSG and hypnogram EDF files.')
    ] = "simulated",
    methods: Annotated[
        str,
        typer.Option(
            help="Methods, separated by commas: none, trivial (random augmentation), augnet, "
            f"augerino, {', '.join(SEARCHES)}."
        ),
    ] = "none,trivial,augnet,ddas",
    n_train: Annotated[
        str | None, typer.Option(help="Numbers of training subjects, separated by commas.")
    ] = None,
    splits: Annotated[int, typer.Option(help="Number of random choices of training subjects.")] = 4,
    seeds: Annotated[str, typer.Option(help="Seeds of the training, separated by commas.")] = "0",
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Training epochs at the largest number of training subjects. Default: by data."
        ),
    ] = None,
    stages: Annotated[
        str | None,
        typer.Option(
            help="Stages to keep, such as W,N3. Default: the stages that all subjects have."
        ),
    ] = None,
    crop_wake: Annotated[
        float | None,
        typer.Option(help="Minutes of wake to keep before and after sleep. Default: all."),
    ] = None,
    channels: Annotated[
        str | None,
        typer.Option(
            help="Channels to read from a folder, separated by commas, by name or by pattern such "
            "as EOG*; C3=C3-* reads one and calls it C3. Default: the EEG."
        ),
    ] = None,
    sfreq: Annotated[
        float | None, typer.Option(help="Sampling frequency in Hz. Default: that of the data.")
    ] = None,
    stage_numbers: Annotated[
        str | None,
        typer.Option(help="What numbers in text hypnograms of a folder mean: yasa or nsrr."),
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
):
    """Train and compare methods on the same recordings; write a report.

    Started again with the same options, it continues where it was stopped.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    from .benchmark import default_settings, run_benchmark
    from .benchmark.store import Store

    numbers, seeds = _integers(n_train), _integers(seeds)
    if data == "simulated" and (channels or stage_numbers):
        raise typer.BadParameter("--channels and --stage-numbers need a folder of recordings.")
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
            data_options={
                "stages": None if stages is None else tuple(stages.split(",")),
                "crop_wake": crop_wake,
                "channels": _channels(channels),
                "sfreq": sfreq,
                "stage_numbers": stage_numbers,
            },
        )
        report = run_benchmark(
            output,
            settings=settings,
            methods=methods.split(","),
            n_splits=min(splits, 1) if smoke else splits,
            seeds=seeds[:1] if smoke else seeds,
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


def _channels(text):
    """Read names and patterns as a list, or, if any has a name of its own, as a dict."""
    if text is None:
        return None
    items = [part.strip() for part in text.split(",")]
    if not any("=" in item for item in items):
        return items
    pairs = [item.partition("=") for item in items]
    return {name: pattern or name for name, _, pattern in pairs}


def _integers(text):
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"Expected whole numbers separated by commas, got {text!r}."
        ) from error
