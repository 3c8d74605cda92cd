"""An alert's way to the controller: through the real servers, and by the monitor itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from monitoring.alerts.embedded import Embedded, page
from monitoring.alerts.outbox import Outbox
from monitoring.alerts.render import RULES_FILE, rules_yaml
from monitoring.alerts.routes import ROUTES_FILE, Receivers, routes_yaml
from monitoring.alerts.rules import groups_of
from monitoring.alerts.sender import Sender, poster
from monitoring.controller.alertmanager import parse_message
from monitoring.controller.token import make_token, read_token
from tests.components.alertmanager import Alertmanager, amtool
from tests.components.alerts import full_policy
from tests.components.process import wait_until
from tests.components.prometheus import Prometheus, promtool
from tests.components.webhook import Exporter, Receiver

pytestmark = pytest.mark.prometheus

POLICY = full_policy()
GROUPS = groups_of(POLICY)
RUNBOOKS = "https://example.org/runbooks"


def drifting(value: int) -> str:
    """What a monitor says of one column that has or has not drifted."""
    labels = 'service="credit",digest="0123456789ab",slot="live"'
    column = f'{labels},feature="score:bad"'
    return (
        f'affiant_drift_alarm{{{column},severity="page"}} {value}\n'
        f'affiant_drift_alarm{{{column},severity="warn"}} {value}\n'
        f"affiant_drift_ks_lower{{{column}}} 0.125\n"
        f'affiant_drift_log_e_limit{{{labels},severity="page"}} 16.5\n'
        "affiant_monitor_leader 1\n"
    )


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A token's file, as `affiant controller token` makes it."""
    path = tmp_path / "controller.token"
    make_token(path)
    return path


@pytest.fixture
def hook(token: Path) -> Iterator[Receiver]:
    """Where the controller would listen."""
    with Receiver(read_token(token)) as receiver:
        yield receiver


@pytest.fixture
def monitor() -> Iterator[Exporter]:
    """A monitor's /metrics, without drift."""
    with Exporter(drifting(0)) as exporter:
        yield exporter


def told(alert: Mapping[str, Any]) -> tuple[Any, ...]:
    """All of an alert but its times and where it came from."""
    return alert["fingerprint"], alert["labels"], alert["annotations"], alert["status"]


def test_prometheus_and_the_monitor_tell_the_controller_the_same(
    tmp_path: Path, token: Path, hook: Receiver, monitor: Exporter
) -> None:
    """The rendered files, as they are: the page comes with the token and its figures, and the warning does not; the
    monitor alone sends the same alert, by its fingerprint too.
    """
    (tmp_path / RULES_FILE).write_text(rules_yaml(GROUPS, digest=POLICY.digest, runbooks=RUNBOOKS))
    receivers = Receivers(f"{hook.url}/alerts", token, webhook=f"{hook.url}/people")
    (tmp_path / ROUTES_FILE).write_text(routes_yaml(receivers))
    manager = Alertmanager(tmp_path / "am", routes_yaml(receivers))
    sender = Sender(poster(f"{hook.url}/alone", token=lambda: read_token(token)))
    alone = Embedded(GROUPS, {"monitor": page(f"{monitor.url}/metrics")}, [sender], runbooks=RUNBOOKS)

    def came(path: str, status: str) -> list[Mapping[str, Any]]:
        posts = [post for post in list(hook.posts) if post.path == path]
        return [each for post in posts for each in post.body["alerts"] if each["status"] == status]

    stop = threading.Event()
    with (
        manager,
        Prometheus(
            tmp_path / "p",
            targets={"affiant-monitor": [monitor.address]},
            rules=[tmp_path / RULES_FILE],
            alertmanagers=[manager.address],
        ) as server,
    ):
        thread = threading.Thread(target=alone.run, args=(stop, 0.1))
        thread.start()
        try:
            monitor.text = drifting(1)
            for path in ("/alerts", "/alone"):
                wait_until(lambda path=path: came(path, "firing"), what=f"an alert at {path}")  # type: ignore[misc]
            (theirs, *_), (ours, *_) = came("/alerts", "firing"), came("/alone", "firing")
            assert told(theirs) == told(ours)
            assert {name: text for name, text in ours["annotations"].items() if text} == {
                "ks_lower": "0.125",
                "log_e_limit": "16.5",
                "summary": "score:bad of credit live 0123456789ab has drifted from the training data",
                "runbook_url": f"{RUNBOOKS}/AffiantScoreDrift.md",
            }
            assert [each["labels"]["severity"] for each in came("/alerts", "firing")] == ["page"]
            # What the controller reads of both is one alarm.
            messages = [post.body for post in list(hook.posts) if post.path in ("/alerts", "/alone")]
            assert {body["version"] for body in messages} == {"4"}
            assert all(rule["health"] in ("ok", "unknown") for rule in server.rules())
        finally:
            stop.set()
            thread.join()
        assert {each["labels"]["severity"] for each in manager.alerts()} == {"page", "warn"}
        inhibited = [each for each in manager.alerts() if each["labels"]["severity"] == "warn"]
        assert inhibited[0]["status"]["state"] == "suppressed"
    assert {post.path for post in hook.refused} <= {"/people"}  # who are told without the controller's token


