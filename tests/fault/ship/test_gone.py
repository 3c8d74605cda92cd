"""What shipping was to go on from is gone: the sidecar was away for longer than the log keeps its records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from audit.errors import SequenceGone
from audit.journal import JournalReader
from audit.proof.hashing import leaf_hash
from audit.proof.record import split_record
from audit.ship.lag import LagWatch
from audit.ship.metrics import GONE, Shipped, SidecarCollector
from audit.ship.reached import ACKNOWLEDGED, SEALED, Reached, ReachedWriter, read_reached
from audit.ship.shipper import Shipper, SourceRecord
from tests.components.sworn import OTHER, two_epochs
from tests.fault.ship.memory import MemoryLog
from tests.fault.ship.place import Place
from tests.fault.ship.world import checked, drain, durable, journal_of_epochs, shipper_of

pytestmark = pytest.mark.fault


class Away:
    """A journal that was shipped; then its sidecar was stopped, and both journal and log went on without it."""

    def __init__(self, data: Path) -> None:
        self.data, self.log = data, MemoryLog()
        self.shipping = data / "shipping" / "0"
        journal_of_epochs(data)
        drain(self.shipper())
        self.before = durable(data)
        self.end = len(self.log.entries)
        journal_of_epochs(data, epochs=1)

    def shipper(self) -> Shipper:
        """The journal's, started anew."""
        return shipper_of(self.data, self.log, self.shipping)

    def retained(self, first: int) -> None:
        """Others have written on, and the log begins at this offset now."""
        self.log.entries += two_epochs(20, OTHER).values
        self.log.visible = len(self.log.entries)
        self.log.first = first

    def forget(self, name: str = ACKNOWLEDGED) -> None:
        """A crash of the machine took a mark."""
        (self.shipping / name).unlink()

    def sealed(self, sequence: int) -> None:
        """What the sidecar has proved to be sealed."""
        writer = ReachedWriter(self.shipping, SEALED, bytes(16))
        writer.write(Reached(sequence, self.end))
        writer.close()

    def whole(self) -> int:
        """Nothing of the journal was lost, whatever the log has kept of it; how often something stands there twice."""
        self.log.first, self.log.step = 0, lambda _: None
        result = checked(self.log)
        assert result.flaws == []
        assert result.journals[self.shipper().journal.hex()] == durable(self.data)
        return result.duplicates


@pytest.fixture
def away(tmp_path: Path) -> Away:
    return Away(tmp_path)


def test_after_an_orderly_stop_it_goes_on_with_what_was_not_acknowledged(away: Away) -> None:
    """Nothing was in flight, so nothing is there twice; it is told, once, and counted."""
    away.retained(away.end + 5)
    shipper = away.shipper()
    with capture_logs() as said:
        drain(shipper)
    assert shipper.progress.alarm is None
    assert shipper.progress.shipped == durable(away.data) - away.before
    (told,) = [each for each in said if each["log_level"] == "error"]
    assert "does not have any more" in told["event"]
    assert (told["first_there"], told["sequence"]) == (away.end + 5, away.before)
    watch = LagWatch(away.data / "journals" / "0", shipper.progress)
    found = {
        sample.name: sample.value
        for family in SidecarCollector(lambda: {shipper.journal: Shipped(shipper.progress, watch)}).collect()
        for sample in family.samples
    }
    assert found[f"{GONE}_total"] == 1
    assert away.whole() == 0
    assert drain(away.shipper()).progress.gone == 0


def test_a_log_that_still_has_what_was_to_be_read_is_gone_on_with_as_ever(away: Away) -> None:
    """Retention that takes what was looked at takes nothing that is needed."""
    known = read_reached(away.shipping, ACKNOWLEDGED)
    assert known is not None
    away.retained(known.offset)
    shipper = drain(away.shipper())
    assert (shipper.progress.gone, shipper.progress.alarm) == (0, None)
    assert away.whole() == 0


def test_what_is_sealed_was_in_the_log(away: Away) -> None:
    """The acknowledged mark is lost, and the other one is not."""
    away.retained(away.end)
    away.forget()
    away.sealed(away.before)
    drain(away.shipper())
    assert away.whole() == 0


