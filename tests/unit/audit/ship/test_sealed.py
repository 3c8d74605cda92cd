"""What of a journal is sealed is proved entry by entry; what is not believed frees nothing and is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from audit.errors import NotSealed, ObjectsUnavailable, SequenceGone
from audit.journal import JournalReader, Mark
from audit.objects.base import Stored
from audit.objects.directory import DirectoryObjects
from audit.proof.entry import parse_entry
from audit.proof.errors import NotProved
from audit.proof.receipt import parse_receipt, verify_receipt
from audit.proof.record import split_record
from audit.ship.leaves import SealedLeaves
from audit.ship.offsets import Offsets
from audit.ship.reached import SEALED, Reached, ReachedWriter
from audit.ship.sealed import SealedJournal
from audit.ship.watch import SealWatch
from audit.trees import Trees
from tests.components.sealer import Sealer
from tests.fault.ship.memory import MemoryLog
from tests.fault.ship.place import Place
from tests.fault.ship.world import durable


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_is_sealed_is_proved_and_its_places_are_kept(place: Place) -> None:
    """The mark says everything; each record's place is the log's; each receipt holds."""
    size = place.sealer.seal()
    watch, seal = place.watch()
    watch.look()
    assert place.mark() == Reached(durable(place.data), size)
    assert seal.progress.problem is None
    known = place.places()
    assert {sequence: seal.offsets.get(sequence) for sequence in known} == known
    key = place.sealer.tree().key(place.sealer.key.public_key)
    for sequence, offset in known.items():
        record = f"{place.shipper.journal.hex()}-{sequence}"
        receipt = parse_receipt(watch.receipt(record))
        verify_receipt(receipt, key)
        assert (receipt.index, parse_entry(receipt.entry).record_id) == (offset, record)


@pytest.mark.parametrize("end", [1, 2, 5, 14])
def test_what_is_not_sealed_yet_is_not_said_to_be(place: Place, end: int) -> None:
    """Everything below the mark has its leaf in the tree; the first entry that is not in it is the mark's."""
    place.sealer.seal(end)
    watch, seal = place.watch()
    watch.look()
    below = [sequence for sequence, offset in place.places().items() if offset < end]
    assert seal.progress.sequence == len(below)
    assert place.mark() == Reached(len(below), end)
    with pytest.raises(NotSealed):
        watch.receipt(f"{place.shipper.journal.hex()}-{len(below)}")
    place.sealer.seal()
    watch.look()
    assert seal.progress.sequence == durable(place.data)


def test_before_anything_is_sealed_nothing_is_said(place: Place) -> None:
    """No checkpoint, no mark, no alarm."""
    seal = place.look()
    assert (place.mark(), seal.progress.problem, seal.progress.alarm) == (None, None, None)


def test_while_the_barrier_does_not_stand_nothing_is_looked_for(place: Place) -> None:
    """After a power failure the journal may show less than the log has: an entry would be missed for ever."""
    place.sealer.seal()
    place.shipper.progress.within = None
    seal = place.look()
    assert (place.mark(), seal.ready) == (None, False)


def test_a_journal_that_shows_less_than_the_log_has_is_waited_for(place: Place) -> None:
    """After a power failure, while the acknowledged mark is the newer one: no false alarm, and nothing is missed."""
    mark = place.data / "journals" / "0" / "mark"
    whole = mark.read_bytes()
    before = Mark.decode(whole)
    assert before is not None
    # What the first epoch's last group left: 14 entries, at the end of its groups.
    groups = JournalReader(place.data / "journals" / "0")
    end = next(item.position for item in groups.read(1 << 20) if item.sequence == 14)
    groups.close()
    mark.write_bytes(Mark(2, 1, end.segment, end.offset, end.first).encode())
    shown = durable(place.data)
    assert 0 < shown < before.sequence
    place.sealer.seal()
    watch, seal = place.watch()
    for _ in range(2):
        watch.look()
    assert (seal.progress.sequence, seal.progress.alarm) == (shown, None)
    assert place.mark() == Reached(shown, place.places()[shown - 1] + 1)
    mark.write_bytes(whole)
    watch.look()
    assert (seal.progress.sequence, seal.progress.alarm) == (before.sequence, None)


def test_duplicates_and_others_entries_lie_between(place: Place) -> None:
    """The first appearance counts; a journal that has nothing new is found nothing of."""
    entries = place.log.entries
    entries[4:4] = [entries[1], entries[2]]
    entries[9:9] = [(bytes(16), entries[3][1])]
    place.log.visible = len(entries)
    place.shipper.progress.within = Reached(durable(place.data), len(entries))
    place.sealer.seal()
    watch, seal = place.watch()
    watch.look()
    assert seal.progress.alarm is None
    assert seal.progress.sequence == durable(place.data)
    known = place.places()
    assert {sequence: seal.offsets.get(sequence) for sequence in known} == known
    place.grow()
    watch.look()
    assert seal.progress.alarm is None, "what is not acknowledged may be missing"
    place.ship()
    place.sealer.seal()
    assert place.look().progress.sequence == durable(place.data)


