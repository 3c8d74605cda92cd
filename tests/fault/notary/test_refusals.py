"""What the notary refuses: to sign a second head, to go back, and to go on over what it did not write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from audit.errors import NotaryRefuses, NotSealed, WitnessContradicts, WitnessUnavailable
from audit.notary.seal import Seal
from audit.proof.checkpoint import Checkpoint, sign_checkpoint
from audit.proof.hashing import EMPTY_ROOT
from audit.proof.merkle import Nodes
from audit.proof.note import Signature
from audit.proof.tiles import bundles_of, read_bundle
from audit.sealed import SealedTree
from tests.fault.notary.store import FaultyObjects, MemoryObjects
from tests.fault.notary.world import TREE, StrictWitness, TestKey, World, check, entries, entry, fresh_tree

pytestmark = pytest.mark.fault

STATE, CHECKPOINT = f"{TREE.prefix}/state", f"{TREE.prefix}/checkpoint"


class Place:
    """A sealed tree of 300 entries in a store in memory."""

    def __init__(self, size: int = 300, key: TestKey | None = None) -> None:
        self.objects = MemoryObjects()
        self.world = World(self.objects, key or TestKey())
        self.heads: list[dict[str, bytes]] = []
        for end in (size - 50, size - 1, size):
            self.grow(end)
            self.heads.append(dict(self.objects.content))

    def open(self, **options: object) -> Seal:
        return self.world.open(**options)

    def grow(self, end: int, log: str = "log", **options: object) -> Seal:
        seal = self.open(**options)
        try:
            seal.append(entries(seal.size, end, log))
            seal.seal()
        finally:
            seal.close()
        return seal

    def refuses(self, what: str, end: int = 310) -> None:
        """It does not go on, changes nothing that was there, and its key signs nothing."""
        before, signed = dict(self.objects.content), len(self.world.key.signed)
        with pytest.raises(NotaryRefuses, match=what):
            self.grow(end)
        assert {name: self.objects.content[name] for name in before} == before
        assert self.world.key.signed[signed:] == []


@pytest.fixture
def place() -> Place:
    """Sealed at 250, 299 and 300."""
    return Place()


def test_a_state_from_an_old_backup_is_refused(place: Place) -> None:
    """The published checkpoint is ahead of it."""
    for old in place.heads[:2]:
        place.objects.content[STATE] = old[STATE]
        place.refuses("300 leaves are published, and the state knows (250|299)")


def test_a_lost_state_is_refused(place: Place) -> None:
    """It would begin the tree again."""
    del place.objects.content[STATE]
    place.refuses("no state: it was lost")


def test_a_state_that_was_lost_with_the_published_checkpoint_is_refused(place: Place) -> None:
    """The files that are left tell: a tree's first state is there before its first file."""
    del place.objects.content[STATE], place.objects.content[CHECKPOINT]
    place.refuses("no state: it was lost")


def test_a_signer_that_fails_leaves_the_tree_as_it_was(place: Place) -> None:
    """A signature that does not hold is no head, and the next run goes on."""

    class Wrong(TestKey):
        def sign(self, message: bytes) -> bytes:
            return super().sign(message + b"!\n")

    place.world.key = Wrong()
    state = place.objects.content[STATE]
    with pytest.raises(NotaryRefuses, match="no signature"):
        place.grow(310)
    assert place.objects.content[STATE] == state
    place.world.key = TestKey()
    place.grow(310)
    assert check(place.world).size == 310


def test_a_whole_store_from_an_old_backup_is_refused_by_the_witness(place: Place) -> None:
    """Nothing in the store shows it; who vouches for the log remembers."""
    place.objects.content.clear()
    place.objects.content.update(place.heads[0])
    with pytest.raises(WitnessContradicts, match="witness knows 300"):
        place.grow(260)


