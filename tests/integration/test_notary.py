"""The notary as a process of threads, on real logs: what it seals, what it tells, what it survives."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.archive import Archive
from audit.config import Config
from audit.errors import LogError, LogUnavailable, NoSuchTopic, NotaryRefuses, NotSealed
from audit.governance import ALARM, SUCCESSION, Governance, statements
from audit.log import Log, open_log
from audit.log.base import Topic
from audit.log.kafka import KafkaLog
from audit.log.local import LocalLog
from audit.log.local_reader import LocalReader
from audit.notary import session, tended
from audit.notary.backup import backup, restore
from audit.notary.holes import Hole, entry_of, hole_at
from audit.notary.keys import FileKey, generate
from audit.notary.metrics import NotaryCollector, trouble
from audit.notary.notary import Notary
from audit.notary.noted import Noted
from audit.notary.topics import BEGUN
from audit.objects.directory import DirectoryObjects
from audit.proof.entry import Kind
from audit.proof.receipt import verify_receipt
from audit.sealed import SealedTree, TreeId
from audit.settings import LogSettings, NotarySettings
from tests.components.process import Process, wait_until
from tests.components.sealed import KeySigner
from tests.components.sworn import NAME, OTHER, Journal, two_epochs

Values = Sequence[tuple[bytes, bytes | None]]
ROOT = Path(__file__).resolve().parents[2]


class World:
    """A log, its governance log, a store, a key; and notaries over them, one after the other."""

    def __init__(self, directory: Path, log: Log, governance: Log) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.log = log
        self.governance = governance
        self.store = directory / "sealed"
        self.objects = DirectoryObjects(self.store)
        generate(directory / "notary.key", directory / "notary.pub", "affiant.local")
        self.key = FileKey(directory / "notary.key")
        self.settings = NotarySettings(seal_seconds=0.1)

    def notary(self, *, anew: bool = False, **settings: Any) -> Notary:
        """One that does not run yet."""
        return Notary(
            self.log,
            self.governance,
            self.objects,
            self.key,
            self.settings.model_copy(update=settings),
            anew=anew,
        )

    @contextmanager
    def running(self, **settings: Any) -> Iterator[Notary]:
        """A notary, told to end on the way out, and then everything that the log had is sealed."""
        notary, stop, failures = self.notary(**settings), threading.Event(), []

        def run() -> None:
            try:
                notary.run(stop)
            except Exception as error:  # noqa: BLE001 — raised again, in the test's own thread
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield notary
        finally:
            stop.set()
            thread.join(60)
            assert not thread.is_alive()
        if failures:
            raise failures[0]

    def put(self, values: Values, partition: int = 0) -> None:
        """Append records; they are in the log when it returns."""
        writer = self.log.writer(partition)
        for key, value in values:
            writer.send(value or b"", key)
        wait_until(lambda: writer.delivered().sends == len(values), what="records in the log")
        writer.close()

    def tree(self, partition: int = 0, log: Log | None = None) -> SealedTree:
        """What is sealed."""
        topic = (log or self.log).topic()
        return SealedTree(self.objects, TreeId("affiant.local", topic.id, partition), self.key.public_key)

    def size(self, partition: int = 0, log: Log | None = None) -> int:
        """Leaves under the published checkpoint."""
        try:
            return self.tree(partition, log).published().size
        except NotSealed:
            return 0

    def wait_for(self, size: int, partition: int = 0) -> None:
        """Until so many leaves are published."""
        wait_until(
            lambda: self.size(partition) >= size,
            what=f"{size} sealed leaves",
            details=lambda: str(self.size(partition)),
        )

    def said(self, type_: str = ALARM) -> list[dict[str, Any]]:
        """What the governance log says of that type, signed by the notary."""
        reader = self.governance.reader()
        try:
            first, end = reader.bounds(0)
            found = list(statements(reader, first, end, [self.key.public_key]))
        finally:
            reader.close()
        assert all(each.holds for each in found)
        return [each.body for each in found if each.type == type_]

    def whats(self) -> list[tuple[str, int]]:
        """Alarms: what, and at which offset."""
        return [(body["what"], body["offset"]) for body in self.said()]

    def wait_for_alarm(self, what: str) -> None:
        """Until it stands in the governance log."""
        wait_until(
            lambda: what in [name for name, _ in self.whats()],
            what=f"the alarm {what!r}",
            details=lambda: str(self.said()),
        )

    def check(self, partition: int = 0) -> None:
        """Every leaf is what anybody makes of the log, under the published checkpoint."""
        tree, topic = self.tree(partition), self.log.topic()
        published = tree.published()
        reader = self.log.reader()
        first, end = reader.bounds(partition)
        assert published.size == end
        offset = first
        while offset < end:
            for read in reader.read(partition, offset, 1 << 20, 5):
                leaf = entry_of(read.value, topic, partition, read.offset)
                receipt = tree.receipt(read.offset, published)
                assert receipt.entry == leaf.entry
                verify_receipt(receipt, tree.tree.key(self.key.public_key))
                offset = read.offset + 1
        reader.close()


Make = Callable[..., World]


def kafka_world(request: pytest.FixtureRequest, directory: Path, partitions: int) -> World:
    """In the session's broker."""
    make, config = request.getfixturevalue("kafka_topic"), Config(directory / "affiant.toml", {})
    logs = []
    for name, count in (("entries", partitions), ("governance", 1)):
        topic = make(name, partitions=count, config={"retention.ms": "-1", "max.message.bytes": "16777216"})
        address = request.getfixturevalue("kafka")
        logs.append(open_log(LogSettings(backend="kafka", bootstrap=address, topic=topic), config))
    return World(directory, *logs)


