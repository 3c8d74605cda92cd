"""From answered to sealed: every answer counts, above all those that waited longest."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest
from harness.notary import delays_of, require_all, wait_shipped
from harness.processes import BenchError

from audit.journal.disk import RealDisk
from audit.journal.mark import MARK_NAME, MarkFile
from audit.log.local import LocalLog
from audit.proof.entry import Key, Kind, encode_entry
from audit.proof.record import frame_record
from audit.ship.reached import ACKNOWLEDGED, Reached, ReachedWriter

SECOND = 1_000_000_000


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A gateway's, whose journal has made ten entries durable, and a sidecar that has shipped four."""
    journal = tmp_path / "journals" / "0"
    journal.mkdir(parents=True)
    (journal / "journal.json").write_text(json.dumps({}))
    mark = MarkFile(RealDisk(), journal / MARK_NAME)
    mark.publish(1, 0, 1000, 10)
    mark.close()
    ship(tmp_path, 4)
    return tmp_path


def ship(directory: Path, sequence: int) -> None:
    writer = ReachedWriter(directory / "shipping" / "0", ACKNOWLEDGED, bytes(16))
    writer.write(Reached(sequence, sequence))
    writer.close()


def test_what_was_durable_when_the_load_ended_is_waited_for(directory: Path) -> None:
    """It is looked at the checkpoints all the while: which one covers the last answers is part of the figure."""
    looks = count(1)

    def look() -> None:
        shipped = 4 + 2 * next(looks)
        ship(directory, min(shipped, 10))

    wait_shipped(directory, look)
    assert next(looks) >= 4


def test_what_is_never_shipped_fails_the_bench(directory: Path) -> None:
    """Without it the figure would be that of the others."""
    with pytest.raises(BenchError, match=r"durable 10, acknowledged 4"):
        wait_shipped(directory, lambda: None, timeout=0.0)


def test_fewer_answers_than_have_left_fail_the_bench() -> None:
    """More are well: those in work when the load stopped looking."""
    require_all(10, 10)
    require_all(12, 10)
    with pytest.raises(BenchError, match="10 answers have left, and the log has 9"):
        require_all(9, 10)


def test_each_answer_waits_for_the_first_checkpoint_that_covers_it(tmp_path: Path) -> None:
    """Refused requests and heartbeats are no answers."""
    log = LocalLog(tmp_path, "entries", 1)
    writer = log.writer(0)
    for sequence, status in enumerate((200, 200, 503, 200)):
        fields = {
            Key.KIND: Kind.INFERENCE, Key.JOURNAL: bytes(16), Key.EPOCH: 1, Key.SEQUENCE: sequence,
            Key.CHAIN: bytes(32), Key.COMMITTING: sequence * SECOND, Key.ARRIVED: 0, Key.SERVICE: "s",
            Key.STATUS: status, Key.PAYLOAD_DIGEST: bytes(32), Key.PAYLOAD_LENGTH: 1, Key.SUITE: 0,
            Key.TICKET: sequence,
        }  # fmt: skip
        writer.send(frame_record(encode_entry(fields), b""), bytes(16))
    while writer.delivered().sends < 4:
        writer.wait(1.0)
    writer.close()
    reader = log.reader()
    assert list(delays_of(reader, 4, [(1, 2 * SECOND), (3, 5 * SECOND), (4, 10 * SECOND)])) == [2.0, 4.0, 7.0]
    reader.close()
