"""What a new user reads first: help that flows, and in which nothing is swallowed."""

from __future__ import annotations

import re
from typing import Annotated

import pytest
import typer

from cli.help import flowing
from cli.main import run


def test_a_paragraph_is_as_wide_as_the_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line ends of a docstring are none on a terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        run(["audit", "completeness", "--help"])
    said = capsys.readouterr().out.split("Options")[0]
    ragged = re.findall(r"\n \S{1,12} *\n \S", said)
    assert ragged == []


def test_what_is_told_to_be_left_stays_as_it_is() -> None:
    """Click's own mark for a paragraph whose lines are meant."""

    class Command:
        help = "One\nline.\n\n\b\na\n  b\n\nExample: x\n--y"

    assert flowing(Command()).help == "One line.\n\n\b\na\n  b\n\nExample: x --y"


def test_the_name_of_a_table_is_no_style(capsys: pytest.CaptureFixture[str]) -> None:
    """Rich would take [log] away."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def one(two: Annotated[int, typer.Option(help="As [notary] says.")] = 0) -> None:
        """Read [log] here."""

    @app.callback()
    def group() -> None:
        """Several."""

    with pytest.raises(SystemExit):
        flowing(typer.main.get_command(app))(["one", "--help"])
    said = capsys.readouterr().out
    assert "Read [log] here." in said
    assert "As [notary] says." in said
