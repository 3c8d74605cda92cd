from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.archive import Archive, ArchiveFile, Limits, Part
from audit.archive.dataset import payloads_dataset
from audit.archive.files import encode_checkpoints
from audit.archive.schema import CHECKPOINTS
from audit.auditor.busy import Patience
from audit.auditor.evidence import select_who
from audit.auditor.index import Index
from audit.auditor.query import Search
from audit.auditor.records import Records, newest
from audit.config import load
from audit.errors import ConfigError, IndexUnusable, NoSuchRecord, ObjectsUnavailable, QueryRefused
from audit.notary.keys import FileKey
from audit.proof.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from audit.proof.errors import FormatError
from audit.proof.merkle import root
from audit.sealed import Published
from audit.trees import configured_trees

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "bench"))
from harness.sealed import write_sealed_log

SIZE, TAIL = 2_000, 300


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_sealed_log(
        tmp_path_factory.mktemp("log") / "log", SIZE, tail=TAIL, per_second=0.01, limits=Limits(500)
    )


@pytest.fixture
def world(made):
    """Trees, archive and newest checkpoints of the log."""
    trees = configured_trees(load(made.store.parent / "affiant.toml"))
    return trees, Archive(trees.objects), newest(trees, {})


@pytest.fixture
def index(world, tmp_path: Path):
    trees, archive, heads = world
    with Index(tmp_path / "index", trees.trust.name) as index:
        index.update(archive, heads)
        yield index


def at(day: int, hour: int) -> datetime:
    """As the index has times: UTC, without saying so."""
    return datetime(2026, 1, day, hour, tzinfo=UTC).replace(tzinfo=None)


def count(index: Index) -> int:
    return index._rows('SELECT count(DISTINCT "offset") FROM entries')[0][0]


def test_it_holds_every_record_of_the_archive_and_of_the_bundles_behind_it(index, world, made) -> None:
    """What is not archived yet is found, too; times of the log come with the archive."""
    assert count(index) == SIZE
    assert index.missing(world[1], world[2]) == 0
    for number in (0, 1, SIZE - TAIL - 1, SIZE - TAIL, SIZE - 1):
        (found,) = index.find(made.record(number))
        assert (found.topic, found.partition, found.offset) == (made.tree.topic, 0, number)
        assert (found.logged is None) == (number >= SIZE - TAIL)
    assert index.find(made.record(SIZE)) == []
    assert [each.offset for each in index.opening(made.journal, 1)] == [0]
    with pytest.raises(FormatError):
        index.find("nonsense")


def test_it_is_brought_up_and_never_holds_an_offset_twice(world, made, tmp_path: Path) -> None:
    """Rows out of bundles are replaced when the archive has them; a second update adds nothing."""
    trees, archive, heads = world
    files = archive.files(Part.ENTRIES, made.tree.topic, 0)
    assert len(files) > 2

    class Behind:
        """The same archive, before its newest files were written."""

        def __init__(self, known: int) -> None:
            self.known = known

        def marks(self, part, topic, partition):
            marks = archive.marks(part, topic, partition)
            return {file: mark for file, mark in marks.items() if file.end <= self.known}

        def rows(self, file, columns=None):
            return archive.rows(file, columns)

    told: list[int] = []
    before: int | None = None
    with Index(tmp_path / "index", trees.trust.name) as index:
        for known in (0, files[0].end, files[-1].end, files[-1].end):
            assert index.is_up_to(Behind(known), heads) == (known == before)
            index.update(Behind(known), heads, told.append)
            assert index.is_up_to(Behind(known), heads)
            before = known
            rows = index._rows('SELECT count(*), count(DISTINCT "offset"), sum(archived::INT) FROM entries')
            assert rows == [(SIZE, SIZE, known)]
    assert sum(told) == SIZE + files[-1].end
    with Index(tmp_path / "index", trees.trust.name) as again:
        assert again.missing(archive, heads) == 0
    (tmp_path / "index").unlink()
    with Index(tmp_path / "index", trees.trust.name) as again:
        assert again.missing(archive, heads) == SIZE


def test_an_update_that_dies_leaves_what_was_whole(world, tmp_path: Path) -> None:
    """A file of the archive is in the index wholly or not at all."""
    trees, archive, heads = world

    class Dies(Exception):  # noqa: N818
        pass

    def progress(_: int) -> None:
        raise Dies

    with Index(tmp_path / "index", trees.trust.name) as index:
        with pytest.raises(Dies):
            index.update(archive, heads, progress)
        index.update(archive, heads)
        assert count(index) == SIZE


