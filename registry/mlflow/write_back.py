"""Governance written back to MLflow: tags and aliases of the versions whose packages were judged, signed, deployed.

Aliases, of a registered model (`models:/credit@production`): a stage's name where one version alone is in that stage,
and `STAGE-SERVICE` (dots of a service's name as dashes) for each service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from registry.approvals.root import Roots
from registry.errors import RegistryError, StoreUnavailable
from registry.statement import Said

from .client import Refused
from .standing import ANSWERING, PREFIXES, Standing, standings
from .versions import DIGEST_TAG, Version, Versions

_ALIASED: Final = ANSWERING
"""What is retired, or refused, has no alias."""
_OURS: Final = re.compile(rf"({'|'.join(_ALIASED)})(-[\w-]+)?")
_NO_ALIAS: Final = re.compile(r"[^\w-]")


@dataclass(slots=True)
class Written:
    """What a write-back came to."""

    versions: int = 0
    """Versions that were looked at."""
    changes: list[str] = field(default_factory=list)
    """Tags and aliases that were set or taken away, as text."""
    problems: list[str] = field(default_factory=list)
    """What could not be written; the governance log is as it was, and the next write-back tries again."""
    away: bool = False
    """The server did not answer, and was not asked any further."""


class _Placed(NamedTuple):
    version: Version
    standing: Standing


def write_back(
    said: Iterable[Said],
    roots: Roots,
    versions: Versions,
    progress: Callable[[str], None] = lambda _: None,
    *,
    publisher: Callable[[str], str | None],
    now: float,
) -> Written:
    """Bring the tags and aliases of every version that is tagged with a package's digest to what the log says.

    MUST NOT raise for whatever the server does: an approval or a deployment never waits for it, nor fails by it. MUST
    be idempotent: what is right already is not written. MUST NOT touch other tags, nor aliases of versions that are
    of no package.

    Args:
        said: the whole governance log's statements in its order, `holds` decided by the roots' keys.
        roots: the chain that is believed.
        versions: the server's model registry.
        progress: called with the name of each registered model before it is looked at.
        publisher: who published a package; asked of those that something was said of.
        now: seconds since 1970 UTC: what has expired by then does not count.
    """
    written = Written()
    told = standings(roots, said, publisher=publisher, now=now)
    placed: dict[str, list[_Placed]] = {}
    with _noted(written, "the versions with packages"):
        for version in versions.all():
            if (standing := told.get(version.tags[DIGEST_TAG])) is not None:
                placed.setdefault(version.name, []).append(_Placed(version, standing))
    for name, members in sorted(placed.items()):
        progress(name)
        for each in members:
            with _noted(written, str(each.version)):
                _tags(versions, each, written)
        with _noted(written, name):
            _aliases(versions, name, members, written)
        if written.away:
            return written
    return written


@contextmanager
def _noted(written: Written, what: str) -> Iterator[None]:
    """A failure is a problem of `what` alone, unless the server does not answer at all."""
    try:
        yield
    except RegistryError as error:
        written.problems.append(f"{what}: {error}")
        written.away |= isinstance(error, StoreUnavailable) and not isinstance(error, Refused)


def _tags(versions: Versions, placed: _Placed, written: Written) -> None:
    version, wanted = placed.version, placed.standing.tags
    written.versions += 1
    for key, value in wanted.items():
        if version.tags.get(key) != value:
            versions.set_tag(version, key, value)
            written.changes.append(f"{version}: {key} = {value}")
    for key in version.tags:
        if key.startswith(PREFIXES) and key not in wanted:
            versions.delete_tag(version, key)
            written.changes.append(f"{version}: {key} taken away")


def _aliases(versions: Versions, name: str, members: Sequence[_Placed], written: Written) -> None:
    there = versions.aliases(name)
    wanted = _wanted(members)
    for alias, number in wanted.items():
        if there.get(alias) != number:
            versions.set_alias(name, alias, number)
            written.changes.append(f"models:/{name}@{alias} = {number}")
    for alias, number in there.items():
        if alias in wanted or not _OURS.fullmatch(alias):
            continue
        # A data scientist's own alias of a like name stays, where its version is of no package.
        if DIGEST_TAG in versions.get(name, number).tags:
            versions.delete_alias(name, alias)
            written.changes.append(f"models:/{name}@{alias} taken away")


def _wanted(members: Sequence[_Placed]) -> dict[str, int]:
    """Alias → version. Of several versions of one package the newest has it."""
    by_stage: dict[str, dict[str, int]] = {stage: {} for stage in _ALIASED}
    wanted: dict[str, int] = {}
    for version, standing in sorted(members, key=lambda each: each.version.number):
        for service, stage in standing.stages.items():
            if stage in by_stage:
                by_stage[stage][version.tags[DIGEST_TAG]] = version.number
                wanted[f"{stage}-{_NO_ALIAS.sub('-', service)}"] = version.number
    alone = {stage: found for stage, found in by_stage.items() if len(found) == 1}
    return wanted | {stage: number for stage, found in alone.items() for number in found.values()}
