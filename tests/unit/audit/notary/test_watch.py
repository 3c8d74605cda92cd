"""The watch over a partition: each attack raises its alarm, where it is; what is sound, and benign, raises none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.follow import SLACK, Journals
from audit.log.base import Topic
from audit.notary.alarms import Alarm, Untold
from audit.notary.holes import entry_of
from audit.notary.watch import Watch
from audit.proof import cbor
from audit.proof.entry import Key, Kind, encode_entry
from audit.proof.errors import FormatError
from audit.proof.record import encode_payload, frame_record, split_record
from tests.components.sworn import NAME, OTHER, TIME, Journal, two_epochs

TOPIC = Topic("local", "affiant-entries", bytes(16), 1)
SECOND = 1000
BEGIN = TIME // 1_000_000
Values = list[tuple[bytes, bytes]]


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    """A watch, and what it has seen."""

    def __init__(self, *, burst: int = 1000, journals: Journals | None = None) -> None:
        self.clock = Clock()
        self.untold = Untold(TOPIC.id, 0, self.clock, burst=burst)
        self.watch = Watch(TOPIC.id, 0, untold=self.untold, journals=journals)
        self.offset = 0
        self.entries: list[bytes] = []

    def see(self, values: Iterable[tuple[bytes | None, bytes | None]], *, every: int = SECOND) -> World:
        """The next records of the partition, so many ms apart."""
        for key, value in values:
            leaf = entry_of(value, TOPIC, 0, self.offset)
            self.watch.record(self.offset, BEGIN + self.offset * every, key, leaf)
            self.entries.append(leaf.entry)
            self.offset += 1
        return self

    def restarted(self) -> World:
        """Another process: it has the state, through its bytes, and the tree."""
        again = World()
        state: Any = cbor.decode(cbor.encode({"format": 1, "journals": self.watch.state()}))
        again.watch.restore(state["journals"], self.entries)
        again.offset, again.entries = self.offset, list(self.entries)
        return again

    @property
    def alarms(self) -> list[Alarm]:
        self.untold.sealed()
        return self.untold.waiting()

    @property
    def whats(self) -> list[str]:
        return [alarm.what for alarm in self.alarms]


def one(world: World) -> Alarm:
    """The one alarm that there is."""
    (alarm,) = world.alarms
    return alarm


def test_a_sound_partition_raises_nothing_and_an_opening_after_a_crash_is_a_note() -> None:
    """Two journals, interleaved, each with a crash in between: all holds."""
    ours, theirs = two_epochs().values, two_epochs(name=OTHER).values
    world = World().see(value for pair in zip(ours, theirs, strict=True) for value in pair)
    assert world.alarms == []
    assert [note.what for note in world.watch.journals.notes] == ["unclean", "unclean"]
    assert "torn 0" in world.watch.journals.notes[0].message


def test_a_dropped_record_is_a_gap() -> None:
    """Somebody left a record out on its way."""
    values = two_epochs().values
    alarm = one(World().see(values[:3] + values[4:]))
    assert (alarm.what, alarm.offset, alarm.journal, alarm.sequence) == ("missing", 3, NAME.hex(), 4)
    assert "sequence 3 is" in alarm.message


@pytest.mark.parametrize(("sequence", "what"), [(5, "missing"), (1, "duplicate")])
def test_an_entry_that_is_chained_and_miscounted_is_told(sequence: int, what: str) -> None:
    """The chain alone does not say how many there are."""
    made = Journal()
    made.opening()
    made.exchange(b"1")
    made.sequence = sequence
    made.exchange(b"2")
    assert one(World().see(made.values)).what == what


def test_a_rewritten_record_breaks_the_chain_behind_it() -> None:
    """Payload and digest changed together, by whoever carries the records."""
    values = two_epochs().values
    raw, _ = split_record(values[2][1])
    forged = encode_payload(bytes(32), {}, b"forged")
    fields: Any = cbor.decode(raw)
    fields |= {Key.PAYLOAD_DIGEST: sha256(forged).digest(), Key.PAYLOAD_LENGTH: len(forged)}
    values[2] = (NAME, frame_record(encode_entry(fields), forged))
    alarm = one(World().see(values))
    assert (alarm.what, alarm.offset) == ("chain", 3)


def test_two_versions_of_one_sequence_are_told() -> None:
    """A second history, sent into the log beside the first."""
    values = two_epochs().values
    other = Journal()
    other.opening()
    other.exchange(b"another")
    alarm = one(World().see([*values[:4], other.values[1], *values[4:]]))
    assert (alarm.what, alarm.offset, alarm.sequence) == ("duplicate", 4, 1)


def test_a_dead_sidecars_last_request_is_benign() -> None:
    """The same record again: counted, and no alarm; before and after a restart of the notary."""
    values = two_epochs().values
    world = World().see(values[:5]).see([values[4]])
    again = world.restarted().see([values[3]]).see(values[5:])
    assert world.alarms == again.alarms == []
    assert (world.watch.journals.duplicates, again.watch.journals.duplicates) == (1, 1)


def test_a_record_from_too_long_ago_is_told() -> None:
    """What is not remembered cannot be compared: nobody may call it benign."""
    values = two_epochs(20).values
    world = World(journals=Journals(remembered=4)).see(values).see([values[2]])
    assert one(world).what == "order"


def test_a_heartbeat_signed_by_another_key_is_told() -> None:
    """Whoever cuts a journal cannot sign its heartbeats."""
    made = two_epochs()
    made.key = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
    made.opening()
    assert one(World().see(made.values)).what == "signature"


def test_an_epoch_without_its_opening_is_told() -> None:
    """Entries of an epoch that nobody opened."""
    made = Journal()
    made.opening()
    made.epoch += 1
    made.exchange(b"1")
    assert one(World().see(made.values)).what == "epoch"


def test_an_opening_that_skips_an_epoch_is_told() -> None:
    """An epoch was opened on another copy of the journal: it was forked."""
    made = Journal()
    made.opening()
    made.epoch += 1
    made.opening()
    assert one(World().see(made.values)).what == "epoch"


def test_an_entry_behind_a_closing_is_told_once() -> None:
    """Behind its closing entry a journal says nothing until it is opened again."""
    made = two_epochs()
    made.exchange(b"1")
    made.exchange(b"2")
    alarm = one(World().see(made.values))
    assert (alarm.what, alarm.offset) == ("closing", 10)


def test_a_journal_that_begins_without_an_opening_is_told() -> None:
    """Nobody has said whose key it is."""
    made = Journal()
    made.epoch = 1
    made.exchange(b"1")
    assert World().see(made.values).whats[0] == "opening"


def test_a_journal_whose_beginning_is_not_there_is_told_in_a_whole_log_alone() -> None:
    """Behind a gap that was told already it may begin anywhere."""
    values = two_epochs().values
    assert World().see(values[2:]).whats == ["missing"]
    world = World()
    world.watch.gone(0, 2, head=True)
    world.offset = 2
    assert world.see(values[2:]).whats == ["head"]
    assert world.watch.journals.unchecked == 1


def test_a_truncated_head_and_a_missing_offset_are_told_apart() -> None:
    """Retention was faster than the notary; or a record vanished out of the middle."""
    world = World()
    world.watch.gone(0, 7, head=True)
    world.watch.gone(9, 10, head=False)
    assert [(alarm.what, alarm.offset) for alarm in world.alarms] == [("head", 0), ("offset", 9)]
    assert "offsets 0 to 6" in world.alarms[0].message


@pytest.mark.parametrize("value", [None, b"", b"\x00\x07junk", frame_record(b"\xa0", b"")])
def test_a_foreign_record_is_told(value: bytes | None) -> None:
    """What stands there is sealed as a hole, and said."""
    alarm = one(World().see([(b"x", value)]))
    assert (alarm.what, alarm.offset) == ("format", 0)


def test_a_changed_payload_is_told() -> None:
    """One byte of a request; its entry and the tree stay as they are."""
    values = two_epochs().values
    key, value = values[3]
    values[3] = (key, value[:-5] + b"9" + value[-4:])
    alarm = one(World().see(values))
    assert (alarm.what, alarm.offset, alarm.journal, alarm.sequence) == ("payload", 3, NAME.hex(), 3)


def test_a_record_that_comes_without_its_payload_is_told() -> None:
    """A sidecar or a broker has left it out; the entry and its proof are whole."""
    values = two_epochs().values
    values[3] = (NAME, frame_record(split_record(values[3][1])[0], b""))
    alarm = one(World().see(values))
    assert (alarm.what, alarm.offset, alarm.journal, alarm.sequence) == ("payload", 3, NAME.hex(), 3)


def test_a_record_under_another_journals_key_is_told() -> None:
    """Compaction, or a reader by key, would take it for the other's."""
    values = two_epochs().values
    values[2] = (OTHER, values[2][1])
    assert one(World().see(values)).what == "key"