def test_a_checkpoint_that_the_key_signed_elsewhere_is_refused(place: Place) -> None:
    """A fork under the valid key: another root at the same size, and an earlier head of another tree."""
    for size in (300, 200, 1):
        other = fresh_tree(entries(0, size, "other"))
        note = sign_checkpoint(Checkpoint(TREE.origin, size, other.root), TestKey())
        place.objects.content[CHECKPOINT] = note
        place.refuses("consistency")


@pytest.mark.parametrize("name", [STATE, CHECKPOINT])
def test_what_another_key_signed_is_refused(place: Place, name: str) -> None:
    """Also another tree's, under the right key."""
    raw = place.objects.content[name]
    place.objects.content[name] = Place(key=TestKey(bytes(32))).objects.content[name]
    place.refuses("not signed by")
    place.objects.content[name] = raw.replace(TREE.origin.encode(), TREE.origin.replace("/3", "/4").encode())
    place.refuses("not what was sealed")


def test_a_state_that_contradicts_its_checkpoint_is_refused(place: Place) -> None:
    """What is signed decides: no other size, root or origin beside it."""
    state = place.open().state
    for wrong in (
        replace(state, size=299),
        replace(state, root=EMPTY_ROOT),
        replace(state, origin="x"),
        replace(state, checkpoint=b""),
    ):
        place.objects.content[STATE] = wrong.encode()
        place.refuses("not what was sealed")
    for raw in (b"", b"\xa0", place.heads[0][STATE] + b"\x00"):
        place.objects.content[STATE] = raw
        place.refuses("not what was sealed: state")


def test_damaged_files_at_the_edge_are_refused(place: Place) -> None:
    """The tiles that appending needs, and the bundle that it goes on with: changed, cut or gone."""
    for path in ("tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"):
        name = f"{TREE.prefix}/{path}"
        raw = place.objects.content[name]
        for wrong in (
            bytes([raw[0] ^ 1]) + raw[1:],
            raw[:-1],
            raw + b"\x00",
            raw[:-1] + bytes([raw[-1] ^ 1]),
        ):
            place.objects.content[name] = wrong
            place.refuses("not what was sealed")
        del place.objects.content[name]
        place.refuses("is not there")
        place.objects.content[name] = raw


@pytest.mark.parametrize(
    "path", ["tile/entries/001.p/54", "tile/0/001.p/54", "tile/entries/001", "tile/0/001"]
)
def test_files_of_another_content_beyond_the_state_are_refused(place: Place, path: str) -> None:
    """What should be created is there and is something else: it stays, and nothing is signed over it."""
    place.objects.content[f"{TREE.prefix}/{path}"] = b"foreign"
    place.refuses(f"{path} is there already", end=520 if path.endswith("001") else 310)


def test_files_that_an_ended_run_left_are_gone_on_with(place: Place) -> None:
    """The same content is no conflict."""
    files = fresh_tree(entries(0, 310)).of(310)
    place.objects.content |= {f"{TREE.prefix}/{path}": content for path, content in files}
    place.grow(310)
    assert check(place.world).size == 310


class Corrupting(MemoryObjects):
    """Says that it has created, and has not, or something else."""

    def __init__(self, content: dict[str, bytes], which: str, how: Callable[[bytes], bytes | None]) -> None:
        super().__init__()
        self.content, self._which, self._how = content, which, how

    def create(self, name: str, content: bytes) -> bool:
        wrong = self._how(content) if self._which in name else content
        return True if wrong is None else super().create(name, wrong)


@pytest.mark.parametrize(
    "how",
    [
        lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
        lambda raw: bytes([raw[0] ^ 1]) + raw[1:],
        lambda raw: raw[:2] + bytes([raw[2] ^ 1]) + raw[3:],
        lambda raw: raw[:-1],
        lambda raw: raw + b"\x00",
        lambda _: None,
    ],
    ids=["last bit", "first bit", "first entry", "cut", "surplus", "lost"],
)
@pytest.mark.parametrize(
    "which", ["tile/entries/001", "tile/entries/002", "tile/0/001", "tile/0/002", "tile/1/000"]
)
def test_a_store_that_does_not_keep_what_it_took_is_noticed_before_signing(
    place: Place, which: str, how: Callable[[bytes], bytes | None]
) -> None:
    """Each file is read back and hashed again."""
    signed = len(place.world.key.signed)
    place.world.objects = Corrupting(place.objects.content, which, how)
    with pytest.raises(NotaryRefuses, match="are not what was to be written"):
        place.grow(600)
    assert place.world.key.signed[signed:] == []


