"""The check of a whole log: what is sound passes, and whatever is changed is found where it is."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.check import PAUSES, Checked, check_log
from audit.errors import LogDamaged, LogUnavailable
from audit.proof.entry import Kind, encode_entry, parse_entry
from audit.proof.record import encode_payload, frame_record, split_record
from tests.components.sworn import NAME, OTHER, Journal
from tests.components.sworn import two_epochs as journal


class Read(NamedTuple):
    """An entry of the log."""

    offset: int
    key: bytes | None
    value: bytes


@dataclass
class List:
    """A log in memory: partitions of values; the first offset may be above zero."""

    partitions: list[list[tuple[bytes, bytes]]]
    first: int = 0
    per_read: int = 3

    def bounds(self, partition: int) -> tuple[int, int]:
        """First and next offset."""
        return self.first, self.first + len(self.partitions[partition])

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[Read]:
        """A few entries at a time."""
        values = self.partitions[partition][offset - self.first :][: self.per_read]
        return [Read(offset + place, key, value) for place, (key, value) in enumerate(values)]


def checked(values: list[tuple[bytes, bytes]], first: int = 0) -> Checked:
    """The check over one partition."""
    return check_log(List([values], first), 1)


def whats(result: Checked) -> list[str]:
    """What was found, in order."""
    return [flaw.what for flaw in result.flaws]


def test_a_sound_log_passes_and_is_counted() -> None:
    """Two journals in two partitions: every payload, chain and signature holds."""
    counted: list[int] = []
    log = List([journal().values, journal(name=OTHER).values])
    result = check_log(log, 2, progress=counted.append)
    assert result.flaws == []
    assert (result.records, result.exchanges, result.payloads, result.signatures) == (20, 12, 12, 8)
    assert result.journals == {NAME.hex(): 10, OTHER.hex(): 10}
    assert sum(counted) == 20


def test_a_changed_payload_is_found_at_its_place() -> None:
    """One byte of a request changed: the digest does not hold, and the finding says where."""
    values = journal().values
    key, value = values[3]
    values[3] = (key, value[:-5] + b"9" + value[-4:])
    (flaw,) = checked(values).flaws
    assert (flaw.what, flaw.partition, flaw.offset, flaw.journal, flaw.sequence) == (
        "payload",
        0,
        3,
        NAME.hex(),
        3,
    )


def test_a_record_rewritten_with_its_digest_breaks_the_chain() -> None:
    """Whoever changes the payload and the digest with it is found at the next entry."""
    made = journal()
    entry, _ = split_record(made.values[2][1])
    forged = encode_payload(bytes(32), {}, b"forged")
    fields = {**parse_entry(entry).fields, 15: sha256(forged).digest(), 16: len(forged)}
    made.values[2] = (NAME, frame_record(encode_entry(fields), forged))
    (flaw,) = checked(made.values).flaws
    assert (flaw.what, flaw.offset) == ("chain", 3)


def test_a_missing_record_is_found() -> None:
    """Cut out of the middle: the sequence has a gap."""
    values = journal().values
    del values[2]
    result = checked(values)
    assert whats(result) == ["missing"]
    assert "sequence 2 is" in result.flaws[0].message


def test_two_records_swapped_are_found() -> None:
    """Order is part of what is sworn to."""
    values = journal().values
    values[2], values[3] = values[3], values[2]
    assert whats(checked(values)) == ["missing", "order"]


def test_the_same_record_again_is_benign() -> None:
    """Journal, sequence and hash are the same: counted, and skipped."""
    values = journal().values
    values.insert(4, values[2])
    result = checked(values)
    assert (result.flaws, result.duplicates) == ([], 1)


def test_another_record_with_the_same_sequence_is_found() -> None:
    """A second version of history is an alarm."""
    values = journal().values
    other = Journal()
    other.opening()
    other.exchange(b"another")
    values.insert(4, other.values[1])
    assert whats(checked(values)) == ["duplicate"]


def test_a_journal_signed_by_another_key_is_found() -> None:
    """A forger can chain, but not sign."""
    made = Journal()
    made.opening()
    made.exchange(b"1")
    made.key = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
    made.signed(Kind.HEARTBEAT)
    made.opening()
    assert whats(checked(made.values)) == ["signature", "signature"]


def test_a_second_epoch_without_an_opening_is_found() -> None:
    """An epoch begins with its opening entry."""
    made = Journal()
    made.opening()
    made.epoch += 1
    made.exchange(b"1")
    assert whats(checked(made.values)) == ["epoch"]


def test_a_log_whose_beginning_is_gone_is_checked_from_there() -> None:
    """After retention the first record stands for what was before it; its signatures cannot be checked."""
    result = checked(journal().values[2:], first=2)
    assert result.flaws == []
    assert result.unchecked_signatures == 1  # the heartbeat; the second opening brings the key again
    assert checked(journal().values[2:]).flaws[0].what == "missing"


def test_a_journal_in_two_partitions_is_found() -> None:
    """A journal's partition is chosen once."""
    values = journal().values
    assert "partition" in whats(check_log(List([values[:4], values[4:]]), 2))


