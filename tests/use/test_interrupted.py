"""Ctrl-C: a command that can be continued says so."""

import pytest
from typer.testing import CliRunner

import eeginv.benchmark
import eeginv.datasets
from eeginv.cli import app


def stop(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("command", "arguments", "place"),
    [
        ("prepare", ["recordings"], (eeginv.datasets, "prepare_windows")),
        ("benchmark", ["--smoke"], (eeginv.benchmark, "run_benchmark")),
    ],
)
def test_a_stopped_command_says_how_it_goes_on(command, arguments, place, tmp_path, monkeypatch):
    monkeypatch.setattr(*place, stop)
    result = CliRunner().invoke(app, [command, *arguments, "--output", str(tmp_path / "output")])
    assert result.exit_code == 130
    assert f"eeginv {command}: stopped. The same command continues it." in result.output
