"""A notary's life over a store, and everything that must hold of what it leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.errors import ObjectsUnavailable, WitnessContradicts
from audit.notary.seal import Seal
from audit.notary.state import State
from audit.objects.base import Objects
from audit.proof.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from audit.proof.hashing import EMPTY_ROOT, leaf_hash
from audit.proof.merkle import Nodes, consistency_proof, verify_consistency
from audit.proof.note import COSIGNATURE, Signature, VerifierKey, parse_note
from audit.proof.tiles import Edge, bundles_of, encode_bundle, parse_bundle, tiles_of
from audit.sealed import SealedTree, TreeId
from tests.fault.notary.store import FaultyObjects, Killed

TREE: Final = TreeId("affiant.test", bytes(range(16)), 3)
PLAN: Final = (1, 254, 1, 1, 0, 43, 300)
"""How much is appended before each seal: sizes 1, 255, 256, 257, again 257, 300 and 600."""


class TestKey:
    """A key in memory. It notes what it signed: what was signed and never left is no head."""

    __test__ = False

    def __init__(self, seed: bytes = bytes(range(32))) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.signed: list[Checkpoint] = []

    def sign(self, message: bytes) -> bytes:
        self.signed.append(parse_checkpoint(message.decode()))
        return self._key.sign(message)


class StrictWitness:
    """What a witness promises (C2SP tlog-witness), in memory: a fork raises NotProved, and so fails the test.

    What it once saw counts, whether or not the notary lived to hear the answer.
    """

    def __init__(self, name: str = "witness.test") -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.key = VerifierKey(name, self._key.public_key().public_bytes_raw(), COSIGNATURE)
        self.seen = Checkpoint(TREE.origin, 0, EMPTY_ROOT)

    def cosign(self, checkpoint: Checkpoint, note: bytes, nodes: Nodes) -> Signature:
        while True:
            seen = self.seen
            if checkpoint.size < seen.size:
                raise WitnessContradicts(f"the witness knows {seen.size} leaves")
            proof = consistency_proof(nodes, seen.size, checkpoint.size)
            if self.seen == seen:  # else somebody was faster while the proof was made
                break
        verify_consistency(seen.size, seen.root, checkpoint.size, checkpoint.root, proof)
        self.seen = checkpoint
        message = b"cosignature/v1\ntime 1\n" + checkpoint.text.encode()
        value = (1).to_bytes(8, "big") + self._key.sign(message)
        return Signature(self.key.name, self.key.key_id, value)

    def close(self) -> None:
        """It has no connection."""


def entry(index: int, log: str = "log") -> bytes:
    """What stands at an offset of a log."""
    return f"{log} {index} ".encode() * ((index + 1) % 7)


def entries(start: int, end: int, log: str = "log") -> list[bytes]:
    return [entry(index, log) for index in range(start, end)]


@dataclass
class World:
    """One store over the lives of its notaries."""

    objects: Objects
    key: TestKey = field(default_factory=TestKey)
    witness: StrictWitness = field(default_factory=StrictWitness)
    plan: Sequence[int] = PLAN
    heads: list[tuple[str, bytes]] = field(default_factory=list)
    """Every content of `state` and `checkpoint` there ever was."""
    ticks: int = 0

    def open(self, objects: Objects | None = None, **options: Any) -> Seal:
        """A notary, with one worker: its calls come in one order."""
        return Seal(
            objects or self.objects, TREE, self.key, workers=1, clock=self.clock,
            **{"cosigners": [self.witness], "quorum": 1, **options},
        )  # fmt: skip

    def clock(self) -> int:
        self.ticks += 1
        return self.ticks

    def live(self, faulty: FaultyObjects) -> None:
        """Go through what is left of the plan, as the notary's loop does; a kill ends it."""
        sizes = [sum(self.plan[: at + 1]) for at in range(len(self.plan))]
        seals = 0
        try:
            while seals < len(sizes):
                try:
                    seals = self._live(faulty, sizes, seals)
                except ObjectsUnavailable:
                    continue
        except Killed:
            pass
        finally:
            self.heads += faulty.swapped
            faulty.swapped = []

    def _live(self, objects: Objects, sizes: Sequence[int], seals: int) -> int:
        seal = self.open(objects)
        try:
            if seal.state.archiving > seal.state.archived:
                seal.finish_archive()  # the file is written again, which is no matter here
            for at, size in enumerate(sizes):
                if size < seal.size or at < seals:
                    continue
                assert seal.state.journals == ((["journal", seal.size],) if seal.size else ())
                seal.append(entries(seal.size, size))
                assert seal.seal([["journal", size]]).published == size
                seals = at + 1
                if seal.state.archived < size - 100:
                    seal.begin_archive(size - 10)
                    seal.finish_archive()
        finally:
            seal.close()
        return len(sizes)


def check(world: World, all_entries: Sequence[bytes] | None = None) -> State:
    """Everything that must hold of a store at rest. `all_entries`: what the tree must have, if not the log's.

    1. the state opens; 2. what is published is the state's head, cosigned; 3. every file of both sizes is that of a
    fresh tree of the same entries; 4. every head that was ever to be seen is one of that tree, one a size.
    """
    seal = world.open()
    state = seal.state
    seal.close()
    tree = SealedTree(world.objects, TREE, world.key.public_key, [world.witness.key], 1)
    published = tree.published().opened.checkpoint
    assert published == world.witness.seen == Checkpoint(TREE.origin, state.size, state.root)

    files = fresh_tree(entries(0, state.size) if all_entries is None else all_entries)
    assert files.root == state.root
    for path, content in files.of(state.size):
        assert tree.fetch(path) == content, path

    seen: dict[int, bytes] = {}
    for name, raw in world.heads:
        note = State.decode(raw).checkpoint if name.endswith("/state") else raw
        head = open_checkpoint(note, TREE.key(world.key.public_key)).checkpoint
        assert head.size <= state.size
        assert seen.setdefault(head.size, head.root) == head.root, "a second head at one size"
        assert files.root_at(head.size) == head.root, "a head of another tree"
        for path, wanted in files.of(head.size):
            assert tree.fetch(path) == wanted, f"{path}, which the head of {head.size} needs"
    ours = [parse_checkpoint(parse_note(head).text).size for head in state.heads]
    assert ours == sorted(set(ours))
    assert all(size > state.archived for size in ours)
    return state


class fresh_tree:  # noqa: N801 — reads as what it gives
    """Every file and root of the tree of these entries, computed at once and by nothing of the notary's."""

    def __init__(self, all_entries: Sequence[bytes]) -> None:
        self._entries = list(all_entries)
        self._leaves = [leaf_hash(each) for each in self._entries]
        self._made: dict[int, dict[str, bytes]] = {}
        self.root = self.root_at(len(self._entries))

    def root_at(self, size: int) -> bytes:
        edge = Edge(0, ())
        edge.append(self._leaves[:size])
        return edge.root()

    def of(self, size: int) -> Iterator[tuple[str, bytes]]:
        """The files of a size: bundles and tiles."""
        if size not in self._made:
            edge = Edge(0, ())
            full = edge.append(self._leaves[:size])
            tiles = {tile.path: content for tile, content in [*full, *edge.partial()]}
            assert set(tiles) == {tile.path for tile in tiles_of(size)}
            for bundle in bundles_of(size):
                first = bundle.index * 256
                tiles[bundle.path] = encode_bundle(self._entries[first : first + bundle.width])
                assert len(parse_bundle(tiles[bundle.path], bundle.width)) == bundle.width
            self._made[size] = tiles
        yield from self._made[size].items()