def sealed_entries(world: World) -> list[bytes]:
    """What the tree of the state holds."""
    tree = SealedTree(world.objects, TREE, world.key.public_key)
    seal = world.open()
    seal.close()
    return [each for bundle in bundles_of(seal.state.size) for each in read_bundle(tree.fetch, bundle)]


@pytest.mark.parametrize("witnessed", [False, True])
@pytest.mark.parametrize("log", ["log", "other"])
@pytest.mark.parametrize("theirs", [290, 300, 310, 520])
def test_of_two_notaries_one_ends(theirs: int, log: str, witnessed: bool) -> None:
    """Another notary seals between any two calls of this one, from the same log or told of another.

    Whatever then was to be seen of the tree is one tree. (Of two that were told different things both may end.)
    """
    number = outcomes = 0
    while True:
        place = Place(250)
        world = place.world
        options = {} if witnessed else {"cosigners": [], "quorum": 0}
        mine, other = FaultyObjects(place.objects), FaultyObjects(place.objects)
        refused = []

        def between(call: int) -> None:
            if call == number:  # noqa: B023 — called in this turn only
                try:
                    place.grow(theirs, log, objects=other, **options)  # noqa: B023
                except (NotaryRefuses, WitnessContradicts):
                    refused.append("other")  # noqa: B023

        mine.between = between
        try:
            place.grow(300, objects=mine, **options)
        except (NotaryRefuses, WitnessContradicts):
            refused.append("mine")
        if number >= len(mine.calls):
            break
        world.heads += mine.swapped + other.swapped
        survivors = {"mine", "other"} - set(refused)
        assert survivors or log == "other"
        swap = mine.calls.index(f"swap {STATE}") if f"swap {STATE}" in mine.calls else len(mine.calls)
        if 1 < number <= swap:  # read 0: what is published, 1: the state
            assert refused, "both sealed from one state"
        found = sealed_entries(world)
        assert found[:250] == entries(0, 250)
        if not witnessed:
            world.witness = StrictWitness()
            place.grow(len(found))
        if survivors:
            # Whoever comes next goes on.
            place.grow(len(found) + 1)
            found.append(entry(len(found)))
        check(world, found)
        outcomes += 1
        number += 1
    assert outcomes > 12


def test_a_head_is_signed_once(place: Place) -> None:
    """With nothing new the note stays byte for byte, whatever the signer would do; witnesses are asked again."""
    seal = place.open()
    note, time = seal.state.checkpoint, seal.state.time
    for _ in range(3):
        sealed = seal.seal()
        assert (sealed.state.checkpoint, sealed.cosignatures, sealed.published) == (note, 1, 300)
        assert sealed.state.time > time
        assert len(sealed.state.heads) == 3
    seal.close()
    assert [each.size for each in place.world.key.signed].count(300) == 1


def test_after_an_error_a_seal_does_nothing_more(place: Place) -> None:
    """What the store has is not known: only a new one, which reads it, may go on."""
    faulty = FaultyObjects(place.objects)
    seal = place.open(objects=faulty)
    faulty.faults = {len(faulty.calls): "fails and is lost"}
    seal.append(entries(300, 310))
    for error in (Exception, RuntimeError):
        with pytest.raises(error):
            seal.seal()
    for use in (lambda: seal.begin_archive(10), seal.seal):
        with pytest.raises(RuntimeError, match="open another"):
            use()
    seal.close()
    place.grow(310)
    assert check(place.world).size == 310


class Absent:
    """A witness that does not answer."""

    def cosign(self, checkpoint: Checkpoint, note: bytes, nodes: Nodes) -> Signature:
        raise WitnessUnavailable("absent: no answer")

    def close(self) -> None:
        """It has no connection."""