def test_a_forged_entry_in_front_gets_no_receipt(place: Place) -> None:
    """Our own leaf is looked for, made of the journal's bytes: not an entry that says that it is the record."""
    entries, record = place.log.entries, f"{place.shipper.journal.hex()}-3"
    at = place.places()[3]
    key, value = entries[at]
    forged = value.replace(b"\x07am", b"\x07an")  # of another service
    entries.insert(at, (key, forged))
    place.log.visible = len(entries)
    place.shipper.progress.within = Reached(durable(place.data), len(entries))
    place.sealer.seal()
    watch, seal = place.watch()
    watch.look()
    assert (seal.progress.alarm, seal.progress.sequence) == (None, durable(place.data))
    receipt = parse_receipt(watch.receipt(record))
    assert (receipt.index, parse_entry(receipt.entry).record_id) == (at + 1, record)
    assert receipt.entry == split_record(value)[0] != split_record(forged)[0]


def test_one_leaf_would_not_do(place: Place) -> None:
    """An entry that the log lost is a hole in the tree: later leaves prove its hash, and nobody has it any more."""
    lost = place.places()[5]
    place.sealer.seal(change=lambda offset, value: b"gone" if offset == lost else value)
    for _ in range(2):  # a run that is started again finds the same
        watch, seal = place.watch()
        watch.look()
        assert f"entry 5 of journal {place.shipper.journal.hex()}" in str(seal.progress.alarm)
        assert seal.progress.sequence == 5
        mark = place.mark()
        assert mark is not None
        assert mark == Reached(5, lost)
        watch.look()
        assert place.mark() == mark


def test_a_record_that_was_changed_on_its_way_is_an_alarm(place: Place) -> None:
    """Whole, parseable, in its place, and not what was shipped: the journal keeps its own."""
    changed = place.places()[7]

    def change(offset: int, value: bytes | None) -> bytes | None:
        if offset != changed or value is None:
            return value
        return value.replace(b"/v1/models/m:predict", b"/v1/models/n:predict").replace(b"\x07am", b"\x07an")

    place.sealer.seal(change=change)
    seal = place.look()
    assert seal.progress.sequence == 7
    assert "entry 7 " in str(seal.progress.alarm)


@pytest.mark.parametrize("what", ["forged", "other tree", "nonsense", "tampered"])
def test_a_checkpoint_that_does_not_verify_frees_nothing(place: Place, tmp_path: Path, what: str) -> None:
    """Another key's, another tree's, no checkpoint at all, or tiles that do not make its root."""
    size = place.sealer.seal()
    prefix = place.sealer.store / place.sealer.tree().prefix
    if what == "forged":
        forger = Sealer(place.log, tmp_path / "forger")
        forger.seal()
        shutil.copy(forger.store / forger.tree().prefix / "checkpoint", prefix / "checkpoint")
    elif what == "other tree":
        place.sealer.seal(partition=1)
        shutil.copy(place.sealer.store / place.sealer.tree(1).prefix / "checkpoint", prefix / "checkpoint")
    elif what == "nonsense":
        (prefix / "checkpoint").write_bytes(b"\n" * 100)
    else:
        tile = prefix / f"tile/0/000.p/{size}"
        content = bytearray(tile.read_bytes())
        content[32 * 4] ^= 1
        tile.chmod(0o644)
        tile.write_bytes(content)
    watch, seal = place.watch()
    for _ in range(2):
        watch.look()
    assert place.mark() is None
    assert seal.progress.refused == 2
    assert seal.progress.problem


def test_a_checkpoint_that_was_rolled_back_is_refused(place: Place) -> None:
    """By the run that saw the larger one, and by the next."""
    place.sealer.seal(10)
    old = (place.sealer.store / place.sealer.tree().prefix / "checkpoint").read_bytes()
    place.sealer.seal()
    watch, seal = place.watch()
    watch.look()
    mark = place.mark()
    (place.sealer.store / place.sealer.tree().prefix / "checkpoint").write_bytes(old)
    for one, of in ((watch, seal), place.watch()):
        one.look()
        assert "rolled back" in str(of.progress.problem)
        assert (of.progress.refused, of.progress.alarm) == (1, None)
        assert place.mark() == mark


def test_a_fork_under_the_valid_key_is_refused(place: Place, tmp_path: Path) -> None:
    """A larger tree that does not continue the one that was seen."""
    place.sealer.seal(10)
    watch, seal = place.watch()
    watch.look()
    mark = place.mark()
    fork = Sealer(place.log, tmp_path / "fork", key=place.sealer.key)
    fork.seal(change=lambda offset, value: b"x" if offset == 3 else value)
    shutil.rmtree(place.sealer.store)
    shutil.copytree(fork.store, place.sealer.store)
    watch.look()
    assert "does not continue" in str(seal.progress.problem)
    assert place.mark() == mark


