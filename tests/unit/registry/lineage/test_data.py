"""Versions of data: DVC's record held against the bytes, or the bytes' own hash."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from registry.errors import PublishError
from registry.lineage import data_set, profile
from registry.lineage.data import profile_of

BYTES = b"a,b\n1,2\n"
MD5 = hashlib.md5(BYTES, usedforsecurity=False).hexdigest()
SHA = hashlib.sha256(BYTES).hexdigest()
DVC = f"outs:\n- md5: {MD5}\n  size: {len(BYTES)}\n  hash: md5\n  path: rows.csv\n"
LOCK = f"""schema: '2.0'
stages:
  train:
    cmd: python train.py
    deps:
    - {{path: data/rows.csv, hash: md5, md5: {MD5}, size: {len(BYTES)}}}
  prepare:
    cmd: python prepare.py
    outs:
    - {{path: data/rows.csv, hash: md5, md5: {MD5}, size: {len(BYTES)}}}
"""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A data file in a work tree of its own."""
    (tmp_path / ".git").mkdir()
    path = tmp_path / "data" / "rows.csv"
    path.parent.mkdir()
    path.write_bytes(BYTES)
    return path


def test_a_plain_file_is_named_by_its_bytes(rows: Path) -> None:
    """Without DVC, the SHA-256 is the version."""
    found = data_set(rows)
    assert (found.name, found.version, found.source) == ("rows.csv", f"sha256:{SHA}", "file")
    assert (found.checked, found.size, found.record) == (True, len(BYTES), None)


@pytest.mark.parametrize("named", ["rows.csv", "rows.csv.dvc"])
def test_a_dvc_file_beside_it_names_the_version(rows: Path, named: str) -> None:
    """Whichever of the two is given; the bytes are hashed too."""
    rows.with_name("rows.csv.dvc").write_text(DVC)
    found = data_set(rows.with_name(named))
    assert (found.name, found.version, found.source) == ("rows.csv", f"md5:{MD5}", "dvc")
    assert (found.checked, found.sha256, found.record) == (True, SHA, "rows.csv.dvc")


def test_a_dvc_lock_names_the_version_and_the_stage_that_wrote_it(rows: Path) -> None:
    """The writer before the reader, whatever their order in the file."""
    rows.parents[1].joinpath("dvc.lock").write_text(LOCK)
    found = data_set(rows)
    assert (found.version, found.source, found.stage) == (f"md5:{MD5}", "dvc.lock", "prepare")


def test_a_dvc_lock_above_the_work_tree_says_nothing(tmp_path: Path, rows: Path) -> None:
    """Another project's record is not this one's."""
    inner = tmp_path / "data" / "data"
    inner.mkdir()
    (tmp_path / "data" / ".git").mkdir()
    (tmp_path / "dvc.lock").write_text(LOCK.replace("data/rows.csv", "data/data/rows.csv"))
    (inner / "rows.csv").write_bytes(BYTES)
    assert data_set(inner / "rows.csv").source == "file"


@pytest.mark.parametrize("record", ["data/rows.csv.dvc", "dvc.lock"])
def test_bytes_that_are_not_the_recorded_version_are_refused(rows: Path, record: str) -> None:
    """Data changed after `dvc add`: naming the recorded version would be a lie."""
    (rows.parents[1] / record).write_text(DVC if record.endswith(".dvc") else LOCK)
    rows.write_bytes(BYTES + b"3,4\n")
    with pytest.raises(PublishError, match=f"not the version md5:{MD5}.*dvc checkout"):
        data_set(rows)


def test_data_that_is_elsewhere_is_dvcs_word_alone(rows: Path) -> None:
    """A directory, or a file not pulled: the version is told, and that nobody checked it."""
    record = rows.with_name("raw.dvc")
    record.write_text(f"outs:\n- md5: {MD5}.dir\n  hash: md5\n  nfiles: 3\n  path: raw\n")
    found = data_set(record)
    assert (found.name, found.version, found.checked, found.sha256) == ("raw", f"md5:{MD5}.dir", False, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a file of DVC's"),
        ("a: [", "not YAML"),
        ("!!python/object/apply:os.getcwd []", "not YAML"),
        ("outs: []", "one output"),
        ("outs: [{hash: md5, md5: " + MD5 + "}]", "without a path"),
        ("outs: [{path: rows.csv, hash: md5, md5: abc}]", "no MD5"),
        ("outs: [{path: rows.csv, md5: " + MD5 + "}]", "no MD5"),
    ],
)
def test_a_record_that_is_not_dvcs_says_what_is_wrong(rows: Path, text: str, says: str) -> None:
    """And where; DVC 2's hashes of text with changed line ends are among them."""
    record = rows.with_name("rows.csv.dvc")
    record.write_text(text)
    with pytest.raises(PublishError, match=says) as caught:
        data_set(rows)
    assert str(record) in str(caught.value)


def test_a_lock_without_stages_is_refused(rows: Path) -> None:
    """It is not passed over as if it were not there."""
    rows.parents[1].joinpath("dvc.lock").write_text("schema: '2.0'\n")
    with pytest.raises(PublishError, match="no stages"):
        data_set(rows)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(PublishError, match=r"absent\.csv: no such file"):
        data_set(tmp_path / "absent.csv")


def test_a_data_set_that_is_a_table_has_its_own_columns_and_counts(rows: Path) -> None:
    """Of the bytes that the version names, also behind a DVC file; in the lineage beside what always stood there."""
    counts = {
        "rows": 1,
        "duplicates": 0,
        "columns": [
            {"name": name, "type": "integer", "missing": 0, "distinct": 1} for name in ("a", "b")
        ],
    }  # fmt: skip
    assert data_set(rows).told()["profile"] == counts
    assert set(data_set(rows, profiled=False).told()) == set(data_set(rows).told()) - {"profile"}
    rows.with_name("rows.csv.dvc").write_text(DVC)
    assert data_set(rows.with_name("rows.csv.dvc")).profile == counts


def test_a_profile_is_of_the_version_that_is_named(rows: Path) -> None:
    """Written to between the hash and the reading: refused, and not told of other bytes."""
    other = replace(data_set(rows), sha256="0" * 64)
    with pytest.raises(PublishError, match="changed while it was read"):
        profile_of(rows, other)


def test_what_is_no_table_or_not_there_has_no_profile(rows: Path) -> None:
    """Other files, damaged ones, and what DVC has elsewhere: a version, and no guess at what is in it."""
    for name, content in (("notes.bin", b"a,b\n1,2\n"), ("broken.csv", b"\xff\xfe"), ("empty.csv", b"a,b\n")):
        path = rows.with_name(name)
        path.write_bytes(content)
        found = data_set(path)
        assert (found.profile, "profile" in found.told()) == (None, False)
    record = rows.with_name("gone.dvc")
    record.write_text(DVC.replace("rows.csv", "gone.csv"))
    assert data_set(record).profile is None


def test_a_profile_counts_and_tells_no_cell() -> None:
    """Types, missing and distinct values, rows that are there twice."""
    frame = pd.DataFrame(
        {"name": ["Ada Secret", None, "Ada Secret"], "n": [1, 2, 1], "f": [0.5, None, 0.5], "b": [True] * 3}
    )
    told = profile(frame)
    assert told == {
        "rows": 3,
        "duplicates": 1,
        "columns": [
            {"name": "name", "type": "text", "missing": 1, "distinct": 1},
            {"name": "n", "type": "integer", "missing": 0, "distinct": 2},
            {"name": "f", "type": "number", "missing": 1, "distinct": 1},
            {"name": "b", "type": "boolean", "missing": 0, "distinct": 1},
        ],
    }