def test_a_journal_that_falls_silent_is_told_once_and_when_it_speaks_again_may_be_told_again() -> None:
    """A gateway, or its sidecar, is gone or cut off: judged by the log's time, and by ours once all was read."""
    made = Journal()
    made.opening()  # promises a heartbeat each 10 s
    world = World().see(made.values)
    limit = BEGIN + 2 * 10 * SECOND + SLACK
    world.watch.tick(limit)
    assert world.alarms == []
    world.watch.tick(limit + 1)
    world.watch.tick(limit + 9999)
    alarm = one(world)
    assert (alarm.what, alarm.offset, alarm.journal, alarm.sequence) == ("heartbeat", 0, NAME.hex(), 0)
    assert world.untold.counts["heartbeat"] == 1
    assert world.restarted().alarms == [alarm]
    made.signed(Kind.HEARTBEAT)
    world.see(made.values[1:], every=100 * SECOND).watch.tick(limit + 1000 * SECOND)
    assert world.whats == ["heartbeat", "heartbeat"]


def test_a_gap_in_time_is_told_although_the_notary_was_down_meanwhile() -> None:
    """The log's own times show it, whenever they are read."""
    made = Journal()
    made.opening()
    made.signed(Kind.HEARTBEAT)
    assert World().see(made.values, every=100 * SECOND).whats == ["heartbeat"]


