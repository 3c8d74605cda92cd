"""The Merkle tree of RFC 6962, section 2.1: roots, inclusion proofs and consistency proofs.

A *node* (level, index) is the hash of the perfect subtree over the leaves
[index · 2^level, (index + 1) · 2^level). Whoever has those can make every proof: a range that is not perfect is
folded from perfect ones. Proofs are checked by the algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from .errors import NotProved
from .hashing import EMPTY_ROOT, HASH_SIZE, node_hash

MAX_SIZE: Final = 2**63
"""Sizes and indexes are below it, as in the Go implementations."""


class Nodes(Protocol):
    """Where hashes of perfect subtrees come from."""

    def node(self, level: int, index: int) -> bytes:
        """The hash of the leaves [index · 2^level, (index + 1) · 2^level), all of which MUST exist.

        It need not be checked: a proof that was made of wrong nodes does not hold.
        """
        ...


class LeafNodes:
    """Nodes of leaf hashes in memory, each computed when asked for."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._leaves = leaves

    def node(self, level: int, index: int) -> bytes:
        """See `Nodes.node`."""
        return fold(self._leaves[index << level : (index + 1) << level])


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes of neighbouring subtrees of one size."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def root(nodes: Nodes, size: int) -> bytes:
    """MTH of the first `size` leaves."""
    return _range(nodes, 0, size) if size else EMPTY_ROOT


def _split(size: int) -> int:
    """The largest power of two below `size` (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _range(nodes: Nodes, start: int, end: int) -> bytes:
    """MTH of the leaves [start, end), `start` being a multiple of the first split's size."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return nodes.node(level, start >> level)
    middle = start + _split(size)
    return node_hash(_range(nodes, start, middle), _range(nodes, middle, end))


def inclusion_proof(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962, section 2.1.1: from the leaf's sibling up to the root's child.

    Raises:
        ValueError: no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range(nodes, middle, end))
            end = middle
        else:
            path.append(_range(nodes, start, middle))
            start = middle
    path.reverse()
    return path


def consistency_proof(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962, section 2.1.2; empty when `old` is 0 or `new`.

    Raises:
        ValueError: not 0 ≤ old ≤ new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"no consistency proof leads from size {old} to size {new}")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range(nodes, middle, end))
            end = middle
        else:
            path.append(_range(nodes, start, middle))
            start = middle
    if start:  # else what is left is the old tree itself, whose root the verifier has
        path.append(_range(nodes, start, end))
    path.reverse()
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> None:
    """Check that the tree of `size` leaves with root `expected` has the leaf hash `leaf` at `index`.

    Raises:
        NotProved: it does not follow from the proof.
    """
    if not 0 <= index < size < MAX_SIZE:
        raise NotProved(f"inclusion: a tree of {size} leaves has no leaf {index}")
    _check_hashes("inclusion", (leaf, expected, *proof))
    fn, sn, result = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise NotProved("inclusion: the proof is too long")
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            while fn & 1 == 0 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            result = node_hash(result, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise NotProved("inclusion: the proof is too short")
    if result != expected:
        raise NotProved(f"inclusion: leaf {index} is not what the root of {size} leaves covers")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the first `old` leaves of the tree (`new`, `new_root`) are the tree (`old`, `old_root`).

    Raises:
        NotProved: it does not follow from the proof.
    """
    if not 0 <= old <= new < MAX_SIZE:
        raise NotProved(f"consistency: nothing leads from size {old} to size {new}")
    _check_hashes("consistency", (old_root, new_root, *proof))
    if old in (0, new):
        _same_size(old, old_root, new, new_root, proof)
        return
    # A tree of a power of two is itself the first node of its proof.
    hashes = [old_root, *proof] if old & (old - 1) == 0 else proof
    if not hashes:
        raise NotProved("consistency: the proof is too short")
    if _climb(old, new, hashes) != (old_root, new_root):
        raise NotProved(f"consistency: the tree of {new} leaves does not continue the one of {old}")


def _same_size(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Nothing is to be proved of an empty tree, or of one that has not grown."""
    if proof:
        raise NotProved("consistency: the proof should be empty")
    if (old == 0 and old_root != EMPTY_ROOT) or (old == new and old_root != new_root):
        raise NotProved(f"consistency: two roots at one size, {old}")


def _climb(old: int, new: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The two roots that the hashes lead to (RFC 9162, section 2.1.4.2, steps 3 to 6)."""
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if sn == 0:
            raise NotProved("consistency: the proof is too long")
        if fn & 1 or fn == sn:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while fn & 1 == 0 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node_hash(second, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise NotProved("consistency: the proof is too short")
    return first, second


def _check_hashes(what: str, hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_SIZE for each in hashes):
        raise NotProved(f"{what}: a hash is not {HASH_SIZE} bytes")
