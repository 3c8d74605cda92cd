"""The sidecar is killed at every step and at random points; the broker is killed and paused: nothing is lost."""

from __future__ import annotations

import json
import random
import uuid

import pytest

from tests.components.kafka import KafkaBroker
from tests.components.process import Process
from tests.fault.kafka.world import DEADLINE_S, LONG, ROOT, World, wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.fault, pytest.mark.timeout(1800 if LONG else 240)]

# Every step of a run that leaves something behind, or relies on what was left. `n` is the n-th call.
_ROUTE = ("audit.ship.route:write_once:1:before", "audit.ship.route:write_once:1:after")
_STEPS = (
    "audit.ship.shipper:choose_route:1:after",
    "audit.log.kafka:KafkaLog.writer:1:after",
    "audit.log.kafka:KafkaWriter.send:1:before",  # the barrier
    "audit.log.kafka:KafkaWriter.send:1:after",
    "audit.ship.shipper:append_barrier:1:after",
    "audit.ship.shipper:scan:1:after",
    "audit.journal.reader:JournalReader.seek:1:after",
    "audit.ship.reached:ReachedWriter.write:1:before",
    "audit.ship.reached:ReachedWriter.write:1:after",
    "audit.log.kafka:KafkaWriter.send:2:before",  # the first record
    "audit.log.kafka:KafkaWriter.send:2:after",
    "audit.log.kafka:KafkaWriter.send:100:after",
    "audit.ship.reached:ReachedWriter.write:2:before",  # the first acknowledgement
    "audit.ship.reached:ReachedWriter.write:2:after",
    "audit.ship.reached:ReachedWriter.write:4:before",
)


def kill_at(world: World, step: str) -> None:
    """Run a sidecar up to that step."""
    sidecar = world.sidecar_process(["-m", "tests.fault.kafka.killed_sidecar"])
    sidecar = Process(sidecar.argv, log=sidecar.log, cwd=ROOT, env={"AFFIANT_KILL_AT": step}, name=step)
    with sidecar:
        assert sidecar.wait(deadline_s=DEADLINE_S) == -9, sidecar.log_tail()


def test_killed_at_every_step_the_sidecar_loses_nothing(world: World) -> None:
    """Each step in turn is where the sidecar dies; the next one goes on from what is found in the log."""
    world.gateway = world.load(rate=250)
    world.gateway.start()
    world.wait_written(1000)
    for step in (*_ROUTE, *_STEPS):
        world.wait_written(1)
        kill_at(world, step)
        if LONG:
            assert world.look().flaws == [], step
    world.finish()


def test_killed_at_the_end_the_sidecar_loses_nothing(world: World) -> None:
    """Dying between the last acknowledgement and its sync leaves what the next run needs."""
    world.gateway.start()
    world.wait_written(500)
    sidecar = world.sidecar_process(["-m", "tests.fault.kafka.killed_sidecar"])
    step = "audit.ship.reached:ReachedWriter.sync:1:before"
    sidecar = Process(
        sidecar.argv, log=sidecar.log, cwd=ROOT, env={"AFFIANT_KILL_AT": step}, name=step
    ).start()
    assert world.gateway.stop() == 0
    wait_for(lambda: world.acknowledged() >= world.durable(), "all is shipped")
    with sidecar:
        sidecar.signal(15)
        assert sidecar.wait(deadline_s=DEADLINE_S) == -9, sidecar.log_tail()
    assert world.finish().duplicates == 0


def test_killed_at_random_under_load_the_sidecar_loses_nothing(world: World) -> None:
    """Each kill comes after a random number of records, while the gateway goes on writing."""
    rng = random.Random(7)
    world.gateway.start()
    for _ in range(60 if LONG else 8):
        world.sidecar.start()
        world.wait_shipped(rng.randrange(1, 1500))
        world.sidecar.kill()
    world.finish()