def test_a_webhook_that_does_not_answer_blocks_nothing(
    token: Path, hook: Receiver, monitor: Exporter
) -> None:
    """While one holds its answer the monitor looks on, and another is told; what could not be told is told later."""
    hook.answers.hold = threading.Event()
    monitor.text = drifting(1)
    with Receiver() as people:
        held = Sender(poster(hook.url, token=lambda: read_token(token), timeout=0.2))
        free = Sender(poster(people.url), Outbox.of_people())
        alone = Embedded(GROUPS, {"monitor": page(f"{monitor.url}/metrics")}, [held, free])
        stop = threading.Event()
        thread = threading.Thread(target=alone.run, args=(stop, 0.05))
        thread.start()
        try:
            people.wait_for(1)
            wait_until(lambda: held.trouble, what="a webhook that took too long")
            seen = monitor.scrapes
            wait_until(lambda: monitor.scrapes > seen + 3, what="more looks")
            hook.answers.hold.set()
            wait_until(lambda: not held.trouble, what="an answer to another try")
        finally:
            hook.answers.hold.set()
            stop.set()
            thread.join()
    message = parse_message(_bytes(hook.posts[-1].body))
    assert [(each.service, each.digest, each.cause, each.severity) for each in message.alarms] == [
        ("credit", "0123456789ab", "prediction", "page")
    ]
    assert message.malformed == ()
    assert {each["labels"]["severity"] for each in people.alerts()} == {"page"}  # its warning is muted


def test_the_rendered_files_hold_for_both_generations_of_servers(tmp_path: Path, token: Path) -> None:
    """Prometheus 2.42 and 3 take the rules; amtool takes the routes, whoever is to be told, and finds the receivers."""
    rules, routes = tmp_path / RULES_FILE, tmp_path / ROUTES_FILE
    rules.write_text(rules_yaml(GROUPS, digest=POLICY.digest, runbooks=RUNBOOKS))
    for debian in (False, True):
        done = promtool("check", "rules", rules, debian=debian)
        assert done.returncode == 0, done.stdout
    slack = tmp_path / "slack"
    slack.write_text("https://example.org/hook")
    key = tmp_path / "key.pem"
    for receivers in (
        Receivers("https://controller:9467/alerts", token),
        Receivers("https://c:9467/alerts", None, key, key, key, webhook="http://people/"),
        Receivers(
            "https://c:9467/alerts", token, email="ops@example.org", smarthost="mail:25",
            email_from="a@example.org", slack_file=slack,
        ),
    ):  # fmt: skip
        key.touch()
        routes.write_text(routes_yaml(receivers))
        done = amtool("check-config", routes)
        assert done.returncode == 0, done.stdout
    for labels, wanted in (
        (["severity=page", "affiant_action=rollback"], "controller,people"),
        (["severity=page"], "people"),
        (["severity=warn"], "people"),
    ):
        done = amtool("config", "routes", "test", f"--config.file={routes}", *labels)
        assert done.stdout.splitlines()[-1] == wanted


def _bytes(body: Any) -> bytes:
    import json

    return json.dumps(body).encode()
