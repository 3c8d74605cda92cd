"""The index's file: its tables, how rows come into them, and SQL that is held to reading them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pyarrow as pa

from audit.archive.schema import CHECKPOINTS, ENTRIES, LOGGED, TIME
from audit.errors import ConfigError, IndexUnusable
from audit.private import owner_only

from .busy import Patience, when_free
from .query import refused, select_only

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FORMAT: Final = 2
_LEFT_OUT: Final = frozenset({"chain", "signature", "public_key", "value_hash", "author", "leaf", "entry"})
"""Bytes that nobody searches by; the archive's files have them."""
COLUMNS: Final = tuple(name for name in ENTRIES.names if name not in _LEFT_OUT)
_TYPES: Final[Mapping[pa.DataType, str]] = {
    pa.int64(): "BIGINT",
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.binary(32): "BLOB",
    pa.binary(): "BLOB",
    LOGGED: "TIMESTAMP",
    TIME: "TIMESTAMP",
    pa.map_(pa.string(), pa.int64()): "MAP(VARCHAR, BIGINT)",
    pa.map_(pa.string(), pa.string()): "MAP(VARCHAR, VARCHAR)",
}
_PLAIN_TIME: Final = pa.timestamp("us")
"""UTC without saying so: DuckDB needs an extension for zones, and everything here is UTC."""
_OWN: Final = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
"""Nothing is fetched from anywhere."""
_LOCKED: Final = {**_OWN, "enable_external_access": "false", "lock_configuration": "true"}
"""For SQL that somebody writes: no file, no network, no way back."""


