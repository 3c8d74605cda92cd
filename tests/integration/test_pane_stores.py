"""One contract, two backends: what keeps the monitor's panes, and how far they reach."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audit.config import Config
from audit.errors import ConfigError, LogUnavailable
from audit.log.kafka import KafkaLog
from audit.settings import LogSettings
from monitoring.panes import Pane
from monitoring.panes.collector import Finished, State
from monitoring.state_topic import check_state_topic, create_state_topic, judge, wanted
from monitoring.store import FileStore, PaneStore
from monitoring.store.feed import KafkaFeed
from monitoring.store.kafka import KafkaStore
from tests.components.kafka import KafkaBroker
from tests.components.process import wait_until

SIZE, KEEP = 16, 4
TOPIC, OTHER = b"t" * 16, b"o" * 16
Make = Callable[..., PaneStore]


def finished(number: int, partition: int = 1, size: int = SIZE, said: str = "duplicate") -> Finished:
    """A pane that is told from others."""
    pane = Pane(
        partition, number, number * size, (number + 1) * size, 1000 + number, unreadable={said: number + 1}
    )
    return Finished(pane, State(pane.end, pane.time, ((b"j" * 16, 7 * number), (b"k" * 16, 1))))


@pytest.fixture
def state_topic(kafka: str, tmp_path: Path) -> KafkaLog:
    """A fresh state topic, as it is made."""
    settings = LogSettings(
        backend="kafka", bootstrap=kafka, topic=f"panes-{uuid.uuid4().hex[:12]}", partitions=2, replication=1
    )
    log = KafkaLog(settings, Config(tmp_path / "affiant.toml", {}), delivery_timeout=5.0)
    assert create_state_topic(log)
    return log


@pytest.fixture(params=["file", pytest.param("kafka", marks=pytest.mark.kafka)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Opens the same place again and again, as one process after another does."""
    open_now: list[PaneStore] = []
    topic = request.getfixturevalue("state_topic") if request.param == "kafka" else None

    def make_one(of: bytes = TOPIC, size: int = SIZE) -> PaneStore:
        while open_now:
            open_now.pop().close()
        store: PaneStore = (
            FileStore(tmp_path / "panes", of, size, keep=KEEP)
            if topic is None
            else KafkaStore(topic, of, size, keep=KEEP)
        )
        open_now.append(store)
        return store

    yield make_one
    while open_now:
        open_now.pop().close()


def test_what_was_put_is_restored_with_the_state_after_it(make: Make) -> None:
    """In one piece: the position is where the last pane ends."""
    store = make()
    assert store.restore(1) == (None, ())
    store.put(1, [finished(0), finished(1)])
    store.put(1, [finished(2)])
    for known in (store.restore(1), make().restore(1)):
        assert known.state == finished(2).after
        assert known.panes == tuple(finished(number).pane for number in range(3))


def test_partitions_are_kept_apart(make: Make) -> None:
    """Also those that share a partition of the state topic."""
    store = make()
    store.put(1, [finished(0)])
    store.put(3, [finished(5, partition=3)])
    again = make()
    assert again.restore(1).panes == (finished(0).pane,)
    assert again.restore(3).state == finished(5, partition=3).after
    assert again.restore(0) == (None, ())


def test_only_the_newest_are_kept(make: Make) -> None:
    """However many there were, and whoever comes after."""
    store = make()
    for number in range(3 * KEEP):
        store.put(1, [finished(number)])
    newest = tuple(finished(number).pane for number in range(2 * KEEP, 3 * KEEP))
    assert make().restore(1) == (finished(3 * KEEP - 1).after, newest)


@pytest.mark.parametrize(("of", "size"), [(OTHER, SIZE), (TOPIC, 2 * SIZE)])
def test_panes_of_another_log_or_size_are_not_given_out(make: Make, of: bytes, size: int) -> None:
    """And those of another size do not come back when somebody changes the settings to and fro."""
    store = make()
    store.put(1, [finished(0), finished(1)])
    store = make(of, size)
    assert store.restore(1) == (None, ())
    store.put(1, [finished(0, size=size, said="other")])
    assert make(of, size).restore(1).panes == (finished(0, size=size, said="other").pane,)
    known = make().restore(1)
    if of == OTHER and isinstance(store, KafkaStore):
        assert known.state == finished(1).after  # two logs may have their panes in one topic
    else:
        assert known == (None, ())