def test_what_is_up_to_one_head_is_not_up_to_another(index, world) -> None:
    """Nor one that has died on the way to another, when the first is there again: a store that was put back."""
    trees, archive, heads = world
    ((tree, head),) = heads.items()
    earlier = replace(head.opened.checkpoint, size=head.size - 1)
    behind = {tree: replace(head, opened=replace(head.opened, checkpoint=earlier))}
    assert index.is_up_to(archive, heads)
    assert not index.is_up_to(archive, behind)

    class Dies(Archive):
        def marks(self, part: Part, topic: bytes, partition: int) -> dict[ArchiveFile, str]:
            raise ObjectsUnavailable("gone")

    with pytest.raises(ObjectsUnavailable):
        index.update(Dies(trees.objects), behind)
    assert not index.is_up_to(archive, heads)
    index.update(archive, heads)
    assert index.is_up_to(archive, heads)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Search(status=422), lambda n: n % 100 == 7),
        (Search(service="credit"), lambda n: n % 2 == 0 and n),
        (Search(slot="canary"), lambda n: n % 20 == 0 and n),
        (Search(request_id="req-77"), lambda n: n == 77),
        (Search(request_id="' OR 1=1 --"), lambda _: False),
        (Search(digest="sha256:00"), lambda _: False),
        (Search(since=at(1, 1), until=at(1, 2)), lambda n: 36 < n <= 72),
        (Search(kinds=("opening",)), lambda n: n == 0),
        (Search(kinds=()), lambda _: True),
        (
            Search(service="fraud", status=200, since=at(2, 0)),
            lambda n: n % 2 and n % 100 != 7 and n > 864,
        ),
    ],
)  # fmt: skip
def test_each_filter_finds_what_fits_it_and_all_must_hold(index, wanted: Search, expected) -> None:
    """The newest first, as many as were asked for."""
    offsets = [row["offset"] for row in index.search(Search(**{**_fields(wanted), "limit": SIZE}))]
    assert offsets == [number for number in reversed(range(SIZE)) if expected(number)]
    assert [row["offset"] for row in index.search(Search(**{**_fields(wanted), "limit": 3}))] == offsets[:3]


def _fields(wanted: Search) -> dict:
    return {name: getattr(wanted, name) for name in Search.__dataclass_fields__}


def test_a_caller_with_more_records_than_a_bundle_takes_is_refused(
    index, world, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a range is: the first ones alone would look like all of them."""
    (caller, found), *_ = index.select(
        "SELECT caller, count(*) FROM entries WHERE caller IS NOT NULL GROUP BY ALL"
    )
    records = Records(*world[:2], index)
    monkeypatch.setattr("audit.auditor.evidence.MAX_RECORDS", found)
    assert len(select_who(records, "caller", caller).records) == found
    monkeypatch.setattr("audit.auditor.evidence.MAX_RECORDS", found - 1)
    with pytest.raises(NoSuchRecord, match="more than"):
        select_who(records, "caller", caller)


def test_sql_sees_entries_payloads_and_checkpoints(index, world) -> None:
    """One SELECT joins them, as often as it likes."""
    names, rows = index.sql(
        "SELECT count(*) AS n, sum(octet_length(a.payload)) FROM entries JOIN payloads a "
        'USING (topic, partition, "offset") JOIN payloads b USING (topic, partition, "offset") '
        "WHERE a.payload_digest = entries.payload_digest AND sha256(b.payload) = lower(hex(b.payload_digest))",
        payloads_dataset(world[1]),
    )
    assert names[0] == "n"
    assert next(iter(rows))[0] == SIZE - TAIL - 1
    names, rows = index.sql("SELECT max(size) FROM checkpoints")
    assert list(rows) == [(SIZE,)]


@pytest.mark.parametrize(
    "text",
    [
        "COPY entries TO '{there}'",
        "COPY (SELECT 1) TO '{there}' (FORMAT parquet)",
        "EXPORT DATABASE '{there}'",
        "ATTACH '{there}'",
        "DROP TABLE entries",
        "DELETE FROM entries",
        "INSERT INTO entries SELECT * FROM entries",
        "CREATE TABLE mine AS SELECT 1",
        "EXPLAIN ANALYZE DELETE FROM entries",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CALL pragma_version()",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE entries",
        "WITH gone AS (DELETE FROM entries RETURNING *) SELECT * FROM gone",
        "SELECT nothing FROM entries",
        "SELEC",
        "",
    ],
)
def test_sql_that_reads_or_writes_anything_else_is_refused(index, tmp_path: Path, text: str) -> None:
    """Whoever may ask the auditor a question cannot reach the machine with it."""
    there = tmp_path / "there"
    with pytest.raises(QueryRefused):
        list(index.sql(text.format(there=there))[1])
    assert not there.exists()
    _, rows = index.sql("SELECT count(*) FROM entries")
    assert list(rows) == [(SIZE,)]


def test_another_logs_index_and_other_files_are_refused_and_left_as_they_are(world, tmp_path: Path) -> None:
    """An index is made where there is none; nothing is overwritten."""
    path = tmp_path / "index"
    Index(path, "some.other").close()
    with pytest.raises(ConfigError, match=r"some\.other.*--index"):
        Index(path, "affiant.bench")
    Index(path, "some.other").close()
    path.write_bytes(b"precious" * 4096)
    with pytest.raises(IndexUnusable):
        Index(path, "affiant.bench")
    assert path.read_bytes() == b"precious" * 4096


def test_an_index_of_an_older_form_is_made_again(world, tmp_path: Path) -> None:
    """It is a copy: nothing is lost with it."""
    trees, archive, heads = world
    with Index(tmp_path / "index", trees.trust.name) as index:
        index._connection.execute("UPDATE about SET format = 0")
    with Index(tmp_path / "index", trees.trust.name) as index:
        index.update(archive, heads)
        assert count(index) == SIZE


HOLDS = """
import pathlib, sys
from audit.auditor.index import Index
index = Index(pathlib.Path({path!r}), 'affiant.bench')
print('has it', flush=True)
sys.stdin.readline()
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the index, until a line is written to it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS.format(path=str(path))], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        try:
            yield process
        finally:
            process.kill()


