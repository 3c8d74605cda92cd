"""Guide tables: from the upper bits of a float32 to where its search begins.

A column is laid out as *slots* between ascending keys, all compared by "at or below":

    -inf | just before the minimum | edge 0 | edge 1 | … | largest float32 | +inf     keys
    -inf | below                   | bin 0  | bin 1  | … | above           | +inf     slots

A value's slot is the number of keys below it. The upper bits of a float32, put in order, are a monotone
function of its value, so all keys in lower buckets are below it and all in higher ones are not: the guide
gives the first number, and a binary search over the keys of the value's own bucket does the rest. It has
as many steps as the fullest bucket of any column needs, so a whole block takes the same steps at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from registry.reference import EXTRA, Column

MOST_BITS: Final = 16
"""Sign, exponent and 7 bits of the fraction: 128 buckets between a number and its double."""
LEAST_BITS: Final = 10
MOST_ENTRIES: Final = 1 << 21
"""Of the guide over all columns, 8 bytes each. Wide models get fewer bits, and so more steps of the search."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What `Counter` looks up. Places are positions in one flat array of all columns' slots, with padding.

    Attributes:
        bits: of a float32 that choose a bucket.
        steps: of the binary search in a bucket.
        places: in all.
        guide: [width · 2^bits] the place where the search of a value in this bucket begins.
        keys: [places] the key at the upper end of each place; +inf in the padding.
        missing: [width] the place of NaN.
        gather: [sum of bins + 6] the place that each count of the result comes from.
        categories: [n] the columns that hold codes.
        unseen: [n] where the result counts what is no code of such a column.
        strays: [n, 4] the places that are counted there.
    """

    bits: int
    steps: int
    places: int
    guide: NDArray[np.intp]
    keys: NDArray[np.float32]
    missing: NDArray[np.intp]
    gather: NDArray[np.intp]
    categories: NDArray[np.intp]
    unseen: NDArray[np.intp]
    strays: NDArray[np.intp]


def build_tables(columns: Sequence[Column]) -> Tables:
    """The tables of these columns."""
    keys = [_keys(column) for column in columns]
    bits = min(MOST_BITS, max(LEAST_BITS, (MOST_ENTRIES // max(1, len(columns))).bit_length() - 1))
    per_bucket = [np.bincount(_bucket(each, bits), minlength=1 << bits) for each in keys]
    steps = max((int(counts.max()).bit_length() for counts in per_bucket), default=0)
    # The search looks at most 2^steps keys ahead: padding keeps it from the next column's.
    lengths = np.array([len(each) + 1 + (1 << steps) for each in keys], np.intp)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
    places = int(starts[-1]) + 1  # the last one stays empty: what a column cannot have is gathered from it
    flat = np.full(places, np.inf, np.float32)
    for each, start in zip(keys, starts[:-1], strict=True):
        flat[start : start + len(each)] = each
    by_bits = _order(np.arange(1 << bits, dtype=np.uint32), bits)
    guide = [
        (start + np.cumsum(counts) - counts)[by_bits]
        for counts, start in zip(per_bucket, starts[:-1], strict=True)
    ]
    layout = _gather(columns, starts, places - 1)
    return Tables(
        bits=bits,
        steps=steps,
        places=places,
        guide=np.concatenate(guide or [np.empty(0)]).astype(np.intp),
        keys=flat,
        missing=np.array([start + len(each) for each, start in zip(keys, starts[:-1], strict=True)], np.intp),
        gather=layout[0],
        categories=np.array(
            [place for place, column in enumerate(columns) if column.kind == "category"], np.intp
        ),
        unseen=layout[1],
        strays=layout[2],
    )


def _keys(column: Column) -> NDArray[np.float32]:
    """Ascending keys [bins + 4]. Codes are bins (c - 1, c]: `Counter` lets only whole numbers reach them."""
    edges = column.edges
    if column.kind == "category":
        edges = np.arange(len(column.counts), dtype=np.float32)
    lowest, highest = np.float32(-np.inf), np.finfo(np.float32).max
    with np.errstate(over="ignore"):  # the most negative float32 has only -inf before it
        before = np.nextafter(np.float32(column.minimum), lowest)
    # + 0 makes one value of 0.0 and -0.0, which stand in different buckets.
    return np.concatenate([[lowest, before], edges, [highest, np.inf]]).astype(np.float32) + np.float32(0)


def _bucket(keys: NDArray[np.float32], bits: int) -> NDArray[np.intp]:
    """Of each key, in the order of the values."""
    return _order(keys.view(np.uint32) >> np.uint32(32 - bits), bits)


def _order(upper: NDArray[np.uint32], bits: int) -> NDArray[np.intp]:
    """Upper bits of float32, turned so that they ascend with the value: negative numbers are stored mirrored."""
    sign = np.uint32(1 << (bits - 1))
    mask = np.uint32((1 << bits) - 1)
    return np.where(upper & sign, ~upper & mask, upper | sign).astype(np.intp)


def _gather(
    columns: Sequence[Column], starts: NDArray[np.intp], empty: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """`gather`, `unseen` and `strays` of the tables."""
    gather: list[NDArray[np.intp]] = []
    unseen: list[int] = []
    strays: list[list[int]] = []
    done = 0
    for column, start in zip(columns, starts[:-1].tolist(), strict=True):
        bins = len(column.counts)
        lowest, below, above, highest, missing = (
            start, start + 1, start + 2 + bins, start + 3 + bins, start + 4 + bins
        )  # fmt: skip
        extra = [missing, lowest, highest, below, above, empty]
        if column.kind == "category":
            extra = [missing, *[empty] * 5]
            unseen.append(done + bins + 5)
            strays.append([lowest, below, above, highest])
        gather.append(np.concatenate([np.arange(start + 2, start + 2 + bins), extra]).astype(np.intp))
        done += bins + len(EXTRA)
    return (
        np.concatenate(gather or [np.empty(0, np.intp)]).astype(np.intp),
        np.array(unseen, np.intp),
        np.array(strays, np.intp).reshape(-1, 4),
    )