def test_a_closed_journal_may_be_silent() -> None:
    """An orderly end promises nothing more; one that was cut off before it is not one."""
    world = World().see(two_epochs().values)
    world.watch.tick(BEGIN + 10**9)
    assert world.alarms == []
    world = World().see(two_epochs().values[:-1])
    world.watch.tick(BEGIN + 10**9)
    assert world.whats == ["heartbeat"]


def test_a_forged_heartbeat_keeps_no_journal_alive() -> None:
    """Only what the journal's key has signed counts."""
    made = Journal()
    made.opening()
    made.key = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
    made.signed(Kind.HEARTBEAT)
    world = World().see(made.values, every=40 * SECOND)
    world.watch.tick(BEGIN + 60 * SECOND)
    assert world.whats == ["signature", "heartbeat"]


def test_a_log_without_times_is_not_judged_by_them() -> None:
    """Some producers set none (-1): no journal is called silent for it, and the state can be written."""
    made = Journal()
    made.opening()
    world = World()
    world.watch.record(0, -1, NAME, entry_of(made.values[0][1], TOPIC, 0, 0))
    world.watch.tick(BEGIN)
    assert world.alarms == []
    assert world.restarted().watch.state() == world.watch.state()


def test_an_opening_of_epoch_zero_is_told_behind_a_gap_too() -> None:
    """Epochs count from 1: no journal writes that."""
    made = Journal(epoch=-1, sequence=7)
    made.opening()
    world = World()
    world.watch.gone(0, 1, head=True)
    assert world.see(made.values).whats == ["head", "epoch"]


@given(st.integers(0, 10), st.sampled_from(range(10)))
def test_a_restart_changes_nothing(cut: int, dropped: int) -> None:
    """At whatever record the notary is restarted: the same alarms, and the same state, as without."""
    values = two_epochs().values
    del values[dropped]
    through = World().see(values)
    before = World().see(values[:cut])
    after = before.restarted().see(values[cut:])
    assert after.alarms == through.alarms
    assert after.watch.state() == through.watch.state()


