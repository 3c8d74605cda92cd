from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.components.kafka import KafkaBroker, KafkaCluster
from tests.fault.kafka.world import World

SAFE = {"retention.ms": "-1", "max.message.bytes": str(16 << 20)}


@pytest.fixture(scope="session")
def _fault_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path_factory.mktemp("fault-kafka")) as broker:
        yield broker


@pytest.fixture
def broker(_fault_broker: KafkaBroker) -> Iterator[KafkaBroker]:
    """A broker that may be killed and paused; it runs again for the next test."""
    yield _fault_broker
    if _fault_broker.process.alive:
        _fault_broker.resume()
    else:
        _fault_broker.start()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Three brokers; a test that kills or pauses one brings it back."""
    with KafkaCluster(tmp_path_factory.mktemp("fault-cluster")) as cluster:
        yield cluster


@pytest.fixture
def world(broker: KafkaBroker, tmp_path: Path) -> Iterator[World]:
    """A world on a topic of its own in that broker."""
    topic = broker.create_topic(f"faults-{uuid.uuid4().hex[:8]}", config=SAFE)
    world = World(tmp_path, bootstrap=broker.bootstrap, topic=topic)
    yield world
    world.end()


@pytest.fixture
def cluster_world(cluster: KafkaCluster, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes a world on a topic of its own, with three replicas."""
    topic = cluster.create_topic(f"faults-{uuid.uuid4().hex[:8]}", config=SAFE)
    made = []

    def make(**options: float) -> World:
        made.append(World(tmp_path, bootstrap=cluster.bootstrap, topic=topic, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for world in made:
        world.end()
