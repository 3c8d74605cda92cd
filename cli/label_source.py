"""Labels in files: CSV and Parquet, a row a label."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from audit.errors import ConfigError
from audit.labels import NoLabel, Told, format_time, told

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Final = ("record", "request_id", "label", "time", "row")
_CELL: Final = 1 << 16
_PIECE: Final = 1 << 20


class Row(NamedTuple):
    """One row: where it stands, for messages, and its members, those that are empty left out."""

    place: str
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A .csv (UTF-8, first line names) or .parquet file with columns `label`, and `record` or `request_id`."""

    path: Path

    def digest(self) -> str:
        """`sha256:…` of its bytes.

        Raises:
            ConfigError: it cannot be read.
        """
        hashed = sha256()
        try:
            with self.path.open("rb") as file:
                while piece := file.read(_PIECE):
                    hashed.update(piece)
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error.strerror}") from error
        return f"sha256:{hashed.hexdigest()}"

    def rows(self) -> Iterator[Row]:
        """Its rows, a few at a time in memory.

        Raises:
            ConfigError: no such file, no table, or not the columns.
        """
        kind = self.path.suffix.lower()
        if kind in (".csv", ".txt"):
            return self._csv()
        if kind in (".parquet", ".pq"):
            return self._parquet()
        raise ConfigError(f"{self.path.name}: labels are .csv or .parquet")

    def _csv(self) -> Iterator[Row]:
        csv.field_size_limit(_CELL)
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                lines = csv.reader(file, strict=True)
                names = next(lines, [])
                self._check(names)
                places = {name: names.index(name) for name in COLUMNS if name in names}
                for cells in lines:
                    if not cells:
                        continue
                    if len(cells) != len(names):
                        raise ConfigError(
                            f"{self.path.name}, line {lines.line_num}: {len(cells)} cells, the first line names "
                            f"{len(names)}"
                        )
                    members: dict[str, Any] = {
                        name: cells[at] for name, at in places.items() if cells[at] != ""
                    }
                    yield Row(f"line {lines.line_num}", members)
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error.strerror}") from error
        except (csv.Error, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path.name} is no CSV in UTF-8: {error}") from error

    def _parquet(self) -> Iterator[Row]:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{self.path.name}: Parquet needs pyarrow (affiant[notary] brings it); .csv does not"
            ) from error
        try:
            with pq.ParquetFile(self.path) as file:
                names = file.schema_arrow.names
                self._check(names)
                wanted = [name for name in COLUMNS if name in names]
                at = 0
                for batch in file.iter_batches(columns=wanted):
                    columns = {name: _cells(batch.column(name), self.path.name) for name in wanted}
                    for number in range(batch.num_rows):
                        members = {
                            name: cells[number] for name, cells in columns.items() if _there(cells[number])
                        }
                        yield Row(f"row {at + number}", members)
                    at += batch.num_rows
        except OSError as error:  # pyarrow's errors of files are of this kind
            raise ConfigError(f"cannot read {self.path}: {error.strerror or error}") from error
        except pa.ArrowException as error:
            raise ConfigError(
                f"{self.path.name} cannot be read: {(str(error).splitlines() or ['?'])[0]}"
            ) from error

    def _check(self, names: list[str]) -> None:
        twice = [name for name in COLUMNS if names.count(name) > 1]
        if twice:
            raise ConfigError(f"{self.path.name}: column {twice[0]} is there twice")
        if "label" not in names or not {"record", "request_id"} & set(names):
            raise ConfigError(
                f"{self.path.name}: wanted are the columns label, and record or request_id; time and row may be there"
            )


def _cells(column: pa.Array, file: str) -> list[Any]:
    """Python values; times as RFC 3339."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        if column.type.tz is None:
            raise ConfigError(f"{file}: its times have no zone; say UTC, or write them as RFC 3339 texts")
        known = column.cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_pylist()
        return [None if one is None else _moment(one) for one in known]
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    values: list[Any] = column.to_pylist()
    return values


def _moment(known: int) -> str:
    """What `told` refuses stays what it is: a time before 1970."""
    return format_time(known) if known >= 0 else "before 1970"


def _there(cell: Any) -> bool:
    return cell is not None and not (isinstance(cell, float) and math.isnan(cell))


def label_of(row: Row, now: int) -> Told:
    """What a row says.

    Raises:
        NoLabel: what is wrong.
    """
    members = dict(row.members)
    if isinstance(number := members.get("row"), str):
        try:
            members["row"] = int(number)
        except ValueError:
            raise NoLabel("row must be a whole number, from 0", "row") from None
    return told(**members, now=now)