def test_another_tree_of_the_same_size_is_refused(place: Place, tmp_path: Path) -> None:
    """Two roots at one size."""
    place.sealer.seal()
    leaves = SealedLeaves(place.sealer.trees.tree(bytes(16), 0))
    leaves.look()
    fork = Sealer(place.log, tmp_path / "fork", key=place.sealer.key)
    fork.seal(change=lambda offset, value: b"x" if offset == 3 else value)
    shutil.rmtree(place.sealer.store)
    shutil.copytree(fork.store, place.sealer.store)
    with pytest.raises(NotProved, match="two roots"):
        leaves.look()


class Away(DirectoryObjects):
    """A store that does not answer when it is told so."""

    away = False

    def get(self, name: str) -> Stored | None:
        if self.away:
            raise ObjectsUnavailable("the store is away")
        return super().get(name)


def test_a_store_that_does_not_answer_frees_nothing_and_is_no_alarm(place: Place) -> None:
    """When it is back, all goes on."""
    place.sealer.seal()
    store = Away(place.sealer.store)
    store.away = True
    watch, seal = place.watch(Trees(place.sealer.trees.trust, store))
    watch.look()
    assert (place.mark(), seal.progress.problem, seal.progress.refused) == (None, None, 0)
    with pytest.raises(NotSealed):
        watch.receipt(f"{place.shipper.journal.hex()}-3")
    store.away = False
    watch.look()
    assert seal.progress.sequence == durable(place.data)
    store.away = True
    with pytest.raises(ObjectsUnavailable):
        watch.receipt(f"{place.shipper.journal.hex()}-3")


def test_without_the_notarys_key_nothing_is_believed_until_it_is_there(place: Place) -> None:
    """A sidecar may be started before the key is made."""
    place.sealer.seal()
    vkey = place.sealer.public_key.read_text()
    place.sealer.public_key.unlink()
    watch, seal = place.watch()
    watch.look()
    assert place.mark() is None
    place.sealer.public_key.write_text(vkey)
    watch.look()
    assert seal.progress.sequence == durable(place.data)


def test_a_lost_mark_costs_a_longer_look_and_no_more(place: Place) -> None:
    """From the route's start, to the same end."""
    place.sealer.seal()
    place.look()
    mark = place.mark()
    (place.shipping / SEALED).unlink()
    seal = place.look()
    assert place.mark() == mark
    assert seal.progress.alarm is None


def test_what_was_freed_by_the_logs_word_alone_is_passed_over(place: Place) -> None:
    """free_after = acknowledged: the journal begins with a later entry; its own entries are proved all the same."""

    class Late(JournalReader):
        """A journal whose first entries are gone."""

        def seek(self, sequence: int) -> None:
            if sequence < 9:
                raise SequenceGone("freed")
            super().seek(sequence)

        def read(self, max_bytes: int):
            return [record for record in super().read(max_bytes) if record.sequence >= 9]

    place.sealer.seal()
    directory = place.data / "journals" / "0"
    seal = SealedJournal(
        place.shipper.journal, lambda: Late(directory), place.shipping, place.shipper.progress, 1000, bytes(16)
    )  # fmt: skip
    watch = SealWatch(place.sealer.trees)
    watch.add(seal, lambda: durable(place.data))
    watch.look()
    assert (seal.progress.sequence, seal.progress.alarm) == (durable(place.data), None)
    assert (seal.offsets.get(8), seal.offsets.get(9)) == (None, place.places()[9])


def test_a_failing_disk_is_survived(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said to be sealed whose place could not be written; the next look goes on."""
    place.sealer.seal()
    watch, seal = place.watch()

    def fail(*_: object) -> None:
        raise OSError(28, "no space")

    with monkeypatch.context() as broken:
        broken.setattr(Offsets, "put", fail)
        watch.look()
    assert place.mark() is None
    with monkeypatch.context() as broken:
        broken.setattr(ReachedWriter, "write", fail)
        watch.look()
    assert seal.progress.sequence == 0
    watch.look()
    assert place.mark() == Reached(durable(place.data), len(place.log.entries))


@pytest.mark.parametrize("start", [0, 1, 255, 256, 257, 700, 769])
def test_leaves_are_proved_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int) -> None:
    """From any offset on, all of them, in order."""
    monkeypatch.setattr("audit.ship.leaves.PART", 256)
    log = MemoryLog()
    log.entries = [(b"k", b"%d" % number) for number in range(770)]
    log.visible = 770
    sealer = Sealer(log, tmp_path)
    sealer.seal()
    leaves = SealedLeaves(sealer.trees.tree(bytes(16), 0))
    parts = list(leaves.read(leaves.look(), start))
    assert [part.first for part in parts] == list(range(start - start % 256, 770, 256))
    assert parts[-1].end == 770
    wrong = sealer.store / sealer.tree().prefix / "tile/0/001"
    wrong.chmod(0o644)
    wrong.write_bytes(bytes(32) + wrong.read_bytes()[32:])
    again = leaves.read(leaves.look(), 0)
    assert next(again).first == 0
    with pytest.raises(NotProved):
        next(again)
