"""``python -m eeginv``: the command line."""

from .cli import app

app()