# ------------------------------------------------------------------ the file


def test_a_torn_frame_is_cut_and_what_is_before_it_counts(tmp_path: Path) -> None:
    """At every byte at which a crash may have cut it."""
    with closing(FileStore(tmp_path, TOPIC, SIZE, keep=KEEP)) as store:
        store.put(1, [finished(0)])
        first = len((tmp_path / "1.panes").read_bytes())
        store.put(1, [finished(1)])
    whole = (tmp_path / "1.panes").read_bytes()
    for cut in range(first, len(whole)):
        (tmp_path / "1.panes").write_bytes(whole[:cut])
        with closing(FileStore(tmp_path, TOPIC, SIZE, keep=KEEP)) as store:
            assert store.restore(1) == (finished(0).after, (finished(0).pane,))
            store.put(1, [finished(1)])
        assert (tmp_path / "1.panes").read_bytes() == whole


def test_a_byte_that_changed_ends_what_is_known(tmp_path: Path) -> None:
    """It is counted again from there, and panes that are behind it do not hide that."""
    with closing(FileStore(tmp_path, TOPIC, SIZE, keep=KEEP)) as store:
        store.put(1, [finished(0)])
        first = len((tmp_path / "1.panes").read_bytes())
        store.put(1, [finished(1), finished(2)])
    content = bytearray((tmp_path / "1.panes").read_bytes())
    end = first + 8 + int.from_bytes(content[first : first + 4], "big")
    content[end - 1] ^= 1  # of a number: what is read is a pane all the same
    (tmp_path / "1.panes").write_bytes(bytes(content))
    with closing(FileStore(tmp_path, TOPIC, SIZE, keep=KEEP)) as store:
        assert store.restore(1).state == finished(0).after
        store.put(1, [finished(1)])
    with closing(FileStore(tmp_path, TOPIC, SIZE, keep=KEEP)) as store:
        assert store.restore(1).panes == (finished(0).pane, finished(1).pane)


def test_a_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    """It is written anew with what is to be kept."""
    sizes = []
    with closing(FileStore(tmp_path, TOPIC, SIZE, keep=KEEP)) as store:
        for number in range(10 * KEEP):
            store.put(1, [finished(number)])
            sizes.append((tmp_path / "1.panes").stat().st_size)
    assert max(sizes[2 * KEEP :]) <= max(sizes[: 2 * KEEP]) * 1.1


def test_one_monitor_has_the_panes(tmp_path: Path) -> None:
    """Another one is told, and touches nothing."""
    with (
        closing(FileStore(tmp_path, TOPIC, SIZE)),
        pytest.raises(LogUnavailable, match="another monitor has the panes"),
    ):
        FileStore(tmp_path, TOPIC, SIZE)


