"""Tiles and entry bundles of C2SP tlog-tiles: paths, edges, and trees read back out of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.proof import tiles
from audit.proof.errors import FormatError
from audit.proof.hashing import leaf_hash
from audit.proof.merkle import LeafNodes, consistency_proof, inclusion_proof, root
from audit.proof.tiles import Bundle, Edge, Tile, TileNodes, encode_bundle, parse_bundle, parse_tile
from tests.components.tlog import tile_paths

SIZES = (1, 2, 255, 256, 257, 511, 512, 513, 700)
LEAVES = [leaf_hash(b"%d" % number) for number in range(70_000)]


def files_of(size: int) -> dict[str, bytes]:
    """A tree's tiles, written in one go."""
    edge = Edge(0, ())
    return {tile.path: content for tile, content in (*edge.append(LEAVES[:size]), *edge.partial())}


@pytest.mark.parametrize(
    ("index", "path"),
    [(0, "000"), (7, "007"), (999, "999"), (1000, "x001/000"), (1_234_067, "x001/x234/067")],
)
def test_paths_are_those_of_the_specification(index: int, path: str) -> None:
    """Three digits each, `x` before all but the last; partial ones below `.p`."""
    assert Tile(2, index).path == f"tile/2/{path}"
    assert Tile(0, index, 3).path == f"tile/0/{path}.p/3"
    assert Bundle(index).path == f"tile/entries/{path}"
    assert Bundle(index, 255).path == f"tile/entries/{path}.p/255"


@pytest.mark.parametrize("size", [*SIZES, 65_535, 65_536, 65_537, 70_000])
def test_a_tree_has_the_files_that_the_specification_lists(size: int) -> None:
    """The same as another's list of them, and what an edge writes."""
    listed = [*tiles.tiles_of(size), *tiles.bundles_of(size)]
    assert sorted(each.path for each in listed) == sorted(tile_paths(size))
    assert sorted(files_of(size)) == sorted(tile.path for tile in tiles.tiles_of(size))


@pytest.mark.parametrize("size", [*SIZES, 65_537])
def test_a_tree_that_lies_in_tiles_is_the_tree_of_its_leaves(size: int) -> None:
    """Root and proofs, read from files."""
    nodes, plain = TileNodes(files_of(size).get, size), LeafNodes(LEAVES[:size])
    assert root(nodes, size) == root(plain, size) == Edge.read(files_of(size).get, size).root()
    for index in {0, size // 3, size - 1}:
        assert inclusion_proof(nodes, index, size) == inclusion_proof(plain, index, size)
    for old in {0, 1, size // 2, size}:
        assert consistency_proof(nodes, old, size) == consistency_proof(plain, old, size)


@given(st.lists(st.integers(0, 400), max_size=6))
def test_an_edge_is_the_same_however_it_grew(parts: list[int]) -> None:
    """In one step or in many, through a copy or a file: the same tiles, the same root."""
    grown, full, size = Edge(0, ()), dict[str, bytes](), 0
    for part in parts:
        grown = grown.copy()
        full |= {tile.path: content for tile, content in grown.append(LEAVES[size : size + part])}
        size += part
    assert grown.size == size
    assert full | {tile.path: content for tile, content in grown.partial()} == files_of(size)
    again = Edge.read((full | {tile.path: content for tile, content in grown.partial()}).get, size)
    assert again.root() == grown.root() == root(LeafNodes(LEAVES[:size]), size)


def test_a_copy_grows_by_itself() -> None:
    """What is appended to one is not in the other."""
    edge = Edge(0, ())
    edge.append(LEAVES[:3])
    other = edge.copy()
    other.append(LEAVES[3:9])
    assert (edge.size, other.size) == (3, 9)
    assert edge.root() == root(LeafNodes(LEAVES[:3]), 3)


@pytest.mark.parametrize(
    ("size", "levels"),
    [
        (0, [[]]),
        (3, []),
        (3, [[b""] * 2]),
        (3, [[b""] * 4]),
        (256, [[b""] * 256]),
        (2**63, [[]] * 7 + [[b""] * 128]),
    ],
)
def test_an_edge_of_another_size_is_refused(size: int, levels: list[list[bytes]]) -> None:
    """Each level has exactly the hashes that the size says."""
    with pytest.raises(FormatError):
        Edge(size, levels)


@pytest.mark.parametrize("width", [1, 2, 255, 256])
def test_tiles_of_another_length_are_refused(width: int) -> None:
    """Wrong partials, surplus and missing bytes."""
    raw = b"".join(LEAVES[:width])
    assert parse_tile(raw, width) == LEAVES[:width]
    for wrong in (raw + b"\0", raw[:-1], b"", raw + LEAVES[0], raw[32:] if width > 1 else raw * 2):
        with pytest.raises(FormatError):
            parse_tile(wrong, width)


def test_bundles_of_another_form_are_refused() -> None:
    """Surplus entries in a full bundle, which others accept; surplus bytes; cut entries."""
    entries = [b"", b"a", b"b" * 65_535]
    raw = encode_bundle(entries)
    assert parse_bundle(raw, 3) == entries
    for wrong, width in (
        (raw, 2),
        (raw, 4),
        (raw + b"\0", 3),
        (raw[:-1], 3),
        (b"", 1),
        (raw + raw, 3),
        (b"\0", 1),
    ):
        with pytest.raises(FormatError):
            parse_bundle(wrong, width)


@given(st.binary(max_size=60), st.integers(1, 5))
def test_a_bundle_has_one_form(raw: bytes, width: int) -> None:
    """Whatever is read is what would be written."""
    try:
        entries = parse_bundle(raw, width)
    except FormatError:
        return
    assert len(entries) == width
    assert encode_bundle(entries) == raw


def test_a_full_tile_stands_for_a_partial_one_that_went() -> None:
    """Partial ones may be removed when the full one is there; neither: refused, and named."""
    full = files_of(256)
    files = {path: content for path, content in full.items() if ".p/" not in path}
    assert tiles.read_tile(files.get, Tile(0, 0, 200)) == LEAVES[:200]
    with pytest.raises(FormatError, match=r"tile/0/001\.p/4: is not there"):
        tiles.read_tile(files.get, Tile(0, 1, 4))
    with pytest.raises(FormatError, match="tile/0/003: is not there"):
        tiles.read_tile(files.get, Tile(0, 3))
    bundle = {Bundle(0).path: encode_bundle([b"x"] * 256)}
    assert tiles.read_bundle(bundle.get, Bundle(0, 9)) == [b"x"] * 9
    with pytest.raises(FormatError, match="is not there"):
        tiles.read_bundle(bundle.get, Bundle(1, 9))
