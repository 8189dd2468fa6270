"""``eeginv fit``, ``predict``, ``policy`` and ``profile``."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from . import options

Model = Annotated[Path, typer.Argument(help="Folder of a model that eeginv fit wrote.")]
Recordings = Annotated[
    list[Path],
    typer.Argument(help="Recordings (.edf, .bdf, .gdf, .vhdr, .set, .fif or others of MNE)."),
]
Device = Annotated[str, typer.Option(help="Torch device, such as cuda.")]


@options.takes_data_options
def fit(
    data: Annotated[
        str,
        typer.Argument(
            metavar="RECORDINGS",
            help=f"The recordings: {options.DATA_HELP}",
        ),
    ],
    output: Annotated[Path, typer.Option(help="Folder for the model; which must be new or empty.")],
    data_options: options.DataOptions = None,
    augmentation: Annotated[
        str,
        typer.Option(
            help="augnet, augerino, auto, trivial (random) or none.",
            rich_help_panel=options.TRAINING,
        ),
    ] = "augnet",
    backbone: Annotated[
        str | None,
        typer.Option(
            help="Name of a Braindecode model. Default: by the kind of task.",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Training epochs. Default: 12 for sleep, 60 otherwise.",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(help="Windows in one training step.", rich_help_panel=options.TRAINING)
    ] = 32,
    lr: Annotated[
        float,
        typer.Option(help="Learning rate of the backbone.", rich_help_panel=options.TRAINING),
    ] = 1e-3,
    lr_schedule: Annotated[
        str | None,
        typer.Option(
            help="cosine: the learning rate rises, then falls to zero. Default: constant.",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    n_copies: Annotated[
        int,
        typer.Option(
            help="Transformed copies that a prediction averages over. 0: the signals as they are.",
            rich_help_panel=options.TRAINING,
        ),
    ] = 0,
    seed: Annotated[
        int, typer.Option(help="Seed of all random numbers.", rich_help_panel=options.TRAINING)
    ] = 0,
    precision: Annotated[
        str, typer.Option(help="float32 or bf16.", rich_help_panel=options.TRAINING)
    ] = "float32",
    device: Device = "cpu",
) -> None:
    """Train a model on recordings, and save it with its preprocessing.

    Examples
    --------
        eeginv fit nights --output model --channels Fpz-Cz,Pz-Oz --resample 100

        eeginv fit eegbci --events T1=left,T2=right --tmax 4 --kind motor_imagery --output model
    """
    from ..use import fit_model

    with _messages("fit"):
        fit_model(
            data,
            output,
            data_options=data_options or {},
            augmentation=None if augmentation == "none" else augmentation,
            backbone=backbone,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            lr_schedule=lr_schedule,
            n_copies=n_copies,
            seed=seed,
            precision=precision,
            device=device,
            verbose=1,
            say=typer.echo,
        )
        typer.echo(f"Model: {output}")


@options.takes_data_options
def prepare(
    data: Annotated[
        str,
        typer.Argument(metavar="RECORDINGS", help=f"The recordings: {options.DATA_HELP}"),
    ],
    output: Annotated[
        Path, typer.Option(help="Folder of the store. One that was interrupted is continued.")
    ],
    data_options: options.DataOptions = None,
    n_jobs: Annotated[int, typer.Option(help="Recordings that are read at the same time.")] = 1,
) -> None:
    """Read, filter and cut recordings once, and keep their windows in a store on disk.

    The other commands take the store in the place of the recordings and read windows when they
    need them, so that data may be larger than the memory.

    Examples
    --------
        eeginv prepare nights --output store --channels Fpz-Cz,Pz-Oz --resample 100 --n-jobs 4

        eeginv fit store --output model
    """
    from ..datasets import prepare_windows

    with _messages("prepare"), options.resumable("prepare"):
        windows = prepare_windows(data, output, n_jobs=n_jobs, say=typer.echo, **data_options or {})
        typer.echo(f"{output}: {repr(windows)[1:-1].removeprefix('LabelledWindows: ')}")


def predict(
    model: Model,
    recordings: Recordings,
    output: Annotated[Path, typer.Option(help="Folder for the predictions.")],
    events: Annotated[
        str | None,
        typer.Option(
            help="Names of events to cut windows around, separated by commas, for models that "
            "were trained on such windows. Default: contiguous windows."
        ),
    ] = None,
    device: Device = "cpu",
) -> None:
    """Predict recordings without labels, and write tables and hypnograms.

    Recordings are preprocessed as in training. The result of each is a table (NAME.csv) with the
    probability of each class for each window. Sleep stages are also written as a hypnogram in EDF+
    (NAME-Hypnogram.edf) and a plot (NAME-hypnogram.png).

    Examples
    --------
        eeginv predict model SC4021E0-PSG.edf --output scored

        eeginv predict model new/*.edf --output predicted --events T1,T2
    """
    from ..use import load_model, predict_recordings

    with _messages("predict"):
        names = None if events is None else [part.strip() for part in events.split(",")]
        loaded = load_model(model, device)
        with _progress(len(recordings)) as say:
            predict_recordings(loaded, recordings, output, events=names, say=say)
        typer.echo(f"Predictions: {output}")


def policy(
    model: Annotated[Path, typer.Argument(help="Folder of a model, or JSON file of a policy.")],
    figure: Annotated[
        Path | None, typer.Option(help="Draw the policy into this file (.png, .pdf, .svg).")
    ] = None,
) -> None:
    """Show extent and usage of the transforms in the learned policy of a model.

    Examples
    --------
        eeginv policy model --figure policy.png
    """
    from .._files import replacing
    from ..use import load_policy

    with _messages("policy"):
        learned = load_policy(model)
        typer.echo(learned.by_transform().to_string(float_format="{:.3g}".format))
        if figure is not None:
            with replacing(figure, figure.suffix) as scratch:
                learned.plot().savefig(scratch, dpi=130)
            typer.echo(f"Figure: {figure}")


def profile(
    model: Model,
    recordings: Recordings,
    output: Annotated[
        Path, typer.Option(help="Folder for the profile, which must be new or empty.")
    ],
    n_windows: Annotated[int, typer.Option(min=1, help="Number of windows to use.")] = 500,
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    device: Device = "cpu",
) -> None:
    """Measure how invariant a model is to each transform, and plot the result.

    Examples
    --------
        eeginv profile model nights/*-PSG.edf --output profile
    """
    from ..use import load_model, profile_recordings

    with _messages("profile"):
        loaded = load_model(model, device)
        found = profile_recordings(
            loaded, recordings, output, n_windows=n_windows, seed=seed, say=typer.echo
        )
        columns = ["unit", "largest", "score", "agreement", "extent"]
        typer.echo(found[columns].to_string(float_format="{:.3g}".format))
        typer.echo(f"Profile: {output}")


@contextmanager
def _messages(command: str) -> Iterator[None]:
    """Print user errors in one line, with exit code 2, and each warning in one line."""

    def show(message: Warning | str, *_: object) -> None:
        typer.echo(f"eeginv {command}: {message}", err=True)

    from .._braindecode import import_quietly

    import_quietly()
    with warnings.catch_warnings():
        warnings.showwarning = show  # type: ignore[assignment]
        try:
            yield
        except (ValueError, TypeError, OSError) as error:
            typer.echo(f"eeginv {command}: {error}", err=True)
            raise typer.Exit(2) from error


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """Show a progress bar over recordings, with lines of text above it."""
    from tqdm import tqdm

    with tqdm(total=total, unit="recording", disable=None) as bar:

        def say(text: str) -> None:
            bar.update()
            bar.write(text)

        yield say