def test_the_broker_killed_under_load_loses_nothing(world: World, broker: KafkaBroker) -> None:
    """Kill -9 of the broker keeps its page cache; the same sidecar finds it again and goes on by itself."""
    world.gateway.start()
    world.sidecar.start()
    for _ in range(10 if LONG else 2):
        world.wait_shipped(1000)
        broker.kill()
        world.wait_written(1000)
        broker.start()
    world.wait_shipped(1000)
    world.finish()


def test_both_killed_at_once_lose_nothing(world: World, broker: KafkaBroker) -> None:
    """Sidecar and broker die together, records in flight between them."""
    world.gateway.start()
    world.sidecar.start()
    world.wait_shipped(1000)
    broker.kill()
    world.sidecar.kill()
    broker.start()
    world.finish()


def test_the_broker_paused_beyond_the_time_out_loses_nothing(world: World, broker: KafkaBroker) -> None:
    """The producer is given up and replaced; what lands late from it is skipped by readers."""
    world.gateway.start()
    world.sidecar.start()
    for restarts in range(1, 6 if LONG else 2):
        world.wait_shipped(1000)
        broker.pause()
        world.wait_metric("affiant_sidecar_producer_restarts", restarts)
        broker.resume()
        world.wait_shipped(1000)
    world.finish()


def test_a_sidecar_killed_while_the_broker_hangs_loses_nothing(world: World, broker: KafkaBroker) -> None:
    """Its last requests wait in the broker's socket and land after the next run has begun, or before."""
    world.gateway.start()
    for _ in range(10 if LONG else 2):
        world.sidecar.start()
        world.wait_shipped(500)
        broker.pause()
        world.wait_written(500)
        world.sidecar.kill()
        world.sidecar.start()
        broker.resume()
        world.wait_shipped(1)
        world.sidecar.kill()
    world.finish()


def test_memory_does_not_grow_while_the_broker_is_away(world: World, broker: KafkaBroker) -> None:
    """Bytes sent and not acknowledged stay within [sidecar] in_flight_bytes, whatever the journal holds."""
    world.settings.write_text(world.settings.read_text() + "in_flight_bytes = 500_000\n")
    world.gateway.start()
    world.sidecar.start()
    world.wait_shipped(500)
    broker.pause()
    world.wait_metric("affiant_sidecar_lag_records", 20_000 if LONG else 5_000)
    assert 0 <= world.metric("affiant_sidecar_in_flight_bytes") <= 1 << 20
    assert world.metric("affiant_sidecar_oldest_unshipped_seconds") > 1
    broker.resume()
    world.finish()


def test_a_topic_that_would_not_keep_the_promise_is_refused(world: World, broker: KafkaBroker) -> None:
    """A compacted topic of finite retention: nothing is shipped, each setting is named, and scripts see it."""
    topic = broker.create_topic(
        f"unsafe-{uuid.uuid4().hex[:8]}", config={"cleanup.policy": "compact", "retention.ms": "60000"}
    )
    unsafe = World(world.directory / "unsafe", bootstrap=broker.bootstrap, topic=topic)
    unsafe.gateway.start()
    unsafe.wait_written(10)
    assert unsafe.gateway.stop() == 0
    unsafe.sidecar.start()
    unsafe.wait_metric("affiant_sidecar_alarm", 1)
    told = unsafe.sidecar.log_text()
    assert all(name in told for name in ("TopicUnsafe", "cleanup.policy", "retention.ms"))
    assert unsafe.sidecar.stop() == 1
    assert unsafe.look().records == 0
    argv = [world.sidecar.argv[0], "-m", "cli.main"]
    argv += ["topics", "check", "--json", "--config", str(unsafe.settings)]
    check = Process(argv, log=unsafe.directory / "check.log", cwd=ROOT)
    with check:
        assert check.wait() == 1
    findings = json.loads(check.log_text())
    assert {"cleanup.policy", "retention.ms"} <= {found["what"] for found in findings if found["fatal"]}
    unsafe.end()
