"""Apache Kafka 4.1 (KRaft) as child processes: one broker, or a cluster whose leader can be killed.

    with KafkaBroker(directory) as broker:      # started and ready
        broker.create_topic("entries")
        broker.kill(); broker.start()           # same data, same port

A broker keeps its data folder and ports over its lives, so that clients find it again. It listens on the
loopback only. Topics are made on purpose, never by being written to (`auto.create.topics.enable=false`).
"""

from __future__ import annotations

import base64
import shutil
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.components.cache import cached
from tests.components.ports import HOST, accepts, free_port
from tests.components.process import Component, ComponentError, Process, find_program, wait_until

VERSION = "4.1.0"
READY_S = 120.0  # about 10 s on an idle machine; several JVMs may be starting on two cores
# The quick compiler and the small collector: a broker that lives for one test starts sooner with them.
_JVM = ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"]


class KafkaBroker(Component):
    """One broker that is also a controller; alone, it is a whole cluster."""

    def __init__(
        self,
        directory: Path,
        *,
        node_id: int = 1,
        cluster_id: str | None = None,
        port: int | None = None,
        controller_port: int | None = None,
        voters: Mapping[int, int] | None = None,
        settings: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        jvm: Sequence[str] = _JVM,
    ) -> None:
        """Nothing runs yet.

        Args:
            directory: empty or this broker's own; holds settings, data and log.
            node_id: unique in the cluster.
            cluster_id: the same for all of a cluster; made up when absent.
            port: the clients' port; a free one when absent.
            controller_port: the controllers' port; a free one when absent.
            voters: node id → controller port of the whole cluster; this broker alone when absent.
            settings: added to server.properties, or in place of what stands there.
            properties: all of server.properties, for a broker as somebody else sets it up: with these ports and `data`.
            jvm: options of the Java virtual machine (a bench wants the full compiler).
        """
        self.node_id = node_id
        self.port = port or free_port()
        self._directory = directory
        self._cluster_id = cluster_id or new_cluster_id()
        controller_port = controller_port or free_port()
        self._voters = dict(voters or {node_id: controller_port})
        self._settings = {
            **(self._default_settings(controller_port) if properties is None else properties),
            **(settings or {}),
        }
        self._jvm = list(jvm)
        libs = cached(f"kafka-{VERSION}", "libs", tool="kafka")
        self._java = [find_program("java", "java"), "-cp", f"{libs}/*"]
        self._properties = directory / "server.properties"
        self.process = Process(
            [*self._java[:1], *self._jvm, *_log_options(), *self._java[1:], "kafka.Kafka", self._properties],
            log=directory / "broker.log",
            name=f"kafka broker {node_id}",
        )

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"{HOST}:{self.port}"

    @property
    def data(self) -> Path:
        """The folder with the partitions' segments."""
        return self._directory / "data"

    def _default_settings(self, controller_port: int) -> dict[str, str]:
        copies = str(min(3, len(self._voters)))
        return {
            "process.roles": "broker,controller",
            "node.id": str(self.node_id),
            "controller.quorum.voters": ",".join(f"{n}@{HOST}:{p}" for n, p in self._voters.items()),
            "listeners": f"CLIENTS://{HOST}:{self.port},CONTROLLER://{HOST}:{controller_port}",
            "advertised.listeners": f"CLIENTS://{HOST}:{self.port}",
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENTS",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # A killed broker is noticed, and its partitions moved, in seconds and not in tens of them.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
            "replica.lag.time.max.ms": "5000",
            "controlled.shutdown.enable": "true",
        }

    # -------------------------------------------------------------- life

    def format(self) -> None:
        """Give the data folder its identity; nothing happens when it has one.

        Raises:
            ComponentError: with the tool's words, when it fails.
        """
        if (self.data / "meta.properties").exists():
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        self._properties.write_text("".join(f"{k}={v}\n" for k, v in self._settings.items()))
        tool = Process(
            [
                *self._java[:1],
                *self._jvm,
                *self._java[1:],
                "kafka.tools.StorageTool",
                "format",
                "-t",
                self._cluster_id,
                "-c",
                self._properties,
            ],
            log=self._directory / "format.log",
            name="kafka StorageTool",
        )
        with tool:
            status = tool.wait(deadline_s=READY_S)
        if status != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise ComponentError(f"formatting the broker's storage failed ({status}):\n{tool.log_tail()}")

    def launch(self) -> Self:
        """Start the broker without waiting until it answers."""
        self.format()
        self.process.start()
        return self

    def start(self) -> Self:
        """Start the broker, also after `kill` or `stop`, and wait until it answers.

        Raises:
            ComponentError: with its log's end, when it does not get ready.
        """
        return self.launch().wait_ready()

    def wait_ready(self) -> Self:
        """Return when a client gets this broker's metadata from it."""
        self.process.wait_until(
            lambda: self.node_id in brokers_known_to(self.bootstrap),
            what="answering a client with itself in the cluster",
            deadline_s=READY_S,
        )
        return self

    def stop(self) -> None:
        """Controlled shutdown (SIGTERM)."""
        self.process.stop(deadline_s=60)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay, nothing answers."""
        self.process.pause()

    def resume(self) -> None:
        """Let a paused broker go on."""
        self.process.resume()

    def create_topic(
        self,
        name: str,
        *,
        partitions: int = 1,
        replication: int = 1,
        config: Mapping[str, str] | None = None,
    ) -> str:
        """Make a topic and return its name once every partition has a leader."""
        return create_topic(
            self.bootstrap, name, partitions=partitions, replication=replication, config=config
        )


class KafkaCluster:
    """Several brokers, each also a controller, for the loss of a leader.

    Three brokers go on without one. Topics want `replication=3` and `min.insync.replicas=2`.
    """

    def __init__(
        self, directory: Path, *, brokers: int = 3, settings: Mapping[str, str] | None = None
    ) -> None:
        """Nothing runs yet; node ids are 1 to `brokers`."""
        cluster_id = new_cluster_id()
        voters = {node_id: free_port() for node_id in range(1, brokers + 1)}
        self.brokers = {
            node_id: KafkaBroker(
                directory / f"broker-{node_id}",
                node_id=node_id,
                cluster_id=cluster_id,
                controller_port=controller_port,
                voters=voters,
                settings=settings,
            )
            for node_id, controller_port in voters.items()
        }
        self._stack = ExitStack()

    @property
    def bootstrap(self) -> str:
        """All brokers, comma-separated."""
        return ",".join(broker.bootstrap for broker in self.brokers.values())

    def start(self) -> Self:
        """Start all, and wait until each knows all."""
        for broker in self.brokers.values():
            if not broker.process.alive:
                broker.launch()
        for broker in self.brokers.values():
            broker.wait_ready()
        self.wait_for_brokers(set(self.brokers))
        return self

    def wait_for_brokers(self, expected: set[int]) -> None:
        """Return when every running broker's metadata lists exactly `expected` (node ids)."""
        wait_until(
            lambda: all(
                brokers_known_to(broker.bootstrap) == expected
                for node_id, broker in self.brokers.items()
                if node_id in expected
            ),
            what=f"a cluster of {sorted(expected)}",
            deadline_s=READY_S,
        )

    def leader(self, topic: str, partition: int = 0) -> KafkaBroker:
        """The broker that leads a partition now.

        Raises:
            ComponentError: if it has no leader within the deadline.
        """
        found: list[int] = []

        def has_leader() -> bool:
            found[:] = [leaders(self._alive_bootstrap(), topic).get(partition, -1)]
            return found[0] in self.brokers

        wait_until(has_leader, what=f"a leader of {topic}/{partition}", deadline_s=READY_S)
        return self.brokers[found[0]]

    def create_topic(
        self, name: str, *, partitions: int = 1, replication: int = 3, config: Mapping[str, str] | None = None
    ) -> str:
        """Make a topic, on two acknowledging brokers at least, and wait for its leaders."""
        return create_topic(
            self._alive_bootstrap(),
            name,
            partitions=partitions,
            replication=replication,
            config={"min.insync.replicas": "2", **(config or {})},
        )

    def _alive_bootstrap(self) -> str:
        return ",".join(broker.bootstrap for broker in self.brokers.values() if broker.process.alive)

    def __enter__(self) -> Self:
        """Started and ready."""
        for broker in self.brokers.values():
            self._stack.callback(broker.kill)
        try:
            return self.start()
        except BaseException:
            self._stack.close()
            raise

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """All killed."""
        self._stack.close()


