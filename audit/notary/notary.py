"""The notary: seals every partition of the log and of the governance log, and tells alarms in the latter.

    for each partition:  read → leaf → watch → append → seal, when due → archive        (session.py, a thread each)
    for all together:    is the topic still the same? are its settings? alarms → the governance log

What a crash here leaves is in docs/sealed-log.md, "Order". An alarm is in the state until the governance log has it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from audit.errors import ConfigError, LogError
from audit.governance import ALARM, Governance
from audit.log.base import Log, Topic
from audit.objects.base import Objects
from audit.objects.lock import keeps_versions
from audit.proof.note import Signer, SignerUnavailable
from audit.settings import NotarySettings

from .alarms import identity_of
from .cosigning import Cosigner
from .noted import Noted, note_name
from .tended import Tended
from .topics import Topics
from .workshop import AWAY, RETRIES, Workshop

LOOK_SECONDS: Final = 0.25
IDENTITIES: Final = 65_536
"""Newest entries of the governance log, and identities of alarms, that are looked at before one is told again."""
THREADS: Final = 64
"""Objects that all trees of a log together write or read at once, about."""


@dataclass(slots=True)
class Watched:
    """A log by its name in the settings, and what is sealed of it now."""

    name: str
    log: Log
    archive: bool
    tended: Tended | None = None
    note: Noted | None = None
    """What the store's note of the topic says."""
    retry_at: float = float("-inf")
    said: str = ""


