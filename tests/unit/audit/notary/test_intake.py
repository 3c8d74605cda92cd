"""Records that are taken in together are what they would be one by one: the same leaves, alarms, state and counts."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.log.base import LogEntry, Topic
from audit.notary.alarms import Alarm, Untold
from audit.notary.holes import entry_of
from audit.notary.intake import Intake
from audit.notary.watch import Watch
from audit.proof.entry import encode_entry
from audit.proof.hashing import leaf_hash
from audit.proof.record import frame_record, split_record
from tests.components.sworn import NAME, OTHER, TIME, two_epochs

TOPIC = Topic("local", "affiant-entries", bytes(16), 1)
BEGIN = TIME // 1_000_000
LARGEST = 2**64 - 1


class Seen:
    """What came of records: leaves, payloads, and all that the watch has to say."""

    def __init__(self) -> None:
        self.untold = Untold(TOPIC.id, 0, lambda: 0.0, burst=10_000)
        self.watch = Watch(TOPIC.id, 0, untold=self.untold)
        self.leaves: list[tuple[bytes, bytes, bytes]] = []
        self.holes = 0

    def one_by_one(self, records: list[LogEntry]) -> Seen:
        """The plain way."""
        for record in records:
            leaf = entry_of(record.value, TOPIC, 0, record.offset)
            self.watch.record(record.offset, record.timestamp, record.key, leaf)
            payload = b"" if leaf.record is None else leaf.record.payload
            self.leaves.append((leaf.entry, leaf_hash(leaf.entry), payload))
            self.holes += leaf.hole is not None
        return self

    def together(self, records: list[LogEntry], cuts: list[int]) -> Seen:
        """In batches that end where `cuts` say."""
        intake = Intake(TOPIC, 0, self.watch)
        for start, end in pairwise(sorted({0, len(records), *(cut % (len(records) + 1) for cut in cuts)})):
            taken = intake.take(records[start:end])
            self.leaves += zip(taken.entries, taken.leaves, taken.payloads, strict=True)
            self.holes += taken.holes
        return self

    @property
    def all(self) -> dict[str, Any]:
        """To compare."""
        journals = self.watch.journals
        self.untold.sealed()
        alarms: list[Alarm] = self.untold.waiting()
        return {
            "leaves": self.leaves, "holes": self.holes, "alarms": alarms, "state": self.watch.state(),
            "notes": journals.notes, "deadline": journals.deadline,
            "counts": (journals.followed, journals.duplicates, journals.signatures, journals.unchecked),
        }  # fmt: skip


def records_of(
    values: list[tuple[bytes | None, bytes | None]], times: list[int] | None = None
) -> list[LogEntry]:
    """As a log hands them out."""
    return [
        LogEntry(offset, BEGIN + (offset if times is None else times[offset]) * 1000, key, value)
        for offset, (key, value) in enumerate(values)
    ]


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(
            ["drop", "again", "swap", "byte", "key", "no key", "no value", "junk", "short", "late"]
        ),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
    ),
    max_size=6,
)


@settings(max_examples=200)
@given(st.integers(0, 40), st.integers(0, 40), CHANGES, st.lists(st.integers(0, 200), max_size=5))
def test_together_and_one_by_one_are_the_same(
    ours: int, theirs: int, changes: list[tuple[str, int, int]], cuts: list[int]
) -> None:
    """Two journals, in stretches, with whatever a stranger or a fault may do to them on their way."""
    one: list[Any] = list(two_epochs(ours).values)
    other: list[Any] = list(two_epochs(theirs, OTHER).values)
    values: list[Any] = one[:7] + other[:11] + one[7:20] + other[11:] + one[20:]
    late = len(values)
    for what, at, more in changes:
        place, second = at % len(values), more % len(values)
        key, value = values[place]
        if what == "drop" and len(values) > 1:
            del values[place]
        elif what == "again":
            values.insert(second, values[place])
        elif what == "swap":
            values[place], values[second] = values[second], values[place]
        elif what == "byte" and value:
            changed = bytearray(value)
            changed[more % len(changed)] ^= 1 << (at % 8)
            values[place] = (key, bytes(changed))
        elif what in ("key", "no key"):
            values[place] = (OTHER[::-1] if what == "key" else None, value)
        elif what in ("no value", "junk", "short"):
            values[place] = (
                key,
                {"no value": None, "junk": b"junk" * 20, "short": (value or b"")[: more % 60]}[what],
            )
        elif what == "late":
            late = place
    times = [offset + 600 * (offset >= late) for offset in range(len(values))]
    records = records_of(values, times)
    assert Seen().together(records, cuts).all == Seen().one_by_one(records).all


def stopped(name: bytes, epoch: int, sequence: int, chain: bytes, **more: object) -> bytes:
    """An entry of a plain kind, as anybody can forge it."""
    fields = {0: 3, 1: name, 2: epoch, 3: sequence, 4: chain, 5: 1, 23: "x", 24: 0}
    return encode_entry(fields | {int(key[1:]): value for key, value in more.items()})


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from([NAME, OTHER]), st.integers(1, 2), st.integers(0, 2)),
        min_size=8,
        max_size=20,
    )
)
def test_a_chain_through_other_journals_and_epochs_is_no_run(made: list[tuple[bytes, int, int]]) -> None:
    """Each has the hash of the one before it, and most the next number: both ways say the same of it."""
    values: list[Any] = []
    chain, sequence = bytes(32), 2**40
    for name, epoch, step in made:
        sequence += step
        raw = stopped(name, epoch, sequence, chain)
        values.append((name, frame_record(raw, b"")))
        chain = leaf_hash(raw)
    records = records_of(values)
    assert Seen().together(records, []).all == Seen().one_by_one(records).all


def test_no_number_follows_the_largest() -> None:
    """A forger's sequence does not begin again at 0."""
    padding = [stopped(OTHER, 1, number, bytes(32)) for number in range(6)]
    values, chain = [(OTHER, frame_record(raw, b"")) for raw in padding], bytes(32)
    for number in (LARGEST - 3, LARGEST - 2, LARGEST - 1, LARGEST, 0, 1):
        raw = stopped(NAME, 1, number, chain)
        values.append((NAME, frame_record(raw, b"")))
        chain = leaf_hash(raw)
    records = records_of(list(values))
    assert Seen().together(records, []).all == Seen().one_by_one(records).all


