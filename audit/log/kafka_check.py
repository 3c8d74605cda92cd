"""Which settings of a topic and its brokers keep the promise: made so, checked so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from audit.settings import LogSettings

from .base import Finding

if TYPE_CHECKING:
    from kafka.admin import KafkaAdminClient

MAX_MESSAGE: Final = 8 << 20


def wanted(settings: LogSettings, brokers: int) -> dict[str, str]:
    """The settings of a new topic. With an archive, its operator may make its retention finite later."""
    replicas = min(settings.replication, brokers)
    return {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "min.insync.replicas": str(2 if replicas > 2 else 1),
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(MAX_MESSAGE + (64 << 10)),
        "message.timestamp.type": "LogAppendTime",
        "compression.type": "producer",
    }


def create_topic(admin: KafkaAdminClient, settings: LogSettings) -> None:
    """Make the topic with the right settings; kafka's own errors pass through."""
    from kafka.admin import NewTopic

    brokers = len(admin.describe_cluster()["brokers"])
    replicas = min(settings.replication, brokers)
    admin.create_topics(
        [
            NewTopic(
                name=settings.topic,
                num_partitions=settings.partitions,
                replication_factor=replicas,
                topic_configs=wanted(settings, brokers),
            )
        ]
    )


def check_cluster(admin: KafkaAdminClient, settings: LogSettings) -> list[Finding]:
    """What the topic lacks."""
    from kafka.admin import ConfigResource, ConfigResourceType

    brokers = len(admin.describe_cluster()["brokers"])
    (described,) = admin.describe_topics([settings.topic])
    if described["error_code"]:
        return [
            Finding(
                "topic", "absent", settings.topic, "`affiant topics create` makes it with the right settings"
            )
        ]
    answer = admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, settings.topic)], config_filter="all"
    )
    values = _values(answer["topic"][settings.topic])
    replicas = min(len(part["replica_nodes"]) for part in described["partitions"])
    return judge(values, replicas=replicas, brokers=brokers, archived=settings.archived)


def judge(values: Mapping[str, str], *, replicas: int, brokers: int, archived: bool) -> list[Finding]:
    """Findings from a topic's effective settings. Pure, so that each rule has its own test."""
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
    if brokers > 1 and insync < 2:
        found.append(
            Finding(
                "min.insync.replicas", str(insync), "2 or more", "one broker's disk could hold the only copy"
            )
        )
    if brokers > 1 and replicas <= insync:
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
    if brokers == 1:
        found.append(Finding("brokers", "1", "3", "its disk is the only copy", fatal=False))
    return found


def _values(entries: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(entry["value"]) if isinstance(entry, Mapping) else str(entry)
        for name, entry in entries.items()
    }
