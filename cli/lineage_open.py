"""What the commands of the lineage open: its index, the governance log, the store; and how predictions are counted."""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.config import Config
from audit.errors import AuditError, ConfigError, IndexUnusable
from audit.proof.errors import FormatError

from .audit_open import _bar, opened
from .text import printable

if TYPE_CHECKING:
    from registry.approvals.board import Board
    from registry.graph import Lineage, Place
    from registry.package import Package

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


def version_given(text: str) -> str:
    """A version of data, whole. Looked at before anything is opened: what cannot be one is a slip of the pen.

    Raises:
        ConfigError: it is none.
    """
    from registry.lineage.versions import parse_version

    try:
        return parse_version(text)
    except FormatError as error:
        raise ConfigError(str(error)) from None


VersionArgument = Annotated[
    str,
    typer.Argument(
        help="sha256:… or md5:…, as `affiant data list` shows them, or the SHA-256 of a file.",
        callback=version_given,
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Count:
    """Predictions that a package made in a service, as the auditor's index has them."""

    service: str
    slot: str
    predictions: int
    first: str | None
    """When the first and the last of them arrived: RFC 3339, UTC."""
    last: str | None


@contextmanager
def open_lineage(config: Config, *, packages: bool = True) -> Iterator[Lineage]:
    """The lineage of the settings' governance log and store, as they are now.

    What is wrong, and what could not be read, is said on the error output. `packages`: False leaves the store alone.

    Raises:
        ConfigError: the settings' root is not one.
        IndexUnusable, StoreUnavailable, PackageError, NotProved: see `Lineage.refresh`.
    """
    from registry.graph import configured_lineage

    with configured_lineage(config, default_directory(config), _plan(config)) as lineage:
        with _bar("reading the governance log") as begin:
            wrong = lineage.refresh(begin, packages=packages)
        for each in wrong:
            typer.echo(printable(f"WRONG  {each}"), err=True)
        yield lineage


@contextmanager
def board_about(config: Config, digest: str) -> Iterator[Board]:
    """What the governance log says of one package, out of the same index: the whole log is read once, not each time.

    Raises:
        ConfigError: the settings name no root, or an unsigned one.
        NotProved, NotAdmitted, LogUnavailable: see `registry.graph.board.Boards`.
    """
    from audit.log import configured_governance_log
    from registry.approvals.board import first_root_of
    from registry.graph.board import Boards
    from registry.graph.index import Index

    from .approvals_open import board_of, governed

    first, log = first_root_of(config), configured_governance_log(config, create=False)
    try:
        opened_index = Index(default_directory(config))
    except IndexUnusable:
        yield board_of(config)  # there is no place for an index: slower, and no other answer
        return
    with opened_index as index:
        with _bar("reading the governance log") as begin, governed(log):
            boards = Boards(index, log, first, begin)
        yield boards.about(digest)


def not_admitted(
    config: Config, lineage: Lineage, places: Iterable[Place], verified: Iterable[Package] = ()
) -> frozenset[Place] | None:
    """Those of these places where admission does not let the package answer now. A plan says what is to serve; what was
    rejected or revoked since does not. Where the settings name no root everything may.

    Each package is taken out of the store and verified, as a gateway does that loads it; those of `verified` were. Of
    a long log an opening takes a part of a second, so the log is not looked at again: `lineage`, which MUST be open,
    has it as it is now.

    None, and a line on the error output, where that cannot be known.
    """
    from audit.proof.errors import NotProved
    from registry.errors import RegistryError

    try:
        return _not_admitted(config, lineage, places, {each.digest: each for each in verified})
    except (AuditError, RegistryError, NotProved, FormatError) as error:
        typer.echo(printable(f"whether it may answer is not told: {error}"), err=True)
        return None


def _not_admitted(
    config: Config, lineage: Lineage, places: Iterable[Place], verified: Mapping[str, Package]
) -> frozenset[Place]:
    from audit.log import configured_governance_log
    from registry.errors import PackageError
    from registry.lineage.publisher import publisher_of
    from registry.settings import GovernanceSettings
    from registry.stores import configured_store

    from .approvals_open import governed, publisher_in

    if config.section("governance", GovernanceSettings).root is None:
        return frozenset()
    store = configured_store(config)
    found: set[Place] = set()
    by_digest: dict[str, list[Place]] = defaultdict(list)
    for each in places:
        by_digest[each.digest].append(each)
    if not by_digest:
        return frozenset()
    with governed(configured_governance_log(config, create=False)):
        boards = lineage.boards(data=False)
    for digest, own in by_digest.items():
        try:
            known = verified.get(digest)
            publisher = publisher_in(store, digest)[1] if known is None else publisher_of(known)
        except PackageError:
            found.update(own)  # no gateway loads it either
            continue
        board = boards.about(digest)
        found.update(each for each in own if not _answers(board, each, publisher))
    return frozenset(found)


def _answers(board: Board, place: Place, publisher: str | None) -> bool:
    """As a gateway decides; what is live goes on when only its approvals have ended, where the policy lets it."""
    verdict = board.verdict(place.service, place.digest, place.slot, time.time(), publisher)
    rules = board.policy.rules(place.service) if board.policy is not None else None
    lasting = rules is not None and not rules.stop_on_expiry and place.slot == "live"
    return verdict.admitted or (verdict.expired and lasting)


def _plan(config: Config) -> tuple[Place, ...]:
    """Where packages serve by the settings' plan."""
    from registry.graph import Place
    from service.settings import read_plan

    entries = read_plan(config)
    sums: dict[str, float] = defaultdict(float)
    for each in entries:
        if each.slot != "shadow":
            sums[each.service] += each.weight
    return tuple(
        Place(
            each.service, each.digest, each.slot,
            each.weight / (100 if each.slot == "shadow" else sums[each.service] or math.inf),
            None, None,
        )
        for each in entries
    )  # fmt: skip


def default_directory(config: Config) -> Path:
    """Where the lineage's index of these settings is kept: what is in it may be deleted at any time."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache_home) / "affiant" / "lineage" / sha256(str(config.path).encode()).hexdigest()[:24]


def predictions_of(
    config: Path | None, index: Path | None, digests: Collection[str]
) -> Mapping[str, tuple[Count, ...]] | None:
    """Digest → how many predictions it made, where: answers in the sealed log, as far as it is indexed.

    None, and a line on the error output, where nothing is sealed or the index cannot be read: that is not 0.
    """
    if not digests:
        return {}
    try:
        with opened(config, index) as records:
            rows = records.index.select(
                "SELECT digest, service, slot, count(*), min(arrived), max(arrived) FROM entries "  # noqa: S608
                f"WHERE status < 400 AND digest IN ({', '.join('?' * len(digests))}) "
                "GROUP BY ALL ORDER BY ALL",
                list(digests),
            )
    except IndexUnusable:
        raise
    except (AuditError, ModuleNotFoundError) as error:
        typer.echo(printable(f"predictions are not counted: {error}"), err=True)
        return None
    found: dict[str, list[Count]] = defaultdict(list)
    for digest, service, slot, count, first, last in rows:
        times = (None if each is None else f"{each.isoformat(timespec='seconds')}Z" for each in (first, last))
        found[digest].append(Count(service or "", slot or "", count, *times))
    return {digest: tuple(each) for digest, each in found.items()}
