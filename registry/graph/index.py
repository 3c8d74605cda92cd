"""A persisted index of the governance log and of the store's packages: which statements are about what.

It is folded from the log, from the offset up to which it has it, and from the store. When the file is missing,
damaged, or of another log, it is made again; what comes out is the same as if it had been made at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any, Final

from audit.errors import LogError, NoSuchTopic
from audit.governance import PARTITION
from audit.log.base import Log, LogEntry, LogReader
from audit.show import walk
from registry.approvals.root import Root, Roots, fold_roots
from registry.errors import NotFound, PackageError
from registry.lineage.deprecation import fold_deprecations
from registry.statement import ROOT, Said
from registry.stores import Store

from .fold import DEPLOYED, DEPRECATED, SHORT, fold_entries, fold_service, package_rows, said_of
from .tables import Damaged, Tables

_BATCH: Final = 65_536
_BATCH_BYTES: Final = 64 << 20
"""Entries, and bytes of them, that are taken at once. Subjects come in no order, so that each transaction writes most
of their tree: small ones would write it over and over. A crash loses no more than one."""
_READ_BYTES: Final = 64 << 10
_READ_SECONDS: Final = 10.0
Progress = Callable[[int], None]
Begin = Callable[[int], Progress]


def nothing_said(_: int) -> Progress:
    """A `Begin` for who shows no progress."""
    return lambda _: None


class Index(Tables):
    """The index in a directory. Used by one thread."""

    _known: Roots | None = None
    unread: tuple[str, ...] = ()
    """Why the last update could not take all that the log has: a line for each reason."""

    def update(
        self,
        log: Log | None,
        store: Store | None,
        first: Root | None,
        begin: Begin = nothing_said,
    ) -> list[str]:
        """Bring it up to what log and store have now.

        A log that does not answer leaves the statements as they were read before.

        Args:
            log: the governance log; None: there is none.
            store: the packages; None leaves them as they were known before.
            first: the first root, which is believed; None: nobody's word counts, so no deployment does.
            begin: told how many entries and packages there are to take, if any; what it returns is told how many were.

        Returns:
            What is wrong, or could not be read: a line for each.

        Raises:
            IndexUnusable: it cannot be written, or is damaged and another process has it.
            StoreUnavailable, StoreDamaged: the store cannot be listed at all.
            NotProved: the first root is not signed by its own people.
        """
        try:
            return self._update(log, store, first, begin)
        except Damaged:
            self.start_over()
            return self._update(log, store, first, begin)

    def _update(self, log: Log | None, store: Store | None, first: Root | None, begin: Begin) -> list[str]:
        wrong: list[str] = []
        if log is not None:
            try:
                wrong += self._take_log(log, begin)
            except LogError as error:
                # Where there is no log yet, nobody has ever spoken.
                if self.end or not isinstance(error, NoSuchTopic):
                    wrong.append(f"{error}: statements are told as they were read before")
            self.unread = tuple(wrong)
        if store is not None:
            wrong += self._take_packages(store, begin)
        self._known = None
        self._fold_again(self.chain(first))
        return wrong

    # ------------------------------------------------------------ the log

    def _take_log(self, log: Log, begin: Begin) -> list[str]:
        topic = log.topic().id.hex()
        reader = log.reader()
        try:
            start, end = reader.bounds(PARTITION)
            if not self._continues(reader, topic, start, end):
                with self.transaction():
                    self.clear()
                    self.set_about("topic", topic)
            known = self.end
            if known < end:
                progress = begin(end - known)
                for some in _parts(walk(reader, PARTITION, max(known, start), end, name="governance log")):
                    self._take_entries(some)
                    progress(len(some))
            return (
                [f"the governance log begins at offset {start}: what was before is gone"]
                if start > known
                else []
            )
        finally:
            reader.close()

    @property
    def end(self) -> int:
        """The log's offsets below are in it."""
        return int(self.about("end") or 0)

    def _continues(self, reader: LogReader, topic: str, start: int, end: int) -> bool:
        """Whether the log is the one that was read before, as far as its newest entry of then shows."""
        known = self.end
        if self.about("topic") != topic or known > end:
            return False
        if known == 0 or known <= start:
            return True  # what could be compared is gone
        last = reader.read(PARTITION, known - 1, _READ_BYTES, _READ_SECONDS)
        return bool(last) and self.about("last") == _hash(last[0])

    def _take_entries(self, entries: list[LogEntry]) -> None:
        with self.transaction():
            known = self.end  # another process may have been faster
            folded = fold_entries(each for each in entries if each.offset >= known)
            self.many("INSERT INTO statements VALUES (?, ?, ?, ?, ?, ?)", folded.statements)
            self.many("INSERT INTO subjects VALUES (?, ?)", folded.subjects)
            self.many("INSERT OR IGNORE INTO dirty VALUES (?)", ((each,) for each in folded.services))
            if any(each.folded == DEPRECATED for each in folded.statements):
                self.set_about("deprecations", "stale")
            if entries[-1].offset >= known:
                self.set_about("end", entries[-1].offset + 1)
                self.set_about("last", _hash(entries[-1]))

    # ------------------------------------------------------------ the packages

    def _take_packages(self, store: Store, begin: Begin) -> list[str]:
        found = store.list()
        listed = {each.digest for each in found}
        held = {row[0] for row in self.rows("SELECT digest FROM packages")}
        with self.transaction():
            # Of one that was damaged since, what is known is still held to its digest: other names of its data are
            # wanted when one of them is deprecated.
            for digest in held - {*found.digests}:
                self._forget(digest)
        new = sorted(listed - held)
        progress = begin(len(new)) if new else lambda _: None
        wrong = [f"package {each.digest}: {each.problem}" for each in found.flaws]
        for digest in new:
            try:
                kept, made = package_rows(store.pull(digest))
            except NotFound:
                continue  # it was taken away meanwhile
            except PackageError as error:
                wrong.append(f"package {digest}: {error}")
                continue
            with self.transaction():
                self._forget(digest)
                self.many("INSERT INTO packages VALUES (?, ?, ?, ?, ?)", [kept])
                self.many("INSERT INTO data VALUES (?, ?, ?, ?, ?)", made)
            progress(1)
        return wrong

    def _forget(self, digest: str) -> None:
        self.execute("DELETE FROM packages WHERE digest = ?", [digest])
        self.execute("DELETE FROM data WHERE digest = ?", [digest])
        self.set_about("versions", "stale")

    # ------------------------------------------------------------ what is folded from it

    def chain(self, first: Root | None) -> Roots | None:
        """The chain of roots as of the last update; None without a first one: no statement is anybody's then.

        Raises:
            NotProved: the first root is not signed by its own people.
            Damaged: a root is not what was read.
        """
        if first is not None and self._known is None:
            self._known = fold_roots(first, self.said("folded = ?", [SHORT[ROOT]], ()))
        return self._known

    def said(self, where: str, given: Iterable[Any], keys: Iterable[bytes]) -> list[Said]:
        """Statements in the log's order, their signatures checked. `where`: of our own. Raises Damaged."""
        rows = self.rows(
            f'SELECT "offset", logged, record, "check" FROM statements WHERE {where} ORDER BY "offset"',  # noqa: S608
            given,
        )
        try:
            return [said_of(row, tuple(keys)) for row in rows]
        except ValueError as error:
            raise Damaged(str(error)) from error

    def _fold_again(self, roots: Roots | None) -> None:
        """Fold what is new: services with new deployments, data that was spoken of, or came with packages. All that was
        signed, when the roots are others.
        """
        chain = "" if roots is None else " ".join(f"{offset}:{root.digest}" for offset, root in roots.chain)
        with self.transaction():
            if (self.about("roots") or "") != chain:
                self.execute(
                    "INSERT OR IGNORE INTO dirty SELECT DISTINCT service FROM statements "
                    "WHERE folded = ? AND service IS NOT NULL",
                    [DEPLOYED],
                )
                self.set_about("deprecations", "stale")
                self.set_about("roots", chain)
            for (service,) in self.rows("SELECT service FROM dirty"):
                self._fold_service(service, roots)
            self.execute("DELETE FROM dirty")
            if self.about("versions") == "stale":
                self.execute("DELETE FROM versions")
                self.execute(
                    "INSERT INTO versions SELECT version, name, sum(first) FROM data GROUP BY version, name"
                )
                self.set_about("versions", "folded")
            if self.about("deprecations") == "stale":
                self._fold_deprecations(roots)
                self.set_about("deprecations", "folded")

    def _fold_deprecations(self, roots: Roots | None) -> None:
        self.execute("DELETE FROM deprecated")
        if roots is not None:
            said = self.said("folded = ?", [DEPRECATED], roots.public_keys())
            self.many(
                "INSERT INTO deprecated VALUES (?, ?, ?, ?, ?)",
                (
                    (each.version, _text(each.reason), _text(each.person), each.at, each.offset)
                    for each in fold_deprecations(roots, said).values()
                    if each.deprecated
                ),
            )

    def _fold_service(self, service: str, roots: Roots | None) -> None:
        for table in ("events", "serving"):
            self.execute(f"DELETE FROM {table} WHERE service = ?", [service])  # noqa: S608 - our own names
        if roots is None:
            return
        said = self.said("folded = ? AND service = ?", [DEPLOYED, service], roots.public_keys())
        found = fold_service(service, roots, said)
        self.many(
            "INSERT INTO events VALUES (?, ?, ?, ?)",
            ((each.offset, service, _text(each.person), each.void) for each in found.events),
        )
        if found.last is not None:
            last = found.last
            self.many(
                "INSERT INTO serving VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        service,
                        each.digest,
                        each.slot,
                        each.weight,
                        last.offset,
                        last.logged,
                        int(found.paused),
                    )
                    for each in found.plan
                ),
            )


def _parts(entries: Iterator[LogEntry]) -> Iterator[list[LogEntry]]:
    some: list[LogEntry] = []
    size = 0
    for entry in entries:
        some.append(entry)
        size += len(entry.value or b"")
        if len(some) == _BATCH or size >= _BATCH_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _text(value: str) -> str:
    """Text that can be kept: JSON has strings that no UTF-8 has."""
    return value.encode(errors="replace").decode()


def _hash(entry: LogEntry) -> str:
    return sha256(b"%d " % entry.offset + (entry.value or b"")).hexdigest()
