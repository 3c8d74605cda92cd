"""What the notary seals, checked by software that we did not write: Tessera, torchwood, golang.org/x/mod."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from audit.log.base import Topic
from audit.notary.holes import Hole, entry_of, hole_at
from audit.notary.keys import FileKey
from audit.notary.seal import Seal
from audit.objects import Objects, open_objects
from audit.proof.hashing import leaf_hash
from audit.proof.merkle import consistency_proof, inclusion_proof
from audit.sealed import SealedTree
from tests.components.notes import NoteKey
from tests.components.s3 import S3Bucket
from tests.components.tlog import TlogCheck, fsck, log_files, posix_oneshot, spicy_proof, spicy_verify
from tests.fault.notary.world import TREE, StrictWitness

SIZES: Final = (1, 255, 256, 257, 65_537, 70_000)
TOPIC: Final = Topic("local", "affiant-entries", TREE.topic, 4)
NOTE_KEY: Final = NoteKey(TREE.origin, bytes(range(32)))
GOLDEN: Final = Path(__file__).parents[1] / "golden" / "journal"


@cache
def leaves() -> list[bytes]:
    """Entries of a log: of every kind, holes, the longest that there can be, and many small ones."""
    values = [path.read_bytes() for path in sorted(GOLDEN.glob("*.bin")) if path.stem != "mark"]
    values += [b"", b"foreign", values[0][:-1]]
    found = [entry_of(value, TOPIC, TREE.partition, at).entry for at, value in enumerate(values)]
    found += [hole_at(Hole.GONE, TOPIC, TREE.partition, at).entry for at in range(len(found), 40)]
    found.append(bytes(65_535))
    return found + [b"entry %d " % at * (1 + at % 5) for at in range(len(found), SIZES[-1])]


@pytest.fixture
def key(tmp_path: Path) -> FileKey:
    """The same key as NOTE_KEY."""
    path = tmp_path / "notary.key"
    path.touch(0o600)
    path.write_bytes(NOTE_KEY.seed)
    return FileKey(path)


def seal(objects: Objects, key: FileKey, *sizes: int, witness: StrictWitness | None = None) -> SealedTree:
    """Seal at each of these sizes, each time as a notary that has just started."""
    for size in sizes:
        writer = Seal(objects, TREE, key, cosigners=[witness] if witness else [])
        writer.append(leaves()[writer.size : size])
        assert writer.seal().published == size
        writer.close()
    return SealedTree(objects, TREE, key.public_key)


@pytest.mark.parametrize("size", SIZES)
def test_fsck_finds_our_log_whole(
    size: int, tmp_path: Path, key: FileKey, served: Callable[[Path], str]
) -> None:
    """Over file and http: every entry and tile is looked at by Tessera's own checker."""
    log = tmp_path / TREE.prefix
    seal(open_objects(str(tmp_path), base=tmp_path), key, *(each for each in SIZES if each <= size))
    for place in (log, served(log)):
        verdict = fsck(place, NOTE_KEY.vkey)
        assert verdict, verdict.said
        assert verdict.size == size


@pytest.mark.parametrize("size", SIZES)
def test_our_log_is_byte_for_byte_what_tessera_writes(size: int, tmp_path: Path, key: FileKey) -> None:
    """The same entries and key: its checkpoint, and every tile and entry bundle."""
    theirs = posix_oneshot(leaves()[:size], NOTE_KEY, tmp_path / "theirs")
    seal(open_objects("ours", base=tmp_path), key, size)
    ours = log_files(tmp_path / "ours" / TREE.prefix)
    assert ours.keys() == theirs.keys()
    assert [path for path in ours if ours[path] != theirs[path]] == []


def test_fsck_takes_a_cosigned_log(tmp_path: Path, key: FileKey) -> None:
    """Signatures of witnesses under the log's are no hindrance."""
    seal(open_objects(str(tmp_path), base=tmp_path), key, 257, witness=StrictWitness("w"))
    assert b"\xe2\x80\x94 w " in (tmp_path / TREE.prefix / "checkpoint").read_bytes()
    verdict = fsck(tmp_path / TREE.prefix, NOTE_KEY.vkey)
    assert verdict, verdict.said


def test_fsck_finds_our_log_whole_in_a_bucket(
    s3: S3Bucket, key: FileKey, served: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a real S3 server keeps it."""
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    seal(open_objects(f"s3://{s3.name}/sealed", base=Path()), key, 1, 300, 600)
    verdict = fsck(served(s3.folder / "sealed" / TREE.prefix), NOTE_KEY.vkey)
    assert verdict, verdict.said
    assert verdict.size == 600


@pytest.mark.parametrize("size", [1, 257, 70_000])
def test_spicy_verifies_our_receipts(size: int, tmp_path: Path, key: FileKey) -> None:
    """And no other entry by them."""
    tree = seal(open_objects("log", base=tmp_path), key, size)
    published = tree.published()
    for index in sorted({0, size // 3, size - 1}):
        proof = spicy_proof(tree.receipt(index, published).encode())
        verdict = spicy_verify(leaves()[index], proof, NOTE_KEY.vkey)
        assert verdict, verdict.said
        assert not spicy_verify(leaves()[index] + b"x", proof, NOTE_KEY.vkey)


def test_go_finds_every_head_to_go_on_with_the_one_before(tmp_path: Path, key: FileKey) -> None:
    """sumdb/tlog: consistency of each two heads, and records at each; sumdb/note: each checkpoint."""
    objects = open_objects("log", base=tmp_path)
    heads = []
    checks = TlogCheck()
    for size in SIZES:
        tree = seal(objects, key, size)
        published = tree.published()
        note = TlogCheck.note(published.raw, NOTE_KEY.vkey)
        assert note.verified == (TREE.origin,), note.said
        head = published.opened.checkpoint
        nodes = tree.nodes(size)
        for old in heads:
            checks.tree(consistency_proof(nodes, old.size, size), size, head.root, old.size, old.root)
        for index in sorted({0, size // 2, size - 1}):
            checks.record(
                inclusion_proof(nodes, index, size), size, head.root, index, leaf_hash(leaves()[index])
            )
        heads.append(head)
    answers = checks.answers()
    assert len(answers) > 25
    assert [answer.said for answer in answers if not answer] == []
