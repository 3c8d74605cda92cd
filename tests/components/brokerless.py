"""A process that asks brokers which are not there, again and again: python -m tests.components.brokerless ASK DIR.

It prints, as JSON, which descriptors and threads it has more afterwards. A process of its own: in one that runs
other tests, their threads open and close files meanwhile.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from audit.config import Config
from audit.errors import LogUnavailable
from audit.log import kafka
from audit.log.kafka import KafkaLog
from audit.settings import LogSettings
from tests.components.ports import HOST, free_port

TRIES = 3
ASKED: dict[str, Callable[[KafkaLog], object]] = {
    "topic": KafkaLog.topic,
    "writer": lambda log: log.writer(0),
    "reader": KafkaLog.reader,
    "check": KafkaLog.check,
}


def _held() -> set[str]:
    """This process's descriptors, and its threads.

    A connection that is given up while it is begun leaves its socket to the collector.
    """
    gc.collect()
    descriptors = {f"descriptor {each.name}" for each in Path("/proc/self/fd").iterdir()}
    return descriptors | {f"thread {each.ident} {each.name}" for each in threading.enumerate()}


def _log(directory: Path) -> KafkaLog:
    """A log of two brokers, neither of which is there; each is given up soon."""
    brokers = f"{HOST}:{free_port()},{HOST}:{free_port()}"
    settings = LogSettings(backend="kafka", bootstrap=brokers, topic="entries")
    return KafkaLog(settings, Config(directory / "affiant.toml", {}))


def main(name: str, directory: str) -> int:
    """Ask TRIES times; what is more after them is printed."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    vars(kafka).update(REQUEST_MS=200, _FIRST_TRY_MS=100)  # who is not there is given up soon
    log = _log(Path(directory))
    before, told = _held(), []
    for _ in range(TRIES):
        try:
            ASKED[name](log)
        except LogUnavailable as error:
            told.append(str(error))
    print(json.dumps({"told": told, "more": sorted(_held() - before)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
