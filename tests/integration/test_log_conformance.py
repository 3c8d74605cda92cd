"""One contract, two backends: what a log promises, asked of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audit.config import Config
from audit.errors import LogUnavailable, OffsetGone
from audit.log import Log, LogWriter, open_log
from audit.settings import LogSettings
from tests.components.process import wait_until

KEY = bytes(16)
Make = Callable[[], Log]


@pytest.fixture(params=["local", pytest.param("kafka", marks=pytest.mark.kafka)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Opens the same topic again and again."""
    config = Config(tmp_path / "affiant.toml", {})
    if request.param == "local":
        settings = LogSettings(partitions=2)
    else:
        topic = request.getfixturevalue("kafka_topic")(
            "log", partitions=2, config={"max.message.bytes": "16777216"}
        )
        settings = LogSettings(backend="kafka", bootstrap=request.getfixturevalue("kafka"), topic=topic)
    return lambda: open_log(settings, config)


def deliver(writer: LogWriter, count: int) -> int:
    """Wait until `count` sends are acknowledged; the last offset."""

    def done() -> bool:
        writer.wait(0.2)
        return writer.delivered().sends >= count

    wait_until(done, what=f"{count} records are acknowledged")
    return writer.delivered().offset


def test_what_was_acknowledged_is_read_back_in_order(make: Make) -> None:
    """Records come back byte for byte, at consecutive offsets, with their key."""
    log = make()
    writer, reader = log.writer(1), log.reader()
    values = [b"%d" % number * (number + 1) for number in range(50)]
    for value in values:
        writer.send(value, KEY)
    last = deliver(writer, len(values))
    writer.close()
    first, end = reader.bounds(1)
    assert (first, end, last) == (0, 50, 49)
    assert reader.bounds(0) == (0, 0)
    read = []
    while len(read) < 50:
        read += reader.read(1, len(read), 100, 5.0)
    assert [entry.value for entry in read] == values
    assert [entry.offset for entry in read] == list(range(50))
    assert {entry.key for entry in read} == {KEY}
    reader.close()


def test_a_second_run_goes_on_behind_the_first(make: Make) -> None:
    """Each writer counts its own sends; offsets go on."""
    for run in range(3):
        writer = make().writer(0)
        assert writer.delivered() == (0, writer.delivered().offset)
        writer.send(b"run %d" % run, KEY)
        assert deliver(writer, 1) == run
        writer.close()
    reader = make().reader()
    assert [entry.value for entry in reader.read(0, 0, 1 << 20, 5.0)] == [b"run 0", b"run 1", b"run 2"]
    reader.close()


def test_a_record_larger_than_the_read_is_read_whole(make: Make) -> None:
    """`max_bytes` never makes a record unreadable."""
    writer, reader = make().writer(0), make().reader()
    writer.send(bytes(3_000_000), KEY)
    deliver(writer, 1)
    (entry,) = reader.read(0, 0, 10, 5.0)
    assert len(entry.value) == 3_000_000
    writer.close()
    reader.close()


def test_reading_at_the_end_waits_and_gives_nothing(make: Make) -> None:
    """No entry yet is an empty list; an offset beyond the end is an error."""
    writer, reader = make().writer(0), make().reader()
    writer.send(b"one", KEY)
    deliver(writer, 1)
    assert reader.read(0, 1, 100, 0.2) == []
    writer.send(b"two", KEY)
    deliver(writer, 2)
    assert [entry.value for entry in reader.read(0, 1, 100, 5.0)] == [b"two"]
    with pytest.raises(OffsetGone):
        reader.read(0, 7, 100, 1.0)
    writer.close()
    reader.close()


def test_the_topic_keeps_its_id(make: Make) -> None:
    """Opened again, it is the same topic; a partition that it does not have is refused."""
    topic = make().topic()
    assert len(topic.id) == 16
    assert topic.partitions == 2
    assert make().topic() == topic


def test_an_absent_topic_or_partition_is_said(make: Make, tmp_path: Path) -> None:
    """Nothing is made by being asked for."""
    log = make()
    with pytest.raises(LogUnavailable):
        log.reader().bounds(9)
