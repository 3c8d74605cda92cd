"""A Parquet file of differences: one row for each number that is another one now."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from .base import Difference

_ROWS: Final = 65_536
COLUMNS: Final = (
    "record", "partition", "offset", "service", "digest", "verdict", "reason", "row", "output", "recorded",
    "replayed", "difference",
)  # fmt: skip


class DifferenceFile:
    """Writes differences as they are found. Under another name until it is left: a file of that name is whole.

    `partition`, `offset` and `verdict` are null in a comparison with another model. A record that differs
    without a number to tell has one row, without row, output and numbers.
    """

    def __init__(self, path: Path, *, replace: bool = False) -> None:
        """Begin the file.

        Args:
            path: its name.
            replace: take the place of a file of that name. Else it MUST NOT be there, neither now nor at the end.

        Raises:
            OSError: it cannot be written there; FileExistsError: it is there.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        text, number = pa.string(), pa.int64()
        types = (text, pa.int32(), number, text, text, text, text, pa.int32(), text, *([pa.float64()] * 3))
        self._schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
        self._table: Any = pa.Table
        self._path: Final = path
        self._replace: Final = replace
        if not replace and path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        # Of a name of its own: two replays into one file leave one of the two, and not a mixture.
        self._draft: Final = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
        self._file: Final = self._draft.open("xb")
        self._writer: Any = pq.ParquetWriter(self._file, self._schema, compression="zstd")
        self._waiting: list[tuple[Any, ...]] = []
        self.rows = 0

    def add(
        self,
        record: str,
        service: str,
        digest: str,
        differences: Sequence[Difference],
        *,
        place: tuple[int, int] | tuple[None, None] = (None, None),
        verdict: str | None = None,
        reason: str | None = None,
    ) -> None:
        """A record's differences."""
        head = (record, *place, service, digest, verdict, reason)
        found = [(*head, *one) for one in differences] or [(*head, *([None] * 5))]
        self._waiting += found
        self.rows += len(found)
        if len(self._waiting) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in self._waiting]
        self._waiting = []
        self._writer.write_table(self._table.from_pylist(rows, schema=self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
            self._writer.close()
            self._file.close()
            if kind is not None:
                return
            if self._replace:
                self._draft.replace(self._path)
            else:
                os.link(self._draft, self._path)
        finally:
            self._file.close()
            self._draft.unlink(missing_ok=True)