# ------------------------------------------------------------------ by a client


def new_cluster_id() -> str:
    """A random cluster id as Kafka writes them: 16 bytes, base64url without padding, no leading dash."""
    text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return text if not text.startswith("-") else new_cluster_id()


def brokers_known_to(bootstrap: str) -> set[int]:
    """Node ids in the metadata that this bootstrap address gives; empty while it does not answer."""
    from kafka.errors import KafkaError

    if not _accepts_any(bootstrap):
        return set()
    try:
        with _Admin(bootstrap) as admin:
            return {int(broker["broker_id"]) for broker in admin.describe_cluster()["brokers"]}
    except (KafkaError, OSError):
        return set()  # not ready yet; the caller's deadline decides when that is a failure


def leaders(bootstrap: str, topic: str) -> dict[int, int]:
    """Partition → leader's node id (-1: none); empty while the topic is not known there."""
    from kafka.errors import KafkaError

    if not _accepts_any(bootstrap):
        return {}
    try:
        with _Admin(bootstrap) as admin:
            (description,) = admin.describe_topics([topic])
    except (KafkaError, OSError):
        return {}  # as above
    return {int(p["partition_index"]): int(p["leader_id"]) for p in description["partitions"]}


def create_topic(
    bootstrap: str, name: str, *, partitions: int, replication: int, config: Mapping[str, str] | None = None
) -> str:
    """Make a topic and return its name once every partition has a leader."""
    from kafka.admin import NewTopic

    with _Admin(bootstrap) as admin:
        admin.create_topics(
            [
                NewTopic(
                    name=name,
                    num_partitions=partitions,
                    replication_factor=replication,
                    topic_configs=dict(config or {}),
                )
            ]
        )

    def complete() -> bool:
        found = leaders(bootstrap, name)
        return len(found) == partitions and all(leader >= 0 for leader in found.values())

    wait_until(complete, what=f"leaders for all partitions of {name}", deadline_s=READY_S)
    return name


def _accepts_any(bootstrap: str) -> bool:
    """Asked first because kafka-python leaves a socket unclosed for each attempt that is refused."""
    return any(accepts(int(address.rpartition(":")[2])) for address in bootstrap.split(","))


class _Admin:
    """kafka-python's admin client, closed on the way out."""

    def __init__(self, bootstrap: str) -> None:
        from kafka.admin import KafkaAdminClient

        self._client = KafkaAdminClient(
            bootstrap_servers=bootstrap.split(","), request_timeout_ms=10_000, bootstrap_timeout_ms=5_000
        )

    def __enter__(self) -> Any:
        return self._client

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()


def _log_options() -> list[str]:
    """slf4j-simple: warnings from everything, the broker's own life at info, with the time of day."""
    prefix = "-Dorg.slf4j.simpleLogger"
    return [
        f"{prefix}.defaultLogLevel=warn",
        f"{prefix}.log.kafka.server.KafkaRaftServer=info",
        f"{prefix}.log.kafka.server.BrokerServer=info",
        f"{prefix}.showDateTime=true",
        f"{prefix}.dateTimeFormat=HH:mm:ss.SSS",
    ]
