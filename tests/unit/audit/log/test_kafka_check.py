"""Which topics are safe: those that are made are, whatever the cluster; and what cannot be seen is told."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import ConfigError, LogUnavailable, NoSuchTopic
from audit.log.kafka_check import describe_topic, heard, judge, replicas_of, wanted
from audit.settings import LogSettings


def settings(replication: int) -> LogSettings:
    """[log]."""
    return LogSettings(backend="kafka", bootstrap="127.0.0.1:1", replication=replication)


def fatal(values: dict[str, str], *, replicas: int, brokers: int, archived: bool = False) -> list[str]:
    """What would stop shipping."""
    found = judge(values, replicas=replicas, brokers=brokers, archived=archived)
    return [finding.what for finding in found if finding.fatal]


@given(brokers=st.integers(1, 12), replication=st.integers(1, 32), data=st.data())
def test_a_topic_that_is_made_is_never_refused(brokers: int, replication: int, data: st.DataObject) -> None:
    """By any cluster, with any setting, and not later either, when some of its brokers are down."""
    if replication > brokers or replication == 1 < brokers:
        with pytest.raises(ConfigError, match="replication = "):
            replicas_of(settings(replication), brokers)
        return
    replicas = replicas_of(settings(replication), brokers)
    assert replicas == replication
    live = data.draw(st.integers(1, brokers))
    for archived in (False, True):
        assert fatal(wanted(replicas), replicas=replicas, brokers=live, archived=archived) == []


@pytest.mark.parametrize("brokers", [1, 2, 3])
def test_one_copy_is_fatal_however_many_brokers_live(brokers: int) -> None:
    """Three replicas and one broker alive: its acknowledgement alone would be the promise."""
    values = {**wanted(3), "min.insync.replicas": "1"}
    assert fatal(values, replicas=3, brokers=brokers) == ["min.insync.replicas"]


def test_a_topic_of_one_copy_among_several_brokers_is_fatal() -> None:
    """There could be more."""
    assert fatal(wanted(1), replicas=1, brokers=3) == ["min.insync.replicas"]


def test_one_broker_is_remarked_and_not_refused() -> None:
    """Its operator said replication = 1."""
    (finding,) = judge(wanted(1), replicas=1, brokers=1, archived=False)
    assert (finding.what, finding.fatal) == ("brokers", False)


def test_brokers_that_are_away_are_remarked() -> None:
    """Nothing is lost by it, and nothing may be written."""
    found = judge(wanted(3), replicas=3, brokers=1, archived=False)
    assert [(finding.what, finding.fatal) for finding in found] == [("brokers that live", False)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cleanup.policy", "compact"),
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "1"),
        ("unclean.leader.election.enable", "true"),
        ("max.message.bytes", "1048588"),
    ],
)
def test_each_setting_that_breaks_the_promise_is_named(key: str, value: str) -> None:
    """One at a time."""
    assert fatal({**wanted(3), key: value}, replicas=3, brokers=3) == [key]


def test_an_archive_lets_the_topic_forget() -> None:
    """What retention drops is kept elsewhere."""
    values = {**wanted(3), "retention.ms": "1", "retention.bytes": "1"}
    assert fatal(values, replicas=3, brokers=3, archived=True) == []


class Cluster:
    """Describes a topic by an error code, as a broker does."""

    def __init__(self, code: int) -> None:
        self.code = code

    def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        """One answer a name."""
        return [{"error_code": self.code, "name": name} for name in names]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3, "`affiant topics create` makes it"),
        (29, "may not describe topic 't' (TOPIC_AUTHORIZATION_FAILED)"),
        (31, "may not describe topic 't' (CLUSTER_AUTHORIZATION_FAILED)"),
        (5, "cannot be described now (LEADER_NOT_AVAILABLE)"),
        (-1, "cannot be described now"),
        (30_000, "cannot be described now"),
    ],
)
def test_each_failure_to_see_the_topic_has_its_own_words(code: int, words: str) -> None:
    """And only one of them is that it is not there. Each may pass: who ships tries again."""
    admin: Any = Cluster(code)
    with pytest.raises(LogUnavailable) as raised:
        describe_topic(admin, "t")
    assert words in str(raised.value)
    assert ("topics create" in str(raised.value)) == (code == 3)


UNREACHABLE = """
from pathlib import Path
from audit.config import Config
from audit.errors import LogUnavailable
from audit.log import kafka
from audit.settings import LogSettings
kafka.REQUEST_MS = 200
settings = LogSettings(backend="kafka", bootstrap="127.0.0.1:1")
log = kafka.KafkaLog(settings, Config(Path("/nowhere/affiant.toml"), {}), delivery_timeout=0.2)
for ask in (log.topic, log.reader, log.check, lambda: log.writer(0), lambda: kafka.create(log)):
    try:
        ask()
    except LogUnavailable as error:
        print(error)
"""


def test_a_broker_that_does_not_answer_is_named_once() -> None:
    """Which address, which setting, and no class of somebody's library twice.

    In a process of its own: kafka-python leaves its sockets open when it cannot begin.
    """
    done = subprocess.run([sys.executable, "-c", UNREACHABLE], capture_output=True, text=True, check=True)
    told = done.stdout.splitlines()
    assert len(told) == 5
    for line in told:
        assert "127.0.0.1:1" in line
        assert "[log] bootstrap" in line
        assert "KafkaTimeoutError" not in line


@pytest.mark.parametrize("error", [NoSuchTopic, LogUnavailable])
def test_a_broker_that_has_not_heard_of_a_new_topic_is_asked_again(error: type[LogUnavailable]) -> None:
    """Another one has made it: that one's word counts."""
    words: list[LogUnavailable | str] = [error("not here"), error("not here"), "here"]
    pauses: list[float] = []

    def look() -> str:
        word = words.pop(0)
        if isinstance(word, LogUnavailable):
            raise word
        return word

    assert heard(look, monotonic=lambda: 5.0, pause=pauses.append) == "here"
    assert len(pauses) == 2


def test_a_topic_that_no_broker_ever_has_is_told_in_the_end() -> None:
    """Ten seconds are enough for brokers to hear of it."""
    clock = [0.0]

    def pause(seconds: float) -> None:
        clock[0] += seconds

    def look() -> None:
        raise NoSuchTopic(f"at {clock[0]:.0f}")

    with pytest.raises(NoSuchTopic, match="at 10"):
        heard(look, monotonic=lambda: clock[0], pause=pause)
