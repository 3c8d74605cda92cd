"""Tiles and entry bundles of C2SP tlog-tiles: how a tree lies in files, written once and read by anybody.

A *tile* (level, index) holds up to 256 hashes: of leaves at level 0, of full tiles of the level below above it.
An *entry bundle* holds the entries of one tile of level 0, each behind its length in two bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from .errors import FormatError
from .hashing import HASH_SIZE
from .merkle import MAX_SIZE, fold, root

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
_CACHED: Final = 64

MAX_TILE: Final = WIDTH * HASH_SIZE
MAX_BUNDLE: Final = WIDTH * (2 + 65_535)
"""Bytes: each entry has its length, of 16 bits, before it."""

Fetch = Callable[[str], bytes | None]
"""The content of a path of the log, or None when there is none."""


def size_limit(path: str) -> int:
    """The bytes that a file of the tree at this path can have, at most."""
    return MAX_BUNDLE if path.startswith("tile/entries/") else MAX_TILE


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile and what of it exists: `width` hashes, 256 when it is full."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it lies, below the log's prefix."""
        return f"tile/{self.level}/{_number(self.index)}{_partial(self.width)}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """An entry bundle and how many entries of it exist."""

    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it lies, below the log's prefix."""
        return f"tile/entries/{_number(self.index)}{_partial(self.width)}"


def _number(index: int) -> str:
    """1234067 → x001/x234/067."""
    text = f"{index % 1000:03d}"
    while index := index // 1000:
        text = f"x{index % 1000:03d}/{text}"
    return text


