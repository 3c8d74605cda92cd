"""The notary's word on the governance log: its newest checkpoint, held to the log, and proofs out of the log itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.errors import NotSealed
from audit.governance import PARTITION
from audit.log.base import LogEntry, Topic
from audit.notary.holes import entry_of
from audit.proof.errors import NotProved
from audit.proof.hashing import leaf_hash
from audit.proof.merkle import LeafNodes, inclusion_proof, root
from audit.proof.note import VerifierKey
from audit.trees import Trees


@dataclass(frozen=True, slots=True)
class Seal:
    """A checkpoint that covers the log's first entries, and what proves each of them."""

    checkpoint: bytes
    size: int
    nodes: LeafNodes
    key: VerifierKey

    def proof(self, offset: int) -> tuple[bytes, ...] | None:
        """From the entry's leaf up to the root; None: it is newer than the checkpoint."""
        return tuple(inclusion_proof(self.nodes, offset, self.size)) if offset < self.size else None


def sealed_of(trees: Trees, topic: Topic, entries: Sequence[LogEntry]) -> Seal | None:
    """The seal of a governance log; None where no notary has sealed it.

    Args:
        trees: of the settings.
        topic: of the governance log.
        entries: all that it has, from offset 0 on.

    Raises:
        KeyRefused: there is a checkpoint, and the notary's public key is not to be had.
        NotProved: the log is not the one that the notary has sealed.
        FormatError, ObjectsUnavailable: as `audit.sealed`.
    """
    prefix = f"{topic.id.hex()}/{PARTITION}"
    if not trees.trust.public_key_file.exists() and trees.objects.get(f"{prefix}/checkpoint") is None:
        return None
    try:
        tree = trees.tree(topic.id, PARTITION)
        published = tree.published()
    except NotSealed:
        return None
    if published.size > len(entries):
        raise NotProved(
            f"the notary has sealed {published.size} entries of the governance log, it has {len(entries)}"
        )
    leaves = [
        leaf_hash(entry_of(each.value, topic, PARTITION, each.offset).entry)
        for each in entries[: published.size]
    ]
    nodes = LeafNodes(leaves)
    if root(nodes, published.size) != published.opened.checkpoint.root:
        raise NotProved("the governance log is not the one that the notary has sealed")
    key = VerifierKey(trees.trust.name, trees.trust.public_key())
    return Seal(published.raw, published.size, nodes, key)
