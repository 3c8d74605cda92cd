"""A rolling upgrade, the loss of a node, and brokers that are rolled, under load: no request fails that need not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.components.kafka import KafkaBroker, KafkaCluster
from tests.fault.gateway.results import keep
from tests.fault.upgrade.balancer import Backend, Failed, unexcused
from tests.fault.upgrade.world import House

pytestmark = [pytest.mark.fault, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(1800)]
ROUNDS = int(os.environ.get("AFFIANT_UPGRADE_ROUNDS", "3"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Makes one, which is ended with the test."""
    made: list[House] = []

    def new(bootstrap: str, replication: int, pods: int) -> House:
        made.append(House(tmp_path / "house", bootstrap, replication=replication, pods=pods))
        return made[-1]

    yield new
    for each in made:
        each.kill()


def test_an_upgrade_and_a_lost_node_fail_no_request_and_lose_no_record(
    house: Callable[..., House], own_kafka: KafkaBroker
) -> None:
    """The short form, of two gateways: the first is replaced. While the only broker is away the second's node dies, and
    a new process adopts its volume; then the first's, whose volume is drained and removed once the broker is back.
    """
    world = house(own_kafka.bootstrap, 1, 2)
    first, second = world.pods
    world.start()
    world.replace(first)
    own_kafka.stop()
    world.lose(second)
    first.lose()
    world.wait_answers(60)  # of the one that is left, and of its journal alone
    own_kafka.start()
    world.give_up(first)
    tally, _ = world.finish("upgrade, short")
    assert (tally.kills, tally.lost) == (2, 0)
    assert world.in_work == 2  # the second was told to end at the end


def test_a_killed_gateway_s_port_is_not_asked_again() -> None:
    """It may be another process's by then, whose records would be in another log."""
    assert Backend("lives", 1).asked
    assert not Backend("ends", 1, ending=True).asked
    assert not Backend("dead", 1, gone=10.0).asked


def test_only_what_was_in_flight_on_a_killed_gateway_may_fail() -> None:
    """No request that came later, nor any of a gateway that was not killed: else nothing above shows anything."""
    lives, dead = Backend("lives", 1), Backend("dead", 2, gone=10.0)
    late, odd = Failed(dead, 10.5, "reset"), Failed(lives, 9.5, "503")
    assert unexcused([Failed(dead, 9.5, "reset"), late, odd]) == [late, odd]


@pytest.mark.long
@pytest.mark.timeout(7200 * ROUNDS)
def test_upgrades_lost_nodes_and_rolled_brokers_again_and_again(
    house: Callable[..., House], own_kafka_cluster: KafkaCluster
) -> None:
    """Each round: every gateway is replaced, every broker stopped and started, a node lost and its volume adopted, and
    a volume emptied in whose place an empty one comes.
    """
    cluster = own_kafka_cluster
    world = house(cluster.bootstrap, 3, 3)
    world.start()
    for turn in range(ROUNDS):
        for pod in world.pods:
            world.replace(pod)
        for broker in cluster.brokers.values():
            broker.stop()
            world.wait_answers(200)
            broker.start()
            cluster.wait_for_brokers(set(cluster.brokers))
        world.lose(world.pods[turn % 3])
        world.replace(world.pods[(turn + 1) % 3])
        given = world.pods[(turn + 2) % 3]
        given.sidecar.kill()  # so that something is on its volume alone
        world.wait_answers(60)
        given.lose()
        world.give_up(given)
        world.refill(given)
    tally, _ = world.finish("upgrades, three brokers")
    keep(tally)
    assert (tally.kills, tally.lost) == (2 * ROUNDS, 0)
