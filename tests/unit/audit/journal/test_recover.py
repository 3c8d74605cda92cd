"""Recovery: a torn tail is cut, damage is refused with its place, and nothing else is touched."""

from __future__ import annotations

import random

import pytest

from audit.errors import JournalDamaged
from audit.journal import Mark
from audit.journal.layout import HEADER_SIZE, SegmentHeader
from audit.proof.entry import Key, Kind
from audit.proof.record import parse_record
from tests.fault.disk.simulator import SimulatedDisk
from tests.fault.disk.world import DIRECTORY, acknowledge, inference, open_on, seal, verify


def segments(disk: SimulatedDisk) -> list[str]:
    """Names of the segments, oldest first."""
    return sorted(name for name in disk.list(DIRECTORY) if name.endswith(".seg"))


def last(disk: SimulatedDisk) -> bytearray:
    """The youngest segment's bytes."""
    return bytearray(disk.get(DIRECTORY / segments(disk)[-1]))


async def some(disk: SimulatedDisk, turns, count: int = 4, size: int = 700) -> list[int]:
    """A journal that was stopped uncleanly; the offsets at which its groups begin."""
    journal = open_on(disk)
    await turns()
    starts = [HEADER_SIZE]
    for number in range(count):
        starts.append(-(-journal._segments.current.end // 8) * 8)
        await journal.append(inference(bytes([number]) * size), bytes([number]) * size)
        await turns(4)
    journal._shut()
    return starts


def forget_mark(disk: SimulatedDisk) -> None:
    """What a power failure may do: the mark is as old as can be."""
    disk.put(DIRECTORY / "mark", bytes(64))


async def test_a_torn_tail_is_cut_and_counted(disk, turns) -> None:
    """Bytes of a last group that never got whole: the opening says how many."""
    starts = await some(disk, turns)
    forget_mark(disk)
    content = last(disk)
    content[starts[-1] + 300] ^= 1
    disk.put(DIRECTORY / segments(disk)[-1], bytes(content))
    torn = len(content.rstrip(b"\0")) - starts[-1]
    await open_on(disk, 1).close()
    entries = [parse_record(item.record).entry for item in verify(disk)]
    assert [entry.kind for entry in entries] == [4, 1, 1, 1, 4, 5]
    found = entries[4].get(Key.RECOVERED)
    assert found == {"groups": 4, "torn": pytest.approx(torn, abs=8), "aborted": 0}
    assert len(segments(disk)) == 1


async def test_a_clean_journal_goes_on_with_the_next_epoch(disk, turns) -> None:
    """Sequence and chain go on; epochs count openings."""
    for epoch in range(1, 5):
        journal = open_on(disk, epoch)
        assert journal.epoch == epoch
        await journal.append(inference(b"x"), b"x")
        await journal.close()
    kinds = [parse_record(item.record).entry.kind for item in verify(disk)]
    assert kinds == [Kind.OPENING, Kind.INFERENCE, Kind.CLOSING] * 4


async def test_a_bad_group_before_a_valid_one_is_damage(disk, turns) -> None:
    """Group n + 1 was never written before n was synced: n was durable once."""
    starts = await some(disk, turns)
    forget_mark(disk)
    content = last(disk)
    content[starts[2] + 100] ^= 1
    name = segments(disk)[-1]
    disk.put(DIRECTORY / name, bytes(content))
    before = {path: disk.get(path) for path in disk.names}
    with pytest.raises(JournalDamaged, match=rf"{name}, offset {starts[2]}.*checksum.*{starts[3]}"):
        open_on(disk, 1)
    assert {path: disk.get(path) for path in disk.names} == before, "nothing was touched"


async def test_a_bad_group_at_or_below_the_mark_is_damage(disk, turns) -> None:
    """The mark is never ahead of the disk: what it tells of was durable."""
    starts = await some(disk, turns)
    content = last(disk)
    content[starts[-1] + 100] ^= 1
    disk.put(DIRECTORY / segments(disk)[-1], bytes(content))
    with pytest.raises(JournalDamaged, match="mark"):
        open_on(disk, 1)


@pytest.mark.parametrize("mark", [acknowledge, seal])
async def test_a_journal_that_ends_before_what_the_log_has_is_damage(disk, turns, mark) -> None:
    """Going on would give a sequence twice. What is sealed is in the log: one of the two marks is enough."""
    starts = await some(disk, turns)
    forget_mark(disk)
    content = last(disk)
    content[starts[-1] + 100] ^= 1
    disk.put(DIRECTORY / segments(disk)[-1], bytes(content))
    mark(disk, 5)
    with pytest.raises(JournalDamaged, match="acknowledged up to 5"):
        open_on(disk, 1)


@pytest.mark.parametrize(("place", "match"), [(0, "header"), (20, "header"), (60, "header"), (127, "header")])
async def test_a_segment_with_a_bad_header_is_damage(disk, turns, place: int, match: str) -> None:
    """The header was synced before the file got its name."""
    await some(disk, turns)
    forget_mark(disk)
    content = last(disk)
    content[place] ^= 1
    disk.put(DIRECTORY / segments(disk)[-1], bytes(content))
    with pytest.raises(JournalDamaged, match=match):
        open_on(disk, 1)


async def test_a_missing_segment_is_damage(disk, turns) -> None:
    """Only the oldest may be gone, after the log has them."""
    await some(disk, turns, count=20, size=15_000)
    forget_mark(disk)
    names = segments(disk)
    assert len(names) >= 3
    disk.unlink(DIRECTORY / names[1])
    with pytest.raises(JournalDamaged, match="group"):
        open_on(disk, 1)


async def test_a_segment_of_another_journal_is_damage(disk, turns) -> None:
    """Its checksum is right, its journal is not."""
    await some(disk, turns)
    other = SimulatedDisk()
    journal = open_on(other, 77)
    journal._shut()
    disk.put(DIRECTORY / segments(disk)[-1], bytes(last(other)))
    with pytest.raises(JournalDamaged):
        open_on(disk, 1)


@pytest.mark.parametrize("name", ["journal.json", "key"])
async def test_a_journal_without_its_name_or_key_is_damage(disk, turns, name: str) -> None:
    """Neither is made again for segments that are there."""
    await some(disk, turns)
    disk.unlink(DIRECTORY / name)
    with pytest.raises(JournalDamaged):
        open_on(disk, 1)
    disk.put(DIRECTORY / name, b"{}")
    with pytest.raises(JournalDamaged):
        open_on(disk, 1)


async def test_segments_that_are_all_gone_are_damage_once_something_was_durable(disk, turns) -> None:
    """The mark remembers; beginning again at 0 would give sequences twice."""
    await some(disk, turns)
    for name in segments(disk):
        disk.unlink(DIRECTORY / name)
    with pytest.raises(JournalDamaged):
        open_on(disk, 1)


async def test_a_group_in_a_requests_body_is_not_taken_for_one(disk, turns) -> None:
    """A client that sends journal bytes cannot turn a torn tail into damage: it does not know the seed."""
    journal = open_on(disk)
    await turns()
    await journal.append(inference(b"first"), b"first")
    stolen = bytes(last(disk))[HEADER_SIZE : journal._segments.current.end]
    header = SegmentHeader.decode(bytes(last(disk)))
    await turns()
    start = -(-journal._segments.current.end // 8) * 8
    forged = b"".join(bytes(shift) + stolen for shift in range(8))
    # The same bytes, sealed for a segment with another seed: what a client could know.
    from audit.journal.layout import encode_group_head

    guess = encode_group_head(bytes(8), 3, 0, b"")
    forged += b"".join(bytes(shift) + guess for shift in range(8))
    assert header.seed != bytes(8)
    forged = forged.replace(stolen, b"")
    await journal.append(inference(forged), forged)
    journal._shut()
    forget_mark(disk)
    content = last(disk)
    content[start] ^= 1
    disk.put(DIRECTORY / segments(disk)[-1], bytes(content))
    await open_on(disk, 1).close()
    assert [parse_record(item.record).entry.kind for item in verify(disk)] == [4, 1, 4, 5]


async def test_an_interrupted_recovery_leaves_two_segments_and_the_younger_is_taken(disk, turns) -> None:
    """The copy had its name before the old one went."""
    await some(disk, turns)
    old_name = segments(disk)[-1]
    old = bytes(last(disk))
    open_on(disk, 1)._shut()
    disk.put(DIRECTORY / old_name, old)
    # As a crash before the opening was written would leave it: the copy holds what the old one held.
    copy = segments(disk)[-1]
    content = bytearray(disk.get(DIRECTORY / copy))
    content[len(old.rstrip(b"\0")) + 8 :] = bytes(len(content) - len(old.rstrip(b"\0")) - 8)
    disk.put(DIRECTORY / copy, bytes(content))
    forget_mark(disk)
    await open_on(disk, 2).close()
    assert len(segments(disk)) == 1
    assert [parse_record(item.record).entry.kind for item in verify(disk)] == [4, 1, 1, 1, 1, 4, 5]


async def test_an_interrupted_recovery_whose_copy_lost_groups_is_damage(disk, turns) -> None:
    """The copy was synced whole before it got its name."""
    starts = await some(disk, turns)
    old_name = segments(disk)[-1]
    old = bytes(last(disk))
    open_on(disk, 1)._shut()
    disk.put(DIRECTORY / old_name, old)
    copy = segments(disk)[-1]
    content = bytearray(disk.get(DIRECTORY / copy))
    content[starts[-1] :] = bytes(len(content) - starts[-1])
    disk.put(DIRECTORY / copy, bytes(content))
    forget_mark(disk)
    with pytest.raises(JournalDamaged, match="copied"):
        open_on(disk, 2)


async def test_a_torn_mark_is_no_mark(disk, turns) -> None:
    """Two halves of two marks must not be believed."""
    await some(disk, turns)
    raw = disk.get(DIRECTORY / "mark")
    mark = Mark.decode(raw)
    assert mark is not None
    newer = Mark(mark.version + 2, mark.group + 1, 1, 1, 99).encode()
    rng = random.Random(1)
    for _ in range(200):
        cut = rng.randrange(1, 64)
        mixed = newer[:cut] + raw[cut:]
        assert Mark.decode(mixed) in (None, mark, Mark.decode(newer))
        if mixed not in (raw, newer):
            assert Mark.decode(mixed) is None
    assert Mark.decode(bytes(64)) is None
    disk.put(DIRECTORY / "mark", newer[:30] + raw[30:])
    await open_on(disk, 1).close()