def test_what_is_not_a_record_is_found_and_the_rest_is_checked() -> None:
    """Bytes that are no record, and a key that is not the journal's."""
    values = journal().values
    values.append((NAME, b"\x00\x01"))
    values[1] = (OTHER, values[1][1])
    assert whats(checked(values)) == ["key", "format"]


def test_a_payload_that_is_elsewhere_is_counted() -> None:
    """Erased, or in the object store: no flaw, and not called checked either."""
    values = journal().values
    entry, _ = split_record(values[1][1])
    values[1] = (NAME, frame_record(entry, b""))
    result = checked(values)
    assert (result.flaws, result.without_payload, result.payloads) == ([], 1, 5)


def external(sequence: int) -> tuple[list[tuple[bytes, bytes]], bytes, bytes]:
    """A journal one of whose payloads is in the object store; its digest, and the payload."""
    made = journal()
    payload = encode_payload(bytes(32), {1: "POST"}, b"z" * 1000, b"{}")
    digest = sha256(payload).digest()
    made.opening()
    made.add(
        Kind.INFERENCE,
        {6: 1, 7: "credit", 10: 200, 15: digest, 16: len(payload), 17: 0, 20: True, 22: sequence},
    )
    return made.values, digest, payload


def test_a_payload_in_the_object_store_is_fetched_and_held_against_its_entry() -> None:
    """Whole it counts; changed or emptied it is a flaw at its entry's place; gone it is counted as absent."""
    values, digest, payload = external(1)
    for stored, flaws, counted in (
        (payload, [], (7, 1, 0, 0)),
        (payload[:-1] + b"!", ["payload"], (6, 0, 0, 0)),
        (b"", ["payload"], (6, 0, 0, 0)),
        (None, [], (6, 0, 1, 1)),
    ):
        asked: list[bytes] = []

        def fetch(wanted: bytes, stored: bytes | None = stored, asked: list[bytes] = asked) -> bytes | None:
            asked.append(wanted)
            return stored

        result = check_log(List([values]), 1, external=fetch)
        assert asked == [digest]
        assert whats(result) == flaws
        assert [flaw.offset for flaw in result.flaws] == [len(values) - 1] * len(flaws)
        found = (result.payloads, result.external, result.without_payload, result.absent)
        assert found == counted
    assert checked(values).without_payload == 1


def test_missing_offsets_and_unreadable_parts_are_found() -> None:
    """The log itself may have holes: they are findings, not the end of the check."""

    class Holed(List):
        def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[Read]:
            if offset >= 6:
                raise LogUnavailable("damaged at offset 6")
            return [read for read in super().read(partition, offset, max_bytes, timeout) if read.offset != 3]

    waited: list[float] = []
    result = check_log(Holed([journal().values]), 1, pause=waited.append)
    assert whats(result) == ["offset", "missing", "unreadable"]
    assert waited == list(PAUSES)

    class Damaged(Holed):
        def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[Read]:
            try:
                return super().read(partition, offset, max_bytes, timeout)
            except LogUnavailable as error:
                raise LogDamaged(str(error)) from error

    asked: list[float] = []
    assert whats(check_log(Damaged([journal().values]), 1, pause=asked.append)) == whats(result)
    assert asked == [], "what a log says of its own bytes it says again"


def test_a_read_that_fails_once_is_no_flaw() -> None:
    """A broker that goes away under a check, and one that leads in its place."""

    class Elects(List):
        failures = len(PAUSES)

        def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[Read]:
            if offset >= 6 and self.failures:
                self.failures -= 1
                raise LogUnavailable("no leader")
            return super().read(partition, offset, max_bytes, timeout)[:3]

    values = journal().values
    result = check_log(Elects([values]), 1, pause=lambda _: None)
    assert (result.flaws, result.records) == ([], len(values))


def test_a_log_that_is_silent_is_unavailable() -> None:
    """Records that the bounds promise and that do not come are no clean result."""

    class Silent(List):
        def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[Read]:
            return []

    with pytest.raises(LogUnavailable):
        check_log(Silent([journal().values]), 1)


@given(st.data())
def test_any_flipped_bit_is_found(data: st.DataObject) -> None:
    """Whichever bit of whichever record is flipped, the check finds something (the journal ends signed).

    The kind of the very last entry is left out: an unknown kind is kept by the format's own rule, and what
    stands after a journal's last signed entry only the notary's tree can hold.
    """
    values = journal(2).values
    place = data.draw(st.integers(0, len(values) - 1))
    key, value = values[place]
    bit = data.draw(
        st.integers(0, len(value) * 8 - 1).filter(lambda n: place < len(values) - 1 or n // 8 > 6)
    )
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    values[place] = (key, bytes(changed))
    assert checked(values).flaws
