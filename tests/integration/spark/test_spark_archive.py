"""The archive in Apache Spark, as it is: what it reads there is what DuckDB and pandas read."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from tests.components.archives import DAYS, KINDS, OFFSETS, PARTITIONS, TOPIC, WITH_PAYLOAD, small_archive
from tests.components.spark import spark

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SCRIPT = Path(__file__).with_name("read_archive.py")
EPOCH = datetime.fromtimestamp(0, UTC)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_archive(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trace") / "trace"


@pytest.fixture(scope="module")
def seen(archive: Path, trace: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Spark saw (read_archive.py says in which form), started once."""
    folder = tmp_path_factory.mktemp("spark")
    return json.loads(spark(SCRIPT, str(archive), folder=folder, trace=trace).splitlines()[-1])


def plain(value: Any) -> Any:
    """In the form that read_archive.py gives values."""
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    if isinstance(value, list):  # a map
        return dict(value)
    return value.isoformat() if isinstance(value, date) else value


def in_duckdb(archive: Path, part: str) -> list[dict[str, Any]]:
    with duckdb.connect() as database:
        relation = database.read_parquet(f"{archive}/{part}/**/*.parquet", hive_partitioning=True)
        table = relation.order('topic, partition, "offset"').to_arrow_table()
    return [{name: plain(value) for name, value in row.items()} for row in table.to_pylist()]


@pytest.mark.parametrize(("part", "count"), [("entries", OFFSETS), ("payloads", WITH_PAYLOAD)])
def test_it_reads_each_row_and_column_that_duckdb_reads(
    archive: Path, seen: dict[str, Any], part: str, count: int
) -> None:
    """Values alike, folders as columns, maps, times and bytes too; no row twice or missing."""
    expected = in_duckdb(archive, part)
    assert len(expected) == PARTITIONS * count
    assert seen[part] == expected


def test_it_reads_what_pandas_reads(archive: Path, seen: dict[str, Any]) -> None:
    """Counts, and the columns that people start with."""
    frame = pd.read_parquet(archive / "entries").sort_values(["partition", "offset"])
    assert len(seen["entries"]) == len(frame) == PARTITIONS * OFFSETS
    for name in ("offset", "kind", "record", "service", "status", "entry", "leaf"):
        theirs = [None if pd.isna(value) else plain(value) for value in frame[name]]
        assert [row[name] for row in seen["entries"]] == theirs, name
    for name in ("logged", "committing", "arrived"):
        theirs = [None if pd.isna(value) else plain(value.to_pydatetime()) for value in frame[name]]
        assert [row[name] for row in seen["entries"]] == theirs, name


def test_folders_are_columns_with_types(seen: dict[str, Any]) -> None:
    """Nothing is told to Spark, and still it knows days as days and partitions as numbers."""
    types = seen["types"]
    assert [types[name] for name in ("topic", "date", "partition", "offset")] == [
        "string",
        "date",
        "int",
        "bigint",
    ]
    assert types["committing"] == types["logged"] == "timestamp"
    assert types["counted"] == "map<string,bigint>"
    assert types["entry"] == types["leaf"] == "binary"
    places = [(row["topic"], row["date"], row["partition"]) for row in seen["entries"]]
    assert set(places) == {(TOPIC.hex(), day, partition) for day in DAYS for partition in range(PARTITIONS)}
    assert {row["kind"] for row in seen["entries"]} == set(KINDS)


def test_its_sql_holds_payloads_to_their_entries(seen: dict[str, Any]) -> None:
    """A join over the folders' columns and the digest, and the digest computed anew; heads are there as well."""
    assert seen["held"] == WITH_PAYLOAD
    assert seen["checkpoints"] == PARTITIONS


def strangers(trace: str) -> set[str]:
    """The addresses, none of this machine's own, that calls of a trace name."""
    named = re.findall(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', trace)
    return {four or six for four, six in named} - {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_nobody_was_asked(seen: dict[str, Any], trace: Path) -> None:
    """Each connection was to this machine, and no packet was sent without one to another."""
    text = trace.read_text()
    assert 'inet_addr("127.0.0.1")' in text  # Spark's Python and its Java
    assert strangers(text) == set()
    asked = '7 sendto(3, "..", 2, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")}, 16)'
    six = 'inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)'
    assert strangers(f"{text}\n{asked}\n{six}") == {"192.0.2.1", "2001:db8::1"}
