"""What a service was asked, out of the log: exact ranges, each answer once, held to its digest, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.errors import ConfigError
from audit.log.base import LogReader
from audit.proof.entry import Key
from audit.proof.record import parse_record
from monitoring import traffic
from monitoring.traffic import Log, logged_between, newest, read
from registry.gates import CannotJudge
from registry.gates.asked import Span
from tests.components.monitored import EXPLAIN, V2, Known, Traffic, local_log, logged, made_package

PACKAGE = made_package()
NOW = 1_790_000_100.0


class Held(LogReader):
    """Partitions in memory, with times of our choice: a millisecond apart."""

    def __init__(self, *partitions: Sequence[bytes], first: int = 0) -> None:
        self.entries = [logged(values, first) for values in partitions]
        self.first = first

    def bounds(self, partition: int) -> tuple[int, int]:
        return self.first, self.first + len(self.entries[partition])

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[Any]:
        return self.entries[partition][offset - self.first :][:100]

    def close(self) -> None:
        """Nothing."""


def asking(seed: int = 0) -> Traffic:
    return Traffic(PACKAGE, "numbers", bytes([seed]) * 16, seed)


def log_of(*partitions: Sequence[bytes], first: int = 0) -> Log:
    return Log(Held(*partitions, first=first), b"\x5e" * 16, len(partitions), Known.of(PACKAGE, "numbers"))


def test_every_row_of_the_ranges_is_there_as_it_was_recorded() -> None:
    """Of all protocols, by partition and offset; refusals are no answers."""
    one, other = asking(1), asking(2)
    rows = [one.rows(2), one.rows(3), other.rows(1)]
    first = [one.value(rows[0]), one.refusal(422), one.value(rows[1], protocol=V2)]
    found = read(log_of(first, [other.value(rows[2])]), "numbers", [Span(1, 0, 1), Span(0, 0, 3)], NOW)
    (answered,) = found.answered
    assert answered.digest == PACKAGE.digest
    assert answered.inputs.tobytes() == np.concatenate(rows).tobytes()
    assert found.spans == (Span(0, 0, 3), Span(1, 0, 1))
    assert (found.rows, found.requests, dict(found.unread), found.strangers) == (6, 3, {}, 0)
    assert (found.began, found.ended) == (1_790_000_000_000, 1_790_000_000_002)


def test_only_what_clients_were_answered_counts() -> None:
    """Live and canary; a shadow is asked what live is asked, and what is explained is asked anyhow."""
    asked = asking()
    values = [asked.value(fields={Key.SLOT: slot}) for slot in (0, 1, 2, 9)]
    values += [asked.value(protocol=EXPLAIN), asked.value(fields={Key.SERVICE: "cards"}), b"garbage"]
    found = read(log_of(values), "numbers", [Span(0, 0, len(values))], NOW)
    assert (found.requests, dict(found.unread), found.strangers) == (2, {}, 0)


def test_an_answer_that_was_shipped_twice_counts_once() -> None:
    """The same journal's entry at two offsets; another journal's with the same number is another answer."""
    asked = asking()
    values = [asked.value(), asked.value()]
    found = read(log_of([*values, values[0], values[1], asking(3).value()]), "numbers", [Span(0, 0, 5)], NOW)
    assert found.requests == 3


def test_a_payload_that_is_not_its_entrys_stops_it() -> None:
    """Whoever changes what was asked chooses what a package is compared with."""
    asked = asking()
    values = [asked.value() for _ in range(5)]
    values[3] = values[3][:-1] + bytes([values[3][-1] ^ 1])
    with pytest.raises(CannotJudge, match="partition 0, offset 3: the payload is not the one of its entry"):
        read(log_of(values), "numbers", [Span(0, 0, 5)], NOW)


def test_what_cannot_be_read_is_counted_by_reason() -> None:
    """Erased, encrypted, of another schema: and a package that nobody deployed is no client's answer."""
    asked = asking()
    erased = asked.value()
    entry = parse_record(erased).entry.raw
    values = [
        erased[: 4 + len(entry)],
        asked.value(),
        asked.value(fields={Key.SUITE: 2}),
        asked.value(fields={Key.DIGEST: b"\x0e" * 32}),
    ]
    found = read(log_of(values), "numbers", [Span(0, 0, 4)], NOW)
    assert dict(found.unread) == {"payload absent": 1, "payload encrypted": 1}
    assert (found.requests, found.strangers) == (1, 1)


@pytest.mark.parametrize("rows", [1, 40, 333, 10_000])
def test_the_newest_rows_are_the_newest_of_all_partitions(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the log's time: whole answers, as few as have so many rows; or all, where there are not so many."""
    monkeypatch.setattr(traffic, "_TOGETHER", 64)
    one, other = asking(1), asking(2)
    log = log_of([one.value(one.rows(1 + at % 3)) for at in range(300)], [other.value() for _ in range(200)])
    spans = newest(log, "numbers", rows)
    found = read(log, "numbers", spans, NOW)
    assert found.rows >= min(rows, 600 + 200)
    assert found.rows < rows + 3 or rows == 10_000
    # Partition 1 ends 100 ms before partition 0: few rows are all of the one that is newer.
    assert [each.partition for each in spans] == ([0] if rows < 200 else [0, 1])
    assert all(each.end == log.reader.bounds(each.partition)[1] for each in spans)
    times = [log.reader.entries[each.partition][each.first].timestamp for each in spans]  # type: ignore[attr-defined]
    assert rows == 10_000 or max(times) - min(times) <= 1


def test_a_time_is_a_range_of_offsets() -> None:
    """From then on, and before then; a log whose beginning is gone keeps its offsets."""
    asked = asking()
    log = log_of([asked.value() for _ in range(50)], [], first=100)
    began = 1_790_000_000_000
    assert logged_between(log, began + 10, began + 30) == (Span(0, 110, 130),)
    assert logged_between(log, 0, 1 << 62) == (Span(0, 100, 150),)
    assert logged_between(log, began + 50, 1 << 62) == ()


def test_more_than_can_be_held_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the machine has no memory left."""
    monkeypatch.setattr(traffic, "MOST", 10)
    asked = asking()
    with pytest.raises(ConfigError, match="more than 10 rows"):
        read(log_of([asked.value(asked.rows(4)) for _ in range(3)]), "numbers", [Span(0, 0, 3)], NOW)


def test_a_real_log_gives_the_same_as_often_as_it_is_read(tmp_path: Path) -> None:
    """A directory's: the digest that is signed is what anybody finds."""
    made = asking(4)
    log = local_log(tmp_path, made.values(200), made.values(100))
    reader = log.reader()
    try:
        source = Log(reader, log.topic().id, 2, Known.of(PACKAGE, "numbers"))
        spans = newest(source, "numbers", 100)
        one, again = (read(source, "numbers", spans, now) for now in (NOW, NOW + 9))
        assert one.sha256 == again.sha256
        assert one.told() | {"read": 0} == again.told() | {"read": 0}
        assert one.rows >= 100
        less = [Span(each.partition, each.first + 1, each.end) for each in spans]
        assert read(source, "numbers", less, NOW).sha256 != one.sha256
    finally:
        reader.close()
