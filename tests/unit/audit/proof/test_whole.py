"""A whole tree in its files: what is wrong is located, and which of two files it is."""

from __future__ import annotations

import random

import pytest

from audit.proof.flaws import Flaw
from audit.proof.hashing import EMPTY_ROOT, leaf_hash
from audit.proof.merkle import LeafNodes, root
from audit.proof.tiles import Edge, bundles_of, encode_bundle
from audit.proof.whole import TreeCheck


def tree(entries: list[bytes]) -> dict[str, bytes]:
    edge = Edge(0, ())
    tiles = [*edge.append([leaf_hash(entry) for entry in entries]), *edge.partial()]
    files = {tile.path: content for tile, content in tiles}
    for bundle in bundles_of(len(entries)):
        files[bundle.path] = encode_bundle(entries[bundle.index * 256 :][: bundle.width])
    return files


SIZE = 600
ENTRIES = [b"%d" % number * 9 for number in range(SIZE)]
FILES = tree(ENTRIES)
ROOT = root(LeafNodes([leaf_hash(entry) for entry in ENTRIES]), SIZE)


def flaws(files: dict[str, bytes], size: int = SIZE, head: bytes = ROOT) -> list[Flaw]:
    check = TreeCheck("o", files.get, size, head)
    for _ in check.entries():
        pass
    return check.flaws


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 600])
def test_a_sound_tree_gives_its_entries_in_order(size: int) -> None:
    """All of them, with their leaf hashes, and no flaw."""
    head = root(LeafNodes([leaf_hash(entry) for entry in ENTRIES[:size]]), size)
    check = TreeCheck("o", tree(ENTRIES[:size]).get, size, head)
    parts = list(check.entries())
    assert check.flaws == []
    assert [entry for part in parts for entry in part.entries] == ENTRIES[:size]
    assert [each for part in parts for each in part.hashes] == [leaf_hash(entry) for entry in ENTRIES[:size]]


@pytest.mark.parametrize(
    ("start", "end", "wrong"),
    [(0, 1, 1), (0, 256, 1), (255, 257, 2), (300, 301, 0), (599, 600, 1), (590, 9999, 0), (0, 600, None)],
)
def test_a_range_looks_at_its_bundles_alone(start: int, end: int, wrong: int | None) -> None:
    """And at the tiles that lead to them: a wrong bundle elsewhere is not looked at."""
    paths = [bundle.path for bundle in bundles_of(SIZE)]
    files = FILES if wrong is None else FILES | {paths[wrong]: b""}
    check = TreeCheck("o", files.get, SIZE, ROOT)
    parts = list(check.entries(start, end))
    assert check.flaws == []
    assert parts[0].first <= start < parts[0].first + 256
    assert parts[-1].first < min(end, SIZE) <= parts[-1].first + len(parts[-1].entries)
    if wrong is not None:
        assert flaws(files)[0].path == paths[wrong]


def test_an_empty_tree_has_the_root_of_nothing() -> None:
    """Or its checkpoint is wrong."""
    assert flaws({}, 0, EMPTY_ROOT) == []
    assert flaws({}, 0, ROOT)[0].what == "checkpoint"


def test_each_wrong_byte_is_located() -> None:
    """In tiles exactly, in bundles by the entry."""
    rng = random.Random(3)
    for path, raw in FILES.items():
        for at in rng.sample(range(len(raw)), min(60, len(raw))):
            (found, *_) = flaws(FILES | {path: raw[:at] + bytes((raw[at] ^ 0x40,)) + raw[at + 1 :]})
            assert found.path == path
            if "/entries/" not in path:
                assert found.byte == at
            else:
                assert found.offset is not None
                assert found.byte is not None
                assert found.byte <= at


