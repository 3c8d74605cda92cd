"""What the governance log says: read on from where it was, or up to an offset, as an auditor does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from audit.errors import LogUnavailable
from audit.governance import PARTITION
from audit.log.base import Log, LogEntry
from audit.show import walk
from registry.approvals.root import Root
from registry.deployment import Deployed, fold_deployments
from registry.errors import RegistryError
from registry.ledger import Ledger
from registry.ledger.mentions import mentions
from registry.statement import DEPLOYMENT, RETRAINING, Said, said_in

from .base import Ground
from .said import asked_for

_OURS: Final = frozenset({DEPLOYMENT, RETRAINING})

Publisher = Callable[[str], str | None]
"""A digest → who published the package; None: it does not say. Raises RegistryError: the store does not give it."""


class Grounds:
    """What the entries that were taken say, of any service. For one thread."""

    def __init__(self, first: Root, publisher: Publisher) -> None:
        """`first`: the root that is believed.

        Raises:
            NotProved: it is not signed by its own people.
        """
        self.ledger: Final = Ledger(first)
        self._publisher: Final = publisher
        self._published: Final[dict[str, str | None]] = {}
        self._kept: Final[list[LogEntry]] = []
        self._said: tuple[Said, ...] = ()
        self._checked = (0, 0)
        self.end = 0
        self.newest = 0

    def take(self, entries: Iterable[LogEntry]) -> None:
        """Read on. The entries MUST follow those that were taken before, without a gap."""
        for entry in entries:
            self.ledger.take([entry])
            found = mentions(entry)  # quicker than to parse it, and misses nothing
            if found is not None and not _OURS.isdisjoint(found.types):
                self._kept.append(entry)
            self.end, self.newest = entry.offset + 1, max(self.newest, entry.timestamp)

    def ground(self, service: str, now: float) -> Ground:
        """What a decision about a service stands on.

        Args:
            service: its name.
            now: seconds since 1970 UTC: of the approvals' expiry.
        """
        newest = self.newest / 1000
        at = max(now, newest)  # of two clocks the later one: what has expired by one of them has

        def admitted(digest: str) -> tuple[str, ...]:
            try:
                publisher = self._publisher_of(digest)
            except RegistryError as error:
                return (f"the store does not give it: {error}",)
            verdict = self.ledger.verdict(service, digest, "live", now=at, publisher=publisher)
            return () if verdict.admitted else verdict.reasons or ("it is not admitted",)

        deployed = fold_deployments(self.ledger.roots, self._statements()).get(service)
        found = Deployed(service, ()) if deployed is None else deployed
        return Ground(found, self.ledger.policy, admitted, self.end, newest)

    def services(self) -> dict[str, Deployed]:
        """Every service that was ever deployed."""
        return dict(fold_deployments(self.ledger.roots, self._statements()))

    def asked_for(self, service: str, digest: str) -> frozenset[str]:
        """The columns for which retraining was asked for already."""
        return asked_for(self.ledger.roots, self._statements(), service, digest)

    def _publisher_of(self, digest: str) -> str | None:
        """What a digest names does not change: each is asked for once."""
        if digest not in self._published:
            self._published[digest] = self._publisher(digest)
        return self._published[digest]

    def _statements(self) -> tuple[Said, ...]:
        keys = self.ledger.roots.public_keys()
        if self._checked != (len(self._kept), len(keys)):
            self._said = tuple(said_in(self._kept, keys))
            self._checked = (len(self._kept), len(keys))
        return self._said


class Follower:
    """Reads the governance log on. For one thread."""

    def __init__(self, log: Log, first: Root, publisher: Publisher) -> None:
        """See `Grounds`."""
        self._log: Final = log
        self._topic: bytes | None = None
        self.grounds: Final = Grounds(first, publisher)

    def read_on(self) -> Grounds:
        """Take what is new.

        Raises:
            LogUnavailable: the log does not answer; or it was made again, is shorter than it was, or its beginning is
                gone: then nothing is decided until a person has looked.
        """
        topic = self._log.topic().id
        if self._topic not in (None, topic):
            raise LogUnavailable("the governance log was made again: it is not the one that was read before")
        self._topic = topic
        self.grounds.take(entries_of(self._log, self.grounds.end, None))
        return self.grounds


def entries_of(log: Log, start: int, end: int | None) -> Iterable[LogEntry]:
    """The governance log's entries from `start` up to, not including, `end`; all that there are when not given.

    Raises:
        LogUnavailable: it does not answer, or does not have them all, each at its offset.
    """
    reader = log.reader()
    try:
        first, after = reader.bounds(PARTITION)
        wanted = after if end is None else end
        if (first > 0 and start < first) or after < max(start, wanted):
            raise LogUnavailable(
                f"the governance log has the offsets {first} to before {after}, and {start} to before "
                f"{max(start, wanted)} are wanted"
            )
        for expected, entry in enumerate(
            walk(reader, PARTITION, start, wanted, name="governance log"), start
        ):
            if entry.offset != expected:
                raise LogUnavailable(f"the governance log has no offset {expected}")
            yield entry
    finally:
        reader.close()