def local_world(directory: Path, partitions: int) -> World:
    """In a directory."""
    log = LocalLog(directory / "log", "entries", partitions)
    return World(directory, log, LocalLog(directory / "governance", "governance", 1))


@pytest.fixture(params=["local", pytest.param("kafka", marks=pytest.mark.kafka)])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A world of so many partitions, on that backend."""
    if request.param == "local":
        return lambda partitions=1: local_world(tmp_path, partitions)
    return lambda partitions=1: kafka_world(request, tmp_path, partitions)


@pytest.fixture
def world(make: Make) -> World:
    """One partition, on each backend."""
    return make()


@pytest.fixture
def on_kafka(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """One partition, for what only Kafka does."""
    return kafka_world(request, tmp_path, 1)


@pytest.fixture
def local(tmp_path: Path) -> World:
    """One partition, for what does not depend on the log."""
    return local_world(tmp_path, 1)


def test_every_partition_is_sealed_and_archived_and_an_orderly_end_leaves_nothing(make: Make) -> None:
    """Records before the start, while it runs, and just before the end, in two partitions."""
    world = make(2)
    ours, theirs = two_epochs(300), two_epochs(50, OTHER)
    world.put(ours.values[:100])
    with world.running() as notary:
        world.put(theirs.values, 1)
        world.wait_for(100)
        world.wait_for(55, 1)
        world.put(ours.values[100:])
        wait_until(lambda: trouble(notary) == "", what="readiness")
    world.check(0)
    world.check(1)
    assert world.whats() == []
    archived = list(Archive(world.objects).records(world.log.topic().id, 0, 0, 305))
    assert [record.entry for record in archived] == [world.tree().entry(n, 305) for n in range(305)]


def test_alarms_are_told_once_over_restarts(world: World) -> None:
    """A gap and a foreign record: each stands in the governance log once, and is sealed with it."""
    values = two_epochs(20).values
    del values[3]
    values.insert(7, (b"x", b"junk"))
    world.put(values)
    with world.running():
        world.wait_for(len(values))
        world.wait_for_alarm("format")
        wait_until(lambda: len(world.said(BEGUN)) == 2, what="two trees begun")
    for _ in range(2):
        with world.running():
            world.wait_for(len(values))
    assert sorted(world.whats()) == [("format", 7), ("missing", 3)]
    assert len(world.said(BEGUN)) == 2  # the log's trees and its own; and two alarms
    assert world.size(0, world.governance) == 4
    world.check()


def test_an_alarm_that_was_told_and_not_noted_is_not_told_again(
    local: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the governance log and the state: the log itself says what was told."""
    monkeypatch.setattr(session, "IDLE_SEAL", 0.2)
    values = two_epochs().values
    del values[2]
    local.put(values)
    writer = local.governance.writer(0)
    with local.running() as notary:
        local.wait_for(len(values))
        wait_until(lambda: notary.untellable != "", what="it cannot be told")
    writer.close()
    state = f"{local.tree().tree.prefix}/state"
    waiting = local.objects.get(state)
    assert waiting is not None
    with local.running():
        local.wait_for_alarm("missing")
    now = local.objects.get(state)
    assert now is not None
    local.objects.swap(state, waiting.content, now.version)  # as if it had died right after telling
    with local.running():
        wait_until(lambda: local.objects.get(state) != waiting, what="a renewed state")
    assert local.whats() == [("missing", 2)]