class Notary:
    """One process. `run` is the main thread's; what it knows is read by the metrics' thread."""

    def __init__(
        self,
        log: Log,
        governance: Log,
        objects: Objects,
        signer: Signer,
        settings: NotarySettings,
        *,
        cosigners: Callable[[], tuple[Cosigner, ...]] = tuple,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        payload_objects: Objects | None = None,
        anew: bool = False,
    ) -> None:
        """Nothing is contacted yet.

        Args:
            log: what is sealed.
            governance: is sealed too, and takes the alarms.
            objects: where trees and archive are kept.
            signer: the notary's key.
            settings: [notary].
            cosigners: makes the witnesses of one tree.
            clock: ns since 1970 UTC.
            monotonic: seconds.
            payload_objects: where the archive's payload files are kept, when elsewhere.
            anew: begin trees again that were begun and that the store does not have, which forks the log.
        """
        # In the order in which they end: the alarms of the log are sealed with the governance log.
        self.logs = (Watched("log", log, archive=True), Watched("governance", governance, archive=True))
        self._governance = Governance(governance, signer, clock)
        self.topics = Topics(objects, self._governance, settings.name, anew=anew)
        self._objects = objects
        self._payload_objects = payload_objects
        self._signer = signer
        self._settings = settings
        self._anew = anew
        self._cosigners = cosigners
        self._clock = clock
        self._monotonic = monotonic
        self._told: OrderedDict[bytes, None] | None = None
        self._untellable = ""
        self._tell_at = float("-inf")
        self._say = structlog.get_logger("notary")

    @property
    def untellable(self) -> str:
        """Why alarms cannot be told; empty when they can."""
        return self._untellable

    def run(self, stop: threading.Event) -> None:
        """Seal until told to end, then seal the rest.

        Raises:
            NotaryRefuses: sealing on would contradict what was sealed, or another notary is at work.
            ConfigError: the store has no Object Lock, and should have.
            LogUnavailable, ObjectsUnavailable, SignerUnavailable, WitnessContradicts: told to end, and not all is
                sealed.
        """
        try:
            while not stop.is_set():
                self.look()
                stop.wait(LOOK_SECONDS)
            self._finish()
        finally:
            for watched in self.logs:
                if watched.tended is not None:
                    watched.tended.stop()

    def look(self) -> None:
        """One turn of what is for all partitions together.

        Raises:
            NotaryRefuses, ConfigError: as `run`.
        """
        for watched in self.logs:
            if watched.tended is None:
                self._begin(watched)
            elif watched.tended.changed:
                self._succeed(watched, watched.tended)
            else:
                watched.tended.look()
                self._noted(watched, watched.tended)
        self._tell()

    def _begin(self, watched: Watched) -> None:
        """Begin with a topic as soon as the log has it."""
        now = self._monotonic()
        if now < watched.retry_at:
            return
        try:
            topic = watched.log.topic()
            note = self.topics.open(topic)
            self._check_lock(note_name(topic.name))
        except AWAY as error:
            watched.retry_at = now + RETRIES[1] / 5
            if watched.said != str(error):
                watched.said = str(error)
                self._say.warning("cannot begin yet; trying again", log=watched.name, reason=str(error))
            return
        if self._anew:
            note = replace(note, begun=0)  # so that it is said, each time
        watched.said, watched.note = "", note
        self._say.info(
            "sealing", log=watched.name, topic=topic.name, id=topic.id.hex(), partitions=topic.partitions
        )
        watched.tended = Tended(
            self._workshop(watched, topic, note), lambda count: max(2, min(16, THREADS // count))
        )

    def _check_lock(self, name: str) -> None:
        """Raises ConfigError: the settings say that the bucket holds its objects, and it cannot."""
        if self._settings.object_lock and keeps_versions(self._objects, name) is False:
            raise ConfigError(
                f"[notary] object_lock = true, and {self._objects!r} keeps no versions of {name}: it has no Object "
                "Lock, and whatever is in it can be deleted"
            )

    def _workshop(self, watched: Watched, topic: Topic, note: Noted) -> Workshop:
        def unconfirmed(_: float) -> None:
            raise AssertionError("Tended puts its own in place")

        return Workshop(
            watched.log, topic, self._objects, self._signer, self._settings, unconfirmed, self._cosigners,
            clock=self._clock, monotonic=self._monotonic, archive=watched.archive,
            payload_objects=self._payload_objects, begun=note.begun,
        )  # fmt: skip

    # -- a topic that was made again -------------------------------------------------------------------

    def _succeed(self, watched: Watched, tended: Tended) -> None:
        """The old trees end where they are; the new topic's begin at the next turn."""
        self._say.error(
            "the topic was made again: its old trees end, new ones begin", topic=tended.topic.name
        )
        tended.stop()
        try:
            tended.join()
        except LogError as error:
            self._say.warning("not all of the old topic was sealed", reason=str(error))
        watched.tended = None

    def _noted(self, watched: Watched, tended: Tended) -> None:
        """Note partitions that were added, by which who looks for their trees later counts, and trees that are begun.

        A crash before it leaves trees that the note does not count; the next run's beginning notes them.
        """
        note, count, now = watched.note, len(tended.partitions), self._monotonic()
        assert note is not None  # `_begin` has it before there is anything to tend
        begun = all(each.status.sealed for each in tended.partitions.values())
        if now < watched.retry_at or (count <= note.partitions and (count <= note.begun or not begun)):
            return
        try:
            if count > note.partitions:
                watched.note = self.topics.open(replace(tended.topic, partitions=count))
            if begun:
                watched.note = self.topics.begun(tended.topic, count)
        except AWAY as error:
            watched.retry_at = now + RETRIES[1] / 5
            self._say.warning("the topic cannot be noted yet; trying again", reason=str(error))

    # -- telling ---------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Append the alarms that wait, those that the governance log does not have."""
        waiting = [
            each for watched in self.logs if watched.tended is not None for each in watched.tended.waiting()
        ]
        now = self._monotonic()
        if not waiting or now < self._tell_at:
            return
        try:
            if self._told is None:
                self._told = OrderedDict(
                    (identity_of(each.body), None) for each in self._governance.newest(IDENTITIES)
                )
            fresh = {
                alarm.identity: alarm
                for _, alarms in waiting
                for alarm in alarms
                if alarm.identity not in self._told
            }
            if fresh:
                self._governance.append([(ALARM, alarm.encode()) for alarm in fresh.values()])
        except (LogError, SignerUnavailable) as error:
            # What landed of it is not known: the log is asked before the next try.
            self._told, self._tell_at = None, now + RETRIES[1] / 5
            if self._untellable != str(error):
                self._say.error(
                    "alarms cannot be told in the governance log; trying again", reason=str(error)
                )
            self._untellable = str(error)
            return
        self._untellable = ""
        for identity, alarm in fresh.items():
            self._told[identity] = None
            self._say.error(
                "alarm", what=alarm.what, message=alarm.message, topic=alarm.topic,
                partition=alarm.partition, offset=alarm.offset,
            )  # fmt: skip
        while len(self._told) > IDENTITIES:
            self._told.popitem(last=False)
        for partition, alarms in waiting:
            partition.untold.told(alarms)

    def _finish(self) -> None:
        """The log first, then its alarms, then the governance log with them."""
        failure: Exception | None = None
        for watched in self.logs:
            if watched.tended is None:
                continue
            watched.tended.stop()
            try:
                watched.tended.join()
            except AWAY as error:
                failure = failure or error
            self._tell_at = float("-inf")
            self._tell()
        if failure is not None:
            raise failure