def test_many_records_without_their_payloads_are_told_of_each() -> None:
    """The short way too, and only of those that have one."""
    made = two_epochs(9)
    stripped = [(name, frame_record(split_record(value)[0], b"")) for name, value in made.values]
    records = records_of(stripped)
    found = Seen().together(records, [])
    assert found.all == Seen().one_by_one(records).all
    alarms = [each for each in found.untold.waiting() if each.what == "payload"]
    assert len(alarms) == sum(len(split_record(value)[1]) > 0 for _, value in made.values) > 8


def test_a_length_that_is_not_the_payloads_is_told_of_each() -> None:
    """The digest is right: both ways look at the length too."""
    made, payload = two_epochs(2), b"p" * 40
    fields = {
        0: 1,
        1: NAME,
        2: 1,
        5: TIME,
        6: TIME,
        7: "credit",
        10: 200,
        15: sha256(payload).digest(),
        16: 41,
        17: 0,
        22: 7,
    }
    values, chain = list(made.values[:3]), leaf_hash(split_record(made.values[2][1])[0])
    for number in range(3, 10):
        raw = encode_entry(dict(sorted((fields | {3: number, 4: chain}).items())))
        values.append((NAME, frame_record(raw, payload)))
        chain = leaf_hash(raw)
    records = records_of(list(values))
    seen = Seen().together(records, [])
    assert seen.all == Seen().one_by_one(records).all
    assert [alarm.what for alarm in seen.all["alarms"]] == ["payload"] * 7


def test_a_sound_journal_is_taken_in_runs() -> None:
    """What is looked at one by one are the openings, heartbeats and closings alone."""
    looked: list[int] = []
    seen = Seen()
    record = seen.watch.record

    def counted(offset: int, *arguments: Any) -> None:
        looked.append(offset)
        record(offset, *arguments)

    seen.watch.record = counted  # type: ignore[method-assign]
    records = records_of(list(two_epochs(300).values), [0] * 305)
    seen.together(records, [])
    # Sequences below 24 and below 256 have heads of other lengths, and three of one length are few.
    assert [at for at in looked if at > 24] == [301, 302, 304]
    assert seen.all == Seen().one_by_one(records).all
