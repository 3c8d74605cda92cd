"""Files that no notary writes, in a store: `affiant audit verify` names each, and counts what a name claims no further.

Other tools read whatever lies in the archive (docs/archive.md), those whose name begins with a dot, too.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from audit.archive import Archive, Part
from audit.auditor.survey import MAX_GAPS, _place, survey
from audit.auditor.which import trees_of, trees_to_verify
from audit.notary.noted import Noted, note_name
from audit.objects.bucket import open_bucket
from audit.objects.directory import DirectoryObjects
from audit.proof.errors import FormatError
from audit.sealed import TreeId
from audit.trees import Trees, Trust
from cli.main import guarded, run
from tests.components.sealed import NAME, SealedLog, sealed_log
from tests.fault.attacks.hands import copy

WRONG = 1
OTHER = bytes([7]) * 16
Verify = Callable[..., tuple[int, dict]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    """Sealed and archived."""
    return sealed_log(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def log(sound: SealedLog, tmp_path: Path) -> SealedLog:
    """A copy, to be attacked."""
    return copy(sound, tmp_path / "log")


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Verify:
    """Exit code and JSON, of the store alone."""

    def command(log: SealedLog) -> tuple[int, dict]:
        given = ["audit", "verify", "--store", str(log.store), "--key", str(log.vkey), "--json"]
        capsys.readouterr()
        code = guarded(lambda: run(given), given)
        return code, json.loads(capsys.readouterr().out)

    return command


def archived(log: SealedLog, part: Part = Part.ENTRIES) -> Path:
    """The one file of its kind."""
    (file,) = Archive(log.objects).files(part, log.topic.id, 0)
    return log.store / file.name


def test_a_store_as_a_notary_leaves_it_is_without_a_flaw(log: SealedLog, verify: Verify) -> None:
    """Locks and drafts of killed processes, too: these are no objects."""
    for path in (log.folder / "state", archived(log), archived(log, Part.PAYLOADS)):
        path.with_name(f".{path.name}.4711.0a1b2c3d").write_bytes(b"half")
    (log.folder / ".state.lock").touch()
    code, told = verify(log)
    assert (code, told["flaws"], told["remarks"]) == (0, [], [])


STRANGERS: dict[str, Callable[[Path, SealedLog], Path]] = {
    "beside": lambda file, _: file.with_name("extra.parquet"),
    "hidden": lambda file, _: file.with_name(f".{file.name}"),
    "hidden, as a draft that is read": lambda file, _: file.with_name(f".{file.name}.1.0a1b2c3d.parquet"),
    "in a hidden folder": lambda file, _: file.parent / ".more" / file.name,
    "in a partition of two digits": lambda file, _: file.parent.with_name("partition=00") / file.name,
    "in a partition that nobody has": lambda file, _: file.parent.with_name("partition=100000") / file.name,
    "of an offset that no row has": lambda file, _: file.with_name(f"{1:020d}-{(1 << 63) - 1:020d}.parquet"),
    "on a day that is none": lambda file, _: file.parents[1].with_name("date=2026-02-30") / "partition=0" / file.name,
    "of no kind": lambda _, log: log.store / "archive" / "more" / "1.parquet",
    "in the archive's folder": lambda _, log: log.store / "archive" / "1.parquet",
    "in the store's folder": lambda _, log: log.store / "1.parquet",
    "in a topic's folder": lambda _, log: log.folder.parent / "1.parquet",
    "in a tree of two digits": lambda _, log: log.folder.with_name("00") / "checkpoint",
    "among the notes": lambda _, log: log.store / "topics" / "a name",
}  # fmt: skip


@pytest.mark.parametrize("where", STRANGERS.values(), ids=STRANGERS)
def test_a_file_that_no_notary_writes_is_named(
    log: SealedLog, verify: Verify, where: Callable[[Path, SealedLog], Path]
) -> None:
    """Whatever is in it: this one is a copy of an archive file."""
    file = archived(log)
    path = where(file, log)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, path)
    code, told = verify(log)
    assert code == WRONG
    (flaw,) = told["flaws"]
    assert path.relative_to(log.store).as_posix().startswith(flaw["path"])


def test_rows_that_the_documented_query_counts_are_of_files_that_are_named(
    log: SealedLog, verify: Verify
) -> None:
    """DuckDB takes hidden files, too: whatever it reads is either verified or a flaw."""
    file = archived(log)
    for place in ("beside", "hidden", "in a hidden folder", "hidden, as a draft that is read"):
        path = STRANGERS[place](file, log)
        path.parent.mkdir(exist_ok=True)
        shutil.copy(file, path)
    glob = f"{log.store}/archive/entries/**/*.parquet"
    with duckdb.connect() as connection:
        query = "SELECT DISTINCT filename FROM read_parquet($glob, filename = true)"
        read = connection.execute(query, {"glob": glob}).fetchall()
    flaws = verify(log)[1]["flaws"]
    named = tuple(str(log.store / flaw["path"]) for flaw in flaws)
    assert len(read) == 5
    assert [name for (name,) in read if not name.startswith(named)] == [str(file)]


@pytest.mark.parametrize("part", [Part.ENTRIES, Part.PAYLOADS, Part.CHECKPOINTS])
def test_a_file_of_a_tree_that_is_not_there_is_missed_a_tree(
    log: SealedLog, verify: Verify, part: Part
) -> None:
    """Its name is right, and nobody has sealed anything of that topic."""
    file = archived(log, part)
    path = Path(str(file).replace(log.topic.id.hex(), OTHER.hex()))
    path.parent.mkdir(parents=True)
    shutil.copy(file, path)
    code, told = verify(log)
    assert code == WRONG
    (tree,) = [tree for tree in told["trees"] if OTHER.hex() in tree["origin"]]
    assert [flaw["what"] for flaw in tree["flaws"]] == ["checkpoint"]


@pytest.mark.parametrize("partition", [99_999, 9_999_999_999])
def test_one_empty_file_makes_nobody_look_for_all_the_partitions_below_it(
    log: SealedLog, partition: int
) -> None:
    """What it names is a flaw, and the trees that are looked for stay few."""
    path = archived(log).parent.with_name(f"partition={partition}") / f"{0:020d}-{0:020d}.parquet"
    path.parent.mkdir()
    path.touch()
    trees = Trees(Trust(NAME, Path(), (), 0, log.vkey), log.objects)
    found = survey(log.objects)
    which = trees_to_verify(trees, [], [], found)
    assert log.tree_id in which
    assert len(which) <= 2 + MAX_GAPS
    assert found.flaws


def test_a_note_of_many_partitions_makes_nobody_look_for_all_of_them(log: SealedLog, verify: Verify) -> None:
    """The same, by the note; the trees that there are, are looked at."""
    (log.store / note_name("more")).write_bytes(Noted(OTHER, 100_000).encode())
    code, told = verify(log)
    assert (code, len(told["trees"])) == (WRONG, 1 + MAX_GAPS)
    assert any("100000 partitions" in flaw["message"] for flaw in told["flaws"])


def test_notes_of_more_partitions_than_anybody_seals_end_a_search(log: SealedLog) -> None:
    """Who only reads records looks for each partition that a note counts: all notes together may count so many."""
    trees = Trees(Trust(NAME, Path(), (), 0, log.vkey), log.objects)
    (log.store / note_name("more")).write_bytes(Noted(OTHER, 90_000).encode())
    assert len(trees_of(trees, {})) == 90_001
    (log.store / note_name("most")).write_bytes(Noted(bytes(16), 10_000).encode())
    with pytest.raises(FormatError, match="more than 100000 partitions"):
        trees_of(trees, {})


def test_payloads_that_are_kept_elsewhere_are_looked_at_there(log: SealedLog, tmp_path: Path) -> None:
    """Beside the store, and in a folder of it; those that are left in the store are said."""
    for place in (tmp_path / "payloads", log.store / "elsewhere"):
        shutil.copytree(log.store / "archive" / "payloads", place / "archive" / "payloads")
        elsewhere = DirectoryObjects(place)
        found = survey(log.objects, elsewhere)
        assert (found.flaws, [remark.path for remark in found.remarks]) == ([], ["archive/payloads/"])
        name = archived(log).relative_to(log.store)
        (place / name).parent.mkdir(parents=True)
        (place / name).touch()  # no payloads: its place is the store
        assert [flaw.path for flaw in survey(log.objects, elsewhere).flaws] == [name.as_posix()]
        shutil.rmtree(place)
    assert survey(log.objects, DirectoryObjects(log.store)).remarks == []


def test_buckets_of_one_name_at_two_endpoints_are_two_stores() -> None:
    """And a folder of a bucket is in it at the same endpoint alone."""
    places = [
        (_place(open_bucket(f"s3://sealed/{path}?region=x{endpoint}")))
        for path in ("a", "a/b")
        for endpoint in ("", "&endpoint=http://127.0.0.1:1", "&endpoint=http://127.0.0.1:2/")
    ]
    assert len(set(places)) == len(places)
    within = [(one, two) for one in places for two in places if two.startswith(f"{one}/")]
    assert within == list(zip(places[:3], places[3:], strict=True))


def test_what_a_flood_of_files_leaves_unsaid_is_counted(log: SealedLog, verify: Verify) -> None:
    """A thousand are named."""
    for number in range(1007):
        (log.store / "archive" / f"{number}.parquet").touch()
    code, told = verify(log)
    assert (code, len(told["flaws"]), told["more_flaws"]) == (WRONG, 1000, 7)


def test_the_trees_of_a_topic_are_those_that_there_are(log: SealedLog) -> None:
    """Each partition below the archive's highest is named, as it may lag behind."""
    file = archived(log)
    path = file.parent.with_name("partition=2") / file.name
    path.parent.mkdir()
    shutil.copy(file, path)
    trees = Trees(Trust(NAME, Path(), (), 0, log.vkey), log.objects)
    assert trees_to_verify(trees, [], []) == [TreeId(NAME, log.topic.id, at) for at in range(3)]