def empty(world: World) -> None:
    """The volume is gone, or the settings name another one."""
    shutil.rmtree(world.store)
    world.objects = DirectoryObjects(world.store)


def begin(world: World) -> None:
    """A notary's run until all is sealed, and it is said that its trees are begun."""
    with world.running():
        world.wait_for(9)
        wait_until(lambda: len(world.said(BEGUN)) == 2, what="two trees begun")


def refused(world: World, what: str) -> None:
    """It ends at once, says what to do, and leaves the store as it is: nothing was signed."""
    before, stop = sorted(world.objects.list("")), threading.Event()
    late = threading.Timer(20, stop.set)  # one that is not refused
    late.start()
    with pytest.raises(NotaryRefuses, match=what):
        world.notary().run(stop)
    late.cancel()
    assert sorted(world.objects.list("")) == before


def test_a_store_that_was_lost_is_not_begun_anew(local: World) -> None:
    """An empty volume, a new bucket, a typo: smaller heads under the same key are a fork. A copy put back goes on."""
    local.put(two_epochs(4).values)
    begin(local)
    assert {body["topic"]: body["partitions"] for body in local.said(BEGUN)} == {
        "entries": 1,
        "governance": 1,
    }
    copy = DirectoryObjects(local.directory / "copy")
    backup(local.objects, copy, "affiant.local")
    empty(local)
    for _ in range(2):  # a supervisor starts it again
        refused(local, r"entries: its trees were begun.* `affiant notary restore` puts a copy back")
    assert list(local.objects.list("")) == []
    restore(copy, local.objects, "affiant.local", local.key.public_key, [])
    begin(local)  # nothing is said once more
    local.check()


def test_a_tree_that_was_lost_from_a_store_is_not_begun_anew(local: World) -> None:
    """Its folder alone is gone: the topic's note says that it was begun. Asked to, it begins again, and says so."""
    local.put(two_epochs(4).values)
    begin(local)
    shutil.rmtree(local.store / local.tree().tree.prefix)
    local.objects = DirectoryObjects(local.store)  # the other one thinks that it has made the folder
    refused(local, "the tree was begun, and there is no state: it was lost")
    with local.running(anew=True):
        local.wait_for(9)
        wait_until(lambda: len(local.said(BEGUN)) == 4, what="said again")
    assert [body.get("anew") for body in local.said(BEGUN)] == [None, None, True, True]
    with local.running():
        local.wait_for(9)
    assert len(local.said(BEGUN)) == 4
    local.check()


def test_only_the_notary_itself_says_that_trees_are_begun(local: World) -> None:
    """A stranger's word, another log's name and another topic's id do not keep a new store from being begun."""
    topic = local.log.topic()
    body = {"name": "affiant.local", "topic": topic.name, "id": topic.id.hex(), "partitions": 1}
    said = Governance(local.governance, KeySigner(b"s" * 32))
    said.append([(BEGUN, json.dumps(body).encode())])
    for other in ({"name": "other.example"}, {"id": "00" * 16}):
        ours = Governance(local.governance, local.key)
        ours.append([(BEGUN, json.dumps(body | other).encode())])
    with local.running():
        wait_until(lambda: local.size(0, local.governance) > 0, what="begun")
    empty(local)
    Governance(local.governance, local.key).append([(BEGUN, json.dumps(body).encode())])
    refused(local, "its trees were begun")


