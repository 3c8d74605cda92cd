"""The bytes of the record and journal format, held from four sides.

Committed files, the product's encoder, the product's decoder, and a decoder that was written from the page alone.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import JournalDamaged, JournalFull
from audit.journal import REAL_DISK, Journal, JournalReader, JournalSettings, Mark
from audit.journal.layout import align
from audit.journal.mark import read_mark
from audit.journal.recover import recover
from audit.proof import cbor
from audit.proof.entry import Key, Kind, encode_entry, parse_entry
from audit.proof.errors import FormatError
from audit.proof.hashing import leaf_hash
from audit.proof.record import Header, frame_record, parse_record, payload_holds
from tests.components.journals import OPENING, exchange
from tests.golden import independent_decoder as independent
from tests.golden.journal import make

HERE = Path(__file__).parent
KINDS = [kind.name.lower() for kind in Kind]


def golden(name: str) -> tuple[bytes, dict[str, Any]]:
    """The committed record and what must be found in it."""
    return (HERE / f"{name}.bin").read_bytes(), json.loads((HERE / f"{name}.json").read_bytes())


def files(folder: Path) -> dict[str, bytes]:
    """Golden files below a folder, by relative name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }


def seen(one: independent.Entry) -> dict[str, Any]:
    """The independent decoder's fields as the JSON files have them."""
    return {
        independent.KEYS[key][0] if key in independent.KEYS else str(key): make.plain(value)
        for key, value in one.keys.items()
    }


def seen_payload(parts: independent.Payload | None) -> dict[str, Any] | None:
    """The independent decoder's payload as the JSON files have it."""
    names = ("salt", "header", "request", "response", "input")
    return None if parts is None else {name: make.plain(getattr(parts, name)) for name in names}


# ---------------------------------------------------------------- committed bytes
def test_the_encoders_make_exactly_the_committed_bytes(tmp_path: Path) -> None:
    """A change of a byte of the format is a change of a committed file, and of no file more or less."""
    make.make(tmp_path)
    made, committed = files(tmp_path), files(HERE)
    assert made.keys() == committed.keys()
    assert [name for name in made if made[name] != committed[name]] == []


def test_the_golden_files_have_every_kind_with_every_key() -> None:
    """Nothing of sections 3 and 4 is left out of the golden records, and the two tables of kinds are one."""
    for number, name in enumerate(KINDS, start=1):
        fields = parse_record(golden(name)[0]).entry.fields
        title, must, may = independent.KINDS[number]
        assert (title, fields[0]) == (name.replace("_", " "), number)
        assert {key for key in fields if key < 64} >= must
        left_out = must | may if name != "heartbeat" else must
        assert {key for key in fields if key < 64} == left_out
    assert len(independent.KINDS) == len(KINDS) == 12


@pytest.mark.parametrize("name", KINDS)
def test_the_product_reads_a_golden_record(name: str) -> None:
    """Entry, leaf, record id, every field, and every part of the payload."""
    raw, want = golden(name)
    record = parse_record(raw)
    assert make.plain(record.entry.raw) == want["entry"]
    assert make.plain(leaf_hash(record.entry.raw)) == want["leaf"]
    assert make.named(record.entry.fields) == want["fields"]
    assert make.read_payload(record.payload) == want["payload"]
    assert payload_holds(record) == (want["payload"] is not None)
    if want["record id"]:
        assert record.entry.record_id == want["record id"]


@pytest.mark.parametrize("name", KINDS)
def test_the_independent_decoder_reads_a_golden_record(name: str) -> None:
    """The same fields, by a reader that shares no code with the writer."""
    raw, want = golden(name)
    record = independent.record(raw, journal=True)
    assert make.plain(record.entry.raw) == want["entry"]
    assert make.plain(record.entry.leaf) == want["leaf"]
    assert seen(record.entry) == want["fields"]
    assert seen_payload(record.payload) == want["payload"]
    assert record.entry.record_id == want["record id"]


@pytest.mark.parametrize("name", ["opening", "closing", "heartbeat"])
def test_a_golden_signature_holds_and_covers_every_key(name: str) -> None:
    """The independent decoder verifies it, and no longer once any other key's value is another."""
    public = make.KEY.public_key().public_bytes_raw()
    one = independent.record(golden(name)[0], journal=True).entry
    independent.check_signature(one, public)
    for key, value in one.keys.items():
        other = {**one.keys, key: _another(value)}
        with pytest.raises(independent.FormatError, match="signature"):
            independent.check_signature(independent.Entry(b"", other), public)


