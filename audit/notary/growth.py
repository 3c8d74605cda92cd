"""A sealed tree and what was appended to it since: in memory until the files of both are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from audit.proof.errors import NotProved
from audit.proof.hashing import leaf_hash
from audit.proof.tiles import WIDTH, Bundle, Edge, Fetch, Tile, encode_bundle, parse_bundle, read_bundle

MAX_ENTRY: Final = 65_535

FetchAll = Callable[[Sequence[str]], Iterable[bytes | None]]
"""The contents of paths, in their order."""


class Growth:
    """What one seal writes. Its memory is that of what was appended, and of at most 255 entries before."""

    def __init__(self, edge: Edge, tail: Sequence[bytes]) -> None:
        """`edge` of the sealed tree, and the entries of its last, partial bundle.

        Raises:
            NotProved: the entries are not those of the edge's leaves.
        """
        if b"".join(map(leaf_hash, tail)) != _leaves(edge):
            raise NotProved(f"the last {len(tail)} entries of {edge.size} are not those of the tree's leaves")
        self._sealed = edge
        self._edge = edge.copy()
        self._entries = list(tail)
        self._full: list[tuple[Tile, bytes]] = []
        self.pending_bytes = 0

    @classmethod
    def read(cls, fetch: Fetch, size: int, root: bytes) -> Growth:
        """A sealed tree as it lies in its files.

        Raises:
            FormatError: a file is not there, or malformed.
            NotProved: they have another root.
        """
        edge = Edge.read(fetch, size)
        if edge.root() != root:
            raise NotProved(f"the tiles of {size} leaves have another root than the state")
        number, width = divmod(size, WIDTH)
        return cls(edge, read_bundle(fetch, Bundle(number, width)) if width else [])

    @property
    def size(self) -> int:
        """Leaves, those that wait included."""
        return self._edge.size

    @property
    def pending(self) -> int:
        """Leaves that wait."""
        return self._edge.size - self._sealed.size

    def root(self) -> bytes:
        """Of all leaves."""
        return self._edge.root()

    def append(self, entries: Sequence[bytes], leaves: Sequence[bytes] | None = None) -> None:
        """Take entries; they wait for the next seal.

        Args:
            entries: those of the next offsets.
            leaves: their hashes, where they are known. Wrong ones are found before anything is signed.

        Raises:
            ValueError: an entry is longer than a bundle can say; nothing was taken.
        """
        if max(map(len, entries), default=0) > MAX_ENTRY:
            raise ValueError(f"an entry of over {MAX_ENTRY} bytes is no leaf")
        self._full += self._edge.append(list(map(leaf_hash, entries)) if leaves is None else leaves)
        self._entries += entries
        self.pending_bytes += sum(map(len, entries))

    def bundles(self) -> list[tuple[str, bytes]]:
        """The bundles that the sealed tree does not have: path and content."""
        return [
            (bundle.path, encode_bundle(self._entries[at : at + bundle.width]))
            for at, bundle in self._bundles()
        ]

    def tiles(self) -> list[tuple[str, bytes]]:
        """The tiles that the sealed tree does not have: path and content."""
        return [(tile.path, content) for tile, content in self._tiles(self._full, self._edge)]

    def read_again(self, fetch_all: FetchAll) -> bytes:
        """Read those files, and compute every hash again from their entries; the root that they have.

        MUST NOT use what `append` has computed: it is what is checked.

        Raises:
            FormatError: a bundle is malformed.
            NotProved: a file is not there, or is not what its entries hash to.
        """
        bundles = [bundle for _, bundle in self._bundles()]
        known = self._sealed.size % WIDTH
        edge, full = self._sealed.copy(), []
        for bundle, raw in zip(bundles, fetch_all([each.path for each in bundles]), strict=True):
            leaves = [leaf_hash(entry) for entry in parse_bundle(raw or b"", bundle.width)]
            if known and b"".join(leaves[:known]) != _leaves(self._sealed):
                raise NotProved(f"{bundle.path} does not go on with the entries that are sealed")
            full += edge.append(leaves[known:])
            known = 0
        tiles = self._tiles(full, edge)
        for (tile, content), raw in zip(tiles, fetch_all([tile.path for tile, _ in tiles]), strict=True):
            if raw != content:
                raise NotProved(f"{tile.path} is not what the entries below it hash to")
        return edge.root()

    def sealed(self) -> Growth:
        """The same tree when all that waited is sealed."""
        return Growth(self._edge, self._entries[len(self._entries) - self._edge.size % WIDTH :])

    def _bundles(self) -> list[tuple[int, Bundle]]:
        """Where in the entries each bundle begins; none when nothing waits."""
        first, count = self._sealed.size // WIDTH, len(self._entries) if self.pending else 0
        return [(at, Bundle(first + at // WIDTH, min(WIDTH, count - at))) for at in range(0, count, WIDTH)]

    def _tiles(self, full: Sequence[tuple[Tile, bytes]], edge: Edge) -> list[tuple[Tile, bytes]]:
        """Those of a grown edge that the sealed one does not have."""
        there = {tile for tile, _ in self._sealed.partial()}
        return [*full, *(each for each in edge.partial() if each[0] not in there)]


def _leaves(edge: Edge) -> bytes:
    """The hashes of the edge's partial tile of leaves."""
    return next((content for tile, content in edge.partial() if tile.level == 0), b"")