def test_a_store_of_an_earlier_version_is_believed_and_marked(local: World) -> None:
    """Its note says nothing of what is begun: it goes on, and from now on it cannot be lost unseen."""
    local.put(two_epochs(4).values)
    begin(local)
    for name in list(local.objects.list("topics/")):
        stored = local.objects.get(name)
        assert stored is not None
        old = replace(Noted.decode(stored.content), begun=0).encode()
        assert b"begun" not in old
        local.objects.swap(name, old, stored.version)
    with local.running():
        wait_until(lambda: len(local.said(BEGUN)) == 4, what="marked")
    empty(local)
    refused(local, "its trees were begun")


def test_without_the_governance_log_no_tree_is_begun_and_a_begun_one_goes_on(local: World) -> None:
    """Whether it was begun before nobody can say then: it waits."""

    class Away(LocalLog):
        down = True

        def reader(self) -> LocalReader:
            if self.down:
                raise LogUnavailable("governance is down")
            return super().reader()

    local.put(two_epochs(4).values)
    governance = local.governance = Away(local.directory / "governance", "governance", 1)
    with local.running() as notary:
        wait_until(lambda: trouble(notary) == "log: governance is down", what="waiting")
        assert list(local.objects.list("")) == []
        governance.down = False
        local.wait_for(9)
        wait_until(lambda: len(local.said(BEGUN)) == 2, what="two trees begun")
    governance.down = True
    local.put(Journal(OTHER).values)
    local.put([(b"x", b"junk")])
    notary, stop = local.notary(), threading.Event()
    thread = threading.Thread(target=notary.run, args=(stop,))
    thread.start()
    local.wait_for(10)
    governance.down = False
    stop.set()
    thread.join()


def test_a_governance_log_that_is_not_made_yet_says_nothing_and_is_not_waited_for(local: World) -> None:
    """The log's trees are begun without it, as what was answered waits for them; and it is told once there is one."""

    class Unmade(LocalLog):
        made = False

        def topic(self) -> Topic:
            if not self.made:
                raise NoSuchTopic("there is no governance topic")
            return super().topic()

    local.put(two_epochs(4).values)
    governance = local.governance = Unmade(local.directory / "governance", "governance", 1)
    with local.running() as notary:
        local.wait_for(9)
        assert trouble(notary) == "governance: there is no governance topic"
        governance.made = True
        wait_until(lambda: len(local.said(BEGUN)) == 2, what="two trees begun")


def test_an_alarm_waits_in_the_state_while_the_governance_log_does_not_take_it(local: World) -> None:
    """Another writer has the governance log; the notary is killed; the next one tells it."""
    values = two_epochs().values
    del values[2]
    local.put(values)
    writer = local.governance.writer(0)
    with local.running() as notary:
        local.wait_for(len(values))
        wait_until(lambda: notary.untellable != "", what="it cannot be told")
        assert "cannot be told" in trouble(notary)
    assert local.whats() == []
    writer.close()
    with local.running():
        local.wait_for_alarm("missing")
    assert local.whats() == [("missing", 2)]


@pytest.mark.kafka
def test_foreign_records_of_every_kind_do_not_stop_the_tree(on_kafka: World) -> None:
    """No value, no key, no record, another format: holes and alarms, and what is behind them is sealed."""
    world = on_kafka
    from kafka import KafkaProducer

    values = two_epochs().values
    assert isinstance(world.log, KafkaLog)
    producer = KafkaProducer(bootstrap_servers=world.log.settings.bootstrap)
    name = world.log.topic().name
    for key, value in [(b"x", None), (b"k", None), (None, b"junk"), (b"k", b"\x00\x02\x00\x00"), *values]:
        producer.send(name, value, key).get(10)
    producer.close()
    with world.running():
        world.wait_for(4 + len(values))
        wait_until(lambda: len(world.whats()) >= 4, what="four alarms")
    world.check()
    assert sorted(world.whats()) == [("format", offset) for offset in range(4)]
    topic = world.log.topic()
    assert world.tree().entry(0, 14) == hole_at(Hole.EMPTY, topic, 0, 0).entry


