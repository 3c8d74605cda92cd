"""The archive is read by others' software as it is: no schema, no helper of ours."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest

from audit.archive import Archiver, Limits
from audit.objects.directory import DirectoryObjects
from tests.components.archives import KINDS, TOPIC, ArchiveSeal, small_archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    return small_archive(tmp_path_factory.mktemp("store"))


def test_duckdb_reads_entries_with_hive_partitions_and_joins_payloads(archive: Path) -> None:
    """Types, partitions and the join are there for whoever writes SQL."""
    with duckdb.connect() as database:
        for part in ("entries", "payloads"):
            relation = database.read_parquet(f"{archive}/{part}/**/*.parquet", hive_partitioning=True)
            relation.create_view(part)
        rows = database.execute(
            "SELECT date, partition, count(*), min(logged), count(DISTINCT kind) FROM entries "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        assert [(str(row[0]), row[1], row[2], row[4]) for row in rows] == [
            (day, partition, 20, len(KINDS)) for day in ("2024-10-04", "2024-10-05") for partition in range(2)
        ]
        joined = database.execute(
            'SELECT count(*) FROM entries JOIN payloads USING (topic, partition, "offset", payload_digest) '
            "WHERE sha256(payload) = lower(hex(payload_digest))"
        ).fetchall()
        assert joined == [(2 * 14,)]
        types = dict(
            database.execute("SELECT column_name, column_type FROM (DESCRIBE FROM entries)").fetchall()
        )
    assert types["arrived"] == types["logged"] == "TIMESTAMP WITH TIME ZONE"
    assert types["counted"] == "MAP(VARCHAR, BIGINT)"
    assert (types["status"], types["entry"], types["record"]) == ("BIGINT", "BLOB", "VARCHAR")


def test_pandas_reads_it_with_hive_partitions(archive: Path) -> None:
    """One call, as a data scientist has it."""
    frame = pd.read_parquet(archive / "entries")
    assert len(frame) == 80
    assert set(frame["partition"].astype(int)) == {0, 1}
    assert set(frame["topic"]) == {TOPIC.hex()}
    assert str(frame["logged"].dtype) == "datetime64[ms, UTC]"
    assert set(frame["kind"]) == set(KINDS)
    served = frame[frame["kind"] == "inference"]
    assert served["service"].notna().all()
    assert {type(value) for value in frame["entry"]} == {bytes}


def test_pyarrow_reads_it_as_one_dataset(archive: Path) -> None:
    """Files of all days and partitions have one schema; folders are columns."""
    dataset = ds.dataset(archive / "entries", partitioning="hive")
    assert dataset.count_rows() == 80
    assert dataset.count_rows(filter=(ds.field("partition") == 1) & (ds.field("offset") < 10)) == 10
    assert {"topic", "date", "partition"} <= set(dataset.schema.names)


def test_the_same_records_give_the_same_files(archive: Path, tmp_path: Path) -> None:
    """A run that has to write a file again writes the same bytes."""
    (first,) = archive.glob("entries/*/date=2024-10-04/partition=0/*00-*15.parquet")
    records = ds.dataset(first).to_table().to_pylist()
    payloads = {
        row["offset"]: row["payload"]
        for row in ds.dataset(archive / "payloads", partitioning="hive").to_table().to_pylist()
    }
    archiver = Archiver(DirectoryObjects(tmp_path), TOPIC, 0, 0, 0, Limits(records=16))
    for row in records:
        milliseconds = int(row["logged"].timestamp() * 1000 + 0.5)
        archiver.add(row["offset"], milliseconds, row["entry"], payloads.get(row["offset"], b""))
    archiver.archive(ArchiveSeal(16, signed=False), 0.0)
    for path in (tmp_path / "archive").rglob("*.parquet"):
        assert path.read_bytes() == (archive / path.relative_to(tmp_path / "archive")).read_bytes()
