"""A payload file without some rows: old or new, whole, whatever crashes; erased is not exchanged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from audit.archive import Archive, Part
from audit.archive.files import encode_payloads, payloads_table
from audit.archive.names import ArchiveFile
from audit.auditor.missing import Missing
from audit.auditor.survey import survey
from audit.auditor.verified import TreeVerified
from audit.auditor.verify import Wanted, verify_trees
from audit.erasure.erase import archived_below, erase
from audit.erasure.plan import Place, State, look
from audit.erasure.plan import Wanted as Asked
from audit.erasure.rewrite import payload_rows, without
from audit.erasure.told import Erased, Erasures, Item
from audit.errors import ObjectChanged, ObjectsUnavailable
from audit.objects.base import Stored
from audit.objects.bucket import BucketObjects
from audit.objects.directory import DirectoryObjects
from audit.proof.errors import FormatError
from audit.retention.plan import Places
from audit.sealed import TreeId
from audit.trees import Trees
from tests.components.erasable import NAME, TOPIC, Erasable, trees_of, write_erasable
from tests.components.s3 import S3Bucket

LOGGED = 1_767_225_600_000
NOWHERE = Places(lambda _topic, _partition: None, lambda _digest: False)


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    """A store."""
    return DirectoryObjects(tmp_path / "store")


@pytest.fixture
def log(objects: DirectoryObjects) -> Erasable:
    """What is sealed and archived in it."""
    return write_erasable(objects, outside, LOGGED)


def outside(record: bytes) -> bytes:
    """The record without its payload: that is kept by nobody here."""
    return record[: 4 + int.from_bytes(record[2:4], "big")]


def files(objects: DirectoryObjects | BucketObjects) -> list[ArchiveFile]:
    """Payload files, the first one of the offsets 0 to 7."""
    return Archive(objects).files(Part.PAYLOADS, TOPIC, 0)


def rows(objects: DirectoryObjects | BucketObjects) -> dict[int, bytes]:
    """All that is in them."""
    archive = Archive(objects)
    return {
        offset: payload
        for file in files(objects)
        for offset, _, payload in payload_rows(file, archive.content(file))
    }


def verified(trees: Trees, told: Erasures | None = None) -> TreeVerified:
    """The tree; and no file of the store is nobody's."""
    assert survey(trees.objects, trees.payload_objects).flaws == []
    archive = Archive(trees.objects, trees.payload_objects)
    (found,) = verify_trees(
        trees, [TreeId(NAME, TOPIC, 0)], archive, {}, Wanted(), missing=Missing(told or {})
    )
    return found


def item(log: Erasable, offset: int, *, external: bool = False) -> Item:
    """The payload at an offset."""
    return Item(TOPIC, 0, offset, None, log.digest(offset), external)


def said(log: Erasable, *offsets: int) -> Erasures:
    """By one statement."""
    return {log.digest(at): Erased(item(log, at), "bob", 1.0, "so", 7) for at in offsets}


def test_the_others_stay_and_the_file_is_what_the_notary_would_have_written(
    objects: DirectoryObjects, log: Erasable, tmp_path: Path
) -> None:
    """Byte for byte, so that a verification finds nothing; with a statement it is called erased, without it missing."""
    before, (first, _) = rows(objects), files(objects)
    assert without(objects, first, {2}, {log.digest(4)}) == 2
    assert rows(objects) == {at: each for at, each in before.items() if at not in (2, 4)}
    assert without(objects, first, {2}, {log.digest(4)}) == 0
    stored = objects.get(first.name)
    assert stored is not None
    kept = [at for at in sorted(before) if first.first <= at < first.end and at not in (2, 4)]
    assert stored.content == encode_payloads(
        payloads_table(kept, [log.digest(at) for at in kept], [log.payloads[at] for at in kept])
    )
    trees = trees_of(tmp_path, objects)
    found = verified(trees, said(log, 2))
    assert (found.flaws, found.erased, found.without_payload, found.payloads) == ([], 1, 4, 12)
    (told,) = [each.message for each in found.remarks if each.what == "erasure"]
    assert "1 payload is erased: bob, 1970-01-01T00:00:01+00:00: so (offset 7" in told
    assert verified(trees, said(log, 2, 1)).still_there == 1


def test_a_payload_that_was_exchanged_does_not_hold_whatever_is_told(
    objects: DirectoryObjects, log: Erasable, tmp_path: Path
) -> None:
    """Nor one that was moved to another record's place: what is told of may be missing, and nothing else."""
    trees, (first, _) = trees_of(tmp_path, objects), files(objects)
    whole = payload_rows(first, Archive(objects).content(first))
    for wrong in (b"another", log.payloads[3]):
        changed = [(at, digest, wrong if at == 2 else payload) for at, digest, payload in whole]
        write(objects, first, changed)
        found = verified(trees, said(log, 2))
        assert [(each.what, each.offset) for each in found.flaws] == [("payload", 2)]
        # Erasing the one beside it heals nothing, and loses nothing.
        assert without(objects, first, {1}, {log.digest(1)}) == 1
        assert [(each.what, each.offset) for each in verified(trees, said(log, 1, 2)).flaws] == [
            ("payload", 2)
        ]


