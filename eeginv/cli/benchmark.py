"""``eeginv benchmark``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..search import SEARCHES  # loaded lazily
from . import options


@options.takes_data_options
def benchmark(
    data: Annotated[
        str,
        typer.Option(
            help=f"The recordings: {options.DATA_HELP}",
            rich_help_panel=options.DATA,
        ),
    ] = "simulated",
    data_options: options.DataOptions = None,
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
            help="random: random test subjects; subject: leave out one subject at a time; "
            "session: leave out one session of each subject at a time."
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
            help="Training epochs with the largest number of training subjects. Default: by data."
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
    only: Annotated[
        str | None,
        typer.Option(
            help="One part of the runs, such as 3/16, for the jobs of an array, which all write "
            "into one folder; the last one to end writes the report."
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("results"),
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke", help="A tiny run that checks the installation; its results mean nothing."
        ),
    ] = False,
) -> None:
    """Train and compare methods on the same recordings, and write a report.

    With the same options, an interrupted benchmark is continued.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    from ..benchmark import default_settings, run_benchmark
    from ..benchmark.store import Store

    numbers = None if n_train is None else options.integers(n_train)
    chosen_seeds = options.integers(seeds)
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
            data_options=data_options or {},
        )
        with options.resumable("benchmark"):
            report = run_benchmark(
                output,
                settings=settings,
                methods=methods.split(","),
                n_splits=1 if smoke and splits != 0 else splits,
                seeds=chosen_seeds[:1] if smoke else chosen_seeds,
                n_jobs=n_jobs,
                only=only,
                command=shlex.join(["eeginv", *sys.argv[1:]]),
            )
    except (ValueError, TypeError, OSError, TerminatedWorkerError) as error:
        typer.echo(f"eeginv benchmark: {error}", err=True)
        raise typer.Exit(2) from error
    if report is not None:
        typer.echo(f"Report: {report}")
    _, failures = Store(output if report is None else report.parent).load()
    if failures and report is not None:
        typer.echo(
            f"{len(failures)} runs failed; the report says why. Start again to retry.", err=True
        )
    elif failures:
        names = ", ".join(failure["run_id"] for failure in failures)
        typer.echo(f"Runs that have failed so far: {names}. Start their part again.", err=True)
    if failures:
        raise typer.Exit(1)
