"""What journals swear to in a bundle: each entry that an unbroken chain leads from to a signed one, and no other."""

from __future__ import annotations

from collections.abc import Container

import pytest

from audit.proof.entry import SIGNED_KINDS, Entry, Key, Kind, parse_entry
from audit.proof.journals import Placed, Sworn, verify_journals
from audit.proof.record import parse_record
from tests.golden.proof import make

(TREE,) = make.evidence().trees
ENTRIES = [(kept.offset, parse_record(kept.record).entry) for kept in TREE.records]
SIGNED = [offset for offset, entry in ENTRIES if entry.kind in SIGNED_KINDS]
OPENING, REOPENING, BEAT, CLOSING = SIGNED


def sworn(offsets: Container[int], asked: Container[int], *more: Placed) -> Sworn:
    """Of these entries of the golden journal, where those were asked for."""
    there = [(offset, entry) for offset, entry in ENTRIES if offset in offsets]
    return verify_journals(make.TREE, sorted([*there, *more], key=lambda each: each[0]), asked.__contains__)


def reasons(found: Sworn) -> tuple[int, int, int, int]:
    assert (
        found.asked == found.asked_sworn + found.left_out + found.not_signed + found.no_key + found.displaced
    )
    assert found.without == found.asked - found.asked_sworn
    return found.asked_sworn, found.left_out, found.not_signed, found.no_key


def test_an_entry_is_sworn_to_when_the_chain_to_a_signed_one_is_whole() -> None:
    """From each record up to the next signature, and the opening for its key."""
    found = sworn({OPENING, *range(2, REOPENING + 1)}, {2, 3})
    assert reasons(found) == (2, 0, 0, 0)
    assert (found.entries, found.sworn, found.signatures) == (REOPENING, REOPENING, 2)
    assert found.why() == []


def test_a_gap_before_the_signature_is_counted_as_left_out() -> None:
    """A later signed entry is there: whoever made the bundle did not take what is between."""
    found = sworn({OPENING, 1, 2, REOPENING}, {1, 2})
    assert reasons(found) == (0, 2, 0, 0)
    assert found.why()[0].startswith("2: the entries from them")
    assert reasons(sworn({OPENING, 1, *range(3, REOPENING + 1)}, {1, 3})) == (1, 1, 0, 0)
    assert reasons(sworn({OPENING, 1, BEAT + 1, CLOSING}, {1, BEAT + 1})) == (0, 2, 0, 0)


def test_what_no_signature_follows_is_counted_apart() -> None:
    """The journal had not signed on yet, or its signed entry is not here."""
    found = sworn({*range(BEAT + 3)}, {*range(BEAT + 3)})
    assert reasons(found) == (BEAT + 1, 0, 2, 0)
    assert found.why()[0].startswith("2: no later entry")
    assert reasons(sworn({OPENING, 2}, {2})) == (0, 0, 1, 0)


def test_without_its_opening_no_signature_can_be_checked() -> None:
    """The key stands in it."""
    found = sworn({*range(BEAT + 1, CLOSING + 1)}, {BEAT + 1})
    assert reasons(found) == (0, 0, 0, 1)
    assert (found.unchecked, found.signatures) == (1, 0)
    assert found.why()[0].startswith("1: their journal's opening")


@pytest.mark.parametrize("offset", [2, REOPENING])
def test_a_chain_that_does_not_hold_is_a_flaw_and_swears_to_nothing(offset: int) -> None:
    """An entry that follows another one than the one that is there."""
    entry = ENTRIES[offset][1]
    other = Entry({**entry.fields, Key.CHAIN: bytes(32)}, entry.raw)
    found = sworn({*range(REOPENING + 1)} - {offset}, {1}, (offset, other))
    assert [(flaw.what, flaw.offset) for flaw in found.flaws if "follow" in flaw.message] == [
        ("journal", offset)
    ]
    assert found.asked_sworn == 0


def test_a_signature_of_another_key_swears_to_nothing() -> None:
    """It is a flaw with its place."""
    entry = ENTRIES[REOPENING][1]
    other = Entry({**entry.fields, Key.SIGNATURE: bytes(64)}, entry.raw)
    found = sworn({*range(REOPENING)}, {1}, (REOPENING, other))
    assert [(flaw.message, flaw.offset) for flaw in found.flaws] == [
        ("is not signed by the journal's key", REOPENING)
    ]
    assert reasons(found) == (0, 0, 1, 0)


def test_a_sequence_that_two_entries_have_is_a_flaw() -> None:
    """The same entry twice is none: it was delivered twice."""
    (offset, entry), (_, next_) = ENTRIES[1], ENTRIES[2]
    twice = sworn({*range(REOPENING + 1)}, {1}, (99, entry))
    assert (twice.flaws, twice.asked_sworn) == ([], 1)
    other = Entry({**next_.fields, Key.SEQUENCE: entry.fields[Key.SEQUENCE]}, next_.raw)
    (flaw,) = sworn({*range(REOPENING + 1)}, {1}, (99, other)).flaws
    assert (flaw.offset, f"offset {offset}" in flaw.message) == (99, True)


def test_of_two_entries_the_journals_is_the_one_that_is_chained_to() -> None:
    """Wherever it stands; the other is the flaw, and is not sworn to; its neighbours are."""
    offset, entry = ENTRIES[2]
    raw = entry.raw[:-1] + bytes((entry.raw[-1] ^ 1,))
    for at in (0.5, 99):
        found = sworn({*range(REOPENING + 1)}, {1, 2, 3, at}, (at, Entry(entry.fields, raw)))  # type: ignore[arg-type]
        (flaw,) = found.flaws
        assert (flaw.offset, f"offset {offset} has sequence" in flaw.message) == (at, True)
        assert reasons(found) == (3, 0, 0, 0)
        assert (found.asked, found.displaced, found.without) == (4, 1, 1)
        assert found.why() == ["1: another entry has their place in the journal: they are flaws"]


def test_trees_are_added_up() -> None:
    """Each count, and the flaws."""
    total = sworn({OPENING, 1, REOPENING}, {1})
    total.add(sworn({OPENING, 2}, {2}))
    assert reasons(total) == (0, 1, 1, 0)
    assert total.entries == 5


def test_entries_of_no_journal_are_passed_over() -> None:
    """A label swears to nothing, and nothing swears to it."""
    label = parse_entry(make.label(7))
    found = verify_journals(make.TREE, [(0, label)], lambda _: True)
    assert found == Sworn()
    assert label.kind == Kind.LABEL
