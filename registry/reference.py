"""The baseline profile of a model's inputs and scores: what drift is measured against (docs/model-package.md,
section 5).

One atom-aware quantile histogram a column, on the float32 values that the model sees. With n finite values
and B bins, a value that occurs more than n / B times is an *atom* and has a bin of its own; the others share
bins of at most n / B each. Inside such a bin the empirical distribution is not known, so a Kolmogorov–Smirnov
distance computed at the edges is too small by at most the largest shared bin's mass, 1 / B; atoms and empty
bins add nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from audit.proof import cbor
from audit.proof.errors import FormatError

from .errors import PackageError, PublishError
from .golden import check_map, natural, packed
from .signature import Signature

FORMAT: Final = 1
HELD_OUT: Final = 2
"""The format with `score_rows`: scores are of a hold-out. Written only then: readers of the first read all else."""
BINS: Final = 1024
LEVEL: Final = 0.001
"""Probability with which the true distribution lies outside the DKW band of a column."""
MAX_RADIUS: Final = 0.15
"""A band wider than this cannot tell drift from chance: 169 rows are needed."""

_KEYS: Final = {"format", "bins", "rows", "level", "radius", "features", "scores"}
_SCORE_ROWS: Final = "score_rows"
_COLUMN_KEYS: Final = {
    "name", "kind", "minimum", "edges", "counts",
    "missing", "negative_infinity", "positive_infinity", "unseen",
}  # fmt: skip
EXTRA: Final = ("missing", "negative_infinity", "positive_infinity", "below", "above", "unseen")
"""The bins that stand after a column's own in `Column.count`, in this order."""