def _partial(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree, level by level."""
    level = 0
    while hashes := size >> (HEIGHT * level):
        full, width = divmod(hashes, WIDTH)
        yield from (Tile(level, index) for index in range(full))
        if width:
            yield Tile(level, full, width)
        level += 1


def bundles_of(size: int) -> Iterator[Bundle]:
    """Every entry bundle of a tree."""
    full, width = divmod(size, WIDTH)
    yield from (Bundle(index) for index in range(full))
    if width:
        yield Bundle(full, width)


def parse_tile(raw: bytes, width: int) -> list[bytes]:
    """The tile's hashes.

    Raises:
        FormatError: not exactly `width` hashes.
    """
    if len(raw) != width * HASH_SIZE:
        raise FormatError(f"tile: {len(raw)} bytes, {width} hashes are {width * HASH_SIZE}")
    return [raw[at : at + HASH_SIZE] for at in range(0, len(raw), HASH_SIZE)]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries of at most 65,535 bytes, each behind its length."""
    return b"".join(part for entry in entries for part in (len(entry).to_bytes(2, "big"), entry))


def parse_bundle(raw: bytes, width: int) -> list[bytes]:
    """The bundle's entries.

    Raises:
        FormatError: not exactly `width` whole entries; surplus bytes are refused as missing ones are.
    """
    entries: list[bytes] = []
    at, end = 0, len(raw)
    while at < end and len(entries) < width:
        start = at + 2
        at = start + int.from_bytes(raw[at:start], "big")
        entries.append(raw[start:at])
    if len(entries) != width or at != end:
        raise FormatError(f"entry bundle: not exactly {width} whole entries in its {end} bytes")
    return entries


class TileNodes:
    """`merkle.Nodes` of a tree of `size` leaves that lies in tiles. Nothing that is fetched is trusted."""

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._cache: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()

    def node(self, level: int, index: int) -> bytes:
        """See `merkle.Nodes.node`.

        Raises:
            FormatError: the tile that holds it is not there, or is malformed.
        """
        tile_level, rest = divmod(level, HEIGHT)
        first = index << rest
        number, at = divmod(first, WIDTH)
        return fold(self.tile(tile_level, number)[at : at + (1 << rest)])

    def tile(self, level: int, index: int) -> list[bytes]:
        """The hashes of a tile, as many as this tree has."""
        known = self._cache.get((level, index))
        if known is not None:
            self._cache.move_to_end((level, index))
            return known
        width = min(WIDTH, (self._size >> (HEIGHT * level)) - index * WIDTH)
        hashes = read_tile(self._fetch, Tile(level, index, width))
        self._cache[level, index] = hashes
        if len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return hashes


def read_tile(fetch: Fetch, tile: Tile) -> list[bytes]:
    """A tile's first `width` hashes: a partial tile may have gone when the full one is there.

    Raises:
        FormatError: it is not there, or malformed.
    """
    return _read(fetch, tile, parse_tile)


def read_bundle(fetch: Fetch, bundle: Bundle) -> list[bytes]:
    """A bundle's first `width` entries, as `read_tile`.

    Raises:
        FormatError: it is not there, or malformed.
    """
    return _read(fetch, bundle, parse_bundle)


def _read(fetch: Fetch, file: Tile | Bundle, parse: Callable[[bytes, int], list[bytes]]) -> list[bytes]:
    raw = fetch(file.path)
    if raw is not None:
        return parse(raw, file.width)
    raw = fetch(replace(file, width=WIDTH).path) if file.width < WIDTH else None
    if raw is None:
        raise FormatError(f"{file.path}: is not there")
    return parse(raw, WIDTH)[: file.width]


class Edge:
    """The right edge of a growing tree: the partial tile of each level, at most 255 hashes each.

    All that is needed to append, and to compute the root; its memory does not grow with the tree but by one
    level each 256-fold.
    """

    def __init__(self, size: int, levels: Sequence[Sequence[bytes]]) -> None:
        """`levels`: the partial tile of each level, from 0 on.

        Raises:
            FormatError: they are not those of a tree of `size` leaves.
        """
        widths = []
        left = size
        while left:
            widths.append(left % WIDTH)
            left >>= HEIGHT
        if [len(level) for level in levels] != widths or size >= MAX_SIZE:
            raise FormatError(f"edge: not that of a tree of {size} leaves")
        self._size = size
        self._levels = [list(level) for level in levels]

    @classmethod
    def read(cls, fetch: Fetch, size: int) -> Edge:
        """The edge of a tree that lies in tiles; its root is for the caller to compare."""
        return cls.of(TileNodes(fetch, size), size)

    @classmethod
    def of(cls, nodes: TileNodes, size: int) -> Edge:
        """The edge that a tree had when it had `size` leaves; `nodes` are those of that tree, or of a larger one."""
        levels: list[list[bytes]] = []
        left = size
        while left:
            index, width = divmod(left, WIDTH)
            levels.append(nodes.tile(len(levels), index)[:width] if width else [])
            left >>= HEIGHT
        return cls(size, levels)

    @property
    def size(self) -> int:
        """Leaves."""
        return self._size

    def copy(self) -> Edge:
        """A copy that grows by itself."""
        return Edge(self._size, self._levels)

    def append(self, leaves: Sequence[bytes]) -> list[tuple[Tile, bytes]]:
        """Append leaf hashes; the tiles that became full by it, with their content."""
        full: list[tuple[Tile, bytes]] = []
        at = 0
        while at < len(leaves):
            if not self._levels:
                self._levels.append([])
            part = leaves[at : at + WIDTH - len(self._levels[0])]
            self._levels[0].extend(part)
            self._size += len(part)
            at += len(part)
            self._carry(full)
        return full

    def _carry(self, full: list[tuple[Tile, bytes]]) -> None:
        """A level that is full becomes a tile, and one hash of the level above."""
        level = 0
        while len(hashes := self._levels[level]) == WIDTH:
            # Full means that the size has just become a multiple of what this tile spans.
            index = (self._size >> (HEIGHT * (level + 1))) - 1
            full.append((Tile(level, index), b"".join(hashes)))
            self._levels[level] = []
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(fold(hashes))

    def partial(self) -> list[tuple[Tile, bytes]]:
        """The partial tiles that a checkpoint of this size needs, with their content."""
        return [
            (Tile(level, (self._size >> (HEIGHT * level)) // WIDTH, len(hashes)), b"".join(hashes))
            for level, hashes in enumerate(self._levels)
            if hashes
        ]

    def root(self) -> bytes:
        """MTH of all leaves."""
        return root(self, self._size)

    def node(self, level: int, index: int) -> bytes:
        """See `merkle.Nodes.node`; only what the root needs is here."""
        tile_level, rest = divmod(level, HEIGHT)
        at = (index << rest) % WIDTH
        return fold(self._levels[tile_level][at : at + (1 << rest)])