@pytest.mark.kafka
def test_a_notary_that_was_down_beyond_retention_seals_holes_and_goes_on(on_kafka: World) -> None:
    """Records vanished before they were sealed: holes, an alarm, and the tree goes on behind them."""
    world = on_kafka
    values = two_epochs(30).values
    world.put(values[:10])
    with world.running():
        world.wait_for(10)
    world.put(values[10:])
    delete_records(world.log, 20)
    with world.running():
        world.wait_for(len(values))
        world.wait_for_alarm("head")
    assert ("head", 10) in world.whats()
    topic, tree = world.log.topic(), world.tree()
    published = tree.published()
    for offset in range(10, 20):
        assert tree.entry(offset, published.size) == hole_at(Hole.GONE, topic, 0, offset).entry
    world.check()
    delete_records(world.log, len(values))  # what is sealed may go: no alarm for that
    with world.running(archive_seconds=0.1):
        world.put(Journal(OTHER).values)
        wait_until(lambda: world.size() == len(values), what="a look")
    assert [what for what, _ in world.whats()].count("head") == 1


def delete_records(log: Log, before: int) -> None:
    """As retention does: the log begins at that offset then."""
    from kafka import TopicPartition

    assert isinstance(log, KafkaLog)
    with log.admin() as admin:
        admin.delete_records({TopicPartition(log.topic().name, 0): before})
    reader = log.reader()
    wait_until(lambda: reader.bounds(0)[0] == before, what="records deleted")
    reader.close()


@pytest.mark.kafka
def test_a_recreated_topic_begins_new_trees_linked_from_the_governance_log(on_kafka: World) -> None:
    """Deleted and made again while the notary runs: nothing of it gets into the old tree."""
    world = on_kafka
    log = world.log
    assert isinstance(log, KafkaLog)
    world.put(two_epochs(5).values)
    old = world.tree()
    with world.running() as notary:
        world.wait_for(10)
        with log.admin() as admin:
            admin.delete_topics([log.topic().name])
        recreate(log)
        world.put(two_epochs(25, OTHER).values)
        world.wait_for(30)
        wait_until(lambda: world.said(SUCCESSION), what="the link")
    assert old.published().size == 10
    assert world.tree().tree.origin != old.tree.origin
    world.check()
    (link,) = world.said(SUCCESSION)
    assert (link["before"], link["id"]) == (old.tree.topic.hex(), log.topic().id.hex())
    assert link["ended"] == [{"origin": old.tree.origin, "size": 10}]
    assert counted(notary)[log.topic().name, "topic"] == 1  # what pages reads this
    # Made again by whoever did it with the broker's defaults, which do not keep the promise.
    said = [body["what"] for body in world.said()]
    at = said.index("topic")
    assert said[at:] == ["topic", "settings", "settings"]
    assert {*said[:at]} <= {"settings"}  # looked at once more between the deletion and the tree's end


def counted(notary: Notary) -> dict[tuple[str, str], float]:
    """Alarms by topic and name, as the metrics count them."""
    return {
        (sample.labels["topic"], sample.labels["alarm"]): sample.value
        for family in NotaryCollector(notary).collect()
        for sample in family.samples
        if sample.name == "affiant_notary_alarms_total"
    }


def recreate(log: KafkaLog) -> None:
    """Make the topic again, as soon as the broker has let go of the old one."""
    from kafka.admin import NewTopic
    from kafka.errors import KafkaError

    name = log.settings.topic

    def made() -> bool:
        try:
            with log.admin() as admin:
                admin.create_topics([NewTopic(name=name, num_partitions=1, replication_factor=1)])
                return True
        except Exception as error:
            if isinstance(error.__cause__, KafkaError) or isinstance(error, KafkaError):
                return False
            raise

    wait_until(made, what="the topic again")


def test_a_recreated_topic_is_noticed_by_a_notary_that_was_down(local: World) -> None:
    """Another id at the start: the same link."""
    local.put(two_epochs(5).values)
    with local.running():
        local.wait_for(10)
    old = local.tree()
    shutil.rmtree(local.directory / "log")
    local.log = LocalLog(local.directory / "log", "entries", 1)
    local.put(two_epochs(7, OTHER).values)
    with local.running():
        local.wait_for(12)
    (link,) = local.said(SUCCESSION)
    assert link["before"] == old.tree.topic.hex()
    with local.running():
        local.wait_for(12)
    assert len(local.said(SUCCESSION)) == 1
    assert [body["what"] for body in local.said()] == ["topic"]


