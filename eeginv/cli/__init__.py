"""Command line, a thin layer over the Python interface."""

import typer

from .benchmark import benchmark
from .use import fit, policy, predict, profile

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


@app.callback()
def main() -> None:
    """Learn which transforms of a signal do not change its label."""


for command in (benchmark, fit, predict, policy, profile):
    app.command()(command)
