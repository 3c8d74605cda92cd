"""What commands print of records: a caller's text is never a line of its own, and never steers the terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from audit.proof.entry import Key, Kind, encode_entry, parse_entry
from audit.replay import Comparison, Judged, Summary, Verdict
from audit.replay.intake import Intake
from cli.audit_records import _proved as lines_of_prove
from cli.audit_replay_told import line as line_of_replay
from cli.audit_replay_told import tell as tell_replay
from cli.audit_replay_told import tell_comparison
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
    row = {
        **entry(kind=FORGED),
        "arrived": None,
        "committing": None,
        "logged": None,
        "partition": 0,
        "offset": 1,
    }
    said = line_of_search({**row, "record": "00-1"})
    assert "owned" in said
    assert "\n" not in said
    assert not STEERING & set(said)


def answered(verdict: Verdict) -> Judged:
    """A verdict over an answer of a service with a hostile name, for a hostile reason."""
    fields = {
        Key.KIND: Kind.INFERENCE, Key.JOURNAL: bytes(16), Key.EPOCH: 1, Key.SEQUENCE: 7, Key.CHAIN: bytes(32),
        Key.COMMITTING: 1, Key.ARRIVED: 1, Key.STATUS: 200, Key.SERVICE: FORGED, Key.DIGEST: bytes(32),
        Key.TICKET: 7, Key.PAYLOAD_DIGEST: bytes(32), Key.PAYLOAD_LENGTH: 1, Key.SUITE: 0,
    }  # fmt: skip
    return Judged(0, 7, parse_entry(encode_entry(fields)), verdict, FORGED)


def test_a_replayed_record_is_one_line() -> None:
    """Its service has the name that whoever configured it gave it; reasons hold versions out of openings."""
    said = line_of_replay(answered(Verdict.DIFFERENT))
    assert said.count("owned") == 2
    assert "\n" not in said
    assert not STEERING & set(said)


def test_what_a_replay_has_found_is_told_without_what_steers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its table, and in its reasons; and one of a thing is no two. Nothing of ours is cut on a narrow screen."""
    monkeypatch.setenv("COLUMNS", "80")
    summary, intake = Summary(), Intake(lambda _: None, None)
    summary.add(answered(Verdict.DIFFERENT))
    intake.duplicates = intake.unreadable = 1
    tell_replay(summary, intake, 1.0, None, False)
    said = capsys.readouterr().out
    assert "owned" in said
    assert not STEERING & set(said)
    assert not any(line.startswith("2026") for line in said.splitlines())
    for words in ("passed over: 1 benign duplicate\n", "1 value that is no record\n", "1 answer in",
                  f"sha256:{'0' * 12} ", "tolerance", "replayable"):  # fmt: skip
        assert words in said


def test_what_another_model_says_is_told_without_what_steers(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of classes are the packages' own."""
    comparison = Comparison(records=1, rows=2, changed=1, decided=1)
    comparison.flips[FORGED, "good"] += 1
    comparison.reasons[FORGED] += 1
    comparison.undecided[FORGED] += 1
    tell_comparison(comparison, Intake(lambda _: None, None), bytes(32), None, False)
    said = capsys.readouterr().out
    assert said.count("owned") == 3
    assert not STEERING & set(said)
    for words in (
        "answered 1 recorded request, 2 rows;",
        "1 of 1 decision would",
        "1 of 2 rows without a decision: ",
    ):
        assert words in " ".join(said.split())


def test_a_proved_record_is_told_in_lines_of_our_own() -> None:
    """The tree's name is the log's word, the file's that of who asked."""
    told = {"record": "00-1", "file": FORGED, "bytes": 1, "origin": FORGED, "index": 0, "size": 1, "root": "00",
            "hashes": 1, "witnesses": [FORGED]}  # fmt: skip
    said = lines_of_prove(told)
    assert not STEERING & set(said)
    assert len(said.splitlines()) == 6
    for words in ("of 1 entry under", "1 byte, 1 hash"):
        assert words in said


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