def cut(world: World, keep: int) -> None:
    """The local log, as an old copy of it would be: the first records alone, under the same id."""
    log = world.log
    assert isinstance(log, LocalLog)
    reader = log.reader()
    values = [(read.key or b"", read.value) for read in reader.read(0, 0, 1 << 30, 5)][:keep]
    reader.close()
    shutil.rmtree(log.directory / "0")
    world.put(values)


def seen_cut(world: World) -> None:
    """A notary's run over a log that ends too early."""
    with world.running() as notary:
        world.wait_for_alarm("tail")
        assert "the log ends at 20" in trouble(notary)


def test_a_truncated_tail_is_told_and_nothing_is_sealed_until_the_log_is_there_again(local: World) -> None:
    """The log was restored from an old copy: an alarm, no fork; grown over it with other records, another alarm."""
    local.put(two_epochs(20).values)
    with local.running():
        local.wait_for(25)
    cut(local, 20)
    with pytest.raises(LogError, match="the log ends at 20"):
        seen_cut(local)
    assert local.size() == 25
    other = two_epochs(20, OTHER)
    local.put(other.values)
    with local.running():
        local.wait_for(45)
        local.wait_for_alarm("rewritten")
    assert ("tail", 20) in local.whats()
    assert ("rewritten", 24) in local.whats()


def test_of_two_notaries_one_ends_with_a_clear_word(local: World) -> None:
    """Whoever swaps first goes on; the other one says why it does not."""
    stop, failures = threading.Event(), []

    def run() -> None:
        try:
            local.notary().run(stop)
        except NotaryRefuses as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    threads.append(threading.Thread(target=feed, args=(local, stop)))
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: failures, what="one that ends")
        size = local.size()
        local.wait_for(size + 10)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    (failure,) = failures
    assert "another notary" in str(failure)
    local.check()


def feed(world: World, stop: threading.Event) -> None:
    """Records, until told to end."""
    made = Journal(OTHER)
    made.opening()
    while not stop.is_set():
        made.exchange(b"{}")
        world.put(made.values)
        made.values.clear()
        stop.wait(0.2)


def test_settings_that_do_not_keep_the_promise_are_told(local: World) -> None:
    """Somebody has made the topic's retention finite: an alarm a day."""
    from audit.log.base import Finding

    class Careless(LocalLog):
        def check(self) -> list[Finding]:
            return [Finding("retention.ms", "3600000", "-1", "what the topic drops is lost")]

    local.log = Careless(local.directory / "log", "entries", 1)
    local.put(two_epochs(5).values)
    for _ in range(2):
        with local.running():
            local.wait_for_alarm("settings")
    (body,) = local.said()
    assert body["message"].startswith("retention.ms is 3600000, wanted -1")


@pytest.mark.kafka
def test_settings_that_are_changed_under_a_notary_at_work_are_told(
    on_kafka: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody makes the topic's retention finite: found at the next look, signed, and counted."""
    from kafka.admin import ConfigResource, ConfigResourceType

    monkeypatch.setattr(tended, "SETTINGS_SECONDS", 0.2)
    log = on_kafka.log
    assert isinstance(log, KafkaLog)
    on_kafka.put(two_epochs(5).values)
    with on_kafka.running() as notary:
        on_kafka.wait_for(10)
        assert on_kafka.whats() == []
        changed = {"retention.ms": "3600000", "max.message.bytes": "16777216"}
        with log.admin() as admin:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, log.settings.topic, changed)])
        on_kafka.wait_for_alarm("settings")
        on_kafka.put(Journal(OTHER).values)
        wait_until(lambda: counted(notary), what="it is counted")
        assert counted(notary) == {(log.settings.topic, "settings"): 1}
    (body,) = on_kafka.said()
    assert body["message"].startswith("retention.ms is 3600000, wanted -1")
    assert (body["topic"], body["subject"].split(",")[0]) == (log.topic().id.hex(), "retention.ms 3600000")


