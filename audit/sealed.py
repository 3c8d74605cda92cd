"""Reading what the notary has sealed. Nothing is believed but what the log's key has signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .errors import NotSealed
from .objects.base import Objects
from .proof.checkpoint import Opened, open_checkpoint
from .proof.merkle import inclusion_proof
from .proof.note import VerifierKey
from .proof.receipt import Receipt
from .proof.tiles import WIDTH, Bundle, TileNodes, read_bundle

CHECKPOINT: Final = "checkpoint"


@dataclass(frozen=True, slots=True)
class TreeId:
    """One partition of one topic has one tree. A topic that was made again has another id, and other trees."""

    name: str
    """[notary] name."""
    topic: bytes
    """The topic's id, 16 bytes."""
    partition: int

    @property
    def prefix(self) -> str:
        """Where the tree lies in the store."""
        return f"{self.topic.hex()}/{self.partition}"

    @property
    def origin(self) -> str:
        """What its checkpoints begin with: the name, then where it lies."""
        return f"{self.name}/{self.prefix}"

    def key(self, public_key: bytes) -> VerifierKey:
        """The notary's key under this tree's name."""
        return VerifierKey(self.origin, public_key)


@dataclass(frozen=True, slots=True)
class Published:
    """A published checkpoint: the note's bytes, and what was verified of it."""

    raw: bytes
    opened: Opened

    @property
    def size(self) -> int:
        """Leaves that it covers."""
        return self.opened.checkpoint.size


class SealedTree:
    """One tree in a store."""

    def __init__(
        self,
        objects: Objects,
        tree: TreeId,
        public_key: bytes,
        witnesses: Sequence[VerifierKey] = (),
        quorum: int = 0,
    ) -> None:
        self.tree = tree
        self._objects = objects
        self._key = tree.key(public_key)
        self._witnesses = tuple(witnesses)
        self._quorum = quorum

    def fetch(self, path: str) -> bytes | None:
        """A file of the tree, as `audit.proof.tiles` names them.

        Raises:
            ObjectsUnavailable: the store does not answer.
        """
        stored = self._objects.get(f"{self.tree.prefix}/{path}")
        return None if stored is None else stored.content

    def published(self) -> Published:
        """The newest published checkpoint, verified.

        Raises:
            NotSealed: there is none yet.
            FormatError, NotProved: it is none, or another's.
            ObjectsUnavailable: the store does not answer.
        """
        raw = self.fetch(CHECKPOINT)
        if raw is None:
            raise NotSealed(f"{self.tree.origin}: nothing is sealed yet")
        return Published(raw, open_checkpoint(raw, self._key, self._witnesses, self._quorum))

    def nodes(self, size: int) -> TileNodes:
        """The tree's nodes at a size."""
        return TileNodes(self.fetch, size)

    def entry(self, index: int, size: int) -> bytes:
        """The entry at an index, out of its bundle: not verified, that is for a proof to do.

        Raises:
            NotSealed: the tree of that size does not have it.
            FormatError: its bundle is not there, or malformed.
        """
        if not 0 <= index < size:
            raise NotSealed(f"{self.tree.origin}: offset {index} is not in the tree of {size} entries")
        number, at = divmod(index, WIDTH)
        return read_bundle(self.fetch, Bundle(number, min(WIDTH, size - number * WIDTH)))[at]

    def receipt(self, index: int, published: Published) -> Receipt:
        """The proof that the entry at `index` is under that checkpoint; `verify_receipt` says whether it holds.

        Raises:
            NotSealed, FormatError, ObjectsUnavailable: as above.
        """
        size = published.size
        entry = self.entry(index, size)
        proof = inclusion_proof(self.nodes(size), index, size)
        return Receipt(entry, index, tuple(proof), published.raw)
