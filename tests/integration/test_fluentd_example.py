"""The example of an audit data base: its columns are what events have, and its views find what is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import duckdb
import msgpack

from audit.journal import JournalReader
from audit.mirror.events import event_of, gap_event
from audit.proof.record import split_record
from tests.components.journals import write_journal

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "fluentd"
CONF: Final = (FOLDER / "fluent.conf").read_text()
SQL: Final = (FOLDER / "audit.sql").read_text()
[MAPPED] = re.findall(r"column_mapping '([^']+)'", CONF)
COLUMNS: Final = dict(pair.split(":") for pair in MAPPED.split(","))
"""Field of an event: column of the table."""


def events(directory: Path) -> list[dict[str, object]]:
    """What is sent of a journal with some exchanges."""
    write_journal(directory, [b"%d" % n for n in range(20)])
    records = JournalReader(directory / "journals" / "0").read(1 << 20)
    assert split_record(records[0].record)
    return [msgpack.unpackb(event_of(each.record).packed)[1] for each in records]


def test_each_column_is_a_field_of_some_event_and_of_the_table(tmp_path: Path) -> None:
    """A name that there is not would be an empty column for ever."""
    [gap] = [msgpack.unpackb(gap_event(bytes(16), 1, 2, 3).packed)[1]]
    known = {name for event in [*events(tmp_path), gap] for name in event} | {"digest", "slot"}
    assert set(COLUMNS) <= known
    table = SQL[SQL.index("(") : SQL.index(");")]
    assert set(re.findall(r"(?m)^ {4}([a-z]+) ", table)) == set(COLUMNS.values())


def test_the_view_lists_what_neither_came_nor_was_told_to_be_missing(tmp_path: Path) -> None:
    """Two that came twice, three that a gap explains, and one that nobody knows of."""
    all_of_them = events(tmp_path)
    journal = bytes.fromhex(str(all_of_them[0]["journal"]))
    came = [event for event in all_of_them if event["sequence"] not in (5, 6, 7, 11)]
    came += [came[2], came[3], msgpack.unpackb(gap_event(journal, 5, 7, 1).packed)[1]]
    base = duckdb.connect()
    base.execute(SQL)
    for event in came:
        base.execute(
            f"INSERT INTO affiant_entries ({', '.join(COLUMNS.values())}) "  # noqa: S608
            f"VALUES ({', '.join('?' * len(COLUMNS))})",
            [event.get(field) for field in COLUMNS],
        )
    assert base.execute("SELECT count(*) FROM affiant_records").fetchall() == [(len(all_of_them) - 4,)]
    assert base.execute("SELECT journal, sequence FROM affiant_missing").fetchall() == [(journal.hex(), 11)]
    base.close()


def test_nothing_that_was_acknowledged_is_thrown_away() -> None:
    """On disk, tried for ever, and full means that the sidecar waits."""
    for line in ("@type file", "retry_forever true", "overflow_action block"):
        assert re.search(rf"(?m)^\s*{line}$", CONF), line
    assert "password_file" in CONF.lower()
    assert re.search(r"<match affiant affiant\.\*>", CONF)