def another_answer(world: World) -> int:
    """The record's digest is of another payload, so the next one's chain does not follow."""
    values, forged = two_epochs().values, Journal()
    forged.opening()
    forged.exchange(b'{"instances":[[0]]}')
    forged.exchange(b"forged")
    world.put([*values[:2], forged.values[2], *values[3:]])
    return 3


def another_history(world: World) -> int:
    """A second entry of one sequence, in between."""
    values, other = two_epochs().values, Journal()
    other.opening()
    other.exchange(b"another")
    world.put([*values[:4], other.values[1], *values[4:]])
    return 4


def behind_its_closing(world: World) -> int:
    """The journal's epoch is over, and it says something."""
    made = two_epochs()
    made.exchange(b"{}")
    world.put(made.values)
    return 10


def silent(world: World) -> int:
    """Its opening promised a heartbeat each ten seconds, an hour ago."""
    assert isinstance(world.log, LocalLog)
    world.log = LocalLog(
        world.log.directory, "entries", 1, clock=lambda: time.time_ns() - 3600 * 1_000_000_000
    )
    made = Journal()
    made.opening()
    made.exchange(b"{}")
    world.put(made.values)
    return 0  # what it signed last


def transaction(world: World) -> int:
    """A foreign producer's: its end takes an offset, which no reader ever gets."""
    from kafka import KafkaProducer

    assert isinstance(world.log, KafkaLog)
    values = two_epochs().values
    producer = KafkaProducer(
        bootstrap_servers=world.log.settings.bootstrap, transactional_id=world.log.settings.topic
    )
    producer.init_transactions()
    producer.begin_transaction()
    for key, value in values[:4]:
        producer.send(world.log.settings.topic, value, key)
    producer.commit_transaction()
    producer.close()
    world.put(values[4:])
    return 4


@pytest.mark.parametrize(
    ("alarm", "cause"),
    [
        ("chain", another_answer),
        ("duplicate", another_history),
        ("closing", behind_its_closing),
        ("heartbeat", silent),
        pytest.param("offset", transaction, marks=pytest.mark.kafka),
    ],
)
def test_an_alarm_is_signed_in_the_governance_log_and_counted(
    request: pytest.FixtureRequest, alarm: str, cause: Callable[[World], int]
) -> None:
    """From the record to the entry that stays, and to the metric that pages; and nothing else is found."""
    world: World = request.getfixturevalue("on_kafka" if cause is transaction else "local")
    offset = cause(world)
    with world.running() as notary:
        world.wait_for_alarm(alarm)
        assert counted(notary) == {(world.log.topic().name, alarm): 1}
    assert world.whats() == [(alarm, offset)]
    (body,) = world.said()
    assert (body["topic"], body["partition"]) == (world.log.topic().id.hex(), 0)
    assert body.get("journal") == (None if alarm == "offset" else NAME.hex())


def test_the_metrics_say_what_is_sealed(local: World) -> None:
    """Names and labels, as alerts use them."""
    values = two_epochs(5).values
    del values[2]
    local.put(values)
    with local.running() as notary:
        local.wait_for(9)
        local.wait_for_alarm("missing")
        wait_until(lambda: trouble(notary) == "", what="readiness")
        found = {
            (sample.name, sample.labels.get("topic"), sample.labels.get("alarm")): sample.value
            for family in NotaryCollector(notary).collect()
            for sample in family.samples
        }
    assert found["affiant_notary_tree_size", "entries", None] == 9
    assert found["affiant_notary_lag_records", "entries", None] == 0
    assert found["affiant_notary_alarms_total", "entries", "missing"] == 1
    assert found["affiant_notary_held", "entries", None] == 0
    assert 0 <= found["affiant_notary_checkpoint_age_seconds", "entries", None] < 60


def settings_file(directory: Path) -> Path:
    """An affiant.toml with a key."""
    path = directory / "affiant.toml"
    path.write_text("[notary]\nmetrics_port = 0\nseal_seconds = 0.1\n")
    affiant(path, "notary", "keygen")
    return path


