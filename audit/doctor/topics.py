"""The log's topics: there, safe, ours as far as we need, nobody's to alter, and of what times its records are."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from audit.errors import NoSuchTopic
from audit.files import parse_json
from audit.journal.identity import ROUTE_NAME
from audit.log import base as log_base
from audit.log.base import Log, Topic
from audit.proof.entry import Key
from audit.proof.errors import FormatError
from audit.proof.record import parse_record

from .base import Finding, Looked, Outcome
from .clock import TOLERANCE, Reference
from .rights import TOPICS, needed

if TYPE_CHECKING:
    from audit.log.kafka import KafkaLog

PARTITIONS: Final = 16
"""Whose newest records are looked at."""
_NEWEST: Final = 8
_BYTES: Final = 1 << 20
_ORDER: Final = ("READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS", "DELETE", "ALTER", "ALTER_CONFIGS")
_NOBODY: Final = frozenset({"DELETE", "ALTER", "ALTER_CONFIGS"})
"""What no component needs on any topic."""


def look(
    log: KafkaLog, check: Callable[[], list[log_base.Finding]], components: Collection[str], which: str
) -> Iterator[Outcome]:
    """A topic of a cluster: what this user may do with it, and its settings.

    Args:
        log: the topic.
        check: says what its settings lack.
        components: what runs as this user.
        which: the topic, as the table of rights calls it.

    Raises:
        LogUnavailable: the cluster does not answer.
    """
    name = log.settings.topic
    where = f"{log.settings.bootstrap}, topic {name}"
    from audit.log.kafka_check import describe_topic

    with log.admin() as admin:
        try:
            described = describe_topic(admin, name)
        except NoSuchTopic:
            near = difflib.get_close_matches(name, admin.list_topics(), n=1)
            instead = f"; there is {near[0]!r}: is that the one?" if near else ""
            yield Finding(
                "topic-absent", where, f"there is no such topic{instead}", "`affiant topics create` makes it"
            )
            return
    rights = described.get("authorized_operations") or ()
    yield from judge_rights(where, rights, components, which)
    if rights and "DESCRIBE_CONFIGS" not in rights:
        return  # said above: its settings are not to be seen
    for each in check():
        remedy = f"set {each.what} to {each.wanted} on the topic; `affiant topics check` looks again"
        yield Finding("topic-settings", where, str(each), remedy, grave=each.fatal)
    yield Looked(f"topic {name}", f"{len(described['partitions'])} partitions")


def judge_rights(
    where: str, rights: Collection[str], components: Collection[str], which: str
) -> Iterator[Finding]:
    """What the user lacks, and what it has beyond need.

    Args:
        where: the topic, for people.
        rights: Kafka's names of operations; none: the broker is too old to say.
        components: what runs as this user.
        which: the topic, as the table of rights calls it.
    """
    if not rights:
        return
    wanted = needed(components, which)
    who = " and ".join(sorted(set(components) & set(TOPICS)))
    lacking = [name for name in _ORDER if name in wanted and name not in rights]
    if lacking:
        remedy = f"let the cluster's operator allow it to the user of {who}, on this topic; no more than that"
        yield Finding("topic-rights", where, f"this user may not {', '.join(lacking)}", remedy)
    excess = [name for name in _ORDER if name in rights and name in (_NOBODY | {"WRITE"}) - wanted]
    if excess:
        worst = "remove the record from" if _NOBODY & set(excess) else "put what it likes into"
        yield Finding(
            "topic-rights-wide",
            where,
            f"this user may {', '.join(excess)}, which {who} needs not: whoever takes its place can {worst} the log",
            "an authorizer on the cluster, and ACLs: who writes a topic may WRITE it, readers READ, nobody deletes or "
            "alters; docs/kubernetes.md has each component's",
            grave=False,
        )


def look_at_routes(shipping: Path, topic: Topic) -> Iterator[Finding]:
    """Whether the journals of this machine go where the settings say: a journal keeps the topic that it began with."""
    for path in sorted(shipping.glob(f"*/{ROUTE_NAME}")):
        try:
            route = parse_json(path.read_bytes())
            chosen = (str(route["topic"]), bytes.fromhex(route["topic_id"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            yield Finding(
                "state-damaged",
                str(path),
                f"is not a route ({type(error).__name__})",
                "leave it as it is; the journal beside it may not be shipped before somebody has looked",
            )
            continue
        if chosen != (topic.name, topic.id):
            yield Finding(
                "topic-other",
                str(path),
                f"goes to topic {chosen[0]!r}, id {chosen[1].hex()[:12]}…; the settings name {topic.name!r}, id "
                f"{topic.id.hex()[:12]}…",
                "was the topic made again, or [log] changed? Name the old one until its journals are shipped",
            )


def times(log: Log, now: int) -> Iterator[Finding | Reference]:
    """The newest records' times: against the log's own, and the log's against ours.

    Raises:
        LogUnavailable: the log does not answer.
    """
    topic, reader = log.topic(), log.reader()
    try:
        for partition in range(min(topic.partitions, PARTITIONS)):
            first, end = reader.bounds(partition)
            if first == end:
                continue
            entries = reader.read(partition, max(first, end - _NEWEST), _BYTES, 5.0)
            if entries:  # its time had come when it was appended, however long ago that is
                newest = max(entry.timestamp for entry in entries) * 1_000_000
                yield Reference(
                    f"the log's newest record (partition {partition})", newest - now, earliest=True
                )
            for entry in entries:
                yield from _ahead(topic, partition, entry)
    finally:
        reader.close()


def _ahead(topic: Topic, partition: int, entry: log_base.LogEntry) -> Iterator[Finding]:
    try:
        said = parse_record(entry.value or b"").entry.get(Key.COMMITTING)
    except FormatError:
        return  # the notary's matter
    ahead = 0 if said is None else int(said) - entry.timestamp * 1_000_000
    if ahead > TOLERANCE:
        yield Finding(
            "clock-of-records",
            f"topic {topic.name}, partition {partition}, offset {entry.offset}",
            f"was written {ahead / 1e9:,.1f} s after the log took it: a gateway's clock is ahead of the log's",
            "set the clock of the machine that wrote it (`affiant log show` names its journal)",
        )