def test_nothing_is_published_without_its_quorum(place: Place) -> None:
    """Sealing goes on; the next head that enough vouch for is published, and the state never lost one."""
    witness = place.world.witness
    seal = place.open(cosigners=[Absent(), witness], quorum=2)
    seal.append(entries(300, 310))
    sealed = seal.seal()
    assert (sealed.state.size, sealed.published, sealed.missing) == (310, 300, ("absent: no answer",))
    seal.close()
    # One witness that is named twice vouches once.
    seal = place.open(cosigners=[witness, witness], quorum=2)
    sealed = seal.seal()
    assert (sealed.published, sealed.cosignatures) == (300, 1)
    seal.close()
    tree = SealedTree(place.objects, TREE, place.world.key.public_key)
    with pytest.raises(NotSealed):
        tree.entry(305, tree.published().size)
    place.grow(320)
    assert check(place.world).size == 320


@pytest.mark.parametrize("written", [10, 100, 212, 300])
def test_what_an_ended_run_wrote_and_the_log_lost_is_found(place: Place, written: int) -> None:
    """Killed before the state, down beyond retention: the entries are in its bundles, which cannot be replaced."""
    seal = place.open()
    seal.append(entries(300, 300 + written))
    seal._create(seal._growth.bundles())
    seal.close()
    seal = place.open()
    found: list[bytes] = []
    while (left := seal.left(seal.size + len(found))) is not None:
        found.append(left)
    assert found == entries(300, 300 + written)
    with pytest.raises(ValueError, match="sealed"):
        seal.left(299)
    seal.append(found)
    assert seal.seal().published == 300 + written
    seal.close()
    assert check(place.world).size == 300 + written


def test_a_foreign_file_among_what_was_left_is_no_entry(place: Place) -> None:
    """It is not believed to be a bundle because of its name."""
    prefix = f"{TREE.prefix}/tile/entries/001.p"
    place.objects.content |= {f"{prefix}/99": b"foreign", f"{prefix}/x": b"", f"{prefix}/0100": b"\x00\x01"}
    seal = place.open()
    assert [seal.left(300), seal.left(343), seal.left(100_000)] == [None, None, None]
    seal.close()


def test_an_entry_that_no_bundle_can_hold_is_not_taken(place: Place) -> None:
    """65,535 bytes are the longest."""
    seal = place.open()
    with pytest.raises(ValueError, match="65535"):
        seal.append([b"", bytes(65_536)])
    assert (seal.size, seal.pending, seal.pending_bytes) == (300, 0, 0)
    seal.append([b"", bytes(65_535)])
    assert (seal.size, seal.pending, seal.pending_bytes) == (302, 2, 65_535)
    assert seal.seal().state.size == 302
    assert (seal.size, seal.pending, seal.pending_bytes) == (302, 0, 0)
    seal.close()


def test_a_client_that_asked_twice_is_not_taken_for_another_notary(place: Place) -> None:
    """Its first request was done and its answer lost: the second finds its own writing."""

    class Twice(MemoryObjects):
        def swap(self, name: str, content: bytes, version: str | None) -> str:
            super().swap(name, content, version)
            return super().swap(name, content, version)

    twice = Twice()
    twice.content = place.objects.content
    place.world.objects = twice
    place.grow(310)
    assert check(place.world).size == 310


@pytest.mark.parametrize("path", ["tile/entries/001.p/54", "tile/entries/001", "tile/entries/002.p/8"])
def test_a_conflict_of_entries_is_found_before_a_tile_is_written(place: Place, path: str) -> None:
    """A tile that only the slower of two notaries believes in would stop the other one, too."""
    place.objects.content[f"{TREE.prefix}/{path}"] = b"foreign"
    place.refuses(f"{path} is there already", end=310 if path.endswith("54") else 520)
    new = set(place.objects.content) - set(place.heads[-1])
    assert all("/tile/entries/" in name for name in new)