def test_a_disk_that_does_not_take_it_is_the_log_that_does_not_answer(tmp_path: Path) -> None:
    """And what was not taken does not count."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LogUnavailable):
        FileStore(tmp_path / "file" / "panes", TOPIC, SIZE)


# ------------------------------------------------------------------ the topic


@pytest.mark.kafka
def test_the_topic_is_made_as_it_is_wanted_and_once(state_topic: KafkaLog) -> None:
    """With as many partitions as the log gets."""
    assert not create_state_topic(state_topic)
    assert state_topic.topic().partitions == 2
    assert check_state_topic(state_topic) == []


@pytest.mark.kafka
def test_a_topic_that_was_made_otherwise_is_told(
    kafka_topic: Callable[..., str], state_topic: KafkaLog, tmp_path: Path
) -> None:
    """What would lose panes, or refuse them."""
    name = kafka_topic("panes")
    settings = state_topic.settings.model_copy(update={"topic": name})
    found = check_state_topic(KafkaLog(settings, Config(tmp_path / "affiant.toml", {})))
    assert [(one.what, one.fatal) for one in found] == [
        ("cleanup.policy", True), ("max.message.bytes", True), ("segment.bytes", False),
    ]  # fmt: skip


def test_settings_are_judged_one_by_one() -> None:
    """Each that is not as wanted is told, and those that are make no finding."""
    good = wanted(3)
    assert judge(good, replicas=3, brokers=3) == []
    for what, value, fatal in (
        ("cleanup.policy", "delete", True),
        ("cleanup.policy", "compact,delete", True),
        ("max.message.bytes", "1048576", True),
        ("unclean.leader.election.enable", "true", False),
        ("min.insync.replicas", "1", False),
        ("segment.bytes", "1073741824", False),
    ):
        (finding,) = judge(good | {what: value}, replicas=3, brokers=3)
        assert (finding.what, finding.fatal) == (what, fatal)


@pytest.mark.kafka
def test_a_pane_that_no_message_holds_is_told_with_what_to_do(state_topic: KafkaLog) -> None:
    """Waiting would not help."""
    one = finished(0)
    after = State(
        one.after.position, one.after.time, tuple((at.to_bytes(16, "big"), 1) for at in range(400_000))
    )
    with (
        closing(KafkaStore(state_topic, TOPIC, SIZE)) as store,
        pytest.raises(ConfigError, match=r"pane_records = 16: .* set a smaller number"),
    ):
        store.put(1, [Finished(one.pane, after)])


@pytest.mark.kafka
def test_the_feed_gives_what_is_kept_and_then_what_is_new(state_topic: KafkaLog) -> None:
    """Of all partitions, whoever counted them; of this log alone."""
    config = Config(Path("affiant.toml"), {})
    with (
        closing(KafkaStore(state_topic, OTHER, SIZE)) as other,
        closing(KafkaStore(state_topic, TOPIC, SIZE)) as store,
        closing(KafkaFeed(state_topic, config, TOPIC, SIZE)) as feed,
    ):
        other.put(0, [finished(9, partition=0)])
        store.put(0, [finished(0, partition=0)])
        store.put(1, [finished(0), finished(1)])
        found: list[Pane] = []
        wait_until(lambda: bool(found.extend(feed.poll(0.2)) or feed.whole), what="all that is kept")
        assert sorted((pane.partition, pane.number) for pane in found) == [(0, 0), (1, 0), (1, 1)]
        store.put(0, [finished(1, partition=0)])
        wait_until(lambda: bool(found.extend(feed.poll(0.2)) or len(found) > 3), what="a new pane")
        assert found[-1] == finished(1, partition=0).pane


@pytest.mark.kafka
def test_a_pane_that_is_put_again_is_the_same_one(state_topic: KafkaLog) -> None:
    """As by a monitor that was taken for dead, while another one went on: nothing goes back by it."""
    with (
        closing(KafkaStore(state_topic, TOPIC, SIZE)) as one,
        closing(KafkaStore(state_topic, TOPIC, SIZE)) as two,
    ):
        one.put(1, [finished(0), finished(1)])
        two.put(1, [finished(2)])
        one.put(1, [finished(1)])
        assert two.restore(1) == (finished(2).after, tuple(finished(number).pane for number in range(3)))


@pytest.mark.kafka
@pytest.mark.fault
@pytest.mark.long
def test_a_broker_that_is_away_loses_nothing(own_kafka: KafkaBroker, tmp_path: Path) -> None:
    """A put that failed is put again, and is the same."""
    settings = LogSettings(
        backend="kafka", bootstrap=own_kafka.bootstrap, topic="panes", partitions=1, replication=1
    )
    log = KafkaLog(settings, Config(tmp_path / "affiant.toml", {}), delivery_timeout=2.0)
    assert create_state_topic(log)
    with closing(KafkaStore(log, TOPIC, SIZE)) as store:
        store.put(1, [finished(0)])
        own_kafka.kill()
        with pytest.raises(LogUnavailable):
            store.restore(1)
        own_kafka.start()
        store.put(1, [finished(1)])
        assert store.restore(1).state == finished(1).after
