"""Which settings of a topic and its brokers keep the promise: made so, checked so."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from audit.errors import ConfigError, LogUnavailable, NoSuchTopic
from audit.settings import LogSettings

from .base import Finding

if TYPE_CHECKING:
    from kafka.admin import KafkaAdminClient

MAX_MESSAGE: Final = 8 << 20
# Codes of the protocol: UNKNOWN_TOPIC_OR_PARTITION; TOPIC_ and CLUSTER_AUTHORIZATION_FAILED.
_ABSENT: Final = 3
_FORBIDDEN: Final = frozenset({29, 31})
_HEARD_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.2

Found = TypeVar("Found")


def replicas_of(settings: LogSettings, brokers: int) -> int:
    """How many replicas a new topic gets: what the settings say, and never silently fewer.

    A topic that was made while brokers were down would keep its few replicas when they are back.

    Raises:
        ConfigError: the brokers that live are too few; or one replica, where there could be more.
    """
    replicas = settings.replication
    if replicas > brokers:
        remedy = (
            "on a cluster of one broker, set replication = 1, and its disk is the only copy"
            if brokers == 1
            else f"start the others, or set replication = {brokers}"
        )
        raise ConfigError(
            f"[log] replication = {replicas}, and {brokers} broker{'s live' if brokers > 1 else ' lives'} in the "
            f"cluster: the topic {settings.topic!r} was not made; {remedy}"
        )
    if replicas == 1 and brokers > 1:
        raise ConfigError(
            f"[log] replication = 1 in a cluster of {brokers} brokers: one broker's disk would hold the only copy; "
            f"the topic {settings.topic!r} was not made; set replication = {min(brokers, 3)}"
        )
    return replicas


def wanted(replicas: int) -> dict[str, str]:
    """The settings of a new topic. With an archive, its operator may make its retention finite later."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        # An acknowledgement is two brokers' word wherever there are two.
        "min.insync.replicas": str(min(2, replicas)),
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(MAX_MESSAGE + (64 << 10)),
        "message.timestamp.type": "LogAppendTime",
        "compression.type": "producer",
    }


def create_topic(
    admin: KafkaAdminClient, settings: LogSettings, wanted: Callable[[int], dict[str, str]] = wanted
) -> bool:
    """Make the topic with the right settings; False when it is there. Kafka's own errors pass through.

    Args:
        admin: of the cluster.
        settings: its name, partitions and replicas.
        wanted: replicas → the topic's settings; those of a log.

    Raises:
        ConfigError: see `replicas_of`.
    """
    from kafka.admin import NewTopic
    from kafka.errors import TopicAlreadyExistsError

    (found,) = admin.describe_topics([settings.topic])
    if not found["error_code"]:
        return False
    replicas = replicas_of(settings, len(admin.describe_cluster()["brokers"]))
    topic = NewTopic(
        name=settings.topic,
        num_partitions=settings.partitions,
        replication_factor=replicas,
        topic_configs=wanted(replicas),
    )
    try:
        admin.create_topics([topic], wait_for_metadata=True)
    except TopicAlreadyExistsError:  # another one was faster
        return False
    return True