@pytest.mark.parametrize("first", [3, 11, 20])
def test_what_the_log_still_has_tells_what_stood_before_it(away: Away, first: int) -> None:
    """The mark is lost, and a part of the journal is there: it was shipped in order."""
    away.retained(first)
    away.forget()
    shipper = drain(away.shipper())
    assert (shipper.progress.gone, shipper.progress.alarm) == (1, None)
    assert away.whole() == 0


def test_what_the_journal_has_freed_was_in_the_log(away: Away) -> None:
    """Both marks are lost: what is not on this disk any more was acknowledged, or sealed."""

    class Freed(JournalReader):
        """A journal whose first entries are gone."""

        def seek(self, sequence: int) -> None:
            if sequence < 9:
                raise SequenceGone("freed")
            super().seek(sequence)

        def read(self, max_bytes: int):
            return [record for record in super().read(max_bytes + (1 << 20)) if record.sequence >= 9]

    away.retained(away.end)
    away.forget()
    shipper = away.shipper()
    shipper._source = lambda: Freed(away.data / "journals" / "0")
    drain(shipper)
    assert shipper.progress.alarm is None
    assert away.whole() == away.before - 9


def test_what_was_in_flight_when_it_died_is_shipped_again(away: Away) -> None:
    """Six records had landed, and nobody had said so: they stand there twice, with one hash, and none is lost."""
    reader = JournalReader(away.data / "journals" / "0")
    reader.seek(away.before)
    landed: Sequence[SourceRecord] = reader.read(1 << 20)[:6]
    reader.close()
    away.log.entries += [(away.shipper().journal, record.record) for record in landed]
    away.retained(len(away.log.entries))
    assert drain(away.shipper()).progress.alarm is None
    assert away.whole() == 6


def test_without_any_mark_all_that_the_journal_has_is_shipped_again(away: Away) -> None:
    """Nobody can say what stood there: the other way something could be lost."""
    away.retained(away.end)
    away.forget()
    assert drain(away.shipper()).progress.shipped == durable(away.data)
    assert away.whole() == away.before


def test_a_gap_behind_what_is_gone_is_an_alarm(away: Away) -> None:
    """From the first entry on that the log still has, nothing may be missing."""
    del away.log.entries[12]
    away.retained(5)
    away.forget()
    assert "is not in the log" in str(drain(away.shipper()).progress.alarm)


def test_another_hash_behind_what_is_gone_is_an_alarm(away: Away) -> None:
    """What is there is held against the journal, as ever."""
    key, value = away.log.entries[12]
    away.log.entries[12] = (
        key,
        value.replace(b"/v1/models/m", b"/v1/models/n").replace(b"\x07am", b"\x07an"),
    )
    assert leaf_hash(split_record(value)[0]) != leaf_hash(split_record(away.log.entries[12][1])[0])
    away.retained(5)
    away.forget()
    assert "another in the journal" in str(drain(away.shipper()).progress.alarm)


def test_what_retention_takes_while_it_is_read_is_asked_for_again(away: Away) -> None:
    """Between the look at the log's beginning and the reading: tried again, from the new beginning."""
    away.forget()
    away.retained(0)

    def step(name: str) -> None:
        if name == "read":
            away.log.first = 7

    away.log.step = step
    shipper = away.shipper()
    with capture_logs() as said:
        drain(shipper)
    assert (shipper.progress.restarts, shipper.progress.gone, shipper.progress.alarm) == (1, 1, None)
    (warning,) = [each for each in said if each["log_level"] == "warning"]
    assert (warning["event"], warning["exc_info"]) == (
        "what was to be read of the log was deleted meanwhile; trying again", False,
    )  # fmt: skip
    assert away.whole() == 0


def test_what_neither_the_log_nor_the_tree_has_is_not_freed(tmp_path: Path) -> None:
    """The notary was away, too, for too long: shipping goes on, and the journal keeps what it alone has."""
    place = Place(tmp_path)
    lost = place.places()[9]
    place.log.entries += two_epochs(20, OTHER).values
    place.log.visible = len(place.log.entries)
    place.log.first = lost + 6
    place.grow()
    shipper = place.ship()
    assert shipper.progress.acknowledged == durable(tmp_path)
    place.log.first = 0
    place.sealer.seal(change=lambda offset, value: b"gone" if lost <= offset < lost + 6 else value)
    seal = place.look()
    assert seal.progress.sequence == 9
    assert "entry 9 " in str(seal.progress.alarm)