def test_a_payload_goes_wherever_in_the_file_it_is(objects: DirectoryObjects, log: Erasable) -> None:
    """By its place, by the digest that stands beside it, and by its own: whoever wrote the file."""
    first = files(objects)[0]
    whole = payload_rows(first, Archive(objects).content(first))
    other, zero = log.payloads[4], bytes(32)
    for changed in (
        [(at, zero if at == 4 else digest, b"?" if at == 4 else payload) for at, digest, payload in whole],
        [(at, log.digest(4) if at == 3 else digest, payload) for at, digest, payload in whole if at != 4],
        [(at, digest, other if at == 3 else payload) for at, digest, payload in whole if at != 4],
    ):
        write(objects, first, changed)
        assert without(objects, first, {4}, {log.digest(4)}) == 1
        left = payload_rows(first, Archive(objects).content(first))
        assert all(at != 4 and digest != log.digest(4) and payload != other for at, digest, payload in left)


def test_a_file_of_which_nothing_is_left_is_removed(objects: DirectoryObjects, log: Erasable) -> None:
    """As the notary writes none; a second time is no error."""
    first, second = files(objects)
    assert without(objects, second, range(second.first, second.end), ()) == 8
    assert files(objects) == [first]
    assert without(objects, second, range(second.first, second.end), ()) == 0


def test_a_damaged_file_is_left_as_it_is(objects: DirectoryObjects, log: Erasable) -> None:
    """What is in it may be evidence, or be read by somebody else yet."""
    first = files(objects)[0]
    stored = objects.get(first.name)
    assert stored is not None
    damaged = stored.content[:100] + bytes(50) + stored.content[150:]
    objects.swap(first.name, damaged, stored.version)
    with pytest.raises(FormatError, match="payloads"):
        without(objects, first, {2}, ())
    again = objects.get(first.name)
    assert again is not None
    assert again.content == damaged


class Hurried(DirectoryObjects):
    """Somebody else writes in between."""

    def __init__(self, root: Path, meanwhile: Callable[[], object], times: int = 1) -> None:
        super().__init__(root)
        self._meanwhile, self._times = meanwhile, times

    def get(self, name: str) -> Stored | None:
        """See `Objects.get`: what it gives is old by then."""
        stored = super().get(name)
        if self._times:
            self._times -= 1
            self._meanwhile()
        return stored

    def swap(self, name: str, content: bytes, version: str | None) -> str:
        """See `Objects.swap`."""
        if self._times:
            raise ObjectChanged(name)
        return super().swap(name, content, version)


def test_two_erasures_at_once_lose_neither(objects: DirectoryObjects, log: Erasable, tmp_path: Path) -> None:
    """The slower one reads the file again; one that never comes to it says so."""
    first = files(objects)[0]
    slow = Hurried(tmp_path / "store", lambda: without(objects, first, {2}, ()))
    assert without(slow, first, {3}, ()) == 1
    assert not {2, 3} & rows(objects).keys()
    with pytest.raises(ObjectsUnavailable, match="changes whenever"):
        without(Hurried(tmp_path / "store", lambda: None, 100), first, {4}, ())


_KILLED = """
import os, signal, sys
from pathlib import Path
from audit.archive import Archive, Part
from audit.erasure.rewrite import without
from audit.objects.directory import DirectoryObjects
setattr(Path, sys.argv[2], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
objects = DirectoryObjects(Path(sys.argv[1]))
without(objects, Archive(objects).files(Part.PAYLOADS, bytes(range(16)), 0)[0], {2}, ())
"""


def test_a_kill_leaves_the_old_file_and_the_next_run_leaves_nothing_of_it(
    objects: DirectoryObjects, log: Erasable, tmp_path: Path
) -> None:
    """Killed with the new file beside the old one: that draft has the others' payloads, which may be erased next."""
    before, (first, _) = rows(objects), files(objects)
    done = subprocess.run([sys.executable, "-c", _KILLED, tmp_path / "store", "rename"], check=False)
    assert (done.returncode, rows(objects)) == (-9, before)
    folder = (tmp_path / "store" / first.name).parent
    assert len(list(folder.glob(".*.parquet.*.*"))) == 1
    assert without(objects, first, {2}, ()) == 1
    assert list(folder.glob(".*.parquet.*.*")) == []
    assert survey(objects).flaws == []