def _another(value: Any) -> Any:
    if isinstance(value, int):
        return value - 1 if value else 1
    if isinstance(value, bytes):
        return value[:-1] + bytes([value[-1] ^ 1])
    return value + "x" if isinstance(value, str) else {**value, "more": "x"}


def test_both_read_the_golden_mark() -> None:
    """Each of its numbers by both; with any byte changed both refuse it."""
    raw, want = golden("mark")
    assert {name: getattr(Mark.decode(raw), name) for name in want} == want
    assert vars(independent.mark(raw)) == want
    for at in range(len(raw)):
        bad = raw[:at] + bytes([raw[at] ^ 0x40]) + raw[at + 1 :]
        assert Mark.decode(bad) is None
        with pytest.raises(independent.FormatError):
            independent.mark(bad)


def test_both_read_the_golden_journal() -> None:
    """Headers, groups, frames, entries, payloads, mark; and its story is the one that was driven."""
    want = json.loads((HERE / "whole.json").read_bytes())
    assert make.read_whole(HERE / "whole") == want
    read = independent.journal(HERE / "whole")
    assert vars(read.mark) == want["mark"]
    for part, header in zip(read.segments, [one["header"] for one in want["segments"]], strict=True):
        assert header == {
            "segment": part.number, "journal": make.plain(part.journal), "group": part.first_group,
            "sequence": part.first_sequence, "chain": make.plain(part.chain), "epoch": part.epoch,
            "created": part.created, "tickets": part.tickets, "seed": make.plain(part.seed),
        }  # fmt: skip
    groups = [[_group(one) for one in part.groups] for part in read.segments]
    assert groups == [one["groups"] for one in want["segments"]]
    records = [one.record for one in read.records]
    assert [seen(one.entry) for one in records] == [one["fields"] for one in want["records"]]
    assert [make.plain(one.entry.leaf) for one in records] == [one["leaf"] for one in want["records"]]
    assert [seen_payload(one.payload) for one in records] == [one["payload"] for one in want["records"]]
    assert [one.entry.kind for one in records] == [4, 1, 1, 1, 1, 1, 1, 1, 4, 2, 6, 1, 3, 1, 1, 1, 5]
    assert read.verified == 4
    assert records[9].payload is not None
    assert (records[9].payload.request, records[12].entry.keys[24]) == (b"never answered", 11)
    assert (records[10].entry.keys[40], records[16].entry.keys[40]) == (
        {"health": 2, "unknown path": 1},
        {"health": 1},
    )


def _group(one: independent.Group) -> dict[str, Any]:
    kinds = ["request" if isinstance(frame, independent.RequestFrame) else "record" for frame in one.frames]
    return {"number": one.number, "at": one.at, "end": one.end, "frames": kinds}


def test_the_independent_decoder_is_independent() -> None:
    """It imports the standard library and `cryptography`, and nothing of the product."""
    tree = ast.parse(Path(independent.__file__).read_text())
    names = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
        )
    }
    assert {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) == {"cryptography"}


# ---------------------------------------------------------------- what is random
uints = st.integers(0, 2**64 - 1) | st.sampled_from([0, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32])
short = st.text(max_size=20)


