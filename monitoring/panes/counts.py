"""Counts of bins, of which most are zero: what is not zero, as bytes. Two are equal when their bytes are.

packed = widths:u8 ‖ gaps ‖ numbers                (docs/pane-format.md, section 1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from audit.proof.errors import FormatError

Dense = NDArray[np.int64]

MOST_BINS: Final = 1 << 26
"""More bins than the widest package has columns for: 16,384 columns of 1,030, and room."""
_WIDTHS: Final[dict[int, np.dtype[Any]]] = {
    1: np.dtype("<u1"),
    2: np.dtype("<u2"),
    4: np.dtype("<u4"),
    8: np.dtype("<u8"),
}
_MOST: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Counts:
    """`size` bins. `packed` is the one form that these counts have."""

    size: int
    packed: bytes = b""

    @classmethod
    def of(cls, dense: NDArray[Any]) -> Self:
        """Of an array [size] of integers, none below zero."""
        places = np.flatnonzero(dense != 0)  # of truths, several times as fast as of numbers
        if not len(places):
            return cls(len(dense))
        gaps = np.empty(len(places), np.int64)
        gaps[0] = places[0]
        np.subtract(places[1:], places[:-1], out=gaps[1:])
        gaps[1:] -= 1
        numbers = dense.take(places) - 1
        narrow, wide = _width(int(gaps.max())), _width(int(numbers.max()))
        return cls(
            len(dense),
            b"".join(
                (
                    bytes(((narrow << 4) | wide,)),
                    gaps.astype(_WIDTHS[narrow]).tobytes(),
                    numbers.astype(_WIDTHS[wide]).tobytes(),
                )
            ),
        )

    @classmethod
    def read(cls, size: int, packed: bytes) -> Self:
        """Of bytes from elsewhere.

        Raises:
            FormatError: they are not the one form of counts of so many bins.
        """
        if not 0 <= size <= MOST_BINS:
            raise FormatError(f"counts: {size} bins")
        found = cls(size, packed)
        if not packed:
            return found
        narrow, wide = packed[0] >> 4, packed[0] & 15
        if narrow not in _WIDTHS or wide not in _WIDTHS or len(packed) == 1:
            raise FormatError("counts: no such widths")
        if (len(packed) - 1) % (narrow + wide):
            raise FormatError("counts: cut off")
        gaps, numbers = found._parts()
        if narrow != _width(int(gaps.max())) or wide != _width(int(numbers.max())):
            raise FormatError("counts: wider than they need to be")
        if _sum(gaps) + len(gaps) > size:
            raise FormatError(f"counts: beyond the last of {size} bins")
        if _sum(numbers) + len(numbers) > _MOST:
            raise FormatError("counts: more than can be")
        return found

    def dense(self) -> Dense:
        """All bins [size], the caller's own."""
        counts = np.zeros(self.size, np.int64)
        self.add_to(counts)
        return counts

    def add_to(self, total: Dense) -> None:
        """Add to an array [size] in place."""
        if self.packed:
            gaps, numbers = self._parts()
            places = np.cumsum(gaps.astype(np.int64) + 1) - 1
            total[places] += numbers.astype(np.int64) + 1

    @property
    def total(self) -> int:
        """Of all bins."""
        if not self.packed:
            return 0
        _, numbers = self._parts()
        return int(numbers.sum(dtype=np.int64)) + len(numbers)

    def _parts(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gaps before each bin that is not zero, and what is in it beyond one."""
        narrow, wide = self.packed[0] >> 4, self.packed[0] & 15
        count = (len(self.packed) - 1) // (narrow + wide)
        gaps = np.frombuffer(self.packed, _WIDTHS[narrow], count, 1)
        return gaps, np.frombuffer(self.packed, _WIDTHS[wide], count, 1 + count * narrow)


def _sum(numbers: NDArray[Any]) -> int:
    """Exact, whoever wrote them: numbers of eight bytes may overflow each other."""
    return sum(numbers.tolist()) if numbers.itemsize == 8 else int(numbers.sum(dtype=np.uint64))


def _width(most: int) -> int:
    """Bytes of each number, so that the largest fits."""
    return next(width for width in _WIDTHS if most < 1 << (8 * width))
