"""The Kafka fixtures themselves, by a real client."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.components.kafka import KafkaBroker, KafkaCluster, brokers_known_to, leaders

pytestmark = pytest.mark.kafka


def _produce(bootstrap: str, topic: str, value: bytes) -> int:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=bootstrap.split(","), acks="all", enable_idempotence=True)
    try:
        return int(producer.send(topic, value).get(timeout=60).offset)
    finally:
        producer.close()


def _consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=bootstrap.split(","),
        auto_offset_reset="earliest",
        consumer_timeout_ms=30_000,
        group_id=None,
    )
    try:
        return [message.value for _, message in zip(range(count), consumer, strict=False)]
    finally:
        consumer.close()


def test_a_topic_is_written_and_read(kafka: str, kafka_topic: Callable[..., str]) -> None:
    """What a producer wrote to the session's broker, a consumer reads."""
    topic = kafka_topic("component", partitions=1)
    assert _produce(kafka, topic, b"one") == 0
    assert _produce(kafka, topic, b"two") == 1
    assert _consume(kafka, topic, 2) == [b"one", b"two"]


@pytest.mark.fault
def test_a_killed_broker_comes_back_with_its_data(own_kafka: KafkaBroker) -> None:
    """After kill and start, the broker has the same address and the same records."""
    topic = own_kafka.create_topic("kept")
    _produce(own_kafka.bootstrap, topic, b"before")
    own_kafka.kill()
    assert brokers_known_to(own_kafka.bootstrap) == set()
    own_kafka.start()
    assert _consume(own_kafka.bootstrap, topic, 1) == [b"before"]


@pytest.mark.fault
@pytest.mark.slow
def test_a_cluster_elects_another_leader(own_kafka_cluster: KafkaCluster) -> None:
    """With its leader killed, a partition of three copies is led by another and takes records."""
    topic = own_kafka_cluster.create_topic("led")
    first = own_kafka_cluster.leader(topic)
    _produce(own_kafka_cluster.bootstrap, topic, b"before")
    first.kill()
    alive = next(b for b in own_kafka_cluster.brokers.values() if b is not first)
    alive.process.wait_until(
        lambda: leaders(alive.bootstrap, topic).get(0, -1) not in {-1, first.node_id},
        what="another leader",
        deadline_s=60,
    )
    assert own_kafka_cluster.leader(topic) is not first
    _produce(own_kafka_cluster.bootstrap, topic, b"after")
    assert _consume(own_kafka_cluster.bootstrap, topic, 2) == [b"before", b"after"]
