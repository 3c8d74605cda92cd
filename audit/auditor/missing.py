"""What is known of payloads that are neither in the archive nor in the log: who said so, and where else to look."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from audit.archive.names import parse_name
from audit.erasure.told import NO_ERASURES, Erasures
from audit.retention.plan import Told
from audit.sealed import TreeId

from .verified import TreeVerified

Deletions = Mapping[str, Told]
"""By the name of the payload file that there is not any more."""
NO_DELETIONS: Final[Deletions] = MappingProxyType({})
Fetch = Callable[[bytes], bytes | None]
"""What the object store has under a digest, None when that is nothing."""


class Missing(NamedTuple):
    """Of all trees."""

    erased: Erasures = NO_ERASURES
    """What signed statements say of single payloads."""
    deleted: Deletions = NO_DELETIONS
    """What they say of ranges whose time was over."""
    external: Fetch | None = None
    """Without it nobody looks for the payloads of entries that say that they are in the object store."""


NOTHING: Final = Missing()


class Deleted:
    """Payloads of one tree whose time was over (docs/retention.md): each offset is looked up, and counted."""

    def __init__(self, tree: TreeId, said: Deletions) -> None:
        files = [(parse_name(name), told) for name, told in said.items()]
        self._ranges = sorted(
            (
                (file.first, file.end, told)
                for file, told in files
                if file is not None and (file.topic, file.partition) == (tree.topic, tree.partition)
            ),
            key=lambda each: each[:2],
        )
        self._firsts = [first for first, _, _ in self._ranges]
        self._found: Counter[tuple[str, float]] = Counter()

    def has(self, offset: int) -> bool:
        """Whether a statement is about the range of that offset; it is counted then."""
        at = bisect_right(self._firsts, offset) - 1
        if at < 0 or offset >= self._ranges[at][1]:
            return False
        told = self._ranges[at][2]
        self._found[told.person, told.at] += 1
        return True

    def tell(self, verified: TreeVerified) -> None:
        """Whose word it was, and of how many."""
        for (person, at), count in sorted(self._found.items(), key=lambda each: each[0][1]):
            when = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
            verb = "payload was" if count == 1 else "payloads were"
            verified.remark("retention", f"{count} {verb} deleted, their time was over: {person}, {when}")
