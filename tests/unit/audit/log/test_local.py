"""The local log after crashes, damage and rivals."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from audit.errors import LogDamaged, LogUnavailable
from audit.log.frames import encode_frame
from audit.log.local import LocalLog, LocalWriter
from tests.components.descriptors import descriptors_left
from tests.components.process import wait_until

KEY = bytes(16)


def wrote(log: LocalLog, *values: bytes) -> None:
    """Append and wait."""
    writer = log.writer(0)
    send(writer, *values)
    writer.close()


def send(writer: LocalWriter, *values: bytes) -> None:
    """Append and wait, leaving the writer open."""
    before = writer.delivered().sends
    for value in values:
        writer.send(value, KEY)
    wait_until(lambda: writer.delivered().sends == before + len(values), what="the records are synced")


def values(log: LocalLog) -> list[bytes]:
    """All of partition 0."""
    reader = log.reader()
    try:
        found: list[bytes] = []
        while batch := reader.read(0, len(found), 1 << 20, 0.0):
            found += [entry.value or b"" for entry in batch]
        return found
    finally:
        reader.close()


def test_only_one_process_writes_a_partition(tmp_path: Path) -> None:
    """The second writer is refused while the first lives, and welcome after it."""
    log = LocalLog(tmp_path, "t")
    first = log.writer(0)
    with pytest.raises(LogUnavailable, match="another process writes"):
        log.writer(0)
    first.close()
    log.writer(0).close()


def test_a_torn_tail_is_cut_and_whole_frames_past_the_mark_are_kept(tmp_path: Path) -> None:
    """What a crash leaves: frames whose mark did not move, then half a frame."""
    log = LocalLog(tmp_path, "t")
    wrote(log, b"a", b"b")
    segment = tmp_path / "0" / f"{0:020d}.log"
    with segment.open("ab") as file:
        file.write(encode_frame(2, 1, KEY, b"c") + encode_frame(3, 1, KEY, b"d")[:-1])
    assert values(log) == [b"a", b"b"]
    wrote(log, b"e")
    assert values(log) == [b"a", b"b", b"c", b"e"]


@pytest.mark.parametrize("place", range(0, 60, 7))
def test_damage_below_the_mark_is_refused_and_nothing_is_changed(tmp_path: Path, place: int) -> None:
    """A flipped byte in what was durable is no torn tail: the writer refuses, the reader says where."""
    log = LocalLog(tmp_path, "t")
    wrote(log, b"a" * 20, b"b" * 20)
    segment = tmp_path / "0" / f"{0:020d}.log"
    damaged = bytearray(segment.read_bytes())
    damaged[place] ^= 1
    segment.write_bytes(damaged)
    with pytest.raises(LogDamaged, match="damaged"):  # asking again gives the same: exit code 1
        log.writer(0)
    assert segment.read_bytes() == damaged
    with pytest.raises(LogDamaged, match="damaged"):
        values(log)


def test_a_segment_that_does_not_follow_is_refused_and_nothing_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing on in it would leave offsets that nobody can ever read; one lost in the middle leaves the same."""
    monkeypatch.setattr("audit.log.local.SEGMENT_BYTES", 1)
    log = LocalLog(tmp_path, "t")
    for value in (b"a", b"b", b"c"):
        wrote(log, value)
    (tmp_path / "0" / f"{9:020d}.log").write_bytes(b"")
    with pytest.raises(LogUnavailable, match="damaged"):
        log.writer(0)
    (tmp_path / "0" / f"{9:020d}.log").unlink()
    (tmp_path / "0" / f"{1:020d}.log").unlink()
    with pytest.raises(LogUnavailable, match="damaged"):
        log.writer(0)
    assert sorted(path.name for path in (tmp_path / "0").glob("*.log")) == [f"{at:020d}.log" for at in (0, 2)]


def test_files_of_other_names_are_no_segments(tmp_path: Path) -> None:
    """Somebody's copy beside them changes nothing."""
    log = LocalLog(tmp_path, "t")
    wrote(log, b"a")
    for name in ("copy.log", "1.log", f"{1:021d}.log", f"{2**65:020d}.log"):
        (tmp_path / "0" / name).write_bytes(b"x")
    wrote(log, b"b")
    assert values(log) == [b"a", b"b"]


@pytest.mark.parametrize("count", range(4))
def test_where_no_descriptor_is_left_a_log_does_not_answer(tmp_path: Path, count: int) -> None:
    """And says so by its own error, which everybody expects of it; then it answers again."""
    log = LocalLog(tmp_path, "t")
    wrote(log, b"a")
    reader = log.reader()
    with descriptors_left(count), suppress(LogUnavailable):
        assert reader.bounds(0) == (0, 1)
        assert reader.read(0, 0, 100, 0)[0].value == b"a"
        assert count >= 2
    assert reader.bounds(0) == (0, 1)
    with descriptors_left(0), pytest.raises(LogUnavailable, match="Too many open files"):
        reader.bounds(0)
    reader.close()


def test_who_only_reads_makes_nothing(tmp_path: Path) -> None:
    """Neither the directory nor a topic in it; once there is one, it is read."""
    reading = LocalLog(tmp_path / "log", "t", create=False)
    for ask in (reading.topic, reading.reader, reading.check):
        with pytest.raises(LogUnavailable, match="there is no log yet"):
            ask()
    assert not (tmp_path / "log").exists()
    wrote(LocalLog(tmp_path / "log", "t"), b"a")
    assert values(reading) == [b"a"]


def test_another_topic_in_the_directory_is_refused(tmp_path: Path) -> None:
    """Two names are two logs."""
    LocalLog(tmp_path, "one")
    with pytest.raises(LogUnavailable, match="holds topic 'one'"):
        LocalLog(tmp_path, "two").topic()


@pytest.mark.parametrize("size", [1, 15, 16, 17, 40])
def test_at_least_one_entry_is_read_however_few_bytes_are_asked_for(tmp_path: Path, size: int) -> None:
    """Also fewer than a frame's head has."""
    log = LocalLog(tmp_path / "log", "records", 1)
    wrote(log, b"x" * 100, b"y")
    reader = log.reader()
    assert [each.value for each in reader.read(0, 0, size, 0.0)] == [b"x" * 100]
    assert [each.value for each in reader.read(0, 1, size, 0.0)] == [b"y"]
    reader.close()


def test_segments_roll_and_are_read_across(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full segment is followed by another; offsets and reading go on."""
    monkeypatch.setattr("audit.log.local.SEGMENT_BYTES", 100)
    log = LocalLog(tmp_path, "t")
    writer = log.writer(0)
    expected = [b"%03d" % number for number in range(40)]
    for value in expected:
        send(writer, value)
    writer.close()
    assert len(list((tmp_path / "0").glob("*.log"))) > 5
    assert values(log) == expected
    wrote(log, b"after")
    assert values(log) == [*expected, b"after"]