def affiant(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One run of the command."""
    argv = [sys.executable, "-P", "-m", "cli.main", *arguments, "--config", str(config)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)


def test_a_killed_notary_goes_on_where_its_state_is(tmp_path: Path) -> None:
    """SIGKILL, again and again, while records come: one tree, every leaf, every record archived once."""
    config = settings_file(tmp_path)
    log = LocalLog(tmp_path / "affiant-data" / "log", "affiant-entries", 1)
    vkey = affiant(config, "notary", "vkey")
    assert len(vkey.stdout.split()) == 3, vkey.stderr
    process = Process(
        [sys.executable, "-P", "-m", "cli.main", "notary", "run", "--config", str(config)],
        log=tmp_path / "notary.txt",
        cwd=ROOT,
    )
    made = Journal()
    made.opening()
    objects = DirectoryObjects(tmp_path / "affiant-data" / "sealed")
    key = FileKey(tmp_path / "notary.key").public_key
    tree = SealedTree(objects, TreeId("affiant.local", log.topic().id, 0), key)

    def size() -> int:
        try:
            return tree.published().size
        except NotSealed:
            return 0

    writer = log.writer(0)
    sent = 0
    for _ in range(3):
        process.start()
        before = size()
        while size() <= before + 500:
            made.exchange(b"{}")
            writer.send(made.values[-1][1], made.name)
            sent += 1
            assert process.alive, process.log_tail()
            time.sleep(0.0005)
        process.kill()
    made.signed(Kind.CLOSING)
    for _, value in made.values[sent + 1 :]:
        writer.send(value, made.name)
    writer.close()
    process.start()
    process.wait_until(lambda: size() > sent, what="all is sealed")
    assert process.stop() == 0, process.log_tail()
    reader = log.reader()
    published = tree.published()
    assert published.size == reader.bounds(0)[1]
    topic = log.topic()
    for read in reader.read(0, 0, 1 << 30, 5):
        assert tree.entry(read.offset, published.size) == entry_of(read.value, topic, 0, read.offset).entry
    reader.close()
    governance = LocalLog(tmp_path / "affiant-data" / "log-governance", "affiant-governance", 1)
    assert [each.body for each in Governance(governance, FileKey(tmp_path / "notary.key")).newest(100)][
        1:
    ] == []


def test_the_command_lists_the_alarms(tmp_path: Path) -> None:
    """None: exit code 0. One: its line, as JSON too, and exit code 1."""
    config = settings_file(tmp_path)
    data = tmp_path / "affiant-data"
    world = World(
        tmp_path / "world",
        LocalLog(data / "log", "affiant-entries", 1),
        LocalLog(data / "log-governance", "affiant-governance", 1),
    )
    world.key = FileKey(tmp_path / "notary.key")
    assert affiant(config, "notary", "alarms").returncode == 0
    world.put([(b"x", b"junk")])
    with world.running():
        world.wait_for_alarm("format")
    told = affiant(config, "notary", "alarms")
    assert (told.returncode, told.stderr) == (1, "")
    assert "format: not a record of this format: sealed as a hole" in told.stdout
    assert json.loads(affiant(config, "notary", "alarms", "--json").stdout)["offset"] == 0


def test_the_command_refuses_a_store_that_was_lost_and_says_what_to_do(tmp_path: Path) -> None:
    """Sealed elsewhere by the same key: the store of the settings is another one. Exit code 1; nothing is written."""
    config = settings_file(tmp_path)
    data = tmp_path / "affiant-data"
    log = LocalLog(data / "log", "affiant-entries", 1)
    world = World(tmp_path / "world", log, LocalLog(data / "log-governance", "affiant-governance", 1))
    world.key = FileKey(tmp_path / "notary.key")
    world.put(two_epochs(4).values)
    begin(world)
    refused = affiant(config, "notary", "run")
    assert refused.returncode == 1, refused.stderr
    assert "its trees were begun" in refused.stderr
    assert "`affiant notary restore` puts a copy back" in refused.stderr
    assert not (data / "sealed").exists()


def test_the_notarys_key_must_be_its_owners_alone(tmp_path: Path) -> None:
    """A key that others can read is refused, with what to do; exit code 2."""
    config = settings_file(tmp_path)
    (tmp_path / "notary.key").chmod(0o640)
    refused = affiant(config, "notary", "run")
    assert refused.returncode == 2
    assert "chmod 600" in refused.stderr
    again = affiant(config, "notary", "keygen")
    assert again.returncode == 2
    assert "left as it is" in again.stderr