@settings(max_examples=200)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "kind": st.sampled_from([2, 3, 4, 5, 6]),
                "journal": st.sampled_from([NAME, OTHER]),
                "epoch": st.integers(0, 2**64 - 1) | st.integers(0, 2),
                "sequence": st.integers(0, 2**64 - 1) | st.integers(0, 3),
                "time": st.integers(-1, 2**63 - 1),
            }
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_no_forged_entry_can_spoil_the_state(made: list[dict[str, Any]], whole: bool) -> None:
    """Whatever well-formed entries strangers write, the state can be written and read back."""
    more = {
        2: {6: 1, 15: bytes(32), 16: 0, 17: 0, 22: 1, 23: "x"},
        3: {23: "x", 24: 0},
        4: {32: bytes(32), 34: {}, 35: "", 36: 1, 37: "", 38: 2**64 - 1,
            39: {"groups": 0, "torn": 0, "aborted": 0}, 42: bytes(64)},
        5: {40: {}, 41: 1, 42: bytes(64)},
        6: {40: {}, 41: 1, 42: bytes(64)},
    }  # fmt: skip
    world = World()
    if not whole:
        world.watch.gone(0, 1, head=True)
    for offset, one_ in enumerate(made):
        fields = {
            0: one_["kind"], 1: one_["journal"], 2: one_["epoch"], 3: one_["sequence"], 4: bytes(32), 5: 1,
            **more[one_["kind"]],
        }  # fmt: skip
        leaf = entry_of(frame_record(encode_entry(fields), b""), TOPIC, 0, offset)
        world.watch.record(offset, one_["time"], one_["journal"], leaf)
        world.entries.append(leaf.entry)
    assert world.restarted().watch.state() == world.watch.state()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: [{**state[0], "format": 2}],
        lambda _: [{}],
        lambda _: [1],
        lambda state: [state[0], state[1][:-1]],
        lambda state: [state[0], [*state[1][:-1], b"x"]],
        lambda state: [{**state[0], "untold": [b"{}"]}],
        lambda state: [{**state[0], "more": 7}],
    ],
)
def test_a_state_that_is_none_is_refused(spoil: Callable[[list[Any]], list[Any]]) -> None:
    """The notary does not guess what it has seen."""
    state = World().see(two_epochs().values).watch.state()
    with pytest.raises(FormatError):
        World().watch.restore(spoil(state))


def test_journals_are_bounded_and_the_longest_silent_is_forgotten() -> None:
    """Strangers cannot fill the memory with journals of their own; who comes back is looked at anew."""
    journals = Journals(most=3)
    world = World(journals=journals)
    ours = Journal(bytes([9]) * 16)
    ours.opening()
    world.see(ours.values)
    for number in range(5):
        made = Journal(bytes([number]) * 16)
        made.opening()
        world.see(made.values)
        ours.signed(Kind.HEARTBEAT)
        world.see(ours.values[-1:])
    assert len(journals) == 3
    assert ours.name in {journal.name for journal in journals}
    assert world.alarms == []


def test_a_flood_is_told_in_one_word() -> None:
    """A partition that is full of what is no record does not fill the governance log with it."""
    world = World(burst=3)
    world.see([(b"x", b"junk")] * 1000)
    assert world.whats == ["format"] * 3
    assert world.untold.counts["format"] == 1000
    world.untold.told(world.alarms)
    assert world.alarms == []
    world.clock.now += 10
    more = one(world)
    assert (more.what, more.offset) == ("more", 3)
    assert more.message == "too many to tell one by one, at offsets 3 to 999: format 997"
    world.untold.told([more])
    world.clock.now += 3600
    assert world.alarms == []


def test_what_is_counted_and_what_waits_survives_a_restart() -> None:
    """An alarm that nobody was told is not forgotten."""
    world = World(burst=2).see([(b"x", b"junk")] * 10)
    again = world.restarted()
    assert again.whats == ["format", "format", "more"]
    assert again.alarms[:2] == world.alarms


def test_an_alarm_is_told_when_what_raised_it_is_sealed() -> None:
    """Until then the topic may turn out to be another one; then nothing of it was true. Its state has it already."""
    world = World().see([(b"x", b"junk")])
    assert (world.untold.waiting(), world.untold.fresh) == ([], True)
    assert world.restarted().whats == ["format"]
    world.watch.alarm("tail", "the log ends early", 7, at_once=True)
    world.untold.forget()
    assert [alarm.what for alarm in world.untold.waiting()] == ["tail"]


def test_an_alarm_is_the_same_whatever_is_said_of_it() -> None:
    """Its identity is what, where and whose: the words may become better ones."""
    alarm = Alarm("missing", "words", "00", 0, 7, "aa", 3)
    assert alarm.identity == Alarm("missing", "other words", "00", 0, 7, "aa", 3).identity
    others = [
        Alarm("chain", "words", "00", 0, 7, "aa", 3),
        Alarm("missing", "words", "01", 0, 7, "aa", 3),
        Alarm("missing", "words", "00", 1, 7, "aa", 3),
        Alarm("missing", "words", "00", 0, 8, "aa", 3),
        Alarm("missing", "words", "00", 0, 7, "ab", 3),
        Alarm("missing", "words", "00", 0, 7, "aa", 4),
        Alarm("missing", "words", "00", 0, 7, "aa", 3, "x"),
    ]
    assert len({alarm.identity, *(other.identity for other in others)}) == 8
    assert Alarm.decode(alarm.encode()) == alarm
