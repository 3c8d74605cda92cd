"""Whose the index's files are: they say who asked for what, and when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from audit.auditor.tables import Tables

LOG = "log.example"


@pytest.fixture(autouse=True)
def _mask() -> Iterator[None]:
    """The usual one, which lets others read."""
    before = os.umask(0o022)
    yield
    assert os.umask(before) == 0o022, "the process goes on with another mask"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_index_and_its_folder_are_its_owners_alone(tmp_path: Path) -> None:
    """So is what DuckDB keeps beside it while something is written; folders that were there stay as they are."""
    path = tmp_path / "affiant" / "index" / "one.duckdb"
    tables = Tables(path, LOG)
    with tables._transaction():
        tables._connection.execute("INSERT INTO files (part) VALUES ('x')")
    (log,) = path.parent.glob("one.duckdb.*")
    assert [mode(each) for each in (path.parent.parent, path.parent, path, log)] == [
        0o700,
        0o700,
        0o600,
        0o600,
    ]
    tables.close()
    with Tables(path, LOG) as again:
        again.select("SELECT * FROM files")
    assert [mode(each) for each in (tmp_path, path.parent, path)] == [0o700, 0o700, 0o600]


def test_an_index_that_is_made_anew_becomes_its_owners_alone(tmp_path: Path) -> None:
    """One of an earlier version, which others could read."""
    path = tmp_path / "one.duckdb"
    with duckdb.connect(path) as old:
        old.execute("CREATE TABLE about (format BIGINT, log VARCHAR)")
        old.execute("INSERT INTO about VALUES (0, ?)", [LOG])
    assert mode(path) == 0o644
    Tables(path, LOG).close()
    assert mode(path) == 0o600
