"""kill -9 of whoever counts, at any point: the panes are those of a log that was counted at once, bit for bit."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from audit.config import Config, load
from audit.log.base import LogReader
from audit.log.kafka import KafkaLog, create
from audit.settings import LogSettings
from monitoring.batch import panes_of
from monitoring.panes.codec import encode_pane
from monitoring.state_topic import create_state_topic, state_log
from monitoring.store import FileStore
from monitoring.store.feed import KafkaFeed
from registry.stores import LayoutStore
from tests.components.monitored import Known, Traffic, local_log, made_package
from tests.components.process import Process, wait_until

pytestmark = pytest.mark.fault

SIZE = 16


def config_of(directory: Path, **tables: dict[str, object]) -> Config:
    """Settings with a store that has the package."""
    LayoutStore(directory / "data" / "store").push(made_package())
    lines = ['[data]\ndirectory = "data"\n']
    for name, table in tables.items():
        lines.append(f"[{name}]\n" + "".join(f"{key} = {value!r}\n" for key, value in table.items()))
    (directory / "affiant.toml").write_text("".join(lines))
    return load(directory / "affiant.toml")


def wanted(reader: LogReader, partition: int) -> list[bytes]:
    """What a batch computation over the same offsets gives."""
    end = reader.bounds(partition)[1] // SIZE * SIZE
    known = Known.of(made_package(), "numbers")
    return [encode_pane(pane) for pane in panes_of(reader, partition, 0, end, known, {}, size=SIZE)]


def values_of(seed: int, count: int) -> list[bytes]:
    """Two journals in turn, some of it twice."""
    package = made_package()
    one = Traffic(package, journal=bytes([seed]) * 16, seed=seed).values(count // 2)
    two = Traffic(package, journal=bytes([seed + 100]) * 16, seed=seed + 100).values(count // 2)
    values = [value for pair in zip(one, two, strict=True) for value in pair]
    values[count // 3 : count // 3] = one[: count // 20]
    return values


@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)]
)
def test_a_monitor_that_dies_again_and_again_counts_each_record_once(tmp_path: Path, seed: int) -> None:
    """Over a local log of two partitions: forty lives, each ended in the middle of something."""
    config = config_of(tmp_path, monitor={"pane_records": SIZE})
    log = local_log(tmp_path / "data" / "log", values_of(1, 900), values_of(2, 500))
    process = Process(
        [sys.executable, "-m", "tests.components.counting", config.path, "40", str(seed)],
        log=tmp_path / "counting.log",
        name="counting",
    )
    with process.start():
        assert process.wait(deadline_s=60) == 0, process.log_text()
    with (
        closing(FileStore(tmp_path / "data" / "monitor", log.topic().id, SIZE)) as store,
        closing(log.reader()) as reader,
    ):
        for partition in range(2):
            found = [encode_pane(pane) for pane in store.restore(partition).panes]
            assert found == wanted(reader, partition)
            assert len(found) > 30


class Group:
    """Monitors of one group over Kafka."""

    def __init__(self, stack: ExitStack, config: Config, directory: Path) -> None:
        self.config = config
        self.directory = directory
        self.stack = stack
        self.started = 0

    def join(self) -> Process:
        """One more."""
        self.started += 1
        process = Process(
            [sys.executable, "-m", "tests.components.counting", self.config.path],
            log=self.directory / f"counting-{self.started}.log",
            name=f"monitor {self.started}",
        )
        return self.stack.enter_context(process.start())


@pytest.fixture
def group(kafka: str, tmp_path: Path) -> Iterator[Group]:
    """Nobody is in it yet; log and state topic are there, with three partitions."""
    name = uuid.uuid4().hex[:12]
    config = config_of(
        tmp_path,
        log={
            "backend": "kafka", "bootstrap": kafka, "topic": f"entries-{name}", "partitions": 3, "replication": 1,
        },
        monitor={"pane_records": SIZE, "state_topic": f"panes-{name}", "group": f"group-{name}"},
    )  # fmt: skip
    log, state = KafkaLog(config.section("log", LogSettings), config), state_log(config)
    assert state is not None
    assert create(log)
    assert create_state_topic(state)
    with ExitStack() as stack:
        yield Group(stack, config, tmp_path)


def send(log: KafkaLog, partition: int, values: Sequence[bytes]) -> None:
    """Acknowledged when this returns."""
    with closing(log.writer(partition)) as writer:
        for value in values:
            writer.send(value, b"k" * 16)
        wait_until(
            lambda: writer.wait(0.2) or writer.delivered().sends == len(values), what="acknowledgement"
        )


@pytest.mark.kafka
@pytest.mark.slow
def test_monitors_that_are_killed_and_joined_count_what_one_would(group: Group) -> None:
    """Three partitions go from hand to hand; who judges sees each pane, and no pane has two values."""
    config = group.config
    log, state = KafkaLog(config.section("log", LogSettings), config), state_log(config)
    assert state is not None
    parts = [values_of(seed, 600) for seed in (1, 2, 3)]
    found: dict[tuple[int, int], set[bytes]] = {}
    with closing(KafkaFeed(state, config, log.topic().id, SIZE)) as feed:

        def seen(enough: Callable[[], bool]) -> Callable[[], bool]:
            def look() -> bool:
                for each in feed.poll(0.2):
                    found.setdefault((each.partition, each.number), set()).add(encode_pane(each))
                return enough()

            return look

        def send_all(start: int, end: int) -> None:
            for partition, values in enumerate(parts):
                send(log, partition, values[start:end])

        first, second = group.join(), group.join()
        send_all(0, 200)
        wait_until(seen(lambda: bool(found)), what="the first pane", deadline_s=60)
        third = group.join()
        send_all(200, 400)
        first.kill()  # in the middle of counting, or of a rebalance
        wait_until(seen(lambda: len(found) > 45), what="a pane of what came later", deadline_s=60)
        send_all(400, len(parts[0]))
        second.kill()
        whole = [len(values) // SIZE for values in parts]
        wait_until(seen(lambda: len(found) == sum(whole)), what="all panes", deadline_s=90)
        assert third.alive
    with closing(log.reader()) as reader:
        for partition, count in enumerate(whole):
            assert [found[partition, number] for number in range(count)] == [
                {raw} for raw in wanted(reader, partition)
            ]
