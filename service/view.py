"""What one gateway worker has read of the governance log, in memory; and the index of it, kept for the next start.

At each start the whole log is read and hashed, since it must be the one that was read before. To tell what each entry
is about takes several times as long. So that is kept in a file beside the memory, with the hash of the entries that it
is of: it is taken where the log's own bytes have that hash, and made again otherwise, or when anything else is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import structlog

from audit.files import replace_file
from audit.governance import PARTITION
from audit.log.base import LogEntry, Topic
from audit.notary.holes import entry_of
from audit.proof.hashing import HASH_SIZE, leaf_hash, node_hash
from audit.proof.merkle import root as merkle_root
from registry.errors import NotAdmitted
from registry.ledger import Covered, Index, IndexDamaged, Ledger

_WORTH: Final = 4096
"""Entries: to tell fewer of them anew at a start is quick."""
_SHARE: Final = 8
"""And one in so many of all: a file of a long log is long, and is not written for a few more."""

_TIMED: Final = "2:"
"""Before a hash that covers the log's times, too: gateways used to remember one of the values alone, without this."""

log = structlog.get_logger("affiant.gateway")


class GrowingTree:
    """The nodes of a Merkle tree (`audit.proof.merkle.Nodes`) to which leaves come one by one: a root of any size is
    then a few hashes, not one for each leaf.
    """

    def __init__(self) -> None:
        self._levels = [bytearray()]

    def append(self, leaf: bytes) -> None:
        """The next leaf's hash."""
        found = leaf
        for level in self._levels:
            level.extend(found)
            if len(level) % (2 * HASH_SIZE):
                return
            found = node_hash(bytes(level[-2 * HASH_SIZE : -HASH_SIZE]), bytes(level[-HASH_SIZE:]))
        self._levels.append(bytearray(found))

    def node(self, level: int, index: int) -> bytes:
        """See `Nodes.node`."""
        return bytes(self._levels[level][index * HASH_SIZE : (index + 1) * HASH_SIZE])


def values_hash(remembered: str) -> Any:
    """The `values` that a view needs, to be held to what a memory keeps."""
    return None if remembered.startswith(_TIMED) or not remembered else sha256()


@dataclass(slots=True)
class View:
    """What was read of the log, up to `end`."""

    topic: Topic
    ledger: Ledger
    kept: tuple[Index, Covered, Any] | None
    """An index that may be of the entries that come; None: there is none, or it was looked at."""
    tree: GrowingTree | None
    """Of the entries, for the checkpoints; None: nobody asks for it."""
    end: int = 0
    hash: Any = field(default_factory=sha256)
    """Over the entries before `end`: the value's length, the log's time in ms, the value."""
    values: Any = None
    """Over lengths and values alone, for a memory of before; None: nobody asks for it."""
    newest: int = 0
    """The newest time that the log gave an entry, ms since 1970 UTC."""
    sealed: tuple[int, bytes] | None = None
    """The checkpoint that it was held to last."""
    written: int = 0
    """Of how many entries an index is kept."""

    @property
    def id(self) -> str:
        """The topic's, hex."""
        return self.topic.id.hex()

    @property
    def covered(self) -> Covered:
        """What was read."""
        return Covered(self.id, self.end, self.hash.hexdigest())

    @property
    def remembered(self) -> str:
        """The hash as a memory keeps it."""
        return f"{_TIMED}{self.hash.hexdigest()}"

    def is_of(self, remembered: str) -> bool:
        """Whether what was read has the hash that a memory keeps, be it one of before: that says nothing of the times,
        and is to be replaced by `remembered`.
        """
        if remembered.startswith(_TIMED):
            return remembered == self.remembered
        return self.values is not None and bool(remembered == self.values.hexdigest())

    def take(self, entry: LogEntry) -> None:
        """The next entry. Raises NotAdmitted: it is not the next one."""
        if entry.offset != self.end:
            raise NotAdmitted(f"the governance log has no offset {self.end}")
        value = entry.value or b""
        length, time = len(value).to_bytes(8, "big"), entry.timestamp.to_bytes(8, "big", signed=True)
        self.hash.update(length + time + value)
        if self.values is not None:
            self.values.update(length + value)
        self.newest = max(self.newest, entry.timestamp)
        self.ledger.take((entry,))
        if self.tree is not None:
            self.tree.append(leaf_hash(entry_of(entry.value, self.topic, PARTITION, entry.offset).entry))
        self.end += 1
        if self.kept is not None and self.kept[1].end == self.end:
            self._recall(*self.kept)

    def hold_to(self, size: int, root: bytes) -> None:
        """Hold what was read to a checkpoint of the notary, where there is a tree.

        Raises:
            NotAdmitted: it has sealed more than was read, or something else.
        """
        if self.end < size:
            raise NotAdmitted(
                f"the notary has sealed {size} entries of the governance log, and it has {self.end}"
            )
        if self.tree is None or self.sealed == (size, root):
            return
        if merkle_root(self.tree, size) != root:
            raise NotAdmitted("the governance log is not the one that the notary has sealed")
        self.sealed = (size, root)

    def _recall(self, index: Index, covered: Covered, more: object) -> None:
        """Take the index when it is of these very bytes."""
        self.kept = None
        if covered == self.covered:
            self.ledger.recall(index, more)
            self.written = self.end


class KeptIndex:
    """The file. It may be deleted at any time."""

    def __init__(self, path: Path, worth: int = _WORTH) -> None:
        """`worth`: how many entries it is written for."""
        self._path = path
        self._worth = worth

    def read(self) -> tuple[Index, Covered, Any] | None:
        """What is there; None: nothing that can be used."""
        try:
            return Index.decode(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, IndexDamaged) as error:
            log.warning(
                "the index of the governance log is made again", path=str(self._path), reason=str(error)
            )
            return None

    def write(self, view: View) -> None:
        """Keep the view's, when enough is new. A disk that does not take it costs time at the next start, no more."""
        if view.end - view.written < max(self._worth, view.end // _SHARE):
            return
        view.written = view.end
        try:
            index, more = view.ledger.keep()
            replace_file(self._path, index.encode(view.covered, more))
        except OSError as error:
            log.warning(
                "the index of the governance log is not kept", path=str(self._path), reason=str(error)
            )
