"""What goes into the archive comes out of it, whatever was logged and wherever files are cut."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.archive import Archive, Archiver, Limits
from audit.archive.columns import entries_table
from audit.archive.schema import ENTRIES
from audit.notary.state import State
from audit.objects.directory import DirectoryObjects
from audit.proof.entry import Key, Kind, encode_entry

TOPIC = bytes(16)
DAY = 86_400_000
uints = st.integers(0, 2**64 - 1)
ids = st.binary(min_size=16, max_size=16)
digests = st.binary(min_size=32, max_size=32)
texts = st.text(max_size=12)
required = {
    Key.KIND: st.just(int(Kind.INFERENCE)), Key.JOURNAL: ids, Key.EPOCH: uints, Key.SEQUENCE: uints,
    Key.CHAIN: digests, Key.COMMITTING: uints, Key.ARRIVED: uints, Key.SERVICE: texts, Key.STATUS: uints,
    Key.SUITE: uints, Key.TICKET: uints,
}  # fmt: skip
optional = {
    Key.DIGEST: digests, Key.SLOT: uints, Key.CALLER: ids, Key.SUBJECT: ids, Key.REQUEST_ID: texts,
    Key.BATCH: st.lists(uints, min_size=3, max_size=3), Key.PROTOCOL: uints, Key.UNKNOWN: uints,
    Key.KEY_ID: ids, Key.EXTERNAL: st.just(value=True),
}  # fmt: skip
times = st.one_of(st.none(), st.integers(20_000 * DAY - 5, 20_002 * DAY + 5), st.integers(-1, 2**63 - 1))
anything = st.recursive(
    st.one_of(uints, texts, st.binary(max_size=33), st.booleans()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | uints, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def records(draw) -> tuple[int | None, bytes, bytes]:
    fields = draw(st.fixed_dictionaries(required, optional=optional))
    payload = draw(st.binary(max_size=40))
    named = {**fields, Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload)}
    return draw(times), encode_entry(named), payload


class Seal:
    def __init__(self, state: State) -> None:
        self.state = state

    def begin_archive(self, end: int) -> None:
        self.state = self.state.archive_begun(end)

    def finish_archive(self) -> None:
        self.state = self.state.archive_finished()


@settings(deadline=None)
@given(st.lists(records(), max_size=30), st.integers(1, 8), st.integers(1, 100), st.data())
def test_every_record_comes_back_as_it_was(given_records, most, size, data) -> None:
    """Times that files can show, entries and payloads are those that were added; each offset once."""
    with tempfile.TemporaryDirectory() as directory:
        objects = DirectoryObjects(Path(directory))
        archiver = Archiver(objects, TOPIC, 0, 0, 0, Limits(most, size, 1.0))
        seal = Seal(State("o/1"))
        for offset, (logged, entry, payload) in enumerate(given_records):
            archiver.add(offset, logged, entry, payload)
            if data.draw(st.booleans()):
                seal.state = State("o/1", size=offset + 1, archived=archiver.first, archiving=archiver.first)
                archiver.archive(seal, float(offset))
        seal.state = State("o/1", size=len(given_records), archived=archiver.first, archiving=archiver.first)
        while archiver.archive(seal, 0.0, flush=True):
            pass
        found = list(Archive(objects).records(TOPIC, 0, 0, len(given_records)))
    assert [each.offset for each in found] == list(range(len(given_records)))
    assert [(each.entry, each.payload) for each in found] == [each[1:] for each in given_records]
    for each, (logged, _, _) in zip(found, given_records, strict=True):
        assert each.logged in (logged, None)
        assert each.logged is not None or logged is None or not 0 <= logged < 253_402_300_800_000


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.integers(1, 60), anything, max_size=8), min_size=1, max_size=4))
def test_no_entry_of_a_kind_to_come_stops_the_archive(maps) -> None:
    """Whatever a later version puts where: the entry is kept, and what fits its column is shown."""
    raws = [cbor2.dumps({0: 77, **fields}, canonical=True) for fields in maps]
    table = entries_table(range(len(raws)), [None] * len(raws), raws)
    assert table.schema == ENTRIES
    assert table.column("entry").to_pylist() == raws
