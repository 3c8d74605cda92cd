"""The partitions of a log on Kafka, counted by whoever the group gives them to."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from audit.config import Config
from audit.log.kafka import KafkaLog, create
from audit.settings import LogSettings
from cli.main import app
from monitoring.batch import panes_of
from monitoring.consume_kafka import KafkaFollowing
from monitoring.panes import Pane
from monitoring.read import Packages, Profile
from monitoring.state_topic import create_state_topic, state_log
from registry.errors import StoreUnavailable
from tests.components.monitored import Known, Traffic, made_package
from tests.components.process import wait_until

pytestmark = pytest.mark.kafka

SIZE = 64
COUNT = 3 * SIZE + 5


class Site:
    """A log of two partitions with records, and its state topic."""

    def __init__(self, kafka: str, directory: Path) -> None:
        name = uuid.uuid4().hex[:12]
        log = {
            "backend": "kafka",
            "bootstrap": kafka,
            "topic": f"entries-{name}",
            "partitions": 2,
            "replication": 1,
        }
        monitor = {"pane_records": SIZE, "state_topic": f"panes-{name}", "group": f"group-{name}"}
        self.config = Config(directory / "affiant.toml", {"log": log, "monitor": monitor})
        self.log = KafkaLog(self.config.section("log", LogSettings), self.config)
        state = state_log(self.config)
        assert state is not None
        self.state = state
        create(self.log)
        create_state_topic(state)
        self.traffic = [Traffic(made_package(), journal=bytes([at]) * 16, seed=at) for at in range(2)]
        self.known: Known | Away = Known.of(made_package(), "numbers")
        self.panes: list[Pane] = []

    def send(self, partition: int, count: int) -> None:
        with closing(self.log.writer(partition)) as writer:
            for value in self.traffic[partition].values(count):
                writer.send(value, b"k" * 16)
            wait_until(lambda: writer.wait(0.2) or writer.delivered().sends == count, what="acknowledgement")

    def following(self) -> KafkaFollowing:
        """Whose pauses are short: nobody waits for half a minute here."""
        return KafkaFollowing(
            self.log,
            self.state,
            self.config,
            self.known,
            self.panes.extend,
            clock=lambda: 20 * time.monotonic(),
        )

    def wanted(self, partition: int, first: int = 0) -> list[Pane]:
        with closing(self.log.reader()) as reader:
            end = reader.bounds(partition)[1] // SIZE * SIZE
            return list(panes_of(reader, partition, first, end, self.known, {}, size=SIZE))

    def found(self, partition: int) -> list[Pane]:
        return [pane for pane in self.panes if pane.partition == partition]


class Away(Packages):
    """Packages that cannot be had until they are let."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.away = True

    def get(self, service: str, digest: str) -> Profile | None:
        if self.away:
            raise StoreUnavailable("the store is away")
        return self.known.get(service, digest)


@pytest.fixture
def site(kafka: str, tmp_path: Path) -> Site:
    """Some panes in each partition, and a few records more."""
    site = Site(kafka, tmp_path)
    for partition in range(2):
        site.send(partition, COUNT)
    return site


def until(following: KafkaFollowing, condition: Callable[[], bool], what: str) -> None:
    """Step on until then."""
    wait_until(lambda: following.step(0.1) * 0 + condition(), what=what, deadline_s=120, interval_s=0.01)


def read_up(following: KafkaFollowing, end: int) -> Callable[[], bool]:
    return lambda: sorted(each.position for each in following.standings().values()) == [end, end]


def test_a_log_is_counted_and_gone_on_with(site: Site) -> None:
    """Positions stand with the panes: the group's own are never written."""
    with closing(site.following()) as following:
        until(following, read_up(following, COUNT), "both partitions are read")
        assert following.leads
        assert following.topic == site.log.topic().id
        assert {each.end for each in following.standings().values()} == {COUNT}
    for partition in range(2):
        assert site.found(partition) == site.wanted(partition)
        site.send(partition, SIZE)
    site.panes.clear()
    with closing(site.following()) as following:
        until(following, read_up(following, COUNT + SIZE), "both partitions are read on")
    for partition in range(2):
        assert site.found(partition) == site.wanted(partition)  # those that are kept, and the new one
    with site.log.admin() as admin:
        group = site.config.tables["monitor"]["group"]
        assert admin.list_group_offsets(group) == {group: {}}


def test_a_package_that_is_away_stops_a_partition_and_nothing_is_lost(site: Site) -> None:
    """It says why; and goes on where it was."""
    assert isinstance(site.known, Known)
    away = site.known = Away(site.known)
    with closing(site.following()) as following:
        until(
            following,
            lambda: [each.waiting for each in following.standings().values()] == ["the store is away"] * 2,
            "both partitions wait",
        )
        assert site.panes == []
        away.away = False
        until(following, read_up(following, COUNT), "both partitions are read")
    for partition in range(2):
        assert site.found(partition) == site.wanted(partition)


def test_what_the_log_lost_is_skipped_to_the_next_whole_pane(site: Site) -> None:
    """As retention takes it."""
    from kafka import TopicPartition

    with site.log.admin() as admin:
        admin.delete_records({TopicPartition(site.log.settings.topic, 0): SIZE + 3})
    with closing(site.following()) as following:
        until(following, read_up(following, COUNT), "both partitions are read")
    assert [pane.number for pane in site.found(0)] == [2]
    assert site.found(0) == site.wanted(0, 2 * SIZE)
    assert site.found(1) == site.wanted(1)


def test_the_command_makes_and_checks_the_state_topic_with_the_others(kafka: str, tmp_path: Path) -> None:
    """By the settings' name; absent, it is told what makes it."""
    name = uuid.uuid4().hex[:12]
    config = tmp_path / "affiant.toml"
    config.write_text(
        f'[log]\nbackend = "kafka"\nbootstrap = "{kafka}"\ntopic = "entries-{name}"\nreplication = 1\n'
        f'governance_topic = "governance-{name}"\npartitions = 3\n[monitor]\nstate_topic = "panes-{name}"\n'
    )

    def topics(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["topics", *arguments, "--config", str(config)])

    absent = topics("check", "--json")
    assert absent.exit_code == 1
    assert [one["found"] for one in json.loads(absent.output) if one["topic"] == f"panes-{name}"] == [
        "absent"
    ]
    made = topics("create")
    assert made.exit_code == 0, made.output
    assert f"made: kafka topic panes-{name}, 3 partitions" in made.output
    assert f"there: kafka topic panes-{name}" in topics("create").output
    assert topics("check").exit_code == 0
