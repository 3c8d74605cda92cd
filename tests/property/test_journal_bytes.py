"""Journal bytes under arbitrary input: round trips, and corruption that is never passed over in silence."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from pathlib import Path

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import mark
from audit.errors import AuditError
from audit.journal import Mark
from audit.journal.layout import (
    Group,
    SegmentHeader,
    align,
    encode_group_head,
    read_entry_head,
    read_frames,
    read_group,
)
from audit.mark import parse
from audit.proof import cbor
from audit.proof.errors import FormatError
from audit.proof.record import parse_record
from tests.fault.disk.simulator import SimulatedDisk
from tests.fault.disk.world import DIRECTORY, World, inference, open_on, verify

uints = st.integers(0, 2**64 - 1)
digests = st.binary(min_size=32, max_size=32)
ids = st.binary(min_size=16, max_size=16)
values: Mapping[int, st.SearchStrategy[object]] = {
    6: uints, 7: st.text(max_size=30), 8: digests, 9: uints, 10: uints, 11: ids, 12: ids,
    13: st.text(max_size=30), 14: st.lists(uints, min_size=3, max_size=3), 15: digests, 16: uints, 17: uints,
    18: ids, 19: uints, 20: st.just(value=True), 21: uints, 22: uints, 23: st.text(max_size=99),
    64: st.binary(max_size=9), 70_000: uints,
}  # fmt: skip
entries = st.fixed_dictionaries({0: st.integers(1, 40)}, optional=values)


@given(entries, ids, uints, uints, digests, uints)
def test_what_append_encodes_is_the_deterministic_encoding(
    fields, journal, epoch, sequence, chain, now
) -> None:
    """The append path does not sort: merging ascending keys must give the same bytes as the strict encoder."""
    ascending = dict(sorted(fields.items()))
    merged = {0: 0, 1: journal, 2: epoch, 3: sequence, 4: chain, 5: now, **ascending}
    raw = cbor2.dumps(merged)
    assert raw == cbor.encode(merged)
    assert list(merged) == sorted(merged)
    assert read_entry_head(raw) == (fields[0], journal, epoch, sequence, chain)


@given(st.binary(max_size=120))
def test_an_entry_head_of_any_bytes_is_refused_or_right(raw: bytes) -> None:
    """The quick look at an entry's first keys never says anything but what the entry says, and never crashes."""
    try:
        head = read_entry_head(raw)
    except FormatError:
        return
    assert len(head.journal) == 16
    assert len(head.chain) == 32


@given(uints, ids, uints, uints, digests, uints, uints, uints, st.binary(min_size=8, max_size=8), st.data())
def test_segment_headers_come_back_and_no_flipped_bit_passes(  # noqa: PLR0917 — the fields of a header
    segment, journal, group, sequence, chain, epoch, created, tickets, seed, data
) -> None:
    """128 bytes, checked as a whole."""
    header = SegmentHeader(segment, journal, group, sequence, chain, epoch, created, tickets, seed)
    raw = header.encode()
    assert len(raw) == 128
    assert SegmentHeader.decode(raw) == header
    place = data.draw(st.integers(0, 127))
    with pytest.raises(FormatError):
        SegmentHeader.decode(
            raw[:place] + bytes([raw[place] ^ 1 << data.draw(st.integers(0, 7))]) + raw[place + 1 :]
        )


@given(st.integers(1, 2**62), uints, uints, uints, uints, ids, st.data())
def test_marks_come_back_and_no_flipped_bit_passes(half, a, b, c, d, shipper, data) -> None:
    """64 bytes, the durable mark and the marks of other files alike."""
    durable, other = Mark(2 * half, a, b, c, d), mark.Mark(a, b, c, shipper)
    for value, raw, read in (
        (durable, durable.encode(), Mark.decode),
        (other, other.encode(2 * half), parse),
    ):
        assert len(raw) == 64
        assert read(raw) == value
        place = data.draw(st.integers(0, 63))
        bit = 1 << data.draw(st.integers(0, 7))
        assert read(raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :]) is None


frames = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)), max_size=8)


