"""Where no broker answers, what kafka-python had begun is ended: an outage MUST NOT take threads or descriptors."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.config import Config
from audit.errors import LogUnavailable
from audit.log import kafka
from audit.log.kafka import KafkaLog
from audit.settings import LogSettings
from tests.components.ports import HOST, free_port

# A connection that is given up while it is begun leaves its socket to the collector, which `held` calls.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning")
Ask = Callable[[KafkaLog], object]

ASKED: dict[str, Ask] = {
    "topic": KafkaLog.topic,
    "writer": lambda log: log.writer(0),
    "reader": KafkaLog.reader,
    "check": KafkaLog.check,
}


def held() -> tuple[set[str], set[str]]:
    """This process's descriptors, and its threads."""
    gc.collect()
    return {each.name for each in Path("/proc/self/fd").iterdir()}, {
        thread.name for thread in threading.enumerate()
    }


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> KafkaLog:
    """A log of two brokers, neither of which is there; each is given up soon."""
    # What is logged of a refused connection is kept for the report, and with it its frames and their socket.
    caplog.set_level(logging.CRITICAL, "kafka")
    monkeypatch.setattr(kafka, "REQUEST_MS", 200)
    monkeypatch.setattr(kafka, "_FIRST_TRY_MS", 100)
    brokers = f"{HOST}:{free_port()},{HOST}:{free_port()}"
    settings = LogSettings(backend="kafka", bootstrap=brokers, topic="entries")
    return KafkaLog(settings, Config(tmp_path / "affiant.toml", {}))


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED.keys())
def test_who_finds_no_broker_holds_nothing_afterwards(log: KafkaLog, ask: Ask) -> None:
    """Asked again and again, as each service does until its brokers are back."""
    before = held()
    for _ in range(3):
        with pytest.raises(LogUnavailable, match="no broker answers there"):
            ask(log)
    assert held() == before
