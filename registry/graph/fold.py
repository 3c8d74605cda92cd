"""What entries of the governance log and packages become in the index. Pure.

A statement is kept as the log has it. Whether its signature holds, and whose it is, is asked when it is shown: a key
may become known later, and what is kept need not be believed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

from audit.log.base import LogEntry
from registry.approvals.root import Roots
from registry.deployment import Deployed, fold_deployments
from registry.errors import PackageError
from registry.lineage.versions import data_of
from registry.manifest import load_json, read_manifest
from registry.package import Package
from registry.statement import DATA_DEPRECATION, DEPLOYMENT, POLICY, PREDICATES, ROOT, Said, said_in

SHORT: Final = {type_: type_.rpartition("/")[0].rpartition("/")[2] for type_ in PREDICATES}
"""A predicate's type → its name: gates, approval, …"""
DEPLOYED: Final = SHORT[DEPLOYMENT]
DEPRECATED: Final = SHORT[DATA_DEPRECATION]
_MORE: Final = frozenset({DEPLOYMENT, DATA_DEPRECATION, ROOT, POLICY})


class Row(NamedTuple):
    """A row of `statements`."""

    offset: int
    logged: int
    folded: str | None
    """Its type, when more than itself is folded from it."""
    service: str | None
    record: bytes
    """As the log has it: shrinking what is base64 saves a quarter, and takes as long as all the rest."""
    check: int


@dataclass(frozen=True, slots=True)
class Folded:
    """What some entries bring."""

    statements: tuple[Row, ...]
    subjects: tuple[tuple[bytes, int], ...]
    services: frozenset[str]
    """Those whose deployments are to be folded again."""


def fold_entries(entries: Iterable[LogEntry]) -> Folded:
    """The statements of ours among entries. What strangers wrote is passed over."""
    rows: list[Row] = []
    subjects: list[tuple[bytes, int]] = []
    services: set[str] = set()
    for entry in entries:
        for said in said_in([entry]):
            if said.type not in PREDICATES:
                continue
            type_, service = SHORT[said.type], _service(said.predicate.get("service"))
            record = entry.value or b""
            folded = type_ if said.type in _MORE else None
            check = _check(said.offset, said.logged, record)
            rows.append(Row(said.offset, said.logged, folded, service, record, check))
            subjects += [(bytes.fromhex(each[7:]), said.offset) for each in dict.fromkeys(said.subjects)]
            if type_ == DEPLOYED and service is not None:
                services.add(service)
    return Folded(tuple(rows), tuple(subjects), frozenset(services))


def _service(value: object) -> str | None:
    """A name that can be kept as text; JSON has strings that no UTF-8 has."""
    return value if isinstance(value, str) and value.isprintable() else None


def said_of(row: Sequence[Any], keys: Sequence[bytes]) -> Said:
    """The statement of a row (offset, logged, record, check), its signature checked.

    Raises:
        ValueError: the row is not what was written.
    """
    offset, logged, record, check = row
    if not isinstance(record, bytes) or not isinstance(logged, int):
        raise ValueError(f"statement {offset}: of another type")  # noqa: TRY004 - one error for every damage
    if _check(offset, logged, record) != check:
        raise ValueError(f"statement {offset}: its checksum does not hold")
    found = list(said_in([LogEntry(offset, logged, None, record)], keys))
    if len(found) != 1:
        raise ValueError(f"statement {offset}: is none")
    return found[0]


class Kept(NamedTuple):
    """A row of `packages`."""

    digest: str
    name: str
    created: str
    manifest: bytes
    lineage: bytes


class Made(NamedTuple):
    """A row of `data`: a package was made of that version. Rows of one `use` are names of the same bytes."""

    version: str
    digest: str
    use: int
    name: str
    first: int
    """1, or 0 when the package names this version more than once and this is not the first time: to count packages."""


def package_rows(package: Package) -> tuple[Kept, tuple[Made, ...]]:
    """Of a verified package. Raises PackageError."""
    lineage = zlib.compress(package.part("lineage"), 1)
    kept = Kept(package.digest, package.name, package.created, package.manifest, lineage)
    made: dict[tuple[str, int], Made] = {}
    seen: set[str] = set()
    for place, use in enumerate(data_of(package.lineage)):
        name = use.name.encode(errors="replace").decode()
        for version in use.versions:
            made[version, place] = Made(version, package.digest, place, name, int(version not in seen))
            seen.add(version)
    return kept, tuple(made.values())


@dataclass(frozen=True, slots=True)
class Document:
    """A package's manifest and lineage, held to its digest."""

    digest: str
    name: str
    created: str
    model_type: str
    size: int
    lineage: dict[str, Any]


def document_of(kept: Kept) -> Document:
    """What a row says of a package, proved by the package's digest.

    Raises:
        ValueError: the row is not what was written.
    """
    try:
        manifest = read_manifest(kept.manifest, kept.digest)
        raw = zlib.decompress(kept.lineage)
        if f"sha256:{sha256(raw).hexdigest()}" != manifest.roles["lineage"].digest:
            raise ValueError(f"{kept.digest}: its lineage is another")
        lineage = load_json(raw, "lineage.json")
    except (PackageError, zlib.error, TypeError) as error:
        raise ValueError(f"{kept.digest}: {error}") from error
    return Document(
        kept.digest,
        manifest.annotations.name,
        manifest.annotations.created,
        manifest.model_type,
        sum(layer.size for layer in manifest.layers),
        lineage,
    )


def fold_service(service: str, roots: Roots, said: Iterable[Said]) -> Deployed:
    """What the deployment events of one service leave: as the gateway folds them."""
    found = fold_deployments(roots, said)
    return found.get(service) or Deployed(service, ())


def _check(offset: int, logged: int, record: bytes) -> int:
    return zlib.crc32(b"%d %d " % (offset, logged) + record)