@given(frames, uints, st.binary(min_size=8, max_size=8), st.integers(0, 16), st.data())
def test_groups_come_back_and_no_flipped_bit_passes(content, number, seed, gap, data) -> None:
    """A group is read as it was written, or not at all; with another seed never."""
    body = b"".join(bytes([kind, 0, 0, 0]) + len(raw).to_bytes(4, "big") + raw for kind, raw in content)
    raw = bytes(gap * 8) + encode_group_head(seed, number, len(content), body) + body
    group = read_group(raw, gap * 8, seed)
    assert isinstance(group, Group)
    assert group == (number, len(content), gap * 8, len(raw))
    assert [(f.type, raw[f.start : f.end]) for f in read_frames(raw, group)] == content
    place = data.draw(st.integers(gap * 8, len(raw) - 1))
    changed = raw[:place] + bytes([raw[place] ^ 1 << data.draw(st.integers(0, 7))]) + raw[place + 1 :]
    assert isinstance(read_group(changed, gap * 8, seed), str)
    assert isinstance(read_group(raw, gap * 8, bytes(8) if seed != bytes(8) else b"\1" * 8), str)


@given(st.binary(max_size=200), st.integers(0, 210), st.binary(min_size=8, max_size=8))
def test_arbitrary_bytes_are_no_group(raw: bytes, offset: int, seed: bytes) -> None:
    """They are refused in words, not with an exception."""
    assert isinstance(read_group(raw, offset, seed), str)


async def _written(directory_seed: int) -> World:
    world = World(SimulatedDisk())
    journal = open_on(world.disk, directory_seed)
    for _ in range(20):
        await asyncio.sleep(0)
    for number in range(18):
        ticket = journal.accept({1: "POST"}, b"[3]", 1) if number % 3 == 0 else 0
        payload = bytes([number]) * (1 + number * 700)
        world.answered.append((journal.append(inference(payload, ticket), payload, ticket), payload))
        for _ in range(12):
            await asyncio.sleep(0)
    journal._shut()
    return world


WORLD = asyncio.run(_written(1))


def corrupted(data: st.DataObject) -> SimulatedDisk:
    """A copy of the journal with some of its segments' bytes changed, cut, zeroed, or put elsewhere."""
    image = WORLD.disk.crash(random.Random(0), 1.0)
    names = sorted(path for path in image.names if path.suffix == ".seg")
    for _ in range(data.draw(st.integers(1, 3))):
        path: Path = data.draw(st.sampled_from(names))
        content = bytearray(image.get(path))
        used = align(len(content.rstrip(b"\0")) + 16)
        start = data.draw(st.integers(0, used))
        kind = data.draw(st.sampled_from(["flip", "zero", "cut", "move", "noise"]))
        length = data.draw(st.integers(1, 3000))
        if kind == "flip" and start < len(content):
            content[start] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "zero":
            content[start : start + length] = bytes(len(content[start : start + length]))
        elif kind == "cut":
            del content[start:]
        elif kind == "move":
            target = data.draw(st.integers(0, used))
            part = content[start : start + length]
            content[target : target + len(part)] = part
        else:
            noise = random.Random(start).randbytes(length)
            content[start : start + len(noise)] = noise
        image.put(path, bytes(content))
    return image


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.booleans())
def test_no_corruption_loses_an_answer_in_silence(data: st.DataObject, keep_mark: bool) -> None:
    """Opening either says that there is damage, or everything that was answered is there.

    Without the mark (as old as can be after a power failure), what was cut from the end may be a torn tail:
    then what is left is a whole beginning of what was there.
    """
    image = corrupted(data)
    if not keep_mark:
        image.put(DIRECTORY / "mark", bytes(64))

    async def reopen() -> list[bytes] | None:
        try:
            journal = open_on(image, 5)
        except AuditError:
            return None
        journal._shut()
        return [parse_record(item.record).payload for item in verify(image)]

    payloads = asyncio.run(reopen())
    if payloads is None:
        return
    have = [payload for payload in payloads if payload in set(WORLD.promised().values())]
    promised = [WORLD.promised()[sequence] for sequence in sorted(WORLD.promised())]
    assert have[: len(promised)] == promised[: len(have)]
    if keep_mark:
        assert [payload for payload in promised if payload not in set(payloads)] == []
