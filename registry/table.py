"""Training tables: reading CSV and Parquet, and turning their columns into what a model sees."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import PublishError
from .signature import Feature, Signature

if TYPE_CHECKING:
    import pandas as pd

UNSEEN: Final = np.float32(-1)
"""The code of a category that the signature does not have: counted apart from missing, NaN to a model."""


@dataclass(frozen=True, slots=True)
class Table:
    """A training table and where it came from; in `frame` missing cells are null."""

    frame: pd.DataFrame
    file: str
    sha256: str

    def __len__(self) -> int:
        """Rows."""
        return len(self.frame)


@dataclass(frozen=True, slots=True)
class Hint:
    """What the model file itself says about one of its inputs."""

    name: str | None = None
    type: Literal["number", "integer", "category"] | None = None
    categories: tuple[str, ...] = ()


def read_table(path: Path) -> Table:
    """Read a CSV (UTF-8, first line names, an empty cell is missing) or a Parquet file.

    CSV texts such as "none", "NA" or "None" stay what they are: only an empty cell is missing. A column is
    numeric when each of its cells that is not empty is a number.

    Raises:
        PublishError: absent, unreadable, of another kind, without rows, or with a name twice.
    """
    import pandas as pd

    try:
        data = path.read_bytes()
        if path.suffix.lower() in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        elif path.suffix.lower() in (".csv", ".txt"):
            # Without a header line of its own pandas would rename a name that comes twice.
            cells = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8", header=None)
            frame = cells[1:].reset_index(drop=True).apply(_csv_column)
            frame.columns = cells.iloc[0].tolist()
        else:
            raise PublishError(f"{path.name}: a table is .csv or .parquet")
    except OSError as error:
        raise PublishError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # pandas' and pyarrow's parsers, and wrong UTF-8
        raise PublishError(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from error
    frame.columns = [str(name) for name in frame.columns]
    if not frame.columns.is_unique:
        raise PublishError(f"{path.name}: a column name is there twice")
    if frame.empty:
        raise PublishError(f"{path.name} has no rows")
    return Table(frame, path.name, sha256(data).hexdigest())


def table_of(frame: pd.DataFrame, name: str) -> Table:
    """A table that is in memory already; its digest is that of its CSV form."""
    content = frame.to_csv(index=False).encode()
    return Table(frame.reset_index(drop=True), name, sha256(content).hexdigest())


def _csv_column(column: pd.Series[str]) -> pd.Series[Any]:
    import pandas as pd

    present = column != ""
    values = column.where(present, None)
    try:
        numbers = pd.to_numeric(values)
    except (ValueError, TypeError):
        return values
    return numbers if present.any() else values


def texts(column: pd.Series[Any]) -> list[str | None]:
    """The cells of a category column: text as it is, whole numbers without a point, null for missing."""
    missing = column.isna().tolist()
    return [None if absent else _text(value) for value, absent in zip(column.tolist(), missing, strict=True)]


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def infer_feature(
    name: str, column: pd.Series[Any], hint: Hint, unknown: Literal["refuse", "missing"]
) -> Feature:
    """One feature of the signature: the model's word first, then the table's.

    Raises:
        PublishError: the model wants numbers where the table has text, or a column is empty.
    """
    import pandas as pd

    numeric = pd.api.types.is_numeric_dtype(column)  # booleans too
    missing = bool(column.isna().any())
    kind = hint.type or ("category" if not numeric else _number_kind(column))
    if kind == "category":
        seen = {text for text in texts(column) if text is not None}
        categories = hint.categories or tuple(sorted(seen))
        if not categories:
            raise PublishError(f"column {name!r} is empty: its categories cannot be known")
        return Feature(name=name, type="category", categories=categories, missing=missing, unknown=unknown)
    if not numeric:
        raise PublishError(f"column {name!r} holds text, but the model takes {kind}s there")
    values = column.to_numpy(np.float64, na_value=np.nan)
    finite = values[np.isfinite(values)]
    if kind == "integer" and (finite != np.trunc(finite)).any():
        kind = "number"
    return Feature(
        name=name,
        type=kind,
        minimum=float(finite.min()) if finite.size else None,
        maximum=float(finite.max()) if finite.size else None,
        missing=missing,
    )


def _number_kind(column: pd.Series[Any]) -> Literal["number", "integer"]:
    import pandas as pd

    whole = pd.api.types.is_integer_dtype(column) or pd.api.types.is_bool_dtype(column)
    return "integer" if whole else "number"


def encode(frame: pd.DataFrame, signature: Signature) -> NDArray[np.float32]:
    """The table as the model sees it: [rows, width] float32, missing as NaN, unknown categories as UNSEEN.

    Raises:
        PublishError: a column is missing or holds text where numbers are wanted.
    """
    rows = np.empty((len(frame), signature.width), np.float32)
    for place, feature in enumerate(signature.features):
        if feature.name not in frame.columns:
            raise PublishError(f"the table has no column {feature.name!r}")
        column = frame[feature.name]
        if feature.type == "category":
            codes = {text: np.float32(code) for code, text in enumerate(feature.categories)}
            rows[:, place] = [
                np.float32(np.nan) if text is None else codes.get(text, UNSEEN) for text in texts(column)
            ]
        else:
            try:
                rows[:, place] = column.to_numpy(np.float64, na_value=np.nan)
            except (ValueError, TypeError) as error:
                raise PublishError(f"column {feature.name!r} holds something that is no number") from error
    return rows


def model_rows(encoded: NDArray[np.float32], signature: Signature) -> NDArray[np.float32]:
    """`encoded` with UNSEEN as NaN: what a model is given where the policy is to pass it as missing."""
    rows = encoded.copy()
    for place, feature in enumerate(signature.features):
        if feature.type == "category":
            column = rows[:, place]
            column[column == UNSEEN] = np.nan
    return rows
