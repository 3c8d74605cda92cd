"""One run of a Kafka producer: a prefix of what was sent, and nothing after its end."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest

from audit.config import Config
from audit.errors import LogUnavailable
from audit.log import open_log
from audit.log.kafka import KafkaLog
from audit.settings import LogSettings
from tests.components.kafka import KafkaBroker
from tests.fault.kafka.conftest import SAFE
from tests.fault.kafka.world import wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.fault]
KEY = bytes(16)


def log_of(broker: KafkaBroker, tmp_path: Path, **config: str) -> KafkaLog:
    """A log on a fresh topic."""
    topic = broker.create_topic(f"writer-{uuid.uuid4().hex[:8]}", config={**SAFE, **config})
    settings = LogSettings(backend="kafka", bootstrap=broker.bootstrap, topic=topic)
    log = open_log(settings, Config(tmp_path / "affiant.toml", {}))
    assert isinstance(log, KafkaLog)
    return log


def values(log: KafkaLog) -> list[bytes]:
    """Everything in the log."""
    reader = log.reader()
    found: list[bytes] = []
    _, end = reader.bounds(0)
    while len(found) < end:
        found += [entry.value for entry in reader.read(0, len(found), 1 << 20, 10.0)]
    reader.close()
    return found


def senders() -> set[threading.Thread]:
    """The threads that send for a producer."""
    return {thread for thread in threading.enumerate() if "network-thread" in thread.name}


def test_a_closed_writer_sends_nothing_more(broker: KafkaBroker, tmp_path: Path) -> None:
    """Closed while the broker hangs, a producer with much in its queue ends, and does not send it later."""
    before = senders()
    log = log_of(broker, tmp_path)
    writer = log.writer(0)
    writer.send(b"first", KEY)
    wait_for(lambda: writer.delivered().sends == 1, "the first record is acknowledged")
    broker.pause()
    sent = [b"%06d" % number + bytes(20_000) for number in range(1000)]
    for value in sent:
        writer.send(value, KEY)
    writer.close()
    broker.resume()
    wait_for(lambda: not senders() - before, "the producer's thread has ended")
    second = log.writer(0)
    second.send(b"barrier", KEY)
    wait_for(lambda: second.delivered().sends == 1, "the next run's barrier is acknowledged")
    second.close()
    landed = [value for value in values(log) if value not in {b"first", b"barrier"}]
    assert landed == sent[: len(landed)]
    assert len(landed) < len(sent)


def test_nothing_is_sent_behind_a_record_that_failed(broker: KafkaBroker, tmp_path: Path) -> None:
    """A record that the broker refuses ends the run: those behind it would leave a gap before them."""
    log = log_of(broker, tmp_path, **{"max.message.bytes": "1000000"})
    writer = log.writer(0)
    sent = [b"a", b"b", bytes(3_000_000), b"c", b"d"]
    writer.send(sent[0], KEY)
    wait_for(lambda: writer.delivered().sends == 1, "the first record is acknowledged")
    for value in sent[1:]:
        writer.send(value, KEY)

    def failed() -> bool:
        writer.wait(0.2)
        try:
            writer.delivered()
        except LogUnavailable:
            return True
        return False

    wait_for(failed, "the refused record shows")
    with pytest.raises(LogUnavailable):
        writer.send(b"e", KEY)
    writer.close()
    assert values(log) == sent[:2]


def test_records_do_not_expire_while_the_broker_is_away(broker: KafkaBroker, tmp_path: Path) -> None:
    """An expired batch would be dropped and the next one sent: so a run waits, and its owner ends it."""
    log = log_of(broker, tmp_path)
    log.delivery_timeout = 0.5
    writer = log.writer(0)
    writer.send(b"first", KEY)
    wait_for(lambda: writer.delivered().sends == 1, "the first record is acknowledged")
    broker.kill()
    sent = [b"%d" % number + bytes(100_000) for number in range(20)]
    for value in sent:
        writer.send(value, KEY)
    writer.wait(2.0)
    assert writer.delivered().sends == 1
    broker.start()
    wait_for(lambda: writer.delivered().sends == 21, "the rest is acknowledged")
    writer.close()
    assert values(log) == [b"first", *sent]
