"""The output of several components on one screen."""

from __future__ import annotations

import io

import pytest

from cli.console import Console, readable


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def test_each_line_names_its_component() -> None:
    """The names are aligned, and a file gets no colours."""
    stream = io.StringIO()
    console = Console(["gateway", "sidecar"], stream)
    console.say("gateway", "ready")
    console.say("affiant", "ready")
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("gateway │ ready")
    assert lines[1].endswith("affiant │ ready")
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_colours_unless_they_are_unwanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is honoured."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    Console(["gateway"], stream).say("gateway", '{"event": "broken", "level": "error"}')
    assert "\x1b[31mERROR: broken" in stream.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Console(["gateway"], plain).say("gateway", "x")
    assert "\x1b" not in plain.getvalue()


def test_structured_lines_become_readable() -> None:
    """Warnings stand out; what is no such line is passed on as it is."""
    assert (
        readable('{"event": "shipped", "level": "info", "records": 3, "timestamp": "t"}')[0]
        == "shipped records=3"
    )
    assert readable('{"event": "lag", "level": "warning"}')[0] == "WARNING: lag"
    for line in ("plain", "{not json", '{"predictions": []}', ""):
        assert readable(line)[0] == line


def test_the_time_is_told_once() -> None:
    """Components' own times go, ours stands before the line; information needs no level, an error does."""
    assert readable("2026-11-24 03:43:59 [info     ] ready          port=3001") == (
        "ready  port=3001",
        "info",
    )
    assert readable("2026-11-24T03:43:16+0000 [ERROR] [cli] no")[0] == "ERROR: [cli] no"