@pytest.mark.parametrize("kept", [3, 5])
def test_what_a_notary_may_write_again_is_not_touched(
    objects: DirectoryObjects, log: Erasable, kept: int
) -> None:
    """It would find another file than its own there, and stop. What is young stays as well, unless it was told."""
    below = archived_below(objects)
    assert (below(TOPIC, 0), below(TOPIC, 1)) == (16, 0)
    archive, asked = Archive(objects), [Asked(item(log, kept), LOGGED)]

    def looked(
        now: int, days: int, told: Erasures | None = None, archived: int = 16
    ) -> tuple[State, set[str]]:
        (found,) = look(archive, NOWHERE, lambda *_: archived, told or {}, asked, now_ms=now, min_days=days)
        return found.state, set(found.places)

    assert looked(LOGGED, 0) == (State.DUE, {Place.ARCHIVE})
    assert looked(LOGGED, 0, archived=7) == (State.DUE, {Place.UNFINISHED})
    assert looked(LOGGED + 86_400_000, 1) == (State.YOUNG, {Place.ARCHIVE})
    assert looked(LOGGED + 86_400_001, 1) == (State.DUE, {Place.ARCHIVE})
    assert looked(LOGGED, 1, said(log, kept)) == (State.DUE, {Place.ARCHIVE})
    unknown = [Asked(item(log, kept))]
    (found,) = look(archive, NOWHERE, below, {}, unknown, now_ms=LOGGED * 2, min_days=1)
    assert found.state is State.YOUNG
    unfinished = look(archive, NOWHERE, lambda *_: 7, {}, asked, now_ms=LOGGED, min_days=0)
    erase(unfinished, objects, lambda _: None)
    assert kept in rows(objects)


def test_the_log_and_the_object_store_are_asked_for_what_they_may_have(
    objects: DirectoryObjects, log: Erasable
) -> None:
    """A large payload is not in the log's record; nowhere and told is erased, nowhere and untold is not."""
    places = Places(lambda _topic, _partition: 3, lambda digest: digest == log.digest(6))
    asked = [Asked(item(log, at, external=at == 6), LOGGED) for at in (2, 3, 6, 16)]
    found = look(Archive(objects), places, lambda *_: 16, {}, asked, now_ms=LOGGED, min_days=0)
    assert [set(each.places) for each in found] == [
        {Place.ARCHIVE}, {Place.ARCHIVE, Place.LOG}, {Place.STORE}, {Place.LOG},
    ]  # fmt: skip
    gone = look(Archive(objects), NOWHERE, lambda *_: 16, said(log, 6), asked[2:], now_ms=LOGGED, min_days=0)
    assert [each.state for each in gone] == [State.ERASED, State.NOWHERE]
    removed: list[bytes] = []
    erase(found, objects, removed.append)
    assert removed == [log.digest(6)]
    assert not {2, 3} & rows(objects).keys()


def test_a_statement_that_names_another_records_place_erases_nothing_there(
    objects: DirectoryObjects, log: Erasable
) -> None:
    """It would be gone, and nobody would have said so; where the entry was proved, whatever is at its place goes."""
    wrong = item(log, 2)._replace(offset=3)
    for proved, left in ((False, True), (True, False)):
        asked = [Asked(wrong, LOGGED, proved=proved)]
        found = look(Archive(objects), NOWHERE, lambda *_: 16, {}, asked, now_ms=LOGGED, min_days=0)
        erase(found, objects, lambda _: None)
        assert (3 in rows(objects)) is left


@pytest.mark.s3
def test_the_same_in_buckets(s3: S3Bucket, tmp_path: Path) -> None:
    """Written again with a condition, and removed when nothing is left; all of it verifies."""
    objects, payloads = s3.objects("a", "a"), s3.objects("b", "b")
    log = write_erasable(objects, outside, LOGGED, payloads)
    trees, (first, second) = trees_of(tmp_path, objects, payloads), files(payloads)
    assert without(payloads, first, {2}, ()) == 1
    assert without(payloads, second, {15}, {log.digest(at) for at in range(8, 16)}) == 8
    assert set(rows(payloads)) == {1, 3, 4, 5, 7}
    found = verified(trees, said(log, 2, *range(8, 16)))
    assert (found.flaws, found.erased, found.without_payload) == ([], 9, 3)


def write(objects: DirectoryObjects, file: ArchiveFile, changed: list[tuple[int, bytes, bytes]]) -> None:
    """As whoever can write to the store could."""
    stored = objects.get(file.name)
    assert stored is not None
    content = encode_payloads(payloads_table(*(list(each) for each in zip(*changed, strict=True))))
    objects.swap(file.name, content, stored.version)
    assert sha256(content).digest() != sha256(stored.content).digest()
