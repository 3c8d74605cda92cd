"""Evidence as it comes from a monitor, held to a real log: what is not of it, or not all there, is not used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from audit.errors import LogUnavailable, OffsetGone
from audit.log.base import LogEntry
from audit.log.local import LocalLog
from monitoring.controller import evidence as module
from monitoring.controller.evidence import fetch, show
from monitoring.errors import EvidenceGone, EvidenceUnavailable, EvidenceWrong
from monitoring.figures import Evidence
from registry.errors import StoreUnavailable
from tests.components.controlled import Page
from tests.components.controller import TWO, Town, evidence_of_town, put
from tests.components.ports import free_port


@pytest.fixture(name="log", scope="module")
def _log(tmp_path_factory: pytest.TempPathFactory) -> LocalLog:
    """Two partitions of 400 records, a second apart; the second one an hour later."""
    log = LocalLog(tmp_path_factory.mktemp("log"), "affiant-entries", 2)
    for partition in range(2):
        put(log, (LogEntry(at, 3_600_000 * partition + 1000 * at, b"", b"x") for at in range(400)), partition)
    return log


def of(log: LocalLog, **changed: Any) -> Evidence:
    """Evidence of the first three panes of 64 records, and the second one's first."""
    given = {"topic": log.topic().id.hex(), "pane_records": 64, "panes": [(0, 1), (1, 0), (0, 2)]} | changed
    return evidence_of_town(Town(), **given)


def shown(log: LocalLog, again: Any = lambda evidence, _: evidence, **changed: Any) -> Any:
    """By the log."""
    reader = log.reader()
    try:
        return show(of(log, **changed), log.topic(), reader, again)
    finally:
        reader.close()


def test_times_are_the_logs(log: LocalLog) -> None:
    """Of the oldest pane's end and the newest one's; and how far the log goes on."""
    found = shown(log)
    assert (found.begun, found.ended) == (127.0, 3663.0)
    assert (found.newest, found.behind) == (3999.0, 400 - 64)
    assert found.evidence == of(log)


def test_only_where_it_is_of_is_taken(log: LocalLog) -> None:
    """The figures are those that were computed."""
    computed = of(log, rows=7)
    assert shown(log, lambda *_: computed).evidence == computed


@pytest.mark.parametrize(
    ("changed", "error", "why"),
    [
        ({"topic": "00" * 16}, EvidenceWrong, "of the topic 00000000"),
        ({"panes": []}, EvidenceWrong, "no panes"),
        ({"panes": [(0, 1), (0, 1)]}, EvidenceWrong, "a pane twice"),
        ({"panes": [(2, 1)]}, EvidenceWrong, "of no partition"),
        ({"panes": [(-1, 1)]}, EvidenceWrong, "of no partition"),
        ({"panes": [(0, -1)]}, EvidenceWrong, "of no partition"),
        ({"pane_records": 0}, EvidenceWrong, "or of none"),
        ({"pane_records": -64}, EvidenceWrong, "or of none"),
        ({"pane_records": 1 << 40}, EvidenceWrong, "more than"),
        (
            {"panes": [(0, 0), (0, 20_000_000 // 64)]},
            EvidenceWrong,
            "from the first pane of each partition to its",
        ),
        (
            {"panes": [(0, 0), (0, 160_000), (1, 0), (1, 160_000)]},
            EvidenceWrong,
            "more than 20000000 offsets",
        ),
        ({"panes": [(0, 5), (0, 6)]}, EvidenceUnavailable, "has the offsets 0 to before 400"),
        ({"panes": [(0, 10**15)]}, EvidenceUnavailable, "has the offsets 0 to before 400"),
    ],
)
def test_what_is_not_of_this_log(log: LocalLog, changed: Any, error: Any, why: str) -> None:
    """Before anything is counted."""

    def never(*_: Any) -> Evidence:
        raise AssertionError

    with pytest.raises(error, match=why):
        shown(log, never, **changed)


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (OffsetGone("gone"), EvidenceGone),
        (LogUnavailable("away"), EvidenceUnavailable),
        (StoreUnavailable("away"), EvidenceUnavailable),
        (ValueError("no such package"), EvidenceWrong),
    ],
)
def test_what_cannot_be_computed_says_why(log: LocalLog, raised: Exception, error: Any) -> None:
    """Gone, away, or not of these panes."""

    def fails(*_: Any) -> Evidence:
        raise raised

    with pytest.raises(error):
        shown(log, fails)


@pytest.fixture(name="page")
def _page() -> Iterator[tuple[str, Page]]:
    """A monitor's."""
    port = free_port()
    with Page(port) as found:
        yield f"http://127.0.0.1:{port}", found


def test_a_monitors_answer_is_read(page: tuple[str, Page]) -> None:
    """At its address."""
    url, there = page
    there.say(evidence_of_town(Town()))
    assert fetch(url + "/", "credit", TWO, "live") == evidence_of_town(Town())
    assert there.asked == [f"/evidence/credit/{TWO}/live"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "evidence"),
        (b"\xff", "not JSON"),
        (json.dumps({"format": 1}).encode(), "topic: Field required"),
    ],
)
def test_an_answer_that_is_no_evidence(page: tuple[str, Page], body: bytes, why: str) -> None:
    """Says where."""
    url, there = page
    there.say(body)
    with pytest.raises(EvidenceWrong, match=why):
        fetch(url, "credit", TWO, "live")


def test_an_answer_of_another_package_or_with_no_end(
    page: tuple[str, Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is none."""
    url, there = page
    there.say(evidence_of_town(Town()))
    with pytest.raises(EvidenceWrong, match="the monitor's evidence is of credit"):
        fetch(url, "cards", TWO, "live")
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    with pytest.raises(EvidenceWrong, match="over 100 bytes"):
        fetch(url, "credit", TWO, "live")


def test_nobody_answers() -> None:
    """It may later; and what it is, is said without the address."""
    with pytest.raises(EvidenceUnavailable, match=r"does not answer \(ConnectionRefusedError\)"):
        fetch(f"http://127.0.0.1:{free_port()}", "credit", TWO, "live")
