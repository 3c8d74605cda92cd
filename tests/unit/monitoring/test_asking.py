"""A monitor that does not lead answers with what the one that leads says, or says why it cannot."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from audit.errors import LogUnavailable
from audit.scrape import MetricsServer
from audit.served import Page
from cli.errors import explain
from cli.main import app
from cli.monitor import advertised
from monitoring.asking import LEADS, Asking
from monitoring.errors import NotLeading
from monitoring.members import Leader, client_id, leader_of
from monitoring.pages import pages
from monitoring.settings import MonitorSettings

TOPIC = "panes"
FIGURES: list[dict[str, Any]] = [{"service": "credit", "alarms": {}}]


def member(named: str, partitions: list[int], host: str = "/10.0.0.7") -> dict[str, Any]:
    """As the brokers tell of one; of the records' topic everybody has partition 0."""
    given = [{"topic": "entries", "partitions": [0]}, {"topic": TOPIC, "partitions": partitions}]
    return {"client_id": named, "client_host": host, "member_assignment": {"assigned_partitions": given}}


def test_who_has_partition_0_of_the_state_topic_leads() -> None:
    """And says itself where it is."""
    members = [
        member(client_id("http://a:9466"), [1, 2]),
        member(client_id("https://b:9466"), [0]),
        {**member(client_id("http://c:1"), []), "member_assignment": b""},
    ]
    assert leader_of(members, TOPIC) == Leader("https://b:9466", "https://b:9466")
    assert leader_of(members[::2], TOPIC) is None
    assert leader_of([], TOPIC) is None


@pytest.mark.parametrize(
    ("host", "address"),
    [("/10.0.0.7", "http://10.0.0.7:9466"), ("/0:0:0:0:0:0:0:1", "http://[0:0:0:0:0:0:0:1]:9466")],
)
def test_who_listens_everywhere_is_where_the_brokers_see_it(host: str, address: str) -> None:
    """Nothing need be set where brokers and monitors are in one network."""
    named = client_id(advertised(MonitorSettings(metrics_host="0.0.0.0"), 9466))  # noqa: S104
    assert leader_of([member(named, [0], host)], TOPIC) == Leader(address, address)


@pytest.mark.parametrize(
    "named",
    [
        "affiant-monitor", "affiant", client_id("ftp://a:1"), client_id("file:///etc/passwd"),
        client_id("http://a:1/figures?x="), client_id("http://user@a:1"), client_id("http://a b:1"), client_id(""),
    ],
)  # fmt: skip
def test_nothing_else_is_taken_for_an_address(named: str) -> None:
    """A member of an older version, or somebody who wants a monitor to ask for something else."""
    assert leader_of([member(named, [0])], TOPIC) == Leader("10.0.0.7", None)


def test_members_that_cannot_be_read_are_said() -> None:
    """A broker of another version."""
    with pytest.raises(LogUnavailable, match="the group's members cannot be read"):
        leader_of([{"client_id": "x"}], TOPIC)


class Says:
    """A monitor, as its pages see it."""

    def __init__(self, *, leads: bool) -> None:
        self.leads, self.asked = leads, 0
        self.wait: Callable[[], object] = lambda: None

    def collect(self) -> Iterable[Any]:
        return []

    def figures(self) -> list[dict[str, Any]]:
        self.asked += 1
        if not self.leads:
            raise NotLeading("this monitor does not lead")
        self.wait()
        return FIGURES

    def evidence(self, *parts: str) -> Any:
        self.figures()
        return None

    def comparison(self, service: str) -> Any:
        self.figures()
        return {"service": service}


Open = Callable[..., str]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Serves pages; their address."""
    with ExitStack() as stack:

        def serve(found: dict[str, Page]) -> str:
            server = MetricsServer(
                "127.0.0.1", 0, Says(leads=False), lambda: "", table="monitor", pages=found
            )
            stack.enter_context(server)
            return f"http://127.0.0.1:{server.port}"

        yield serve


def get(url: str) -> tuple[int, Any, str | None]:
    """Status, what is said, and who is said to lead."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=20) as answer:
            return answer.status, json.loads(answer.read()), answer.headers.get(LEADS)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers.get(LEADS)


def at(address: str | None) -> Asking:
    """Of a leader there."""
    return Asking(lambda: Leader(address or "10.0.0.7", address))


def test_whoever_is_asked_the_leader_answers(opened: Open) -> None:
    """Also that there is none; a service's name goes on as it came."""
    leader = opened(pages(Says(leads=True)))  # type: ignore[arg-type]
    other = opened(pages(Says(leads=False), at(leader)))  # type: ignore[arg-type]
    assert get(f"{other}/figures") == (200, FIGURES, leader)
    assert get(f"{leader}/figures") == (200, FIGURES, None)
    assert get(f"{other}/evidence/credit/sha256:{'ab' * 32}/live") == (
        404,
        {"detail": "there is none"},
        leader,
    )
    assert get(f"{other}/comparison/kr%C3%A9dit")[:2] == (200, {"service": "krédit"})