@pytest.mark.parametrize("path", sorted(FILES))
def test_each_missing_cut_or_longer_file_is_named(path: str) -> None:
    """And nothing is raised."""
    raw = FILES[path]
    without = {name: content for name, content in FILES.items() if name != path}
    for files in (without, without | {path: raw[:-1]}, without | {path: raw + b"\0"}, without | {path: b""}):
        assert {flaw.path for flaw in flaws(files)} == {path}


def test_a_full_file_stands_for_a_partial_one_that_went() -> None:
    """As the specification allows."""
    more = tree([*ENTRIES, *ENTRIES[:168]])
    files = {
        path: content for path, content in (FILES | more).items() if ".p/" not in path or "tile/1" in path
    }
    assert flaws(files) == []


def test_entries_and_their_tile_that_were_changed_together_contradict_the_tile_above() -> None:
    """The signed root decides; what is below it is told."""
    other = tree([*ENTRIES[:5], b"forged", *ENTRIES[6:]])
    files = FILES | {path: other[path] for path in ("tile/0/000", "tile/entries/000")}
    found = flaws(files)
    assert (found[0].what, found[0].path) == ("tile", "tile/0/000")
    assert "not what the tile above it" in found[0].message


def test_a_whole_other_tree_does_not_have_the_root() -> None:
    """It is consistent, and not what was signed."""
    assert [flaw.what for flaw in flaws(tree([*ENTRIES[:5], b"forged", *ENTRIES[6:]]))] == ["checkpoint"]


def test_flaws_are_bounded() -> None:
    """A log of garbage ends."""
    raw = encode_bundle([b"x"] * 256)
    check = TreeCheck(
        "o", lambda path: raw if "entries" in path else FILES.get(path), SIZE, ROOT, max_flaws=5
    )
    list(check.entries())
    assert len(check.flaws) == 5


def test_a_folder_of_garbage_is_told_file_by_file() -> None:
    """The right edge can neither be read nor computed."""
    check = TreeCheck("o", lambda _: b"\0" * 9, SIZE, ROOT)
    list(check.entries())
    assert [flaw.path for flaw in check.flaws] == ["checkpoint", "tile/0/002.p/88", "tile/1/000.p/2"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tile/0/000.p/7", True), ("tile/entries/000.p/7", True), ("tile/0/000", True), ("tile/1/000.p/1", True),
        ("tile/0/002.p/88", True), ("tile/0/002.p/89", False), ("tile/0/003", False), ("tile/1/000", False),
        ("tile/2/000.p/1", False),
    ],
)  # fmt: skip
def test_files_of_smaller_sizes_are_the_beginnings_of_larger_ones(path: str, said: bool) -> None:
    """Those of a larger tree are not judged."""
    smaller = tree(ENTRIES[:7]) | tree(ENTRIES[:256])
    check = TreeCheck("o", (smaller | FILES).get, SIZE, ROOT)
    assert check.other(path) is said
    assert check.flaws == []


@pytest.mark.parametrize("path", ["tile/0/000.p/7", "tile/entries/000.p/7"])
def test_a_wrong_file_of_a_smaller_size_is_located(path: str) -> None:
    """An earlier checkpoint needs it for ever."""
    raw = tree(ENTRIES[:7])[path]
    for wrong, at in ((raw[:9] + b"\xff" + raw[10:], 9), (raw[:-1], len(raw) - 1), (raw + b"\0", len(raw))):
        check = TreeCheck("o", (FILES | {path: wrong}).get, SIZE, ROOT)
        assert check.other(path)
        (flaw,) = check.flaws
        assert (flaw.path, flaw.byte) == (path, at)


@pytest.mark.parametrize(
    "path",
    [
        "x",
        "tile/0/0",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/x000/001",
        "tile/64/000",
        "tile/00/000",
        "tile/0/000.p/07",
    ],
)  # fmt: skip
def test_a_foreign_file_is_told(path: str) -> None:
    """Nothing else belongs into a tree's folder."""
    check = TreeCheck("o", FILES.get, SIZE, ROOT)
    assert check.other(path)
    assert check.flaws[0].what == "file"