def heard(
    look: Callable[[], Found],
    *,
    monotonic: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> Found:
    """What `look` finds of a topic that is there for sure, as it has just been made.

    Brokers hear of a new topic one after the other, and whichever is asked may be the last: for ten seconds its word
    that there is none, or none to be read, MUST NOT be believed.

    Raises:
        LogUnavailable: what `look` raised after that time.
    """
    end = monotonic() + _HEARD_SECONDS
    while True:
        try:
            return look()
        except LogUnavailable:
            if monotonic() >= end:
                raise
        pause(_LOOK_SECONDS)


def describe_topic(admin: KafkaAdminClient, name: str) -> dict[str, Any]:
    """The topic, as the cluster describes it.

    Raises:
        NoSuchTopic: it is not there.
        LogUnavailable: it is not to be seen by us, or not now. Who ships tries again in each case, so that what is
            wrong can be set right under it.
    """
    from kafka.errors import for_code

    (found,) = admin.describe_topics([name])
    code = found["error_code"]
    if code == _ABSENT:
        raise NoSuchTopic(f"kafka: there is no topic {name!r}; `affiant topics create` makes it")
    if code in _FORBIDDEN:
        raise LogUnavailable(
            f"kafka: this user may not describe topic {name!r} ({for_code(code).message}): it needs DESCRIBE and "
            "DESCRIBE_CONFIGS on it, and READ, or WRITE where it writes"
        )
    if code:
        raise LogUnavailable(f"kafka: topic {name!r} cannot be described now ({for_code(code).message})")
    return dict(found)


def check_cluster(admin: KafkaAdminClient, settings: LogSettings) -> list[Finding]:
    """What the topic lacks.

    Raises:
        LogUnavailable: the topic or its settings cannot be read.
    """
    from kafka.admin import ConfigResource, ConfigResourceType

    brokers = len(admin.describe_cluster()["brokers"])
    described = describe_topic(admin, settings.topic)
    answer = admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, settings.topic)], config_filter="all"
    )
    values = _values(answer["topic"][settings.topic])
    if not values:  # which is what kafka-python makes of an error
        raise LogUnavailable(
            f"kafka: the settings of topic {settings.topic!r} cannot be read; this user may lack DESCRIBE_CONFIGS on it"
        )
    replicas = min(len(part["replica_nodes"]) for part in described["partitions"])
    return judge(values, replicas=replicas, brokers=brokers, archived=settings.archived)


def judge(values: Mapping[str, str], *, replicas: int, brokers: int, archived: bool) -> list[Finding]:
    """Findings from a topic's effective settings. Pure, so that each rule has its own test.

    Args:
        values: the settings, by name.
        replicas: of the partition that has fewest.
        brokers: that live now; those that are down are not seen, but the topic's replicas name them.
        archived: whether an archive keeps what retention drops.
    """
    copies = max(brokers, replicas)
    found = []
    if values["cleanup.policy"] != "delete":
        found.append(
            Finding(
                "cleanup.policy",
                values["cleanup.policy"],
                "delete",
                "compaction removes records that were promised",
            )
        )
    if not archived:
        found.extend(
            Finding(
                key, values[key], "-1", "without an archive ([log] archived), what the topic drops is lost"
            )
            for key in ("retention.ms", "retention.bytes")
            if int(values[key]) >= 0
        )
    insync = int(values["min.insync.replicas"])
    if copies > 1 and insync < 2:
        found.append(
            Finding(
                "min.insync.replicas", str(insync), "2 or more", "one broker's disk could hold the only copy"
            )
        )
    if copies > 1 and replicas <= insync:
        found.append(
            Finding(
                "replicas", str(replicas), f"{insync + 1} or more",
                "with as many as min.insync.replicas, one lost broker stops all writing", fatal=False,
            )
        )  # fmt: skip
    if values["unclean.leader.election.enable"] != "false":
        found.append(
            Finding(
                "unclean.leader.election.enable", values["unclean.leader.election.enable"], "false",
                "a replica that lags may become leader and acknowledged records vanish",
            )
        )  # fmt: skip
    if int(values["max.message.bytes"]) < MAX_MESSAGE:
        found.append(
            Finding(
                "max.message.bytes",
                values["max.message.bytes"],
                f"{MAX_MESSAGE} or more",
                "large records are refused",
            )
        )
    if copies == 1:
        found.append(Finding("brokers", "1", "3", "its disk is the only copy", fatal=False))
    elif brokers < replicas:
        found.append(
            Finding(
                "brokers that live", str(brokers), str(replicas),
                "replicas are away; with fewer than min.insync.replicas, nothing is written", fatal=False,
            )
        )  # fmt: skip
    return found


def _values(entries: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(entry["value"]) if isinstance(entry, Mapping) else str(entry)
        for name, entry in entries.items()
    }
