"""The state topic: made with the settings that it needs, and checked for them. Needs nothing of what counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from audit.config import Config
from audit.errors import LogUnavailable
from audit.log.base import Finding
from audit.log.kafka import MAX_MESSAGE, KafkaLog, translated
from audit.log.kafka_check import create_topic, describe_topic
from audit.settings import LogSettings
from monitoring.settings import MonitorSettings

_SEGMENT: Final = 32 << 20
"""Only whole segments are compacted, and who starts reads all that is not."""


def state_log(config: Config) -> KafkaLog | None:
    """The topic that the settings name; None: the log is `local`, and there is none. Nothing is contacted yet."""
    settings = config.section("log", LogSettings)
    if settings.backend != "kafka":
        return None
    name = config.section("monitor", MonitorSettings).state_topic
    return KafkaLog(settings.model_copy(update={"topic": name}), config)


def create_state_topic(log: KafkaLog) -> bool:
    """Make the topic, with as many partitions as the log gets; False when it is there already.

    Raises:
        ConfigError: the cluster has too few brokers for the replicas that the settings want.
        LogUnavailable: the cluster does not answer, or refuses.
    """
    with log.admin() as admin, translated("kafka"):
        return create_topic(admin, log.settings, wanted)


def wanted(replicas: int) -> dict[str, str]:
    """The settings of a new topic."""
    return {
        "cleanup.policy": "compact",
        "min.insync.replicas": str(min(2, replicas)),
        "unclean.leader.election.enable": "false",
        "max.message.bytes": str(MAX_MESSAGE + (64 << 10)),
        "segment.bytes": str(_SEGMENT),
        "compression.type": "producer",
    }


def check_state_topic(log: KafkaLog) -> list[Finding]:
    """What the topic lacks.

    Raises:
        NoSuchTopic: it is not there.
        LogUnavailable: it, or its settings, cannot be read.
    """
    from kafka.admin import ConfigResource, ConfigResourceType

    name = log.settings.topic
    with log.admin() as admin:
        brokers = len(admin.describe_cluster()["brokers"])
        described = describe_topic(admin, name)
        answer = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)], config_filter="all")
    values = _values(answer["topic"][name])
    if not values:  # which is what kafka-python makes of an error
        raise LogUnavailable(
            f"kafka: the settings of topic {name!r} cannot be read; this user may lack DESCRIBE_CONFIGS on it"
        )
    replicas = min(len(part["replica_nodes"]) for part in described["partitions"])
    return judge(values, replicas=replicas, brokers=brokers)


def judge(values: Mapping[str, str], *, replicas: int, brokers: int) -> list[Finding]:
    """Findings from the topic's effective settings. Pure."""
    found = []
    if values["cleanup.policy"] != "compact":
        found.append(
            Finding(
                "cleanup.policy", values["cleanup.policy"], "compact",
                "the newest panes would go with the oldest, and all would be counted again",
            )
        )  # fmt: skip
    if int(values["max.message.bytes"]) < MAX_MESSAGE:
        found.append(
            Finding(
                "max.message.bytes", values["max.message.bytes"], f"{MAX_MESSAGE} or more",
                "a pane of a wide model is refused, and nothing more is counted",
            )
        )  # fmt: skip
    if values["unclean.leader.election.enable"] != "false":
        found.append(
            Finding(
                "unclean.leader.election.enable", values["unclean.leader.election.enable"], "false",
                "panes may vanish, and are counted again", fatal=False,
            )
        )  # fmt: skip
    insync = int(values["min.insync.replicas"])
    if max(brokers, replicas) > 1 and insync < 2:
        found.append(
            Finding(
                "min.insync.replicas", str(insync), "2 or more",
                "one broker's disk could hold the only copy; panes are counted again then", fatal=False,
            )
        )  # fmt: skip
    if int(values["segment.bytes"]) > 16 * _SEGMENT:
        found.append(
            Finding(
                "segment.bytes", values["segment.bytes"], str(_SEGMENT),
                "panes that are not needed stay, and each start reads them", fatal=False,
            )
        )  # fmt: skip
    return found


def _values(entries: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(entry["value"]) if isinstance(entry, Mapping) else str(entry)
        for name, entry in entries.items()
    }
