"""What `affiant retention` opens: the archive, the log, the object store, and what was said of deletions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from audit.config import Config
from audit.errors import NoSuchTopic, ObjectsUnavailable

if TYPE_CHECKING:
    from audit.archive import Archive
    from audit.erasure.told import Erasures
    from audit.objects.base import Objects
    from audit.retention.plan import Places, Range, Told
    from audit.ship.external import ExternalStore
    from registry.approvals.root import Roots


@dataclass(frozen=True, slots=True)
class Opened:
    """See the module."""

    archive: Archive
    payloads: Objects
    places: Places
    external: ExternalStore
    told: Mapping[str, Told]
    erased: Erasures
    roots: Roots | None
    end: int
    """Of the governance log."""

    def ranges(self, days: int | None, progress: Callable[[int, int], None]) -> Iterator[Range]:
        """See `audit.retention.plan.ranges`."""
        from audit.retention.plan import ranges

        now = int(time.time() * 1000)
        return ranges(
            self.archive,
            self.places,
            self.told,
            self.erased,
            now_ms=now,
            older_than_days=days,
            progress=progress,
        )

    def person(self, key: str, role: str) -> str | None:
        """Who may delete, or erase, with that key; None: nobody. Without a root whoever has one may."""
        if self.roots is None:
            return f"key {key[:16]}…"
        return self.roots.now.person(key, role, self.end)

    def content(self, each: Range) -> bytes | None:
        """Of its payload file; None: there is none."""
        stored = self.payloads.get(each.file.name) if each.there else None
        return None if stored is None else stored.content

    def remove(self, each: Range) -> None:
        """The payload file last: while it is there the range is due, whatever a crash left of the rest.

        Raises:
            ObjectsUnavailable, LogUnavailable: a store does not answer, or refuses.
        """
        from audit.archive.names import Part
        from audit.objects.base import Removes

        assert each.file.part is Part.PAYLOADS
        if not isinstance(self.payloads, Removes):
            raise ObjectsUnavailable(f"{self.payloads!r}: nothing is removed there")
        for digest in each.external:
            self.external.remove(digest)
        self.payloads.remove(each.file.name)


@contextmanager
def opened(config: Config) -> Iterator[Opened]:
    """All of it, as it is now.

    Raises:
        ConfigError: wrong settings, or a root that is none.
        LogUnavailable, NotAdmitted: a log does not answer, or is not whole.
    """
    from audit.archive import Archive
    from audit.log import configured_log
    from audit.retention.plan import Places
    from audit.ship.external import configured_store
    from audit.trees import configured_trees

    trees = configured_trees(config)
    payloads = trees.payload_objects or trees.objects
    log = configured_log(config, create=False)
    topic = log.topic()
    external = configured_store(config)
    with closing(log.reader()) as reader:
        bounds: dict[int, int] = {}

        def first_offset(of: bytes, partition: int) -> int | None:
            if of != topic.id or partition >= topic.partitions:
                return None
            if partition not in bounds:
                bounds[partition] = reader.bounds(partition)[0]
            return bounds[partition]

        said = said_of(config)
        yield Opened(
            Archive(trees.objects, payloads),
            payloads,
            Places(first_offset, external.there),
            external,
            said.deleted,
            said.erased,
            said.roots,
            said.end,
        )


class SaidOf(NamedTuple):
    """What the governance log says of payloads, its root, and its end."""

    deleted: Mapping[str, Told]
    erased: Erasures
    roots: Roots | None
    end: int


def said_of(config: Config) -> SaidOf:
    """Read it.

    Raises:
        ConfigError: wrong settings, or a root that is none.
        LogUnavailable, NotAdmitted, NotProved: the governance log does not answer, or is not whole.
    """
    from audit.governance import PARTITION
    from audit.log import configured_governance_log
    from registry.deletion import fold_deletions
    from registry.erasure import fold_erasures
    from registry.settings import GovernanceSettings
    from registry.statement import PAYLOAD_DELETION, PAYLOAD_ERASURE, read

    from .approvals_open import board_of

    governed = config.section("governance", GovernanceSettings).root is not None
    roots = board_of(config).roots if governed else None
    keys = () if roots is None else roots.public_keys()
    try:
        with closing(configured_governance_log(config, create=False).reader()) as reader:
            _, end = reader.bounds(PARTITION)
            said = list(read(reader, keys, types={PAYLOAD_DELETION, PAYLOAD_ERASURE}, end=end))
            return SaidOf(fold_deletions(roots, said), fold_erasures(roots, said), roots, end)
    except NoSuchTopic:
        return SaidOf({}, {}, roots, 0)