class Tables:
    """One file of DuckDB. Used by one thread, and by one process at a time."""

    def __init__(self, path: Path, name: str, patience: Patience = Patience()) -> None:  # noqa: B008 — frozen
        """Open, or make.

        Args:
            path: its file.
            name: the log's ([notary] name): the index of another log is refused.
            patience: how long a file is waited for that another process has.

        Raises:
            IndexUnusable: another process has it, it is damaged, or it cannot be made there.
            ConfigError: the file is something else, or another log's.
        """
        self._path = path
        self._name = name
        self._patience = patience
        try:
            with owner_only():
                path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise IndexUnusable(
                f"{path}: its folder cannot be made ({error.strerror or error}); name another file with --index"
            ) from error
        self._connection = self._connect(_OWN)
        try:
            with told(path):
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _connect(self, settings: Mapping[str, str], *, read_only: bool = False) -> DuckDBPyConnection:
        import duckdb  # here, since verifying needs these modules, and no DuckDB

        with told(self._path):
            return when_free(
                self._path,
                lambda: duckdb.connect(self._path, read_only=read_only, config=dict(settings)),
                self._patience,
            )

    def _prepare(self) -> None:
        if self._about() == [(FORMAT, self._name)]:
            return  # as nearly always: to list the tables takes DuckDB 13 ms, more than all else that an index is asked
        tables = {row[0] for row in self._rows("SELECT table_name FROM duckdb_tables()")}
        found = self._rows("SELECT format, log FROM about") if "about" in tables else []
        if tables and (not found or found[0][1] != self._name):
            what = f"is the index of {found[0][1]}" if found else "is no index of Affiant's"
            raise ConfigError(
                f"{self._path} {what}, and the one of {self._name} is wanted; name another file with --index"
            )
        if found and found[0][0] != FORMAT:
            for table in tables:
                self._connection.execute(f'DROP TABLE "{table}"')
            tables = set()
        if not tables:
            self._create()

    def _about(self) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            return self._rows("SELECT format, log FROM about")
        except (duckdb.CatalogException, duckdb.BinderException):
            return []  # a new file, or somebody else's

    def _seen(self) -> str | None:
        """What `_see` was told last; None: nothing."""
        import duckdb

        try:
            found = self._rows("SELECT state FROM seen")
        except duckdb.CatalogException:
            return None  # never told, or made by an earlier version
        return found[0][0] if found else None

    def _see(self, state: str | None) -> None:
        """Keep what tells of what the rows are. None: that is not known any more."""
        with self._transaction():
            self._connection.execute("CREATE TABLE IF NOT EXISTS seen (state VARCHAR)")
            self._connection.execute("DELETE FROM seen")
            if state is not None:
                self._connection.execute("INSERT INTO seen VALUES (?)", [state])

    def _create(self) -> None:
        with suppress(PermissionError):  # another's, which an earlier version made
            self._path.chmod(0o600)
        columns = ", ".join(f'"{name}" {_TYPES[ENTRIES.field(name).type]}' for name in COLUMNS)
        heads = ", ".join(f'"{field.name}" {_TYPES[field.type]}' for field in CHECKPOINTS)
        place = "topic VARCHAR, partition BIGINT"
        for statement in (
            "BEGIN",
            "CREATE TABLE about (format BIGINT, log VARCHAR)",
            f"CREATE TABLE entries ({place}, archived BOOLEAN, {columns})",
            f"CREATE TABLE checkpoints ({place}, {heads})",
            # What of the archive is in it; `part` and the range name a file, wherever its day's folder is, and `mark`
            # tells it from one that was written there later.
            f'CREATE TABLE files (part VARCHAR, {place}, "first" BIGINT, "end" BIGINT, mark VARCHAR)',
        ):
            self._connection.execute(statement)
        self._connection.execute("INSERT INTO about VALUES (?, ?)", [FORMAT, self._name])
        self._connection.execute("COMMIT")

    @property
    def advice(self) -> str:
        """What to do when it says something else than the trees, and the archive is right."""
        return (
            f"if `affiant audit verify` finds nothing wrong, delete the index {self._path}: it is made again"
        )

    def close(self) -> None:
        """Let go of the file."""
        with owner_only():
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _insert(
        self, into: str, names: Iterable[str], rows: pa.Table, topic: bytes, partition: int, more: str = ""
    ) -> None:
        listed = ", ".join(f'"{name}"' for name in names)
        self._connection.register("incoming", plain_times(rows))
        try:
            self._connection.execute(
                f"INSERT INTO {into} SELECT ?, ?, {more}{listed} FROM incoming",  # noqa: S608 — our own names
                [topic.hex(), partition],
            )
        finally:
            self._connection.unregister("incoming")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A run that dies in between leaves the index as it was."""
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def select(self, text: str, given: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a statement of our own says.

        Raises:
            IndexUnusable: the index is damaged.
        """
        with told(self._path):
            return self._rows(text, given)

    def _rows(self, text: str, given: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return list(self._connection.execute(text, list(given)).fetchall())

    def sql(self, text: str, payloads: object | None = None) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """What one SELECT says of the views `entries`, `checkpoints` and, when given, `payloads`.

        It is run where nothing can be written, and no file and no network reached. This Index is closed by it.

        Args:
            text: one SELECT.
            payloads: an Arrow dataset that the view `payloads` shows.

        Raises:
            QueryRefused: it is no SELECT, or DuckDB does not take it.
        """
        select_only(text)
        self._connection.close()
        self._connection = self._connect(_LOCKED, read_only=True)
        if payloads is not None:
            self._connection.register("payloads", payloads)
        return self._answer(text)

    def _answer(self, text: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        with refused(), owner_only():
            cursor = self._connection.execute(text)
            names = [column[0] for column in cursor.description]

        def rows() -> Iterator[tuple[Any, ...]]:
            while True:
                with refused(), owner_only():
                    some = cursor.fetchmany(1024)
                if not some:
                    return
                yield from some

        return names, rows()


def plain_times(rows: pa.Table) -> pa.Table:
    """The rows with their times as the index has them."""
    fields = [
        field.with_type(_PLAIN_TIME) if pa.types.is_timestamp(field.type) else field for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))


@contextmanager
def told(path: Path) -> Iterator[None]:
    """DuckDB's errors as ours, and the files that it makes its owner's: who asked for what, and whom it concerned."""
    import duckdb

    try:
        with owner_only():
            yield
    except duckdb.Error as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise IndexUnusable(
            f"{path}: {first.rstrip(' !.')}; if it is the auditor's index, delete it: it is made again"
        ) from error
