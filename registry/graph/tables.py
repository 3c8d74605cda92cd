"""The index's file: SQLite, its tables, and what is done when it is damaged.

about       what the rest was folded from: the log's topic, up to which offset, the roots
statements  each statement as the log has it (the whole record), its type and service for the fold
subjects    digest → offsets of the statements about it
packages    manifest and lineage.json, which the package's digest covers
data        version of data → packages made of it
events      deployment events: whether each counts
serving     service → what its events leave
dirty       services whose events must be folded again
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from audit.errors import IndexUnusable

NAME: Final = "lineage.sqlite"
FORMAT: Final = 3
"""Another one as well when there are more kinds of statements: an older index has passed them over."""
_BUSY_SECONDS: Final = 30.0
_VALUES: Final = 500
"""Of one SELECT; SQLite takes 999 everywhere."""
_SCHEMA: Final = """
CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE statements (
    "offset" INTEGER PRIMARY KEY, logged INTEGER NOT NULL, folded TEXT, service TEXT, record BLOB NOT NULL,
    "check" INTEGER NOT NULL);
CREATE INDEX to_fold ON statements (folded, service) WHERE folded IS NOT NULL;
CREATE TABLE subjects (digest BLOB, "offset" INTEGER, PRIMARY KEY (digest, "offset")) WITHOUT ROWID;
CREATE TABLE packages (digest TEXT PRIMARY KEY, name TEXT NOT NULL, created TEXT NOT NULL, manifest BLOB NOT NULL,
    lineage BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE data (version TEXT, digest TEXT, use INTEGER, name TEXT NOT NULL, first INTEGER NOT NULL,
    PRIMARY KEY (version, digest, use)) WITHOUT ROWID;
CREATE INDEX made_of ON data (digest, use);
CREATE TABLE versions (version TEXT, name TEXT, models INTEGER NOT NULL, PRIMARY KEY (version, name)) WITHOUT ROWID;
CREATE TABLE events ("offset" INTEGER PRIMARY KEY, service TEXT NOT NULL, person TEXT NOT NULL, void TEXT);
CREATE INDEX events_of ON events (service);
CREATE TABLE serving (service TEXT, digest TEXT, slot TEXT NOT NULL, weight REAL NOT NULL,
    "offset" INTEGER NOT NULL, logged INTEGER NOT NULL, paused INTEGER NOT NULL, PRIMARY KEY (service, digest))
    WITHOUT ROWID;
CREATE INDEX serving_of ON serving (digest);
CREATE TABLE deprecated (version TEXT PRIMARY KEY, reason TEXT NOT NULL, person TEXT NOT NULL, at REAL NOT NULL,
    "offset" INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dirty (service TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_TABLES: Final = (
    "about", "statements", "subjects", "packages", "data", "versions", "events", "serving", "deprecated", "dirty"
)  # fmt: skip
# What these say is not true of a whole file of ours; everything else (busy, full, read-only) is no damage.
_DAMAGE: Final = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT,
     sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_FORMAT}
)  # fmt: skip
_SHORT_READ: Final = sqlite3.SQLITE_IOERR_SHORT_READ


class Damaged(Exception):  # noqa: N818 - says what happened; nobody outside of this package meets it
    """The file is not what was written; it is to be made again."""


class Tables:
    """The file in a directory. Used by one thread; any number of processes may have it open."""

    def __init__(self, directory: Path) -> None:
        """Open, or make; a file that cannot be opened as one of ours is made again.

        Raises:
            IndexUnusable: another process has it and it is damaged, or it cannot be written.
        """
        self.path = directory / NAME
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / f"{NAME}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise IndexUnusable(f"{directory}: {error.strerror}") from error
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self._connection: sqlite3.Connection | None = None
        try:
            try:
                self._open()
            except Damaged:
                self.start_over()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        with told(self.path):
            self._connection = sqlite3.connect(
                self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            # A power failure must not leave a file that is neither the old one nor the new.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA cell_size_check = ON")
            self._connection.execute("PRAGMA cache_size = -65536")
            self._connection.execute("PRAGMA temp_store = MEMORY")
            if not self._has_tables():
                with self.transaction():
                    if not self._has_tables():  # nobody was faster
                        for statement in _SCHEMA.split(";\n"):
                            self.execute(statement)
                        self.set_about("format", FORMAT)
            if self.about("format") != FORMAT:
                raise Damaged("of another version")
            for table in _TABLES:
                self.rows(f'SELECT * FROM "{table}" LIMIT 1')  # noqa: S608 - our own names

    def _has_tables(self) -> bool:
        return bool(self.rows("SELECT 1 FROM sqlite_master LIMIT 1"))

    def start_over(self) -> None:
        """Begin with an empty file.

        Raises:
            IndexUnusable: another process has it open.
        """
        self._close()
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise IndexUnusable(
                f"{self.path}: is damaged, and another process has it; end that one, or delete the file then"
            ) from error
        try:
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(f"{NAME}{suffix}").unlink(missing_ok=True)
        except OSError as error:
            raise IndexUnusable(f"{self.path}: {error.strerror}") from error
        try:
            self._open()
        except Damaged as error:
            raise IndexUnusable(f"{self.path}: was made new and is damaged: {error}") from error
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def clear(self) -> None:
        """Forget everything, within a transaction: the log is another."""
        for table in _TABLES:
            self.execute(f'DELETE FROM "{table}"')  # noqa: S608 - our own names
        self.set_about("format", FORMAT)

    def close(self) -> None:
        """Let go of the file."""
        self._close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and one writer at a time. A crash in between leaves what was there before."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._open_connection.in_transaction:  # a full disk has ended it already
                self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def execute(self, text: str, given: Iterable[Any] = ()) -> None:
        """A statement of our own. Raises Damaged, IndexUnusable."""
        with told(self.path):
            self._open_connection.execute(text, tuple(given))

    def many(self, text: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """The same for each row. Raises Damaged, IndexUnusable."""
        with told(self.path):
            self._open_connection.executemany(text, rows)

    def rows(self, text: str, given: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """What a SELECT of our own says. Raises Damaged, IndexUnusable."""
        with told(self.path):
            return self._open_connection.execute(text, tuple(given)).fetchall()

    def rows_in(self, select: str, values: Collection[str]) -> list[tuple[Any, ...]]:
        """What a SELECT of our own that ends with IN says of these values. Raises Damaged, IndexUnusable."""
        found: list[tuple[Any, ...]] = []
        given = list(values)
        for start in range(0, len(given), _VALUES):
            some = given[start : start + _VALUES]
            found += self.rows(f"{select} ({', '.join('?' * len(some))})", some)
        return found

    def about(self, name: str) -> Any:
        """A fact of the whole, None when it is not there."""
        found = self.rows("SELECT value FROM about WHERE name = ?", [name])
        return found[0][0] if found else None

    def set_about(self, name: str, value: object) -> None:
        """Note it."""
        self.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", [name, value])

    @property
    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise IndexUnusable(f"{self.path}: is closed")
        return self._connection


@contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's errors as ours: damage, or what keeps us from the file."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise  # a defect of ours
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code == _SHORT_READ or code & 0xFF in _DAMAGE:
            raise Damaged(str(error)) from error
        raise IndexUnusable(f"{path}: {error}") from error
    except UnicodeDecodeError as error:  # text that is none
        raise Damaged(str(error)) from error