def test_two_processes_do_not_share_an_index_and_the_second_is_told_who_has_it(tmp_path: Path) -> None:
    """By number and by how it was called; and what to do."""
    path = tmp_path / "index"
    with holder(path) as process, pytest.raises(IndexUnusable) as caught:
        Index(path, "affiant.bench")
    said = str(caught.value)
    assert f"process {process.pid} ({sys.executable} -c import pathlib" in " ".join(said.split())
    assert "--index" in said
    assert "duckdb" not in said.lower()


def test_an_index_that_another_process_has_is_waited_for(tmp_path: Path) -> None:
    """Who waits is told so once, and gets it as soon as it is free; no longer than it said that it would."""
    path = tmp_path / "index"
    told: list[str] = []
    with holder(path) as process:

        def waiting(who: str) -> None:
            told.append(who)
            assert process.stdin is not None
            process.stdin.write("let go\n")
            process.stdin.flush()

        Index(path, "affiant.bench", Patience(60.0, waiting)).close()
    assert [f"process {process.pid}" in each for each in told] == [True]
    now = iter(float(second) for second in range(100))
    slept: list[float] = []
    with holder(path), pytest.raises(IndexUnusable):
        Index(path, "affiant.bench", Patience(3.0, clock=lambda: next(now), sleep=slept.append))
    assert len(slept) == 2


def test_an_index_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    """And how to name another place."""
    (tmp_path / "file").touch()
    with pytest.raises(IndexUnusable, match=r"file/index.*--index"):
        Index(tmp_path / "file" / "index", "affiant.bench")


