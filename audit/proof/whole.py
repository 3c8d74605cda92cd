"""A tree as it lies in its files: is each of them what the signed root says?

From the root down: the partial tiles of the right edge must have the signed root, each full tile must have the hash
that the tile above has for it, and each entry the hash that its tile has. So every byte is held to the signature, and
what differs is located: a tile by its first wrong byte, an entry by where it begins in its bundle (a hash does not
tell which of its bytes). A wrong tile is computed again from below, and what is below it is then held to that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import product
from typing import Final, NamedTuple

from .errors import FormatError
from .flaws import Flaw
from .hashing import EMPTY_ROOT, HASH_SIZE, leaf_hash
from .merkle import fold
from .tiles import HEIGHT, WIDTH, Bundle, Edge, Fetch, Tile

MAX_FLAWS: Final = 1000
UNFINISHED: Final = 1 << 20
"""Leaves beyond the signed ones that a notary which was ended while it sealed leaves files of, at most: it seals when
32,768 wait, and what one more read gave."""
_PATH: Final = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)

Hashes = Sequence[bytes]


class Part(NamedTuple):
    """The entries of one bundle, in order from the index `first` on."""

    first: int
    entries: list[bytes | None]
    """None is one that is wrong."""
    hashes: Hashes
    """Of the leaves, as the root covers them."""


class TreeCheck:
    """Looks at a tree of `size` leaves whose root was signed; what is wrong gathers in `flaws`.

    `fetch` may raise FormatError for what lies at a path and cannot be a file of a tree: it is a flaw of that path,
    and the rest is looked at all the same. Other errors of `fetch` come out.
    """

    def __init__(self, origin: str, fetch: Fetch, size: int, root: bytes, max_flaws: int = MAX_FLAWS) -> None:
        self.flaws: list[Flaw] = []
        self.beyond: list[int] = []
        """Of each file of a larger tree that `other` was given: the leaves that this one has at least."""
        self._origin = origin
        self._ask = fetch
        self._unread: dict[str, str] = {}
        self._size = size
        self._root = root
        self._max = max_flaws
        self._wrong: set[str] = set()

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[Part]:
        """Check all that leads from the root to the leaves [start, end), those of whole bundles.

        Yields them in order, bundle by bundle.
        """
        end = self._size if end is None else min(end, self._size)
        if self._size == 0:
            if self._root != EMPTY_ROOT:
                self._flaw("checkpoint", "the root is not that of a tree without leaves", "checkpoint")
            return
        edge = self._edge()
        for level in range(len(edge) - 1, -1, -1):
            if edge[level]:
                index = (self._size >> (HEIGHT * level)) // WIDTH
                yield from self._below(Tile(level, index, len(edge[level])), edge[level], start, end)

    # ---------------------------------------------------------------- the right edge

    def _edge(self) -> list[Hashes]:
        """The partial tile of each level: as they are stored, when they have the root; else whichever have it."""
        tiles: list[Tile] = []
        level, left = 0, self._size
        while left:
            tiles.append(Tile(level, left // WIDTH, left % WIDTH))
            level, left = level + 1, left >> HEIGHT
        stored = [self._stored(tile) if tile.width else [] for tile in tiles]
        if all(each is not None for each in stored) and self._has_root(stored):
            return [each or [] for each in stored]
        computed = [self._children(tile) if tile.width else [] for tile in tiles]
        for choice in product((True, False), repeat=len(tiles)):
            mixed = [one if first else two for first, one, two in zip(choice, stored, computed, strict=True)]
            if self._has_root(mixed):
                for first, tile, one, two in zip(choice, tiles, stored, computed, strict=True):
                    if not first and one != two:
                        self._wrong_tile(tile, one, two)
                return [each or [] for each in mixed]
        self._flaw("checkpoint", f"the signed root of {self._size} leaves is not that of the tiles or entries",
                   "checkpoint")  # fmt: skip
        for tile, one, two in zip(tiles, stored, computed, strict=True):
            if one is None or one != two:
                self._wrong_tile(tile, one, two)
        return [one if one is not None else two or [] for one, two in zip(stored, computed, strict=True)]

    def _has_root(self, levels: Sequence[Hashes | None]) -> bool:
        return all(each is not None for each in levels) and (
            Edge(self._size, [each or [] for each in levels]).root() == self._root
        )

    # ---------------------------------------------------------------- from a tile that holds, down

    def _below(self, tile: Tile, hashes: Hashes, start: int, end: int) -> Iterator[Part]:
        """`hashes` are the tile's, and hold."""
        if tile.level == 0:
            first = tile.index * WIDTH
            if first < end and start < first + tile.width:
                yield Part(first, self._bundle(Bundle(tile.index, tile.width), hashes), hashes)
            return
        span = 1 << (HEIGHT * tile.level)
        for at, expected in enumerate(hashes):
            index = tile.index * WIDTH + at
            if (index + 1) * span <= start:
                continue
            if index * span >= end or len(self.flaws) >= self._max:
                return
            child = Tile(tile.level - 1, index)
            yield from self._below(child, self._tile(child, expected), start, end)

    def _tile(self, tile: Tile, expected: bytes) -> Hashes:
        """The tile's hashes, those that have the expected root where that can be."""
        stored = self._stored(tile)
        if stored is not None and fold(stored) == expected:
            return stored
        computed = self._children(tile)
        self._wrong_tile(tile, stored, computed)
        if computed is not None and (stored is None or fold(computed) == expected):
            return computed
        return stored or [b""] * tile.width

    def _children(self, tile: Tile) -> list[bytes] | None:
        """The tile's hashes, computed from what lies one level below it: stored tiles, or entries."""
        if tile.level == 0:
            hashes = [leaf_hash(entry) for _, entry in self._split(Bundle(tile.index, tile.width))[0]]
            return hashes if len(hashes) == tile.width else None
        below = [self._stored(Tile(tile.level - 1, tile.index * WIDTH + at)) for at in range(tile.width)]
        return None if None in below else [fold(each) for each in below if each is not None]

    def _bundle(self, bundle: Bundle, hashes: Hashes) -> list[bytes | None]:
        placed, length = self._split(bundle)
        entries: list[bytes | None] = [
            entry if sha256(b"\x00" + entry).digest() == expected else None
            for (_, entry), expected in zip(placed, hashes, strict=False)
        ]
        if None not in entries and len(entries) == bundle.width:
            end = placed[-1][0] + 2 + len(placed[-1][1])
            if length > end and not self._is_longer(bundle):
                self._flaw("entries", f"{length - end} bytes after the last entry", bundle.path, byte=end)
            return entries
        entries += [None] * (bundle.width - len(entries))
        self._wrong_entries(bundle, entries, placed, length)
        return entries

    # ---------------------------------------------------------------- files

    def _fetch(self, path: str) -> bytes | None:
        try:
            return self._ask(path)
        except FormatError as error:
            self._unread[path] = str(error)
            return None

    def _stored(self, tile: Tile) -> list[bytes] | None:
        """The tile's hashes; None when it is not there, or is no tile. A full one may stand for a partial one."""
        raw = self._fetch(tile.path)
        if raw is None and tile.width < WIDTH:
            raw = self._fetch(Tile(tile.level, tile.index).path)
            raw = raw if raw is None or len(raw) != WIDTH * HASH_SIZE else raw[: tile.width * HASH_SIZE]
        if raw is None or len(raw) != tile.width * HASH_SIZE:
            return None
        return [raw[at : at + HASH_SIZE] for at in range(0, len(raw), HASH_SIZE)]

    def _split(self, bundle: Bundle) -> tuple[list[tuple[int, bytes]], int]:
        """The whole entries of a bundle, each with where it begins, as many as there should be; and its length."""
        raw = self._fetch(bundle.path)
        if raw is None and bundle.width < WIDTH:
            raw = self._fetch(Bundle(bundle.index).path)
        if raw is None:
            return [], -1
        placed: list[tuple[int, bytes]] = []
        at, end = 0, len(raw)
        while at + 2 <= end and len(placed) < bundle.width:
            stop = at + 2 + int.from_bytes(raw[at : at + 2], "big")
            if stop > end:
                break
            placed.append((at, raw[at + 2 : stop]))
            at = stop
        return placed, end

    def _is_longer(self, bundle: Bundle) -> bool:
        """Whether a full bundle stands for the partial one."""
        return bundle.width < WIDTH and self._fetch(bundle.path) is None

    # ---------------------------------------------------------------- what is wrong

    def _flaw(
        self, what: str, message: str, path: str, *, offset: int | None = None, byte: int | None = None
    ) -> None:
        self._wrong.add(path)
        if len(self.flaws) < self._max:
            self.flaws.append(Flaw(what, message, self._origin, offset, path, byte))

    def _wrong_tile(self, tile: Tile, stored: Hashes | None, right: Hashes | None) -> None:
        if stored is None:
            there = self._fetch(tile.path)
            message = (
                self._unread.get(tile.path, "is not there")
                if there is None
                else f"{len(there)} bytes, {tile.width * HASH_SIZE} belong there"
            )
            self._flaw("tile", message, tile.path)
            return
        if right is None or list(stored) == list(right):
            below = "its entries" if tile.level == 0 else "the tiles below it"
            self._flaw(
                "tile", f"it and {below} are not what the tile above it, or the root, covers", tile.path
            )
            return
        byte = next(
            at for at, (a, b) in enumerate(zip(b"".join(stored), b"".join(right), strict=True)) if a != b
        )
        number = tile.index * WIDTH + byte // HASH_SIZE
        what = (
            f"the hash of entry {number}"
            if tile.level == 0
            else f"the hash of the tile {Tile(tile.level - 1, number).path}"
        )
        self._flaw("tile", f"{what} is another than what is below it has", tile.path, byte=byte,
                   offset=number if tile.level == 0 else None)  # fmt: skip

    def _wrong_entries(
        self,
        bundle: Bundle,
        entries: Sequence[bytes | None],
        placed: Sequence[tuple[int, bytes]],
        length: int,
    ) -> None:
        first = bundle.index * WIDTH
        if length < 0:
            self._flaw(
                "entries",
                f"{self._unread.get(bundle.path, 'is not there')}: entries {first} to {first + bundle.width - 1}",
                bundle.path,
                offset=first,
            )
            return
        for at, entry in enumerate(entries):
            if entry is not None:
                continue
            if at >= len(placed):
                end = placed[-1][0] + 2 + len(placed[-1][1]) if placed else 0
                self._flaw(
                    "entries", f"it ends within entry {first + at}", bundle.path, offset=first + at, byte=end
                )
                return
            self._flaw("entry", "is not what was sealed", bundle.path, offset=first + at, byte=placed[at][0])

    # ---------------------------------------------------------------- files of smaller sizes

    def other(self, path: str) -> bool:
        """Look at a file of the tree's folder that this size may not need: a partial one of a smaller size MUST be the
        beginning of what is there now. False: it is beyond this size, and nothing can be said.
        """
        found = _PATH.fullmatch(path)
        if found is None:
            self._flaw("file", "is not a file of a tree", path)
            return True
        level = 0 if found[1] == "entries" else int(found[1])
        index = int(found[2].replace("x", "").replace("/", ""))
        width = int(found[3] or WIDTH)
        now = min(WIDTH, (self._size >> (HEIGHT * level)) - index * WIDTH)
        kind = Bundle(index, width) if found[1] == "entries" else Tile(level, index, width)
        if kind.path != path or width > WIDTH or (found[3] and width == WIDTH):
            self._flaw("file", "is not a file of a tree", path)
            return True
        if width > now:
            self.beyond.append((index * WIDTH + width) << (HEIGHT * level))
            return False
        if width < now:
            self._earlier(kind, now)
        if path in self._unread and path not in self._wrong:
            self._flaw("file", self._unread[path], path)
        return True

    def _earlier(self, kind: Bundle | Tile, now: int) -> None:
        raw = self._fetch(kind.path)
        newer = Tile(kind.level, kind.index, now) if isinstance(kind, Tile) else Bundle(kind.index, now)
        if newer.path in self._wrong:
            return  # there is nothing to hold it to until that is put right
        if isinstance(kind, Tile):
            hashes = self._stored(Tile(kind.level, kind.index, now))
            right = None if hashes is None else b"".join(hashes[: kind.width])
        else:
            placed, _ = self._split(Bundle(kind.index, now))
            right = b"".join(
                part for _, entry in placed[: kind.width] for part in (len(entry).to_bytes(2, "big"), entry)
            )
        if raw is not None and right is not None and raw != right:
            byte = next((at for at, (a, b) in enumerate(zip(raw, right, strict=False)) if a != b),
                        min(len(raw), len(right)))  # fmt: skip
            self._flaw("file", "is not the beginning of what stands there now", kind.path, byte=byte)
