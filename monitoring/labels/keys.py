"""Numbers of 64 bits that stand for records, requests and clients' ids, so that columns can be searched for them.

They are functions of what they stand for alone. Of a million that are kept, two things that are not the same have one
number once in 30 million such windows; who could make such a thing on purpose can write to the log, and can do worse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

_ODD: Final = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio: multiples of it are far apart (Knuth, volume 3, section 6.4)."""
_OTHER: Final = 0xD6E8FEB86659FD93
_ALL: Final = (1 << 64) - 1
NONE: Final = 0
"""No request id."""

Numbers = NDArray[np.uint64]


def _journals(names: Sequence[bytes]) -> Numbers:
    """Ids are random: their first half tells them apart."""
    return np.frombuffer(b"".join(name[:8] for name in names), ">u8").astype(np.uint64)


def records(journals: Sequence[bytes], sequences: Numbers) -> Numbers:
    """Of each record."""
    return _journals(journals) + sequences * np.uint64(_ODD)


def record(journal: bytes, sequence: int) -> int:
    """Of one record."""
    return (int.from_bytes(journal[:8], "big") + sequence * _ODD) & _ALL


def asked(journals: Sequence[bytes], times: NDArray[np.int64]) -> Numbers:
    """What live and shadow answers of one request have in common: the journal, and when it arrived."""
    return _journals(journals) + times.astype(np.uint64) * np.uint64(_OTHER)


def request(text: str) -> int:
    """Of a client's id; never `NONE`."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") | 1


def requests(texts: Iterable[str | None]) -> Numbers:
    """Of each client's id; `NONE` where there is none."""
    return np.array([NONE if text is None else request(text) for text in texts], np.uint64)