def test_an_index_whose_process_was_killed_while_it_was_filled_is_gone_on_with(
    made, world, tmp_path: Path
) -> None:
    """Nothing is in it twice, and nothing is missing."""
    path = tmp_path / "index"
    code = f"""
import os
from pathlib import Path
from audit.archive import Archive
from audit.auditor.index import Index
from audit.auditor.records import newest
from audit.config import load
from audit.trees import configured_trees
trees = configured_trees(load(Path({str(made.store.parent / "affiant.toml")!r})))
Index(Path({str(path)!r}), trees.trust.name).update(Archive(trees.objects), newest(trees, {{}}), lambda _: os._exit(9))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 9
    trees, archive, heads = world
    with Index(path, trees.trust.name) as index:
        assert 0 < index.missing(archive, heads) < SIZE
        index.update(archive, heads)
        assert index.select('SELECT count(*), count(DISTINCT "offset") FROM entries') == [(SIZE, SIZE)]


def test_a_damaged_file_of_the_archive_hides_no_record(made, tmp_path: Path) -> None:
    """What the archive does not tell any more, the trees do; what is wrong is said."""
    shutil.copytree(made.store.parent, tmp_path / "log")
    trees = configured_trees(load(tmp_path / "log" / "affiant.toml"))
    archive, heads = Archive(trees.objects), newest(trees, {})
    paths = sorted((tmp_path / "log/store/archive/entries").rglob("*.parquet"))
    paths[0].write_bytes(paths[0].read_bytes()[:-9])
    table = pq.read_table(paths[1], partitioning=None)
    pq.write_table(table.slice(1), paths[1], store_schema=False)
    with Index(tmp_path / "index", trees.trust.name) as index:
        wrong = index.update(archive, heads)
        assert not index.is_up_to(archive, heads)  # or it would be said once, and never again
        assert [str(paths[at].name) in wrong[at] for at in range(2)] == [True, True]
        assert len(wrong) == 2
        assert count(index) == SIZE
    shutil.copy(paths[2], paths[2].with_name(f"{1:020d}-{2:020d}.parquet"))
    with Index(tmp_path / "another", trees.trust.name) as index:
        assert "same offset" in index.update(archive, heads)[0]
        assert count(index) == SIZE


def test_what_a_forger_put_into_the_archive_goes_when_it_is_put_right(made, tmp_path: Path) -> None:
    """Also when sizes and times of the files are put right with it; nothing of it is said or found after that."""
    shutil.copytree(made.store.parent, tmp_path / "log")
    trees = configured_trees(load(tmp_path / "log" / "affiant.toml"))
    archive, heads = Archive(trees.objects), newest(trees, {})
    heads_file, other = (
        ArchiveFile(Part.CHECKPOINTS, made.tree.topic, date(2026, 1, 1), 0, at, at + 1) for at in range(2)
    )
    for file in (heads_file, other):
        columns = [pa.array([file.end]), pa.array([bytes(32)]), pa.array([b"a head"])]
        content = encode_checkpoints(pa.Table.from_arrays(columns, schema=CHECKPOINTS))
        assert trees.objects.create(file.name, content)
    first = archive.files(Part.ENTRIES, made.tree.topic, 0)[0]
    files = [tmp_path / "log/store" / each.name for each in (first, heads_file)]
    everything = 'SELECT * FROM entries ORDER BY "offset"'
    checkpoints = "SELECT DISTINCT * FROM checkpoints ORDER BY size"
    with Index(tmp_path / "index", trees.trust.name) as index:
        index.update(archive, heads)
        right, heads_there = index.select(everything), index.select(checkpoints)
        for path, column in ((files[0], "service"), (files[1], "checkpoint")):
            content, about = path.read_bytes(), path.stat()
            table = pq.read_table(path, partitioning=None)
            field = table.schema.field(column)
            forged = pa.array([b"forged"] * len(table), field.type)
            pq.write_table(
                table.set_column(table.schema.get_field_index(column), field, forged),
                path,
                store_schema=False,
            )
            assert not index.is_up_to(archive, heads)
            assert index.update(archive, heads) == []
            assert [index.select(everything), index.select(checkpoints)] != [right, heads_there]
            path.write_bytes(content)
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
            assert not index.is_up_to(archive, heads)
            assert index.update(archive, heads) == []
            assert [index.select(everything), index.select(checkpoints)] == [right, heads_there]


def test_what_the_archive_has_no_longer_is_indexed_out_of_the_tree(made, tmp_path: Path) -> None:
    """As if it had never been archived: rows of a file that is gone are nobody's word."""
    shutil.copytree(made.store.parent, tmp_path / "log")
    trees = configured_trees(load(tmp_path / "log" / "affiant.toml"))
    archive, heads = Archive(trees.objects), newest(trees, {})
    with Index(tmp_path / "index", trees.trust.name) as index:
        index.update(archive, heads)
        gone = archive.files(Part.ENTRIES, made.tree.topic, 0)[1]
        (tmp_path / "log/store" / gone.name).unlink()
        index.update(archive, heads)
        rows = 'SELECT count(*), count(DISTINCT "offset"), sum(archived::INT) FROM entries'
        assert index.select(rows) == [(SIZE, SIZE, SIZE - TAIL - (gone.end - gone.first))]


def test_files_that_are_as_they_were_are_not_read_again(index, world) -> None:
    """A look at an archive of years costs a listing of it."""

    class Unread(Archive):
        def content(self, file):
            raise AssertionError(file.name)

    assert index.update(Unread(world[0].objects), world[2]) == []


def test_what_no_checkpoint_covers_is_let_go_of(index, world, made) -> None:
    """Of a checkpoint that was rolled back, and of a tree that is gone, nothing is found or counted."""
    trees, archive, heads = world
    (tree,) = heads
    entries = 'SELECT count(*), count(DISTINCT "offset"), max("offset") + 1 FROM entries'
    size = 1234  # inside a file
    head = Checkpoint(tree.tree.origin, size, root(tree.nodes(SIZE), size))
    note = sign_checkpoint(head, FileKey(made.key))
    key = tree.tree.key(trees.trust.public_key())
    index.update(archive, {tree: Published(note, open_checkpoint(note, key))})
    assert index.select(entries) == [(size, size, size)]
    assert index.select("SELECT max(size) FROM checkpoints") == [(size,)]
    index.update(archive, heads)
    assert index.select(entries) == [(SIZE, SIZE, SIZE)]
    index.update(archive, {})
    assert index.select(entries) == [(0, 0, None)]
    index.update(archive, heads)
    assert index.select(entries) == [(SIZE, SIZE, SIZE)]
