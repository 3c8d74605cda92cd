"""The query layer: what a package came from, and where data went. Read-only.

    with Lineage(directory, log, store, first_root) as lineage:
        lineage.refresh()
        lineage.package("sha256:…").people
        [model.serves for model in lineage.data("md5:…").models]

`package` holds what it tells to the package's digest, and each statement to its signature, each time. Lists, and that
nothing is left out, are the index's word, and the log's: delete the one, verify the other (`affiant audit verify`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self, TypeVar

from audit.errors import IndexUnusable
from audit.log.base import Log
from registry.approvals.root import Root, Roots
from registry.errors import NotAdmitted, NotFound
from registry.lineage.deprecation import Deprecation
from registry.lineage.versions import DataUse, data_of, parse_version
from registry.package import Package
from registry.statement import Said, once
from registry.stores import Store

from .board import Boards
from .fold import SHORT, Document, Kept, document_of, package_rows
from .index import Begin, Index
from .results import Data, DataLine, DataLineage, Line, PackageLineage, Place, Spoken, Trained
from .tables import Damaged

_AT_ONCE: Final = 500
"""Packages that are read at once."""
T = TypeVar("T")


class Lineage:
    """Questions to the index in a directory. Used by one thread."""

    def __init__(
        self,
        directory: Path,
        log: Log | None,
        store: Store,
        first: Root | None,
        plan: Iterable[Place] = (),
    ) -> None:
        """Open the index, or make it; it holds what it held, a new one nothing, before the first `refresh`.

        Args:
            directory: of the index; what is in it may be deleted at any time.
            log: the governance log; None: there is none.
            store: the packages.
            first: the first root, which is believed; None: no statement is anybody's.
            plan: where packages serve by the settings: in services that no deployment event is of, as gateways have it.

        Raises:
            IndexUnusable: it cannot be written.
        """
        self._log = log
        self._store = store
        self._first = first
        self._plan = tuple(plan)
        self._index = Index(directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the index."""
        self._index.close()

    def refresh(self, begin: Begin = lambda _: lambda _: None, *, packages: bool = True) -> list[str]:
        """Bring the index up to what log and store have now; see `Index.update`.

        Args:
            begin: told how much there is to do.
            packages: False leaves the packages as they were known before. Each is fetched whole when it is new, and
                `about` wants none of them.
        """
        return self._index.update(self._log, self._store if packages else None, self._first, begin)

    def boards(self, *, data: bool = True) -> Boards:
        """What verdicts on packages rest on, as the last `refresh` left it; while this is open.

        Args:
            data: see `Boards`, which also says what is raised.

        Raises:
            NotAdmitted: nothing is governed: there is no log, or no root.
        """
        if self._log is None or self._first is None:
            raise NotAdmitted("nothing is governed here: verdicts rest on a log and a root")
        return Boards(self._index, self._log, self._first, data=data, updated=True)

    @property
    def end(self) -> int:
        """The governance log is known up to, not including, this offset."""
        return self._index.end

    @property
    def governed(self) -> bool:
        """Whether there is a root: without, deployments and deprecations count for nothing."""
        return self._first is not None

    # ------------------------------------------------------------ packages

    def package(self, digest: str) -> PackageLineage:
        """Everything about a package.

        Args:
            digest: `sha256:…`, or as much of it as is unique.

        Raises:
            NotFound: the store has no such package, or more than one that begins so.
        """
        return self._asked(lambda: self._package(self._whole(digest)))

    def about(self, package: Package) -> PackageLineage:
        """The same of a package that somebody has, whether or not the store has it. MUST be verified."""
        document = document_of(package_rows(package)[0])
        return self._asked(lambda: self._told(document))

    def _package(self, digest: str) -> PackageLineage:
        found = self._documents([digest])
        if not found:
            raise NotFound(f"{digest}: no package of the store")
        return self._told(found[0])

    def _told(self, document: Document) -> PackageLineage:
        known = self._deprecations()
        return PackageLineage(
            document.digest, document.name, document.created, document.model_type, document.size,
            MappingProxyType(document.lineage),
            tuple(Data(use, _first_of(use, known)) for use in data_of(document.lineage)),
            tuple(self._spoken(document.digest)),
            self._places([document.digest])[document.digest],
        )  # fmt: skip

    def packages(self, service: str | None = None) -> list[Line]:
        """Every package of the store, by name; those that serve in `service`, when it is given."""
        return self._asked(lambda: self._packages(service))

    def _packages(self, service: str | None) -> list[Line]:
        select, places = "SELECT name, created, digest FROM packages", self._places(None)
        if service is None:
            rows = self._index.rows(select)
        else:
            here = [digest for digest, each in places.items() if any(one.service == service for one in each)]
            rows = self._index.rows_in(f"{select} WHERE digest IN", here)
        return [Line(digest, name, created, places[digest]) for name, created, digest in sorted(rows)]

    def documents(self) -> Iterator[Document]:
        """Manifest and lineage of every package, by name, each held to its digest."""
        digests = [each.digest for each in self.packages()]
        for start in range(0, len(digests), _AT_ONCE):
            some = digests[start : start + _AT_ONCE]
            yield from self._asked(lambda some=some: self._documents(some))  # type: ignore[misc]

    # ------------------------------------------------------------ data

    def data(self, version: str) -> DataLineage:
        """A version of data, and every package made of it, whichever of the bytes' names it uses.

        Raises:
            FormatError: that is no version.
        """
        wanted = parse_version(version)
        return self._asked(lambda: self._data(wanted))

    def _data(self, version: str) -> DataLineage:
        names = self._same(version)
        trained: dict[str, list[str]] = defaultdict(list)
        for digest, name in self._index.rows_in(
            "SELECT digest, name FROM data WHERE version IN", sorted(names)
        ):
            trained[digest].append(name)
        places, known = self._places(trained), self._deprecations()
        packages = self._index.rows_in(
            "SELECT name, created, digest FROM packages WHERE digest IN", list(trained)
        )
        models = (
            Trained(digest, name, created, tuple(dict.fromkeys(trained[digest])), places[digest])
            for name, created, digest in sorted(packages)
        )
        deprecated = tuple(known[name] for name in sorted(names) if name in known)
        return DataLineage(version, tuple(sorted(names - {version})), deprecated, tuple(models))

    def _same(self, version: str) -> set[str]:
        """Every name of the same bytes, by the lineage of any package."""
        names, asked = {version}, set[str]()
        while left := names - asked:
            asked |= left
            rows = self._index.rows_in(
                "SELECT DISTINCT other.version FROM data JOIN data AS other USING (digest, use) "
                "WHERE data.version IN",
                list(left),
            )
            names |= {name for (name,) in rows}
        return names

    def versions(self) -> list[DataLine]:
        """Every version of data that a package was made of, or that somebody deprecated."""
        return self._asked(self._versions)

    def _versions(self) -> list[DataLine]:
        names: dict[str, list[str]] = {}
        models: dict[str, int] = {}
        for version, name, count in self._index.rows("SELECT version, name, models FROM versions"):
            names.setdefault(version, []).append(name)
            models[version] = models.get(version, 0) + count
        known = self._deprecations()
        lines = (
            DataLine(version, tuple(names.get(version, ())), models.get(version, 0), known.get(version))
            for version in {**models, **known}
        )
        return sorted(lines, key=lambda each: (each.names, each.version))

    def deprecations(self) -> Mapping[str, Deprecation]:
        """Version → its deprecation, of those that are deprecated now."""
        return self._asked(self._deprecations)

    def _deprecations(self) -> Mapping[str, Deprecation]:
        rows = self._index.rows(
            'SELECT version, reason, person, at, "offset" FROM deprecated ORDER BY version'
        )
        return MappingProxyType({row[0]: Deprecation(row[0], True, *row[1:]) for row in rows})

    # ------------------------------------------------------------ within

    def _asked(self, ask: Callable[[], T]) -> T:
        """The answer; when the index proves to be damaged on the way, of the one that is made in its place."""
        try:
            return ask()
        except Damaged:
            self._index.start_over()
            self.refresh()
            try:
                return ask()
            except Damaged as error:
                raise IndexUnusable(f"{self._index.path}: was made again and is damaged: {error}") from error

    def _whole(self, digest: str) -> str:
        # No digest has a character above f.
        found = self._index.rows(
            "SELECT digest FROM packages WHERE digest >= ? AND digest < ? LIMIT 2", [digest, f"{digest}g"]
        )
        if len(found) != 1:
            raise NotFound(
                f"{digest}: {'more than one package begins so' if found else 'no package of the store'}"
            )
        whole: str = found[0][0]
        return whole

    def _documents(self, digests: Collection[str]) -> list[Document]:
        rows = self._index.rows_in(
            "SELECT digest, name, created, manifest, lineage FROM packages WHERE digest IN", digests
        )
        return [_document(Kept(*row)) for row in rows]

    def _spoken(self, digest: str) -> Iterator[Spoken]:
        roots = self._index.chain(self._first)
        keys = [] if roots is None else roots.public_keys()
        key = bytes.fromhex(digest[7:])
        said = self._index.said('"offset" IN (SELECT "offset" FROM subjects WHERE digest = ?)', [key], keys)
        void = dict(
            self._index.rows(
                'SELECT "offset", void FROM events JOIN subjects USING ("offset") WHERE digest = ?', [key]
            )
        )
        for each in once(said):
            yield Spoken(
                each.offset, each.logged, SHORT[each.type], _service(each), _person(roots, each), each.author,
                each.holds, void.get(each.offset), MappingProxyType(dict(each.predicate)),
            )  # fmt: skip

    def _places(self, digests: Iterable[str] | None) -> Mapping[str, tuple[Place, ...]]:
        """Where these packages serve, all when None; empty for those that do not."""
        select = 'SELECT service, digest, slot, weight, "offset", logged, paused FROM serving'
        rows = (
            self._index.rows(select)
            if digests is None
            else self._index.rows_in(f"{select} WHERE digest IN", list(digests))
        )
        places = [
            Place(service, digest, slot, weight, offset, logged, bool(paused))
            for service, digest, slot, weight, offset, logged, paused in sorted(rows)
        ]
        if self._plan:
            deployed = {service for (service,) in self._index.rows("SELECT DISTINCT service FROM serving")}
            places += [each for each in self._plan if each.service not in deployed]
        found: dict[str, list[Place]] = defaultdict(list)
        for each in places:
            found[each.digest].append(each)
        return defaultdict(tuple, {digest: tuple(each) for digest, each in found.items()})


def _document(kept: Kept) -> Document:
    try:
        return document_of(kept)
    except ValueError as error:
        raise Damaged(str(error)) from error


def _first_of(use: DataUse, known: Mapping[str, Deprecation]) -> Deprecation | None:
    return next((known[version] for version in use.versions if version in known), None)


def _person(roots: Roots | None, said: Said) -> str | None:
    if roots is None:
        return None
    key = roots.at(said.offset).content.keys.get(said.author)
    return None if key is None or (key.until is not None and said.offset >= key.until) else key.person


def _service(said: Said) -> str | None:
    service = said.predicate.get("service")
    return service if isinstance(service, str) else None