def _bytes(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


SHAPES: dict[int, st.SearchStrategy[Any]] = {
    1: _bytes(16), 4: _bytes(32), 7: short, 8: _bytes(32), 11: _bytes(16), 12: _bytes(16), 13: short,
    14: st.lists(uints, min_size=3, max_size=3), 15: _bytes(32), 18: _bytes(16), 20: st.just(value=True),
    23: short, 32: _bytes(32),
    33: st.fixed_dictionaries({"backend": short, "name": short, "id": _bytes(16), "partition": uints}),
    34: st.dictionaries(short, short, max_size=3), 35: short, 37: st.text(max_size=4),
    39: st.fixed_dictionaries({"groups": uints, "torn": uints, "aborted": uints}),
    40: st.dictionaries(short, uints, max_size=3), 42: _bytes(64), 50: _bytes(32), 51: _bytes(16),
    52: short, 53: _bytes(32), 54: short, 64: st.binary(max_size=9), 70_000: st.lists(st.booleans(), max_size=3),
}  # fmt: skip


@st.composite
def entries(draw: st.DrawFn) -> dict[int, Any]:
    """Fields of an entry of any kind, by the page's table of kinds."""
    kind = draw(st.sampled_from(sorted(independent.KINDS)))
    _, must, may = independent.KINDS[kind]
    keys = must | draw(st.sets(st.sampled_from(sorted(may | {64, 70_000}))))
    return {0: kind} | {key: draw(SHAPES.get(key, uints)) for key in sorted(keys - {0})}


@given(entries())
def test_what_the_product_encodes_is_read_by_the_independent_decoder(fields: dict[int, Any]) -> None:
    """Random entries of every kind: the same values, the same leaf, and the same bytes encoded again."""
    raw = encode_entry(fields)
    one = independent.entry(raw)
    assert repr(sorted(one.keys.items())) == repr(sorted(independent.cbor(raw).items()))
    assert one.keys == fields
    assert one.leaf == leaf_hash(raw)
    assert independent.to_cbor(fields) == raw


def _verdict(read: Any, raw: bytes, refusal: type[Exception]) -> str:
    """What a reader finds, as text (True is not 1), or that it refuses."""
    try:
        return repr(read(raw))
    except refusal:
        return "refused"


@settings(max_examples=400)
@given(entries(), st.data())
def test_both_decoders_agree_on_an_entry_with_one_byte_changed(
    fields: dict[int, Any], data: st.DataObject
) -> None:
    """Both refuse it, or both find the same values."""
    raw = bytearray(encode_entry(fields))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    ours = _verdict(lambda raw: parse_entry(raw).fields, bytes(raw), FormatError)
    assert ours == _verdict(lambda raw: independent.entry(raw).keys, bytes(raw), independent.FormatError)


nested = st.recursive(
    uints | st.binary(max_size=3) | short | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.integers(0, 99) | short, inner, max_size=2)
    ),
    max_leaves=9,
)


@settings(max_examples=400)
@given(st.binary(max_size=24) | nested.map(independent.to_cbor), st.binary(max_size=1))
def test_both_decoders_agree_on_any_cbor(raw: bytes, surplus: bytes) -> None:
    """Of arbitrary bytes and of deeply nested values both take the same, and find the same in them."""
    ours = _verdict(cbor.decode, raw + surplus, FormatError)
    assert ours == _verdict(independent.cbor, raw + surplus, independent.FormatError)


