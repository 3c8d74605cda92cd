"""docs/scale.md: what Trino and Spark are told of the archive is what is written, and its query runs over it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from audit.archive.names import ArchiveFile, Part
from audit.archive.schema import ENTRIES
from tests.components.archives import DAYS, small_archive

PAGE = (Path(__file__).parents[4] / "docs" / "scale.md").read_text()
BUCKET = "bank-affiant-sealed/"
TRINO = {
    pa.int64(): "bigint",
    pa.string(): "varchar",
    pa.binary(): "varbinary",
    pa.timestamp("ms", tz="UTC"): "timestamp",
    pa.timestamp("us", tz="UTC"): "timestamp",
}


def statement(beginning: str) -> str:
    """The page's statement that begins so, without its semicolon."""
    found = re.search(rf"^{re.escape(beginning)}[^;]*;", PAGE, re.MULTILINE)
    assert found is not None, beginning
    return found[0].removesuffix(";")


def columns() -> dict[str, str]:
    """Of the table: name and type, in order."""
    lines = re.search(r"\(\n(.*?)\n\) WITH", statement("CREATE TABLE"), re.DOTALL)
    assert lines is not None
    return dict(re.findall(r'^ +"?(\w+)"? ([\w ]+?),?$', lines[1], re.MULTILINE))


@pytest.fixture(scope="module")
def store() -> tuple[str, list[str]]:
    """By the name of a file: the folder of all entries, and the folders' columns in it."""
    name = ArchiveFile(Part.ENTRIES, bytes(16), date(2026, 1, 2), 0, 0, 1).name
    return name.split("topic=")[0], re.findall(r"/(\w+)=", name)


def test_the_places_are_where_entries_are_written(store: tuple[str, list[str]]) -> None:
    """Not the bucket's root, where other files are too, and no folder of a partition."""
    place, folders = store
    located = re.search(r"external_location = 's3://([^']+)'", statement("CREATE TABLE"))
    read = re.search(r'spark\.read\.parquet\("s3a://([^"]+)"\)', PAGE)
    assert located is not None
    assert read is not None
    assert located[1] == BUCKET + place
    assert read[1] == BUCKET + place.rstrip("/")
    parted = re.search(r"partitioned_by = ARRAY\[(.*?)\]", statement("CREATE TABLE"))
    assert parted is not None
    assert re.findall(r"'(\w+)'", parted[1]) == folders
    assert list(columns())[-len(folders) :] == folders  # Trino wants them last, and in their order
    assert "'affiant', 'entries', 'ADD'" in statement("CALL hive.system.sync_partition_metadata")


def test_the_columns_are_those_that_are_written(store: tuple[str, list[str]]) -> None:
    """Each by its name, and by a type of Trino's that reads it."""
    told = columns()
    written = {name: kind for name, kind in told.items() if name not in store[1]}
    assert len(written) > 10
    assert written == {name: TRINO[ENTRIES.field(name).type] for name in written}


def test_the_query_runs_over_an_archive(tmp_path: Path) -> None:
    """In DuckDB, over the table's columns alone; its aggregate has another name there."""
    small_archive(tmp_path)
    names = ", ".join(f'"{name}"' for name in columns())
    query = statement("SELECT service")
    for trino, here in (
        ("approx_percentile", "approx_quantile"), ("hive.affiant.entries", "entries"), ("2026-01-02", DAYS[0])
    ):  # fmt: skip
        assert trino in query
        query = query.replace(trino, here)
    with duckdb.connect() as database:
        files = f"{tmp_path}/archive/entries/**/*.parquet"
        database.read_parquet(files, hive_partitioning=True).project(names).create_view("entries")
        ((service, digest, slot, count, late),) = database.execute(query).fetchall()
    assert service
    assert digest.startswith("sha256:")
    assert slot in ("live", "canary")
    assert count > 0
    assert late >= 0
