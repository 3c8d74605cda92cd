"""Reading beside the writer: up to the mark, across segments, freeing and restarts."""

from __future__ import annotations

import errno
import random

import pytest

from audit.errors import JournalDamaged, SequenceGone
from audit.journal import JournalReader, Position
from tests.fault.disk.world import DIRECTORY, World, inference, open_on, verify


async def fill(journal, turns, count: int, size: int = 9000) -> None:
    """`count` records that need several segments."""
    for number in range(count):
        payload = bytes([number % 256]) * size
        await journal.append(inference(payload), payload)
        await turns(4)


async def test_a_reader_sees_nothing_of_a_journal_that_is_not_there(disk) -> None:
    """The sidecar may start first."""
    reader = JournalReader(DIRECTORY, disk=disk)
    assert reader.read(1000) == []
    assert reader.journal_id() is None
    journal = open_on(disk)
    assert [item.sequence for item in reader.read(1000)] == [0]
    assert reader.journal_id() == journal.journal_id
    assert reader.read(1000) == []
    await journal.close()
    assert [item.sequence for item in reader.read(1000)] == [1]


async def test_every_position_is_a_place_to_go_on_from(disk, turns) -> None:
    """Also within a group, and with the reader made anew at each."""
    journal = open_on(disk)
    for _ in range(5):
        for number in range(7):
            journal.append(inference(bytes([number])), bytes([number]))
        await turns()
    await fill(journal, turns, 12)
    await journal.close()
    records = verify(disk)
    assert len({item.position.segment for item in records}) > 1
    for place, item in enumerate(records):
        again = JournalReader(DIRECTORY, item.position, disk=disk)
        rest = []
        while batch := again.read(1 << 20):
            rest += batch
        again.close()
        assert rest == records[place + 1 :]
        again = JournalReader(DIRECTORY, disk=disk)
        again.seek(item.sequence)
        assert again.read(1)[0] == item
        again.close()


async def test_reading_in_small_steps_gives_the_same_records(disk, turns) -> None:
    """`max_bytes` bounds a read, by whole groups."""
    journal = open_on(disk)
    await fill(journal, turns, 15)
    await journal.close()
    reader = JournalReader(DIRECTORY, disk=disk)
    records, steps = [], 0
    while batch := reader.read(1):
        records += batch
        steps += 1
    assert records == verify(disk)
    assert steps > 10


async def test_a_reader_goes_on_through_freeing_and_a_restart_of_the_writer(disk, turns) -> None:
    """Segments that it has read may go; the copy that a recovery makes is read on from the same place."""
    world = World(disk)
    journal = open_on(disk)
    reader = JournalReader(DIRECTORY, disk=disk)
    for epoch in range(3):
        await fill(journal, turns, 10)
        world.ship(reader)
        world.acknowledge(journal.stats().durable_sequence)
        for _ in range(5):
            journal._keep_house()
            await turns()
        assert min(item.sequence for item in verify(disk)) > 0
        await journal.close()
        journal = open_on(disk, epoch + 1)
    await journal.close()
    world.ship(reader)
    assert sorted(world.shipped) == list(range(max(world.shipped) + 1))


async def test_a_freed_sequence_is_said_to_be_gone(disk, turns) -> None:
    """By seek, and by a position whose segment was freed before it was read."""
    world = World(disk)
    journal = open_on(disk)
    slow = JournalReader(DIRECTORY, disk=disk)
    old = slow.read(1)[0].position
    reader = JournalReader(DIRECTORY, disk=disk)
    await fill(journal, turns, 20)
    world.ship(reader)
    world.acknowledge(journal.stats().durable_sequence)
    for _ in range(5):
        journal._keep_house()
        await turns()
    late = JournalReader(DIRECTORY, old, disk=disk)
    with pytest.raises(SequenceGone):
        late.read(1 << 20)
    with pytest.raises(SequenceGone):
        reader.seek(0)
    reader.seek(journal.stats().durable_sequence)
    assert reader.read(1 << 20) == []
    await journal.append(inference(b"n"), b"n")
    assert len(reader.read(1 << 20)) == 1
    await journal.close()


async def test_a_durable_group_that_is_damaged_is_said_and_not_skipped(disk, turns) -> None:
    """A flipped byte below the mark: in the last segment, and in one before it."""
    journal = open_on(disk)
    await fill(journal, turns, 12)
    await journal.close()
    names = sorted(name for name in disk.list(DIRECTORY) if name.endswith(".seg"))
    assert len(names) > 1
    for name in (names[0], names[-1]):
        image = disk.crash(random.Random(0), 1.0)
        content = bytearray(image.get(DIRECTORY / name))
        content[4000] ^= 1
        image.put(DIRECTORY / name, bytes(content))
        reader = JournalReader(DIRECTORY, disk=image)
        with pytest.raises(JournalDamaged):
            reader.read(1 << 30)


async def test_a_position_in_a_recovered_journal_is_found_by_its_sequence(disk, turns) -> None:
    """Its segment has gone, its sequence has not."""
    journal = open_on(disk)
    await fill(journal, turns, 3)
    reader = JournalReader(DIRECTORY, disk=disk)
    position = reader.read(1 << 20)[1].position
    await journal.close()
    await open_on(disk, 1).close()
    assert isinstance(position, Position)
    assert f"{position.segment:016x}.seg" not in disk.list(DIRECTORY)
    again = JournalReader(DIRECTORY, position, disk=disk)
    assert again.read(1)[0].sequence == 2


@pytest.mark.parametrize("error", [OSError(errno.EIO, "input/output error"), MemoryError()])
async def test_a_segment_whose_disk_fails_is_not_left_open(disk, turns, monkeypatch, error) -> None:
    """Who tries again once a second would run out of descriptors."""
    journal = open_on(disk)
    await fill(journal, turns, 3)
    await journal.close()
    reader = JournalReader(DIRECTORY, disk=disk)
    held, asked = {}, []
    opens, closes, reads = disk.open, disk.close, disk.pread

    def opened(path, *arguments):
        descriptor = opens(path, *arguments)
        held[descriptor] = path.name
        return descriptor

    def closed(descriptor):
        del held[descriptor]
        closes(descriptor)

    def fails(descriptor, *arguments):
        if not held[descriptor].endswith(".seg"):
            return reads(descriptor, *arguments)
        asked.append(descriptor)
        raise error

    monkeypatch.setattr(disk, "open", opened)
    monkeypatch.setattr(disk, "close", closed)
    with monkeypatch.context() as broken:
        broken.setattr(disk, "pread", fails)
        for _ in range(3):
            with pytest.raises(type(error)):
                reader.seek(1)
    assert (len(asked), held) == (3, {})
    reader.seek(1)
    assert reader.read(1)[0].sequence == 1
