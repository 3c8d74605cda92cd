"""Records that the log has lost since they were sealed, and that it does not say it has lost."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from audit.archive import Archive, Part
from audit.archive.files import encode_payloads
from audit.auditor.verified import TreeVerified
from audit.auditor.verify import LiveLog, Wanted, verify_trees
from audit.log.base import LogEntry, LogReader
from audit.notary.holes import Hole, entry_of, hole_at
from audit.notary.seal import Seal
from audit.proof.record import frame_record, split_record
from audit.trees import Trees, Trust
from tests.components.sealed import KeySigner, SealedLog, seal_log, sealed_log, write_log
from tests.fault.attacks.hands import HeldLog, named
from tests.fault.attacks.test_attacks import archive_file

WHOLE = Wanted()


def stripped(entries: list[LogEntry]) -> list[LogEntry]:
    """Three records without their payloads: their entries are what the gateway signed."""
    out = list(entries)
    for at in (2, 3, 4):
        out[at] = out[at]._replace(value=frame_record(split_record(out[at].value)[0], b""))
    return out


class Lossy:
    """A log without some of its records, whose bounds are as they were."""

    def __init__(self, reader: LogReader, lost: set[int]) -> None:
        self._reader = reader
        self._lost = lost

    def bounds(self, partition: int) -> tuple[int, int]:
        return self._reader.bounds(partition)

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[LogEntry]:
        while found := self._reader.read(partition, offset, max_bytes, timeout):
            if left := [each for each in found if each.offset not in self._lost]:
                return left
            offset = found[-1].offset + 1
        return found

    def close(self) -> None:
        self._reader.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    """For reading: 13 records, of which the archive has files of four."""
    return sealed_log(tmp_path_factory.mktemp("sound"), archive_records=4)


def verified(log: SealedLog, lost: set[int], wanted: Wanted) -> TreeVerified:
    return held(log, Lossy(log.log().reader(), lost), wanted)


def held(log: SealedLog, other: LogReader | None, wanted: Wanted = WHOLE) -> TreeVerified:
    """What `verify` says of the tree with another log."""
    trees = Trees(Trust(log.vkey.name, Path(), (), 0, log.vkey), log.objects)
    with ExitStack() as stack:
        reader = None if other is None else stack.enter_context(closing(other))
        logs = {} if reader is None else {log.topic.id: LiveLog(reader, log.topic)}
        return verify_trees(trees, [log.tree_id], Archive(log.objects), logs, wanted, pause=lambda _: None)[0]


CASES = [
    ({5}, WHOLE, 5),
    ({7}, WHOLE, 7),
    ({4, 5, 6, 7}, WHOLE, 4),
    (set(range(3, 10)), WHOLE, 3),
    ({6}, Wanted(2, 7), 6),
    ({2, 3, 4, 5, 6}, Wanted(2, 7), 2),
    (set(range(5, 11)), Wanted(2, 7), 5),
]


@pytest.mark.parametrize(("lost", "wanted", "at"), CASES)
def test_records_that_the_log_has_lost_are_told(
    log: SealedLog, lost: set[int], wanted: Wanted, at: int
) -> None:
    """In the middle of what is looked at together, at its end, all of it, and across several."""
    named(verified(log, lost, wanted).flaws, "log", offset=at)


def test_a_log_that_has_all_is_without_a_flaw(log: SealedLog) -> None:
    """What is found above is found because of the records."""
    assert verified(log, set(), Wanted(2, 7)).flaws == verified(log, set(), WHOLE).flaws == []


def test_what_was_sealed_as_a_hole_need_not_be_in_the_log(tmp_path: Path) -> None:
    """Compaction, or a transaction: the log never had it, and the tree says so."""
    made = write_log(tmp_path, [[b"{}"] * 3])
    leaves = [entry_of(each.value, made.topic, 0, each.offset).entry for each in made.entries()]
    leaves[2] = hole_at(Hole.GONE, made.topic, 0, 2).entry
    seal = Seal(made.objects, made.tree_id, KeySigner())
    seal.append(leaves)
    seal.seal()
    seal.close()
    for wanted in (WHOLE, Wanted(1, 3)):  # in the middle, and at the end
        found = verified(made, {2}, wanted)
        assert [flaw for flaw in found.flaws if flaw.what == "log"] == []
        assert found.holes == 1
    named(verified(made, {2, 3}, WHOLE).flaws, "log", offset=3)


def test_payloads_that_were_left_out_before_sealing_are_told(tmp_path: Path) -> None:
    """The notary raises an alarm for each; an auditor who has the log finds them."""
    made = write_log(tmp_path, [[b"{}"] * 5])
    changed = stripped(made.entries())
    flawed = [each.offset for each in changed if entry_of(each.value, made.topic, 0, each.offset).flaw]
    assert flawed == [2, 3, 4]
    seal_log(made, change=stripped)
    found = held(made, HeldLog(changed))
    assert [(flaw.what, flaw.offset) for flaw in found.flaws] == [("payload", at) for at in (2, 3, 4)]
    assert (found.without_payload, found.external) == (3, 0)


def test_payloads_that_were_removed_from_the_archive_are_located(tmp_path: Path) -> None:
    """The log is gone: nobody can say that it is wrong, but where they are missing. Alike ones, and one by one."""
    made = sealed_log(tmp_path, 40, archive_records=30)
    gone = set()
    for number in (0, 1):
        path, table = archive_file(made, Part.PAYLOADS, number)
        offsets = table.column("offset").to_pylist()[-2:]
        gone |= set(offsets)
        path.write_bytes(encode_payloads(table.slice(0, table.num_rows - 2)))
    found = held(made, None)
    assert found.flaws == []
    assert {at for a, b in found.unexplained for at in range(a, b + 1)} == gone
    (said,) = [each for each in found.remarks if each.what == "payload"]
    assert said.message.startswith("4 are missing at ")
    assert said.offset == min(gone)


def test_payloads_that_the_log_does_not_have_any_more_are_told(log: SealedLog) -> None:
    """Whether the archive has them or not."""
    found = held(log, HeldLog(stripped(log.entries())))
    assert [(flaw.what, flaw.offset) for flaw in found.flaws] == [("payload", at) for at in (2, 3, 4)]
    assert found.without_payload == 0
