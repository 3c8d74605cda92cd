"""What `affiant gate` reads of a service's traffic: the log and the archive of the settings, and which ranges."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Final

import typer

from audit.config import Config
from audit.errors import ConfigError
from audit.log import configured_log

from .audit_open import _bar
from .audit_recompute_source import WithArchive
from .audit_replay_source import _archived_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitoring.read import Packages
    from monitoring.traffic import Log
    from registry.gates.asked import Span, Traffic
    from registry.policy.gates import DriftGate

_ROWS: Final = re.compile(r"[1-9]\d{0,8}")
_HOURS: Final = re.compile(r"([1-9]\d{0,4})([hd])")
_SPAN: Final = re.compile(r"(\d{1,9}):(\d{1,18})-(\d{1,18})")
_WANTED: Final = (
    "5000 (the newest rows), 24h, 7d, FROM/TO (2026-01-31T12:00:00Z/…) or 0:0-9999,1:0-9999 (offsets)"
)

TrafficOption = Annotated[
    str | None,
    typer.Option(
        metavar="WHICH",
        help="For the drift gate, what the service was asked: 5000 (the newest rows), 24h, 7d, FROM/TO (times), or "
        "0:0-9999,1:0-9999 (offsets); else as many of the newest rows as the policy needs.",
        show_default=False,
    ),
]
ArchiveOption = Annotated[
    bool, typer.Option("--archive", help="Read traffic from the archive alone: there is no way to the log.")
]


def traffic_of(
    config: Config, service: str, limits: DriftGate, which: str | None, *, archive: bool
) -> tuple[Traffic | None, str]:
    """What the service was asked; or None, and why it cannot be judged.

    Raises:
        ConfigError: `which` is none of the forms, names offsets that are not there, or is too much.
        LogUnavailable, OffsetGone, ArchiveGap, StoreUnavailable: see `monitoring.traffic.read`.
    """
    from monitoring.traffic import read
    from registry.gates.base import CannotJudge

    asked = which or str(limits.least_traffic)
    check_which(asked)
    with opened(config, archive=archive) as log, _bar("reading what was asked") as begin:
        spans = _spans(log, service, asked, begin)
        progress = begin(sum(each.end - each.first for each in spans))
        try:
            return read(log, service, spans, round(time.time(), 3), progress), ""
        except CannotJudge as error:
            return None, str(error)


@contextmanager
def opened(config: Config, *, archive: bool) -> Iterator[Log]:
    """The record log of the settings, with its archive; `archive`: that alone.

    Raises:
        LogUnavailable, ObjectsUnavailable: as they say; ArchiveGap: the archive has no answers.
    """
    from audit.archive import Archive
    from audit.trees import configured_trees
    from monitoring.traffic import Log

    from .external import configured_external

    trees = configured_trees(config)
    kept = Archive(trees.objects, trees.payload_objects)
    external = configured_external(config)
    if archive:
        topic, partitions = _archived_topic(kept)
        reader = WithArchive(kept, topic, None)
    else:
        log = configured_log(config, create=False)
        known = log.topic()
        topic, partitions = known.id, known.partitions
        reader = WithArchive(kept, topic, log.reader())
    try:
        yield Log(reader, topic, partitions, _packages(config), external)
    finally:
        reader.close()


def _packages(config: Config) -> Packages:
    """Those that a plan ever named, as the monitor has it; where nobody governs, whatever the store has."""
    from monitoring.governed import Governed
    from monitoring.read import StorePackages
    from registry.stores import configured_store

    from .monitor import configured_governing

    governing = configured_governing(config)
    governing.read_on()
    return StorePackages(
        configured_store(config), governing.named if isinstance(governing, Governed) else None
    )


def check_which(which: str) -> None:
    """Before anything is opened. Raises ConfigError: it is none of the forms."""
    if _ROWS.fullmatch(which) or _HOURS.fullmatch(which):
        return
    if "/" in which:
        _times(which)
        return
    _offsets(which)


def _spans(
    log: Log, service: str, which: str, begin: Callable[[int], Callable[[int], None]]
) -> tuple[Span, ...]:
    from monitoring.traffic import logged_between, newest

    if _ROWS.fullmatch(which):
        return newest(log, service, int(which), begin(0))
    if found := _HOURS.fullmatch(which):
        hours = int(found[1]) * (24 if found[2] == "d" else 1)
        return logged_between(log, int((time.time() - 3600 * hours) * 1000), 1 << 62)
    if "/" in which:
        return logged_between(log, *_times(which))
    return spans_of(log, which)


def spans_of(log: Log, which: str) -> tuple[Span, ...]:
    """PARTITION:FIRST-LAST,… as ranges. Raises ConfigError: not of that form, or not all there."""
    spans = _offsets(which)
    for each in spans:
        first, end = log.reader.bounds(each.partition) if each.partition < log.partitions else (0, 0)
        if not first <= each.first < each.end <= end:
            raise ConfigError(
                f"--traffic {which}: partition {each.partition} of {log.partitions} has the offsets {first} to "
                f"{end - 1} now"
            )
    return spans


def _offsets(which: str) -> tuple[Span, ...]:
    """Ascending, and each offset once: what is said twice would be counted twice."""
    from registry.gates.asked import Span

    spans = []
    for part in which.split(","):
        if (found := _SPAN.fullmatch(part.strip())) is None:
            raise ConfigError(f"--traffic {which[:80]!r}: wanted {_WANTED}")
        partition, first, last = map(int, found.groups())
        if last < first:
            raise ConfigError(f"--traffic {part.strip()}: its last offset comes before its first")
        spans.append(Span(partition, first, last + 1))
    spans.sort()
    for one, other in pairwise(spans):
        if one.partition == other.partition and other.first < one.end:
            raise ConfigError(
                f"--traffic {which[:80]}: offset {other.first} of partition {one.partition} is there twice"
            )
    return tuple(spans)


def _times(which: str) -> tuple[int, int]:
    """From, and before: ms since 1970 UTC."""
    since, _, until = which.partition("/")
    try:
        found = [datetime.fromisoformat(each) for each in (since, until)]
    except ValueError:
        raise ConfigError(f"--traffic {which[:80]!r}: wanted {_WANTED}") from None
    start, end = (
        int((each if each.tzinfo else each.replace(tzinfo=UTC)).timestamp() * 1000) for each in found
    )
    if start >= end:
        raise ConfigError(f"--traffic {which}: its first time is not before its second")
    return start, end