def test_a_question_goes_one_hop(opened: Open) -> None:
    """Two that take each other for the leader ask no third time."""
    one, two = Says(leads=False), Says(leads=False)
    known: dict[str, str] = {}
    first = opened(pages(one, Asking(lambda: Leader(known["two"], known["two"]))))  # type: ignore[arg-type]
    known["two"] = second = opened(pages(two, at(first)))  # type: ignore[arg-type]
    status, said, leader = get(f"{first}/figures")
    assert (status, leader) == (503, second)
    assert "answers 503; where that is not the one that leads, its [monitor] advertise" in said["detail"]
    assert (one.asked, two.asked) == (1, 1)


def test_where_the_leader_sends_elsewhere_nobody_goes(opened: Open) -> None:
    """A redirect is no answer, wherever it leads."""
    asked = Says(leads=True)
    elsewhere = opened(pages(asked))  # type: ignore[arg-type]

    def sends(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("302 Found", [("Location", f"{elsewhere}/figures")])
        return [b""]

    status, said, _ = get(f"{opened(pages(Says(leads=False), at(opened({'/figures': sends}))))}/figures")  # type: ignore[arg-type]
    assert (status, asked.asked) == (503, 0)
    assert "answers 302" in said["detail"]


def _nobody() -> None:
    raise LogUnavailable("kafka: no broker")


def test_status_says_who_leads_or_that_nobody_does(opened: Open, tmp_path: Path) -> None:
    """Exit code 3, and not a calm nothing."""
    who: list[Callable[[], Leader | None]] = []
    url = opened(pages(Says(leads=False), Asking(lambda: who[-1]())))  # type: ignore[arg-type]  # noqa: PLW0108
    settings = tmp_path / "affiant.toml"
    settings.write_text(f'[data]\ndirectory = "."\n[controller]\nmonitor_url = "{url}"\n')
    for each, told in (
        (lambda: None, "no monitor leads just now"),
        (_nobody, "this monitor does not lead, and cannot say who does: kafka: no broker"),
        (lambda: Leader("10.0.0.7", None), "the monitor on 10.0.0.7 leads, and does not say where"),
        (
            lambda: Leader("x", "http://127.0.0.1:1"),
            "the monitor at http://127.0.0.1:1 leads, and does not answer",
        ),
    ):
        who.append(each)
        done = CliRunner().invoke(app, ["drift", "status", "--config", str(settings)])
        assert isinstance(done.exception, LogUnavailable)
        failed = explain(done.exception)
        assert failed is not None
        assert (failed.code, failed.line.split(": ", 1)[0]) == (3, f"the monitor at {url} answers 503")
        assert told in failed.line


def test_of_a_monitor_that_is_alone_too(opened: Open) -> None:
    """Over a local log: it has not read yet what is kept."""
    assert get(f"{opened(pages(Says(leads=False)))}/figures") == (  # type: ignore[arg-type]
        503, {"detail": "this monitor does not lead"}, None,
    )  # fmt: skip


def test_status_of_another_says_who_answered(opened: Open, tmp_path: Path) -> None:
    """As people and as scripts read it."""
    monitor = Says(leads=True)
    leader = opened({"/figures": lambda _, start: [start("200 OK", []), b"[]"][1:]})
    url = opened(pages(Says(leads=False), at(leader)))  # type: ignore[arg-type]
    settings = tmp_path / "affiant.toml"
    settings.write_text(f'[data]\ndirectory = "."\n[controller]\nmonitor_url = "{url}"\n')
    done = CliRunner().invoke(app, ["drift", "status", "--json", "--config", str(settings)])
    assert (done.exit_code, json.loads(done.output)) == (0, {"packages": [], "leader": leader})
    assert f"the monitor at {leader} leads" in " ".join(
        CliRunner().invoke(app, ["drift", "status", "--config", str(settings)]).output.split()
    )
    assert not monitor.asked


def test_an_answer_beyond_all_bounds_is_none(opened: Open) -> None:
    """Nobody fills the memory of the one who asks."""
    leader = opened(pages(Says(leads=True)))  # type: ignore[arg-type]
    few = Asking(lambda: Leader(leader, leader), most=10)
    assert get(f"{opened(pages(Says(leads=False), few))}/figures")[0] == 503  # type: ignore[arg-type]


@pytest.mark.timeout(60)
def test_few_questions_are_passed_on_at_a_time(opened: Open) -> None:
    """More are told to come again: a leader that hangs takes no thread of the others but these."""
    leader, free, inside = Says(leads=True), threading.Event(), threading.Semaphore(0)
    leader.wait = lambda: (inside.release(), free.wait(30))
    other = opened(pages(Says(leads=False), at(opened(pages(leader)))))  # type: ignore[arg-type]
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(get(f"{other}/figures"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            assert inside.acquire(timeout=30)
        status, said, _ = get(f"{other}/figures")
        assert (status, "too many ask it through this one" in said["detail"]) == (503, True)
    finally:
        free.set()
        for thread in threads:
            thread.join()
    assert [each[0] for each in found] == [200] * 4
    assert get(f"{other}/figures")[0] == 200
