"""What a seal writes, whatever the sizes: the files of the tree, each once, and nothing that is sealed again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit.notary.growth import MAX_ENTRY, Growth
from audit.proof.errors import FormatError, NotProved
from audit.proof.tiles import Edge
from tests.fault.notary.world import entries, fresh_tree

STEPS = st.lists(st.integers(0, 300) | st.sampled_from([255, 256, 257, 512, 700]), max_size=6)


def new() -> Growth:
    return Growth(Edge(0, ()), ())


@given(STEPS, st.integers(0, 3))
@example([65_536], 0)
@example([65_535, 1, 1], 1)
@settings(max_examples=60)
def test_the_files_of_each_seal_are_those_of_the_tree(steps: list[int], parts: int) -> None:
    """Appended at once or in parts, over a start or not: path and content, and what is there is not made again."""
    store: dict[str, bytes] = {}
    growth, size = new(), 0

    def fetch_all(paths: Sequence[str]) -> list[bytes | None]:
        return [store.get(path) for path in paths]

    for step in steps:
        for part in range(parts + 1):
            growth.append(entries(size + step * part // (parts + 1), size + step * (part + 1) // (parts + 1)))
        size += step
        assert (growth.size, growth.pending) == (size, step)
        files = [*growth.bundles(), *growth.tiles()]
        assert len(dict(files)) == len(files)
        assert not set(dict(files)) & set(store)
        store.update(files)
        tree = fresh_tree(entries(0, size))
        assert growth.root() == tree.root == growth.read_again(fetch_all)
        assert dict(tree.of(size)).items() <= store.items()
        growth = growth.sealed() if step % 2 else Growth.read(store.get, size, tree.root)
        assert (growth.size, growth.pending, growth.pending_bytes) == (size, 0, 0)
        assert [*growth.bundles(), *growth.tiles()] == []


def test_memory_is_that_of_the_last_bundle() -> None:
    """What is sealed is let go of, however much it was."""
    growth = new()
    for end in range(1000, 20_000, 1000):
        growth.append(entries(growth.size, end))
        assert growth.pending_bytes == sum(map(len, entries(end - 1000, end)))
        growth = growth.sealed()
        assert len(growth._entries) == end % 256
        assert len(growth._full) == 0


def test_an_entry_that_is_too_long_is_not_taken() -> None:
    """Nor those beside it."""
    growth = new()
    with pytest.raises(ValueError, match=f"{MAX_ENTRY}"):
        growth.append([b"a", bytes(MAX_ENTRY + 1)])
    assert growth.pending == 0
    growth.append([bytes(MAX_ENTRY)])
    assert growth.pending == 1


def test_what_lies_in_the_files_is_not_believed() -> None:
    """A root, leaves or entries that are others."""
    growth = new()
    growth.append(entries(0, 300))
    store = dict([*growth.bundles(), *growth.tiles()])
    with pytest.raises(NotProved, match="another root"):
        Growth.read(store.get, 300, bytes(32))
    with pytest.raises(FormatError, match="is not there"):
        Growth.read(store.get, 301, growth.root())
    with pytest.raises(NotProved, match="not those of the tree's leaves"):
        Growth(Edge.read(store.get, 300), entries(257, 301))
    assert Growth.read(store.get, 300, growth.root()).size == 300
