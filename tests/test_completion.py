"""The shell completes commands and options of the command line."""

import pytest
from typer.testing import CliRunner

from eeginv.cli import app


def completed(monkeypatch, words):
    """What bash is offered for the last of these words."""
    monkeypatch.setenv("_EEGINV_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    result = CliRunner().invoke(app, [], prog_name="eeginv")
    assert result.exit_code == 0, result.output
    return result.output.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("eeginv ", ["prepare", "benchmark", "fit", "predict", "policy", "profile"]),
        ("eeginv p", ["prepare", "predict", "policy", "profile"]),
        ("eeginv benchmark --on", ["--only"]),
        ("eeginv predict --", ["--output", "--events", "--device", "--help"]),
    ],
)
def test_bash_is_offered_commands_and_options(words, offered, monkeypatch):
    assert completed(monkeypatch, words) == offered


def test_installed_for_bash(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # take the named one
    options = ["--install-completion", "bash"]
    result = CliRunner().invoke(app, options, prog_name="eeginv")
    assert result.exit_code == 0, result.output
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert str(script) in (tmp_path / ".bashrc").read_text()
    assert "_EEGINV_COMPLETE=complete_bash" in script.read_text()
