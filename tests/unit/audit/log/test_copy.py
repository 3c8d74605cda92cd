"""A log's copy in a directory: the original's id, offsets and times; what does not fit is not copied."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit.errors import LogUnavailable
from audit.log.base import Log, LogEntry
from audit.log.copy import LogCopy, contact_of
from audit.log.frames import decode_frame, encode_frame
from audit.log.local import LocalLog
from audit.show import walk
from tests.components.process import wait_until
from tests.components.threads import running

CLOCK = 1_700_000_000_000_000_000


@pytest.fixture
def log(tmp_path: Path) -> LocalLog:
    """What is copied."""
    return LocalLog(tmp_path / "log", "governance", clock=lambda: CLOCK)


def send(log: Log, *values: bytes) -> None:
    """Append."""
    writer = log.writer(0)
    for value in values:
        writer.send(value, b"key")
    wait_until(lambda: writer.delivered().sends == len(values), what="it is appended")
    writer.close()


def everything(log: Log) -> list[LogEntry]:
    """All of it."""
    reader = log.reader()
    try:
        return list(walk(reader, 0, 0, reader.bounds(0)[1]))
    finally:
        reader.close()


@contextmanager
def copying(log: Log, directory: Path) -> Iterator[LogCopy]:
    """A copy that is kept up to date."""
    copy = LogCopy(log, directory, clock=lambda: CLOCK, retry=0.01, poll=0.01)
    with running(copy.run):
        yield copy


def test_a_copy_is_the_log(log: LocalLog, tmp_path: Path) -> None:
    """Offsets, times, keys and values; it goes on where it was, and says when it had everything."""
    send(log, b"one", b"two")
    copy_of = tmp_path / "copy"
    assert contact_of(copy_of) is None
    with copying(log, copy_of) as copy:
        wait_until(lambda: copy.contact is not None, what="the copy is whole")
    send(log, b"three")
    with copying(log, copy_of) as copy:
        wait_until(lambda: copy.copied == 3 and copy.contact is not None, what="the copy is whole again")
    found = LocalLog(copy_of, "governance", create=False)
    assert everything(found) == everything(log)
    assert found.topic() == log.topic()
    assert contact_of(copy_of) == CLOCK


def test_an_entry_without_a_value_stays_one() -> None:
    """A foreign client can write one, and its leaf is another than that of an empty value."""
    for value in (None, b""):
        frame = encode_frame(7, 1_700_000_000_000, b"k", value)
        assert decode_frame(frame, 0, len(frame)) == (LogEntry(7, 1_700_000_000_000, b"k", value), len(frame))


def test_another_log_is_not_copied_over_it(log: LocalLog, tmp_path: Path) -> None:
    """A topic that was made again, or cut: the copy stays as it was, and it is told."""
    send(log, b"one", b"two")
    with copying(log, tmp_path / "copy") as copy:
        wait_until(lambda: copy.contact is not None, what="the copy is whole")
    before = everything(LocalLog(tmp_path / "copy", "governance", create=False))
    shutil.rmtree(tmp_path / "log")
    again = LocalLog(tmp_path / "log", "governance")
    send(again, b"forged", b"forged too", b"and one more")
    with copying(again, tmp_path / "copy") as copy:
        wait_until(lambda: copy.problem is not None, what="it is told")
    assert "is the copy of topic" in str(copy.problem)
    # The same name and id, and less in it than was copied.
    topic = (tmp_path / "copy" / "topic.json").read_bytes()
    shutil.rmtree(tmp_path / "log")
    LocalLog(tmp_path / "log", "governance")
    (tmp_path / "log" / "topic.json").write_bytes(topic)
    with copying(LocalLog(tmp_path / "log", "governance"), tmp_path / "copy") as copy:
        wait_until(lambda: copy.problem is not None, what="it is told")
    assert "its copy goes on at 2" in str(copy.problem)
    assert everything(LocalLog(tmp_path / "copy", "governance", create=False)) == before


def test_a_log_that_does_not_answer_is_asked_again(log: LocalLog, tmp_path: Path) -> None:
    """And the copy then looks as old as it is."""
    absent = LocalLog(tmp_path / "absent", "governance", create=False)
    with copying(absent, tmp_path / "copy") as copy:
        wait_until(lambda: copy.problem is not None, what="it is told")
        assert copy.contact is None
        LocalLog(tmp_path / "absent", "governance")
        wait_until(lambda: copy.contact is not None, what="it is copied")
    assert copy.problem is None


def test_two_do_not_write_one_copy(log: LocalLog, tmp_path: Path) -> None:
    """Whoever comes second waits."""
    with copying(log, tmp_path / "copy") as first:
        wait_until(lambda: first.contact is not None, what="the copy is whole")
        with pytest.raises(LogUnavailable, match="another process writes"):
            LogCopy(log, tmp_path / "copy")._follow(threading.Event())
