"""One partition, sealed for as long as it takes: a session after the other.

A session trusts the swapped state alone: it reads on from there, and what a dead session did beyond it is done
again, to the same bytes. Any failure of the store ends the session, and another one begins.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import Final

import structlog

from audit.errors import LogError, LogUnavailable, ObjectsUnavailable, WitnessContradicts
from audit.proof.note import SignerUnavailable
from audit.sealed import TreeId

from .alarms import Untold
from .session import Session
from .workshop import END_SECONDS, RETRIES, LogCut, Status, Workshop

_AGAIN: Final = (ObjectsUnavailable, LogUnavailable, LogCut, SignerUnavailable, WitnessContradicts)
"""After these another session is worth a try; TopicChanged is not among them."""


class Partition:
    """The sealing of one partition. `run` is one thread's; status and untold are read by others."""

    def __init__(self, workshop: Workshop, partition: int) -> None:
        self.partition = partition
        self.tree = TreeId(workshop.settings.name, workshop.topic.id, partition)
        self.status = Status(caught_up=workshop.clock() // 1_000_000)
        self.untold = Untold(workshop.topic.id, partition, workshop.monotonic)
        self.cut: int | None = None
        """Where the log ended when it was found to end before what is sealed; None while it does not."""
        self.contradicted = False
        """Witnesses say that the log was forked, and that was told."""
        self._workshop = workshop
        self._say = structlog.get_logger("notary").bind(topic=workshop.topic.name, partition=partition)

    def run(self, stop: threading.Event) -> None:
        """Seal until told to end, and then what the log holds.

        Raises:
            NotaryRefuses: sealing on would contradict what was sealed.
            TopicChanged: the topic was made again.
            LogUnavailable, LogCut, ObjectsUnavailable, SignerUnavailable, WitnessContradicts: told to end, and not all
                is sealed.
        """
        pause, end = RETRIES[0], float("inf")
        while True:
            size = self.status.size
            try:
                with closing(Session(self._workshop, self)) as session:
                    session.run(stop)
                return
            except _AGAIN as error:
                self.status.held = str(error)
                now = self._workshop.monotonic()
                end = min(end, now + END_SECONDS) if stop.is_set() else float("inf")
                if now >= end or (stop.is_set() and isinstance(error, LogError)):
                    raise
                self._say.warning("nothing is sealed now; trying again", reason=str(error))
            pause = RETRIES[0] if self.status.size > size else min(2 * pause, RETRIES[1])
            if stop.is_set():
                time.sleep(min(pause, END_SECONDS / 10))
            else:
                stop.wait(pause)