@dataclass(frozen=True, slots=True)
class Column:
    """One feature or score.

    number: bin i holds the float32 values in (edges[i-1], edges[i]], the first one [minimum, edges[0]].
    category: bin i holds code i; `edges` is empty and `minimum` is zero.
    """

    name: str
    kind: Literal["number", "category"]
    minimum: np.float32
    edges: NDArray[np.float32]
    counts: NDArray[np.uint64]
    missing: int = 0
    negative_infinity: int = 0
    positive_infinity: int = 0
    unseen: int = 0

    def count(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Counts [bins + 6] of `values` [n]: the bins, then EXTRA. Results of two panes may be added."""
        bins = len(self.counts)
        places = np.empty(len(values), np.int64)
        missing = np.isnan(values)
        if self.kind == "category":
            with np.errstate(invalid="ignore"):
                known = ~missing & (values >= 0) & (values < bins) & (np.trunc(values) == values)
            places[known] = values[known].astype(np.int64)
            places[~known] = bins + 5
        else:
            places[:] = np.searchsorted(self.edges, values, side="left")
            places[places == bins] = bins + 4
            places[values < self.minimum] = bins + 3
            places[values == np.inf] = bins + 2
            places[values == -np.inf] = bins + 1
        places[missing] = bins
        return np.bincount(places, minlength=bins + len(EXTRA)).astype(np.int64)

    def reference_counts(self) -> NDArray[np.int64]:
        """This column's own counts in the order of `count`; nothing is below or above itself."""
        extra = [self.missing, self.negative_infinity, self.positive_infinity, 0, 0, self.unseen]
        return np.concatenate([self.counts.astype(np.int64), np.array(extra, np.int64)])


@dataclass(frozen=True, slots=True)
class Reference:
    """The profile of one training table: `features` in the model's order, `scores` one a model output."""

    rows: int
    features: tuple[Column, ...]
    scores: tuple[Column, ...]
    bins: int = BINS
    level: float = LEVEL
    score_rows: int | None = None
    """Rows of the hold-out that the scores are of; None: they are of the training table."""

    @property
    def scored(self) -> int:
        """Rows that the scores are of."""
        return self.rows if self.score_rows is None else self.score_rows

    @property
    def radius(self) -> float:
        """How far the true distribution may be from any column's, in KS distance (`dkw_radius`)."""
        return dkw_radius(min(self.rows, self.scored), self.level)

    def encode(self) -> bytes:
        """Deterministic CBOR."""
        held_out = {} if self.score_rows is None else {"score_rows": self.score_rows}
        return cbor.encode(
            {
                "format": HELD_OUT if held_out else FORMAT,
                "bins": self.bins,
                "rows": self.rows,
                "level": np.float64(self.level).astype("<f8").tobytes(),
                "radius": np.float64(self.radius).astype("<f8").tobytes(),
                "features": [_write_column(column) for column in self.features],
                "scores": [_write_column(column) for column in self.scores],
                **held_out,
            }
        )


def dkw_radius(rows: int, level: float = LEVEL) -> float:
    """sqrt(ln(2 / level) / (2 · rows)): the Dvoretzky–Kiefer–Wolfowitz band (constant: Massart 1990)."""
    return math.sqrt(math.log(2 / level) / (2 * rows))


def build(
    inputs: NDArray[np.float32],
    scores: NDArray[np.float32],
    signature: Signature,
    *,
    held_out: bool = False,
) -> Reference:
    """Profile the model's inputs [n, width], and its answers to them [n, outputs].

    Args:
        inputs: of the training table.
        scores: of the same rows; or of others, `held_out` from the training: a model is surer of rows that it has
            seen, so the scores of live requests lie elsewhere than those of its own table.
        signature: of the model.
        held_out: whether they are.

    Raises:
        PublishError: too few rows for any drift to be told from chance.
    """
    rows, scored = inputs.shape[0], scores.shape[0]
    _enough("training table", rows)
    if held_out:
        _enough("hold-out", scored)
    features = tuple(
        category_column(feature.name, inputs[:, place], len(feature.categories))
        if feature.type == "category"
        else number_column(feature.name, inputs[:, place])
        for place, feature in enumerate(signature.features)
    )
    names = signature.classes if signature.task == "multiclass" else (signature.positive_class or "value",)
    answers = scores.reshape(scored, -1)
    return Reference(
        rows,
        features,
        tuple(number_column(name, answers[:, place]) for place, name in enumerate(names)),
        score_rows=scored if held_out else None,
    )


def _enough(what: str, rows: int) -> None:
    if rows < 1 or dkw_radius(rows) > MAX_RADIUS:
        needed = math.ceil(math.log(2 / LEVEL) / (2 * MAX_RADIUS**2))
        raise PublishError(
            f"the {what} has {rows} rows: too few for a drift reference (a distribution seen through "
            f"{rows} rows is known to ±{dkw_radius(max(rows, 1)):.2f} only); at least {needed} are needed"
        )


def number_column(name: str, values: NDArray[np.float32], bins: int = BINS) -> Column:
    """Profile one numeric column [n]."""
    finite = values[np.isfinite(values)] + np.float32(0)  # + 0 makes one value of 0.0 and -0.0
    edges, counts = _quantile_bins(finite, bins)
    return Column(
        name,
        "number",
        minimum=np.float32(finite.min()) if finite.size else np.float32(0),
        edges=edges,
        counts=counts,
        missing=int(np.isnan(values).sum()),
        negative_infinity=int((values == -np.inf).sum()),
        positive_infinity=int((values == np.inf).sum()),
    )


def category_column(name: str, codes: NDArray[np.float32], categories: int) -> Column:
    """Profile one column of category codes [n]; a code outside 0 … categories - 1 counts as unseen."""
    empty = Column(name, "category", np.float32(0), np.empty(0, np.float32), np.zeros(categories, np.uint64))
    counts = empty.count(codes)
    return Column(
        name,
        "category",
        np.float32(0),
        np.empty(0, np.float32),
        counts[:categories].astype(np.uint64),
        missing=int(counts[categories]),
        unseen=int(counts[categories + 5]),
    )


def _quantile_bins(finite: NDArray[np.float32], bins: int) -> tuple[NDArray[np.float32], NDArray[np.uint64]]:
    """Upper edges and counts. The gap before an atom goes to the shared bin before it, or to an empty one."""
    edges: list[np.float32] = []
    counts: list[int] = []
    values, sizes = np.unique(finite, return_counts=True)
    share = finite.size / bins
    open_bin = False  # whether the last bin may still take values
    for value, size in zip(values, sizes.tolist(), strict=True):
        if size > share:
            with np.errstate(over="ignore"):  # the most negative float32 has only -inf before it
                before = np.nextafter(value, np.float32(-np.inf))
            if edges and edges[-1] < before:
                if open_bin:
                    edges[-1] = before
                else:
                    edges.append(before)
                    counts.append(0)
            edges.append(value)
            counts.append(size)
            open_bin = False
        elif open_bin and counts[-1] + size <= share:
            edges[-1] = value
            counts[-1] += size
        else:
            edges.append(value)
            counts.append(size)
            open_bin = True
    return np.array(edges, np.float32), np.array(counts, np.uint64)


def _write_column(column: Column) -> dict[str, object]:
    return {
        "name": column.name,
        "kind": column.kind,
        "minimum": np.float32(column.minimum).astype("<f4").tobytes(),
        "edges": column.edges.astype("<f4").tobytes(),
        "counts": column.counts.astype("<u8").tobytes(),
        "missing": column.missing,
        "negative_infinity": column.negative_infinity,
        "positive_infinity": column.positive_infinity,
        "unseen": column.unseen,
    }


def decode(data: bytes) -> Reference:
    """Read reference.cbor.

    Raises:
        PackageError: not the format, edges out of order, or counts that do not add up to the rows.
    """
    what = "reference.cbor"
    content = _read_content(data, what)
    rows, bins = natural(content, "rows", what), natural(content, "bins", what)
    level = float(packed(content, "level", "<f8", 1, what)[0])
    score_rows = natural(content, _SCORE_ROWS, what) if _SCORE_ROWS in content else None
    if rows < 1 or score_rows == 0 or bins < 1 or not 0 < level < 1:
        raise PackageError(f"{what}: {rows} rows, {score_rows} of scores, {bins} bins, level {level}")
    reference = Reference(
        rows,
        _read_columns(content["features"], f"{what}: features", rows),
        _read_columns(content["scores"], f"{what}: scores", rows if score_rows is None else score_rows),
        bins,
        level,
        score_rows,
    )
    if packed(content, "radius", "<f8", 1, what)[0] != reference.radius:
        raise PackageError(
            f"{what}: the radius is not that of {min(rows, reference.scored)} rows at level {level}"
        )
    return reference


def _read_content(data: bytes, what: str) -> dict[str, Any]:
    """The map, of either format."""
    try:
        content = cbor.decode(data, what)
    except FormatError as error:
        raise PackageError(str(error)) from error
    found = content.get("format") if isinstance(content, dict) else None
    if found not in (FORMAT, HELD_OUT) or isinstance(found, bool):
        if isinstance(content, dict) and "format" in content:
            raise PackageError(f"{what}: format {found!r} is not known")
        found = FORMAT
    return check_map(content, what, _KEYS if found == FORMAT else _KEYS | {_SCORE_ROWS})


def _read_columns(items: Any, what: str, rows: int) -> tuple[Column, ...]:
    if not isinstance(items, list):
        raise PackageError(f"{what}: not a list")
    return tuple(_read_column(item, f"{what}[{place}]", rows) for place, item in enumerate(items))


def _read_column(item: Any, what: str, rows: int) -> Column:
    content = check_map(item, what, _COLUMN_KEYS)
    name, kind = content["name"], content["kind"]
    if not isinstance(name, str) or kind not in ("number", "category"):
        raise PackageError(f"{what}: name or kind is not what it should be")
    counts = packed(content, "counts", "<u8", None, what)
    edges = packed(content, "edges", "<f4", len(counts) if kind == "number" else 0, what)
    minimum = packed(content, "minimum", "<f4", 1, what)[0]
    if (
        not np.isfinite(edges).all()
        or (np.diff(edges) <= 0).any()
        or (len(edges) and not minimum <= edges[0])
    ):
        raise PackageError(f"{what}: the edges are not finite and ascending")
    extra = {
        key: natural(content, key, what)
        for key in ("missing", "negative_infinity", "positive_infinity", "unseen")
    }
    if (counts > rows).any() or int(counts.sum()) + sum(extra.values()) != rows:
        raise PackageError(f"{what}: the counts do not add up to {rows} rows")
    return Column(name, kind, minimum, edges, counts, **extra)
