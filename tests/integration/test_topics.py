"""`affiant topics` and shipping against a real broker: a topic is made, or it is said why not."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from audit.config import Config
from audit.errors import ConfigError, LogUnavailable, NoSuchTopic
from audit.log.kafka import KafkaLog, create
from audit.log.kafka_check import describe_topic
from audit.settings import LogSettings
from tests.components.approvals import affiant
from tests.components.journals import write_journal
from tests.components.ports import HOST
from tests.components.process import wait_until
from tests.fault.ship.world import assert_complete, shipper_of

pytestmark = pytest.mark.kafka

Open = Callable[..., KafkaLog]


@pytest.fixture
def open_log(kafka: str, tmp_path: Path) -> Open:
    """The log of a topic that nobody has made yet."""
    name = f"topics-{uuid.uuid4().hex[:12]}"

    def make(**changes: int) -> KafkaLog:
        settings = LogSettings(backend="kafka", bootstrap=kafka, topic=name, **changes)  # type: ignore[arg-type]
        return KafkaLog(settings, Config(tmp_path / "affiant.toml", {}))

    return make


def test_too_few_brokers_are_told_and_no_topic_is_made(open_log: Open) -> None:
    """With fewer replicas than the settings want it would stay so when the other brokers are back."""
    with pytest.raises(ConfigError, match=r"replication = 3, and 1 broker lives.*set replication = 1"):
        create(open_log())
    with pytest.raises(LogUnavailable, match="there is no topic"):
        open_log().topic()


def test_a_topic_that_is_made_is_safe_and_made_once(open_log: Open) -> None:
    """Settings as they are wanted; and asking again is harmless, with whatever replication."""
    assert create(open_log(replication=1, partitions=2))
    assert open_log().topic().partitions == 2
    assert [(finding.what, finding.fatal) for finding in open_log().check()] == [("brokers", False)]
    assert not create(open_log(replication=1))
    assert not create(open_log(replication=3))


def test_topics_are_made_though_a_broker_has_not_heard_of_them_yet(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a cluster whichever broker is asked next may be the last to hear: each place that asks meets one such once."""
    mark, met = uuid.uuid4().hex[:12], set()
    for module in ("audit.log.kafka", "audit.log.kafka_check", "monitoring.state_topic"):

        def late(admin: Any, name: str, module: str = module) -> dict[str, Any]:
            if (module, name) not in met:
                met.add((module, name))
                raise NoSuchTopic(name)
            return describe_topic(admin, name)

        monkeypatch.setattr(f"{module}.describe_topic", late)
    config = tmp_path / "affiant.toml"
    config.write_text(
        f'[log]\nbackend = "kafka"\nbootstrap = "{kafka}"\nreplication = 1\ntopic = "entries-{mark}"\n'
        f'governance_topic = "governance-{mark}"\n[monitor]\nstate_topic = "panes-{mark}"\n'
    )
    done = affiant("topics", "create", "--config", config)
    assert (done.code, done.out.count("made: kafka topic")) == (0, 3), done
    assert len(met) == 6  # each topic's description, and its settings


def test_brokers_that_hang_do_not_hide_the_one_that_answers(
    open_log: Open, kafka: str, tmp_path: Path
) -> None:
    """A frozen broker takes connections and says nothing. By chance alone it would be asked five times in six."""
    create(open_log(replication=1))
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(5)]
        brokers = ",".join([*(f"{HOST}:{server.getsockname()[1]}" for server in silent), kafka])
        settings = open_log().settings.model_copy(update={"bootstrap": brokers})
        assert KafkaLog(settings, Config(tmp_path / "affiant.toml", {})).topic().partitions == 1


def test_shipping_begins_when_the_topic_is_made(open_log: Open, tmp_path: Path) -> None:
    """A sidecar that was started first waits for it; nobody has to start it again."""
    write_journal(tmp_path, [b"one", b"two"])
    log = open_log(replication=1)
    shipper = shipper_of(tmp_path, log, tmp_path / "s", retry_seconds=0.05)
    stop = threading.Event()
    thread = threading.Thread(target=shipper.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: shipper.progress.restarts > 1, what="it has tried, and tries again")
        assert create(log)
        wait_until(lambda: shipper.progress.shipped == 4, what="everything is shipped")
    finally:
        stop.set()
        thread.join()
    assert shipper.progress.alarm is None
    assert_complete(tmp_path, log)
