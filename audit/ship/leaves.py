"""The leaves of a sealed tree, each proved before it is handed out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from audit.proof.errors import NotProved
from audit.proof.merkle import consistency_proof, verify_consistency
from audit.proof.tiles import WIDTH, Edge
from audit.sealed import Published, SealedTree

PART: Final = 64 * WIDTH
"""Leaves that are proved at once: half a megabyte of hashes."""


class Leaves(NamedTuple):
    """Leaf hashes of neighbouring offsets, from `first` on."""

    first: int
    hashes: list[bytes]

    @property
    def end(self) -> int:
        """The offset behind the last."""
        return self.first + len(self.hashes)


class SealedLeaves:
    """One tree, followed. What is found in the store is believed as far as a checkpoint of the notary proves it."""

    def __init__(self, tree: SealedTree) -> None:
        self._tree = tree
        self._believed: Published | None = None

    def look(self) -> Published:
        """The newest checkpoint. MUST continue the one that was believed before.

        Raises:
            NotSealed: there is none yet.
            FormatError, NotProved: not the notary's, smaller than the one before, or of another tree.
            ObjectsUnavailable: the store does not answer.
        """
        published = self._tree.published()
        if self._believed is not None:
            old, new = self._believed.opened.checkpoint, published.opened.checkpoint
            if new.size < old.size:
                raise NotProved(
                    f"{new.origin}: rolled back: the checkpoint is of {new.size} leaves, one of {old.size} was seen"
                )
            proof = consistency_proof(self._tree.nodes(new.size), old.size, new.size)
            verify_consistency(old.size, old.root, new.size, new.root, proof)
        self._believed = published
        return published

    def read(self, published: Published, start: int) -> Iterator[Leaves]:
        """Every leaf under that checkpoint from `start` on, and up to 255 before it, in parts of at most PART.

        Each part is proved: with the hashes on its left, which come from tiles that nobody has signed, it makes a
        root that the checkpoint's tree continues; no other leaves do.

        Raises:
            FormatError, NotProved, ObjectsUnavailable: as above; a part that is not proved is not handed out.
        """
        checkpoint = published.opened.checkpoint
        size = checkpoint.size
        if start >= size:
            return
        nodes = self._tree.nodes(size)
        edge = Edge.of(nodes, start - start % WIDTH)
        while edge.size < size:
            first = edge.size
            end = min(size, first + PART)
            hashes: list[bytes] = []
            for index in range(first // WIDTH, -(-end // WIDTH)):
                hashes += nodes.tile(0, index)
            edge.append(hashes)
            proof = consistency_proof(nodes, end, size)
            verify_consistency(end, edge.root(), size, checkpoint.root, proof)
            yield Leaves(first, hashes)
