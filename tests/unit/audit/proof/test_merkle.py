"""The tree of RFC 6962: every size and pair of sizes up to 300, against pymerkle and Go's sumdb."""

from __future__ import annotations

import itertools
import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion

from audit.proof import merkle
from audit.proof.errors import NotProved
from audit.proof.hashing import EMPTY_ROOT, leaf_hash
from audit.proof.merkle import LeafNodes, consistency_proof, inclusion_proof, root
from tests.components.tlog import TlogCheck

MOST = 300
ENTRIES = [b"entry %d" % number for number in range(MOST)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


class Remembered:
    """Nodes of the leaves, each computed once."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        if (level, index) not in self.known:
            self.known[level, index] = LeafNodes(LEAVES).node(level, index)
        return self.known[level, index]


NODES = Remembered()
ROOTS = [root(NODES, size) for size in range(MOST + 1)]


@pytest.fixture(scope="module")
def oracle() -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for entry in ENTRIES:
        tree.append_entry(entry)
    return tree


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    """RFC 6962, section 2.1."""
    assert ROOTS[0] == EMPTY_ROOT == sha256(b"").digest()


def test_roots_are_those_of_pymerkle(oracle: InmemoryTree) -> None:
    """At every size."""
    assert [oracle.get_root(size) for size in range(1, MOST + 1)] == ROOTS[1:]


def test_every_inclusion_proof_is_that_of_pymerkle_and_holds(oracle: InmemoryTree) -> None:
    """All 45,150 pairs of an index and a size."""
    for size in range(1, MOST + 1):
        for index in range(size):
            proof = inclusion_proof(NODES, index, size)
            merkle.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])
            theirs = oracle.prove_inclusion(index + 1, size)
            assert theirs.path[1:] == proof
            verify_inclusion(LEAVES[index], ROOTS[size], theirs)


def test_every_consistency_proof_holds_and_pymerkle_agrees(oracle: InmemoryTree) -> None:
    """All pairs of sizes; pymerkle's proofs, which have another form, lead to our roots."""
    for old, new in itertools.combinations_with_replacement(range(MOST + 1), 2):
        proof = consistency_proof(NODES, old, new)
        merkle.verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)
        if old:
            verify_consistency(ROOTS[old], ROOTS[new], oracle.prove_consistency(old, new))


@pytest.mark.tlog
def test_go_finds_every_proof_right() -> None:
    """golang.org/x/mod/sumdb/tlog: every pair of sizes, and an index of each."""
    checks = TlogCheck()
    for old, new in itertools.combinations_with_replacement(range(1, MOST + 1), 2):
        checks.tree(consistency_proof(NODES, old, new), new, ROOTS[new], old, ROOTS[old])
        index = old - 1
        checks.record(inclusion_proof(NODES, index, new), new, ROOTS[new], index, LEAVES[index])
    assert all(checks.answers())


def spoiled(proof: list[bytes], how: int) -> list[bytes]:
    """A proof with something wrong, by turns."""
    if how == 0:
        return [*proof, LEAVES[0]]
    if how == 1 and proof:
        return proof[:-1]
    if how == 2 and proof:
        return proof[1:]
    if how == 3 and len(set(proof)) > 1:
        return [proof[-1], *proof[1:-1], proof[0]]
    if how == 4 and proof:
        at = len(proof) // 2
        return [*proof[:at], bytes((proof[at][0] ^ 1,)) + proof[at][1:], *proof[at + 1 :]]
    return [*proof, b"short"]


def test_no_wrong_inclusion_proof_holds() -> None:
    """Longer, shorter, in another order, of another hash, leaf, index, size or root."""
    rng = random.Random(1)
    for turn in range(3000):
        size = rng.randrange(2, MOST + 1)
        index = rng.randrange(size)
        proof = inclusion_proof(NODES, index, size)
        with pytest.raises(NotProved):
            merkle.verify_inclusion(LEAVES[index], index, size, spoiled(proof, turn % 6), ROOTS[size])
        with pytest.raises(NotProved):
            merkle.verify_inclusion(LEAVES[index - 1], index, size, proof, ROOTS[size])
        with pytest.raises(NotProved):
            merkle.verify_inclusion(LEAVES[index], (index + 1) % size, size, proof, ROOTS[size])
        with pytest.raises(NotProved):
            merkle.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size - 1])


def test_no_wrong_consistency_proof_holds() -> None:
    """Longer, shorter, in another order, of another hash or root."""
    rng = random.Random(2)
    for turn in range(3000):
        new = rng.randrange(2, MOST + 1)
        old = rng.randrange(1, new)
        proof = consistency_proof(NODES, old, new)
        with pytest.raises(NotProved):
            merkle.verify_consistency(old, ROOTS[old], new, ROOTS[new], spoiled(proof, turn % 6))
        with pytest.raises(NotProved):
            merkle.verify_consistency(old, ROOTS[old - 1], new, ROOTS[new], proof)
        with pytest.raises(NotProved):
            merkle.verify_consistency(old, ROOTS[old], new, ROOTS[new - 1], proof)


def test_proofs_that_should_be_empty_are() -> None:
    """Of the empty tree, and of a tree to itself; two roots at one size are a fork."""
    for old, new in ((0, 0), (0, 7), (7, 7)):
        assert consistency_proof(NODES, old, new) == []
        with pytest.raises(NotProved, match="should be empty"):
            merkle.verify_consistency(old, ROOTS[old], new, ROOTS[new], [LEAVES[0]])
    with pytest.raises(NotProved, match="two roots"):
        merkle.verify_consistency(7, ROOTS[7], 7, ROOTS[8], [])
    with pytest.raises(NotProved, match="two roots"):
        merkle.verify_consistency(0, ROOTS[1], 7, ROOTS[7], [])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (4, 3)])
def test_a_leaf_that_is_not_there_has_no_proof(index: int, size: int) -> None:
    """Neither made nor believed."""
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_proof(NODES, index, size)
    with pytest.raises(NotProved, match="has no leaf"):
        merkle.verify_inclusion(LEAVES[0], index, size, [], ROOTS[3])


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3), (3, 2**63)])
def test_sizes_that_are_none_have_no_proof(old: int, new: int) -> None:
    """A smaller tree continues nothing; sizes are below 2^63."""
    with pytest.raises(NotProved, match="nothing leads"):
        merkle.verify_consistency(old, ROOTS[3], new, ROOTS[3], [])
    if new < 2**63:
        with pytest.raises(ValueError, match="no consistency proof"):
            consistency_proof(NODES, old, new)


@given(
    st.integers(0, 2**63), st.integers(0, 2**63), st.lists(st.binary(min_size=32, max_size=32), max_size=70)
)
def test_what_strangers_send_is_refused_and_ends(index: int, size: int, proof: list[bytes]) -> None:
    """Any numbers and hashes: NotProved, and nothing else."""
    with pytest.raises(NotProved):
        merkle.verify_inclusion(
            LEAVES[0], index, size, proof, ROOTS[1] if size != 1 or index or proof else ROOTS[2]
        )
    if index and index != size:
        with pytest.raises(NotProved):
            merkle.verify_consistency(index, ROOTS[3], size, ROOTS[5], proof)
