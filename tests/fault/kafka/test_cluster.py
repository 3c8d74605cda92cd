"""Three brokers: a follower that hangs while the sidecar is killed, and a leader that is killed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.components.kafka import KafkaBroker, KafkaCluster
from tests.fault.kafka.world import LONG, World

pytestmark = [pytest.mark.kafka, pytest.mark.fault, pytest.mark.timeout(1800 if LONG else 400)]


def follower_of(cluster: KafkaCluster, topic: str) -> KafkaBroker:
    """A broker that does not lead the topic."""
    leader = cluster.leader(topic)
    return next(broker for broker in cluster.brokers.values() if broker is not leader)


def test_killed_while_a_follower_hangs_the_sidecar_sends_nothing_twice(
    cluster: KafkaCluster, cluster_world: Callable[..., World]
) -> None:
    """Records above the high watermark are not seen by who reads to the end; before a barrier, all are."""
    world = cluster_world(delivery_timeout=20.0)
    world.gateway.start()
    for _ in range(5 if LONG else 1):
        world.sidecar.start()
        world.wait_shipped(500)
        follower = follower_of(cluster, world.topic)
        follower.pause()
        try:
            world.wait_metric("affiant_sidecar_in_flight_bytes", 300_000)
            world.sidecar.kill()
            world.sidecar.start()
            world.wait_shipped(1)
            world.sidecar.kill()
        finally:
            follower.resume()
        cluster.wait_for_brokers(set(cluster.brokers))
    checked = world.finish()
    assert checked.duplicates == 0


def test_the_leader_killed_under_load_loses_nothing(
    cluster: KafkaCluster, cluster_world: Callable[..., World]
) -> None:
    """What two replicas have acknowledged survives the third; the sidecar finds the new leader by itself."""
    world = cluster_world(delivery_timeout=20.0)
    world.gateway.start()
    world.sidecar.start()
    for _ in range(5 if LONG else 1):
        world.wait_shipped(500)
        leader = cluster.leader(world.topic)
        leader.kill()
        world.wait_shipped(2000)
        leader.start()
        cluster.wait_for_brokers(set(cluster.brokers))
    world.finish()


def test_the_leader_and_the_sidecar_killed_together_lose_nothing(
    cluster: KafkaCluster, cluster_world: Callable[..., World]
) -> None:
    """The next run finds, at the new leader, exactly what the old one had acknowledged and perhaps more."""
    world = cluster_world(delivery_timeout=20.0)
    world.gateway.start()
    world.sidecar.start()
    world.wait_shipped(500)
    leader = cluster.leader(world.topic)
    leader.kill()
    world.sidecar.kill()
    world.sidecar.start()
    world.wait_shipped(500)
    leader.start()
    cluster.wait_for_brokers(set(cluster.brokers))
    world.finish()
