"""A container of named members: ZIP in one form, so that every tool opens it and it says one thing to all of them.

Members lie one after the other in the order of their names, each stored or deflated, with a fixed time; behind them
the directory, and nothing else: no comment, no extra field, no gap, no surplus byte. All that is free is how a member
is deflated. What is read is not trusted: counts and sizes are limited before anything is inflated.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from struct import Struct, error
from typing import Final

from .errors import FormatError

MAX_MEMBERS: Final = 16_384
MAX_MEMBER: Final = 1 << 30
MAX_TOTAL: Final = 2 << 30
"""Bytes of all members together, inflated; and of the file."""
MAX_NAME: Final = 200
MAX_RATIO: Final = 256
"""What unpacks to more times its size is stored: a small file cannot take a large memory."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*", re.ASCII)
_LOCAL: Final = Struct("<IHHHHHIIIHH")
_CENTRAL: Final = Struct("<IHHHHHHIIIHHHHHII")
_END: Final = Struct("<IHHHHIIH")
_STORED: Final = 0
_DEFLATED: Final = 8
_VERSION: Final = 20
_UNIX: Final = (3 << 8) | _VERSION
_DATE: Final = 0x0021  # 1980-01-01, the first that ZIP has
_MODE: Final = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class _Header:
    """All that is free in a member's two headers."""

    name: str
    method: int
    checksum: int
    packed: int
    size: int

    def local(self) -> bytes:
        return _LOCAL.pack(
            0x04034B50, _VERSION, 0, self.method, 0, _DATE, self.checksum, self.packed, self.size,
            len(self.name), 0,
        ) + self.name.encode("ascii")  # fmt: skip

    def central(self, offset: int) -> bytes:
        return _CENTRAL.pack(
            0x02014B50, _UNIX, _VERSION, 0, self.method, 0, _DATE, self.checksum, self.packed, self.size,
            len(self.name), 0, 0, 0, 0, _MODE, offset,
        ) + self.name.encode("ascii")  # fmt: skip


def encode_members(members: Mapping[str, bytes]) -> bytes:
    """The file; the same members give the same bytes with one version of zlib.

    Raises:
        FormatError: a name that is none, too many members, or too large ones.
    """
    parts: list[bytes] = []
    directory: list[bytes] = []
    at = 0
    _check_limits(((name, len(content)) for name, content in members.items()), len(members))
    for name in sorted(members):
        content = members[name]
        packed = _deflate(content)
        method = _DEFLATED if len(packed) < len(content) <= MAX_RATIO * len(packed) else _STORED
        body = packed if method == _DEFLATED else content
        header = _Header(name, method, zlib.crc32(content), len(body), len(content))
        directory.append(header.central(at))
        parts += (header.local(), body)
        at += len(parts[-2]) + len(body)
    whole = b"".join(directory)
    if at + len(whole) > MAX_TOTAL:
        raise FormatError(f"container: over {MAX_TOTAL} bytes")
    return b"".join((*parts, whole, _end(len(members), len(whole), at)))


def _deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def _end(count: int, size: int, offset: int) -> bytes:
    return _END.pack(0x06054B50, 0, 0, count, count, size, offset, 0)


class Members(Mapping[str, bytes]):
    """The members of a file; each is inflated when it is asked for."""

    def __init__(self, raw: bytes) -> None:
        """Read the directory, and see that the file is exactly what it says.

        Raises:
            FormatError: not a container in its one form, or beyond the limits.
        """
        if len(raw) > MAX_TOTAL:
            raise FormatError(f"container: over {MAX_TOTAL} bytes")
        self._raw = raw
        self._places: dict[str, tuple[_Header, int]] = {}
        start, count = _find_directory(raw)
        at, place = start, 0
        for _ in range(count):
            header = _read_central(raw, at)
            central, local = header.central(place), header.local()
            if raw[at : at + len(central)] != central or raw[place : place + len(local)] != local:
                raise FormatError(f"container: a header of {header.name} is not in its one form")
            if self._places and header.name <= next(reversed(self._places)):
                raise FormatError("container: two members of one name, or names that are not in order")
            self._places[header.name] = header, place + len(local)
            at += len(central)
            place += len(local) + header.packed
        if place != start or at != len(raw) - _END.size:
            raise FormatError("container: bytes that belong to no member")
        _check_limits(((name, header.size) for name, (header, _) in self._places.items()), count)
        for name, (header, _) in self._places.items():
            if header.size > MAX_RATIO * header.packed:
                raise FormatError(
                    f"container: {name} unpacks to over {MAX_RATIO} times its size: so it is stored"
                )

    def __getitem__(self, name: str) -> bytes:
        """The member's content.

        Raises:
            KeyError: there is none.
            FormatError: it is not what its header says.
        """
        header, at = self._places[name]
        body = self._raw[at : at + header.packed]
        content = _inflate(header, body) if header.method == _DEFLATED else body
        if len(content) != header.size or zlib.crc32(content) != header.checksum:
            raise FormatError(f"container: {name} has not the size or checksum that its header says")
        return content

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def size(self, name: str) -> int:
        """The member's size, before it is inflated."""
        return self._places[name][0].size


def _inflate(header: _Header, body: bytes) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more than it may have, so that a longer one shows, and no more is ever held.
        content = unpacker.decompress(body, header.size + 1)
    except zlib.error as failure:
        raise FormatError(f"container: {header.name} is not deflated as it should be") from failure
    if not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
        raise FormatError(f"container: {header.name} does not end where its header says")
    return content


def _find_directory(raw: bytes) -> tuple[int, int]:
    """Where the directory begins, and how many members it has."""
    try:
        _, _, _, count, _, size, offset, _ = _END.unpack(raw[-_END.size :])
    except error as failure:
        raise FormatError("container: shorter than its end record") from failure
    if raw[-_END.size :] != _end(count, size, offset) or offset + size + _END.size != len(raw):
        raise FormatError("container: does not end as a container in its one form")
    if count > MAX_MEMBERS:
        raise FormatError(f"container: {count} members, at most {MAX_MEMBERS}")
    return offset, count


def _read_central(raw: bytes, at: int) -> _Header:
    try:
        fields = _CENTRAL.unpack_from(raw, at)
    except error as failure:
        raise FormatError("container: its directory is cut") from failure
    method, (checksum, packed, size, length) = fields[4], fields[7:11]
    name = raw[at + _CENTRAL.size : at + _CENTRAL.size + length].decode("latin-1")
    _check_name(name)
    if method not in (_STORED, _DEFLATED) or (method == _STORED and packed != size):
        raise FormatError(f"container: {name} is neither stored nor deflated")
    return _Header(name, method, checksum, packed, size)


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise FormatError(f"container: {name[:60]!r} cannot name a member")


def _check_limits(sizes: Iterable[tuple[str, int]], count: int) -> None:
    if count > MAX_MEMBERS:
        raise FormatError(f"container: {count} members, at most {MAX_MEMBERS}")
    total = 0
    for name, size in sizes:
        _check_name(name)
        total += size
        if size > MAX_MEMBER or total > MAX_TOTAL:
            raise FormatError(f"container: {name} is too large, or all members together are")
