"""Every write of sealing and archiving fails once, lost or kept, and the notary is started again from the store."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest

from audit.archive import Archive, Archiver, Limits, Part
from audit.errors import ObjectChanged, ObjectsUnavailable
from audit.notary.seal import Seal
from audit.objects.base import Stored
from audit.proof.entry import Key, Kind, encode_entry
from audit.proof.hashing import leaf_hash
from audit.sealed import SealedTree, TreeId
from tests.components.sealer import Key as Signer

pytestmark = pytest.mark.fault

TREE = TreeId("log.example", bytes(range(16)), 0)
NOON = 20_000 * 86_400_000 + 43_200_000
SIZE = 60
LIMITS = Limits(records=40, seconds=10.0)
SIGNER = Signer()


def record(number: int) -> tuple[int, bytes, bytes]:
    """What the log has at an offset: time, entry and payload."""
    payload = b"%d" % number * 5
    entry = encode_entry(
        {
            Key.KIND: Kind.LABEL, Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload),
            Key.SUITE: 0, Key.BODY_TYPE: "text/plain", Key.AUTHOR: bytes(32), Key.TARGET: "", Key.TIME: number,
        }
    )  # fmt: skip
    return NOON + number, entry, payload


class Memory:
    """A store whose every write is durable at once; its nth is lost, or kept and reported lost."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.heal()

    def heal(self) -> None:
        """No fault (any more)."""
        self.fail(-1, kept=False)

    def fail(self, at: int, *, kept: bool) -> None:
        """The write after `at` others fails."""
        self.at, self.kept, self.writes = at, kept, 0

    def _write(self, name: str, content: bytes) -> None:
        self.writes += 1
        fails = self.writes - 1 == self.at
        if not fails or self.kept:
            self.content[name] = content
        if fails:
            raise ObjectsUnavailable(name)

    def create(self, name: str, content: bytes) -> bool:
        if name in self.content:
            return False
        self._write(name, content)
        return True

    def swap(self, name: str, content: bytes, version: str | None) -> str:
        found = self.get(name)
        if (None if found is None else found.version) != version:
            raise ObjectChanged(name)
        self._write(name, content)
        return sha256(content).hexdigest()

    def get(self, name: str) -> Stored | None:
        content = self.content.get(name)
        return None if content is None else Stored(content, sha256(content).hexdigest())

    def list(self, prefix: str) -> Iterator[str]:
        yield from sorted(name for name in self.content if name.startswith(prefix))


def life(objects: Memory, size: int, step: int) -> None:
    """A notary's life: it goes on where the store says, seals `step` records at a time, and archives what is due."""
    seal = Seal(objects, TREE, SIGNER, workers=1)
    try:
        state = seal.state
        archiver = Archiver(objects, TREE.topic, 0, state.archived, state.archiving, LIMITS)
        for start in range(0, size, step):
            end = min(size, start + step)
            for number in range(max(start, archiver.next), end):
                logged, entry, payload = record(number)
                archiver.add(number, logged, entry, payload)
            if end > seal.size:
                seal.append([record(number)[1] for number in range(seal.size, end)])
            seal.seal()
            while archiver.archive(seal, float(end), flush=end == size):
                pass
    finally:
        seal.close()


def check(root: Memory) -> None:
    """Each offset once, in files beside each other; heads at which the tree was signed, each once."""
    archive = Archive(root)
    found = list(archive.records(TREE.topic, 0, 0, SIZE))
    assert [(each.logged, each.entry, each.payload) for each in found] == [record(n) for n in range(SIZE)]
    entries = archive.files(Part.ENTRIES, TREE.topic, 0)
    assert [file.first for file in entries] == [0, *(file.end for file in entries[:-1])]
    ranges = {(file.first, file.end) for file in entries}
    for part in (Part.PAYLOADS, Part.CHECKPOINTS):
        assert {(file.first, file.end) for file in archive.files(part, TREE.topic, 0)} <= ranges
    heads = [
        (row["size"], row["root"])
        for file in archive.files(Part.CHECKPOINTS, TREE.topic, 0)
        for row in archive.rows(file).to_pylist()
    ]
    assert heads == sorted(set(heads))
    assert heads[-1][0] == SIZE
    tree = SealedTree(root, TREE, SIGNER.public_key)
    assert tree.published().size == SIZE
    leaves = [row["leaf"] for file in entries for row in archive.rows(file, ["leaf"]).to_pylist()]
    assert leaves == [leaf_hash(tree.entry(number, SIZE)) for number in range(SIZE)]


def writes() -> int:
    """How many writes a life without a fault has."""
    objects = Memory()
    life(objects, SIZE, 25)
    check(objects)
    return objects.writes


def hit(objects: Memory, at: int, *, kept: bool, step: int) -> bool:
    """A life that fails at a write; whether it had so many."""
    objects.fail(at, kept=kept)
    try:
        life(objects, SIZE, step)
    except ObjectsUnavailable:
        return True
    finally:
        objects.heal()
    return False


def test_after_a_fault_at_any_write_each_offset_is_archived_once() -> None:
    """The next life seals and archives in other steps, as time has passed; what was decided stays decided."""
    count = writes()
    assert count > 20
    for kept in (False, True):
        for at in range(count):
            objects = Memory()
            assert hit(objects, at, kept=kept, step=25)
            life(objects, SIZE, 13)
            check(objects)


@pytest.mark.long
def test_after_three_faults_at_any_writes_each_offset_is_archived_once() -> None:
    """The life that puts things right may be hit, too."""
    for first in range(writes()):
        for second in range(0, 40, 3):
            for kept in (False, True):
                objects = Memory()
                hit(objects, first, kept=True, step=25)
                hit(objects, second, kept=kept, step=13)
                hit(objects, second, kept=not kept, step=9)
                life(objects, SIZE, 7)
                check(objects)
