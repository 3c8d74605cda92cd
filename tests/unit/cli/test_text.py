"""What commands print of records: a caller's text is never a line of its own, and never steers the terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.audit_search import _line as line_of_search
from cli.audit_search import _print_rows
from cli.console import Console as Screen
from cli.log import print_exchange
from cli.text import json_text, printable

FORGED = "\x1b]0;owned\x07\x1b[2J\n2026-01-01T00:00:00.000 inference deadbeef-1\x9b1A\u202e\u2028\x7f end"
STEERING = frozenset("\x1b\x07\x9b\x7f\u202e\u2028\r")


def entry(**more: Any) -> dict[str, Any]:
    """An exchange as `describe` says it, with a hostile text wherever a caller or a gateway has one."""
    texts = dict.fromkeys(("service", "digest", "slot", "caller", "request_id", "reason"), FORGED)
    return {"kind": "inference", "status": 200, "committing": 1, "arrived": 1, **texts, **more}


def test_a_text_is_one_line_and_what_can_be_seen_stays() -> None:
    """Also C1 controls, DEL, line separators and what turns the direction."""
    said = printable(FORGED)
    assert not STEERING & set(said)
    assert "\n" not in said
    assert said.startswith("\ufffd]0;owned\ufffd\ufffd[2J\ufffd2026")
    assert printable("Żółć 漢字 [b]") == "Żółć 漢字 [b]"


def test_json_for_people_has_the_same_values_and_nothing_that_steers() -> None:
    """`json` itself escapes only what is below a space."""
    value = {FORGED: [FORGED, "Żółć", "\U000e0001"]}
    text = json_text(value)
    assert json.loads(text) == value
    assert "Żółć" in text
    assert all(each == "\n" or each.isprintable() for each in text)


def test_a_listed_record_is_one_line() -> None:
    """`audit search` says that each line it lists is proved."""
    row = {**entry(), "arrived": None, "committing": None, "logged": None, "partition": 0, "offset": 1}
    said = line_of_search({**row, "record": "00-1"})
    assert "owned" in said
    assert "\n" not in said
    assert not STEERING & set(said)


def test_rows_of_sql_have_no_lines_that_a_value_made(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of columns too: a query may take them from values."""
    _print_rows([f"n{FORGED[:9]}"], [[FORGED], [FORGED.encode()]])
    said = capsys.readouterr().out
    assert "owned" in said
    assert not STEERING & set(said)
    assert not any(line.startswith("2026") for line in said.splitlines())


def test_an_exchange_is_shown_without_what_steers(capsys: pytest.CaptureFixture[str]) -> None:
    """Its texts, its content types and its bodies."""
    part = {"content_type": FORGED, "body": {"id": FORGED}}
    print_exchange(
        {"record": "00-1", "partition": 0, "offset": 1, "entry": entry(), "holds": {"this": True},
         "request": part, "answer": part}
    )  # fmt: skip
    said = capsys.readouterr().out
    assert said.count("owned") == 6 + 4
    assert not STEERING & set(said)
    assert not any(line.startswith("2026") for line in said.splitlines())


def test_a_components_line_is_one_line_on_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """`affiant up` shows what a component logs of a request, and a value stays in its line."""
    Screen(["gateway"]).say("gateway", json.dumps({"event": "refused", "id": FORGED}))
    said = capsys.readouterr().out
    assert "owned" in said
    assert said.count("\n") == 1
    assert not STEERING & set(said)