def _product_place(folder: Path) -> tuple[str, int] | None:
    """Segment and group at which the product's recovery says that the journal is damaged; None if it is not."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "journal"
        shutil.copytree(folder, copy)
        about = json.loads((copy / "journal.json").read_bytes())
        said = ""
        try:
            recover(
                copy, bytes.fromhex(about["journal"]), disk=REAL_DISK, mark=read_mark(REAL_DISK, copy / "mark"),
                acknowledged=0, segment_bytes=64 << 10, spare_bytes=1 << 10, clock=lambda: 1, random=bytes,
            )  # fmt: skip
        except JournalDamaged as error:
            said = str(error)
    if not said:
        return None
    found = re.match(r"segment ([0-9a-f]{16}\.seg), offset (\d+):", said)
    assert found is not None, said
    return found[1], align(int(found[2]))


GROUPS = [
    (one["file"], group["at"], group["end"])
    for one in json.loads((HERE / "whole.json").read_bytes())["segments"]
    for group in one["groups"]
]


@st.composite
def places(draw: st.DrawFn) -> tuple[str, int]:
    """A byte of a segment of the golden journal: of a header, of a group, or any."""
    file, at, end = draw(st.sampled_from(GROUPS))
    size = len((HERE / "whole" / file).read_bytes())
    first, last = draw(
        st.sampled_from([(0, 127), (at, at + 23), (at, end - 1), (end - 1, end + 8), (0, size - 1)])
    )
    return file, draw(st.integers(first, min(last, size - 1)))


@settings(max_examples=120)
@given(places(), st.integers(1, 255))
def test_a_changed_byte_of_the_golden_journal_is_refused_by_both_at_the_same_place(
    place: tuple[str, int], change: int
) -> None:
    """In a header or a group it is damage there; outside of them it changes nothing of what either reads."""
    file, at = place
    hit = [start for name, start, end in GROUPS if name == file and start <= at < end]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "whole"
        shutil.copytree(HERE / "whole", folder)
        raw = bytearray((folder / file).read_bytes())
        raw[at] ^= change
        (folder / file).write_bytes(raw)
        ours = _product_place(folder)
        if at >= 128 and not hit:
            assert ours is None
            leaves = [one.record.entry.leaf for one in independent.journal(folder).records]
            assert leaves == [one.record.entry.leaf for one in independent.journal(HERE / "whole").records]
            return
        with pytest.raises(independent.FormatError) as refused:
            independent.journal(folder)
        with pytest.raises(JournalDamaged):
            JournalReader(folder).read(1 << 30)
        assert refused.value.file == file
        assert refused.value.place is not None
        assert ours == (file, 0 if at < 128 else refused.value.place)
        assert refused.value.place < 128 if at < 128 else refused.value.place == hit[0]


# ---------------------------------------------------------------- the independent decoder refuses what the page forbids
def _refused(fields: dict[int, Any], payload: bytes, says: str, *, journal: bool = True) -> None:
    raw = frame_record(independent.to_cbor(fields), payload)
    with pytest.raises(independent.FormatError, match=says):
        independent.record(raw, journal=journal)


def test_the_independent_decoder_refuses_malformed_records() -> None:
    """Surplus bytes, wrong digests and lengths, unknown and missing keys: each with its reason."""
    raw, _ = golden("label")
    good = independent.record(raw, journal=True)
    keys, stored = good.entry.keys, good.stored
    _refused(keys | {63: 1}, stored, "key 63")
    _refused({key: value for key, value in keys.items() if key != 54}, stored, "without key 54")
    _refused(keys | {54: "x" * 257}, stored, "bad value of key 54")
    _refused(keys, stored[:-1], "length")
    _refused(keys, stored[:-1] + b"!", "digest")
    _refused(keys, stored, "external", journal=False)
    _refused(keys, b"", "not in the journal")
    longer = stored + b"!"
    _refused(keys | {15: sha256(longer).digest(), 16: len(longer)}, longer, "after a payload's parts")
    with pytest.raises(independent.FormatError, match="format"):
        independent.record(b"\x00\x02" + raw[2:], journal=True)
    assert independent.record(frame_record(good.entry.raw, b""), journal=False).payload is None


# ---------------------------------------------------------------- a journal of now
async def _when_there_is_room(give: Callable[[], Any]) -> Any:
    while True:
        try:
            return give()
        except JournalFull:
            await asyncio.sleep(0.001)


async def _epoch(folder: Path, requests: list[bytes], *, killed: bool) -> list[str]:
    """One opening of a journal in small segments; the last request is never answered if it is killed."""
    folder.mkdir(exist_ok=True)
    journal = Journal.open(folder, folder, JournalSettings(segment_bytes=64 << 10), OPENING)
    header = {Header.METHOD: "POST"}
    pending = []
    for at, request in enumerate(requests):
        ticket = await _when_there_is_room(partial(journal.accept, header, request, 1))
        if killed and at == len(requests) - 1:
            await journal._committer.drained()
            break
        fields, payload = exchange(request, ticket)
        pending.append(await _when_there_is_room(partial(journal.append, fields, payload, ticket)))
    ids = list(await asyncio.gather(*pending))
    if killed:
        journal._shut()
    else:
        await journal.close()
    return ids


async def test_a_journal_written_now_is_read_by_the_independent_decoder(tmp_path: Path) -> None:
    """Three epochs over several segments by the real writer, one of them killed: as the product's reader finds it."""
    folder = tmp_path / "journal"
    requests = [bytes([at]) * (at * 997) for at in range(20)]
    ids = await _epoch(folder, requests, killed=False)
    ids += await _epoch(folder, [b"first", b"second", b"lost"], killed=True)
    ids += await _epoch(folder, requests[:3], killed=False)
    read = independent.journal(folder)
    reader = JournalReader(folder)
    records = [parse_record(one.record) for one in reader.read(1 << 30)]
    reader.close()
    assert [one.record.entry.raw for one in read.records] == [one.entry.raw for one in records]
    assert [one.record.stored for one in read.records] == [one.payload for one in records]
    by_kind = {
        kind: [one.record for one in read.records if one.record.entry.kind == kind] for kind in range(1, 7)
    }
    assert sorted(ids) == sorted(str(one.entry.record_id) for one in by_kind[1])
    answered = [one.payload.request for one in by_kind[1] if one.payload is not None]
    assert answered == [*requests, b"first", b"second", *requests[:3]]
    assert [one.payload.request for one in by_kind[2] if one.payload is not None] == [b"lost"]
    assert [one.entry.keys[Key.EPOCH] for one in by_kind[4]] == [1, 2, 3]
    assert len(read.segments) > 1
    assert read.verified == 5
