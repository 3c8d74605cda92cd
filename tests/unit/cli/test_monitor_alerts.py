"""What the monitor evaluates by itself, of settings; and whom it tells of what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import GaugeMetricFamily
from structlog.testing import capture_logs

from audit.config import Config, load
from audit.errors import AuditError, ConfigError
from audit.scrape import MetricsServer
from audit.served_tls import ServedTls
from audit.together import Together
from cli.monitor_alerts import Evaluating, _controller, _others, configured_evaluating
from monitoring import names
from monitoring.alerts.firing import firing_page
from monitoring.alerts.path import COMPLETENESS
from monitoring.controller.metrics import ControllerMetrics
from monitoring.controller.token import make_token, read_token
from monitoring.controller.webhook import Door, WebhookServer, application
from monitoring.settings import MonitorSettings
from tests.components.alerts import full_policy
from tests.components.approvals import affiant
from tests.components.ports import free_port
from tests.components.process import wait_until
from tests.components.webhook import Exporter, Receiver
from tests.unit.monitoring.controller.test_alertmanager import alert, message
from tests.unit.monitoring.controller.test_webhook import Authority, Ear

LABELS = ("credit", "0123456789ab", "live", "score:bad", "page")


class Monitor:
    """What one says that leads, or does not: the score of a package has drifted."""

    def __init__(self) -> None:
        self.leads = True
        self.drifted = 1.0

    def collect(self) -> Iterable[Any]:
        yield GaugeMetricFamily(names.LEADER.name, "", int(self.leads))
        if self.leads:
            family = GaugeMetricFamily(names.ALARM.name, "", labels=names.ALARM.labels)
            values = dict(zip(("service", "digest", "slot", "feature", "severity"), LABELS, strict=True))
            family.add_metric([values[each] for each in names.ALARM.labels], self.drifted)
            yield family


class Machine:
    """A settings file, its gateway's metrics, people's webhook and the controller's."""

    def __init__(self, directory: Path, gateway: Exporter, people: Receiver, hook: Receiver) -> None:
        self.directory, self.gateway, self.people, self.hook = directory, gateway, people, hook
        self.monitor = Monitor()
        (directory / "people").write_text(f"{people.url}/services/secret\n")

    def configured(self, tables: str = "", more: str = "", watch: str = '"gateway"') -> Config:
        """These settings."""
        path, port = self.directory / "affiant.toml", self.gateway.address.rsplit(":")[-1]
        path.write_text(
            f'[data]\ndirectory = "data"\n[gateway]\nport = {port}\n[sidecar]\nmetrics_port = 0\n[notary]\n'
            f'metrics_port = 0\n{tables}\n[monitor]\nwatched = [{watch}]\nwebhook = "{self.hook.url}/alerts"\n'
            f'people_webhook_file = "people"\n{more}'
        )
        return load(path)

    def evaluating(self, policy: Any = None, tables: str = "", more: str = "") -> Evaluating:
        """By these settings; `policy`: in force."""
        config = self.configured(tables, more)
        settings = config.section("monitor", MonitorSettings)
        found = configured_evaluating(config, settings, self.monitor, lambda: policy)
        assert found is not None
        return found

    def said(self) -> list[str]:
        """What people read."""
        return [post.body["text"] for post in list(self.people.posts)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], tuple[Any, ...]]]:
    """The gateway's page, and two webhooks; emptied for each test."""
    token = tmp_path_factory.mktemp("token") / "controller.token"
    make_token(token)
    with Exporter() as gateway, Receiver() as people, Receiver(read_token(token)) as hook:

        def fresh() -> tuple[Any, ...]:
            gateway.text = ""
            for receiver in (people, hook):
                receiver.posts.clear()
            return token, gateway, people, hook

        yield fresh


@pytest.fixture
def machine(tmp_path: Path, servers: Callable[[], tuple[Any, ...]]) -> Machine:
    """With the controller's token."""
    token, *rest = servers()
    path = tmp_path / "controller.token"
    path.write_bytes(token.read_bytes())
    path.chmod(0o600)
    return Machine(tmp_path, *rest)


def fires(evaluating: Evaluating) -> set[str]:
    """Names, after a look."""
    evaluating.look()
    return {each.labels["alertname"] for each in evaluating.firing}


def test_people_hear_of_everything_and_the_controller_of_what_it_may_act_on(machine: Machine) -> None:
    """By the settings, as the monitor runs them: each alert, and its end. People's webhook is given no token."""
    machine.gateway.text = "affiant_unaudited 1\n"
    stop = threading.Event()
    with capture_logs() as logs, Together(stop) as threads:
        machine.evaluating(full_policy()).begin(threads)
        wait_until(lambda: len(machine.said()) >= 2 and machine.hook.posts, what="both to be told")
        machine.gateway.text = "affiant_unaudited 0\n"
        wait_until(lambda: any("• over" in each for each in machine.said()), what="the end")
    texts = sorted(machine.said()[:2])
    assert texts[0].startswith(
        "*Affiant: page*, credit 0123456789ab live\n• page AffiantScoreDrift: score:bad of "
    )
    assert texts[1].startswith(
        "*Affiant: page*, the record's way\n• page AffiantUnaudited: the gateway gateway "
    )
    assert {post.path for post in machine.people.posts} == {"/services/secret"}
    assert not [post for post in machine.people.posts if "Authorization" in post.headers]
    assert {each["labels"]["alertname"] for each in machine.hook.alerts()} == {"AffiantScoreDrift"}
    logged = [(each["event"], each["alertname"]) for each in logs if "alertname" in each]
    assert set(logged[:2]) == {
        ("an alert fires", "AffiantScoreDrift"),
        ("an alert fires", "AffiantUnaudited"),
    }
    assert ("an alert has ended", "AffiantUnaudited") in logged
    assert "secret" not in str(logs)


@pytest.mark.parametrize("answer", ["refused", "404", "302"])
def test_a_webhook_of_people_that_does_not_take_it_is_no_secret_told(machine: Machine, answer: str) -> None:
    """It is said whose it was, and why; not where it is."""
    machine.gateway.text = "affiant_unaudited 1\n"
    if answer == "refused":
        (machine.directory / "people").write_text(f"http://127.0.0.1:{free_port()}/services/secret")
    machine.people.answers.first = [int(answer)] if answer != "refused" else []
    evaluating = machine.evaluating()
    evaluating.look()
    with capture_logs() as logs:
        for sender in evaluating._senders:
            sender.step()
    (said,) = logs
    assert (said["event"], said["receiver"]) == ("a webhook did not take an alert", "people")
    assert answer in said["why"]
    assert "secret" not in str(logs)


def test_an_on_call_service_gets_alertmanagers_json(machine: Machine) -> None:
    """Where the settings say so."""
    machine.gateway.text = "affiant_unaudited 1\n"
    with Together(threading.Event()) as threads:
        machine.evaluating(more='people_webhook_shape = "alertmanager"\n').begin(threads)
        machine.people.wait_for(1)
    (post, *_) = machine.people.posts
    assert (post.body["version"], post.body["receiver"]) == ("4", "people")
    assert post.body["alerts"][0]["labels"] == {
        "alertname": "AffiantUnaudited", "instance": "gateway", "severity": "page",
    }  # fmt: skip


def test_without_a_policy_the_records_way_is_looked_at(machine: Machine) -> None:
    """Nobody governs, and records must be shipped and sealed all the same."""
    machine.gateway.text = "affiant_unaudited 1\n"
    assert fires(machine.evaluating()) == {"AffiantUnaudited"}


def test_whoever_does_not_lead_looks_at_its_own_machine_alone(machine: Machine) -> None:
    """What packages answer is for one to judge; that nobody does, none of them can know. Who loses the lead ends no
    alert: another monitor goes on with it.
    """
    machine.gateway.text = "affiant_unaudited 1\n"
    kafka = '[log]\nbackend = "kafka"\nbootstrap = "127.0.0.1:1"\n'
    evaluating = machine.evaluating(full_policy(), tables=kafka)
    assert fires(evaluating) == {"AffiantScoreDrift", "AffiantUnaudited"}
    machine.monitor.leads = False
    with capture_logs() as logs:
        assert fires(evaluating) == {"AffiantUnaudited"}
    assert logs == []
    machine.monitor.leads = True
    assert fires(evaluating) == {"AffiantScoreDrift", "AffiantUnaudited"}


@pytest.mark.parametrize(("backend", "said"), [("local", True), ("kafka", False)])
def test_that_nobody_judges_is_said_by_whoever_is_alone(machine: Machine, backend: str, said: bool) -> None:
    """Over a local log; one of several cannot know."""
    machine.monitor.leads = False
    kafka = '[log]\nbackend = "kafka"\nbootstrap = "127.0.0.1:1"\n'
    evaluating = machine.evaluating(tables=kafka if backend == "kafka" else "")
    evaluating.look()
    rules = {rule.alert for group in evaluating._embedded._groups for rule in group.rules}
    assert ("AffiantNoMonitor" in rules) is said
    assert "AffiantMonitorStalled" in rules


def watched(config: Config) -> dict[str, Any]:
    """What is scraped."""
    return _others(config, config.section("monitor", MonitorSettings))


def test_the_processes_that_the_settings_name_are_watched(machine: Machine) -> None:
    """No others are told of when they do not answer; of one whose port nobody knows it is said that nobody looks."""
    for names_, found, silent in (
        ('"gateway"', ["gateway"], []),
        ('"gateway", "sidecar", "controller"', ["gateway"], ["sidecar"]),
        ("", [], []),
    ):
        config = machine.configured(watch=names_)
        with capture_logs() as logs:
            assert list(watched(config)) == found
        assert [(each["target"], each["why"]) for each in logs] == [
            (each, "its port is 0") for each in silent
        ]
    with pytest.raises(ConfigError, match="watched"):
        watched(machine.configured(watch='"broker"'))


def test_over_tls_the_certificate_of_the_settings_is_believed(machine: Machine) -> None:
    """It is this machine's own server; another's certificate is none. Its file may come later than the monitor, and
    while there is none in it the server shows the one before.
    """
    ours, other = Authority(machine.directory, "ours"), Authority(machine.directory, "other")
    (machine.directory / "controller.key").touch()
    file, port = ours.issue("server"), free_port()
    config = machine.configured(
        f'[controller]\nport = {port}\ntls_certificate = "{file.name}"\ntls_key = "{file.name}"\n',
        watch='"controller"',
    )
    source, written = watched(config)["controller"], file.read_bytes()
    file.unlink()
    with pytest.raises(OSError, match=file.name):
        source()
    file.write_bytes(written)
    metrics = ControllerMetrics()
    metrics.count(names.WEBHOOKS, "accepted")
    pages = application(Ear(), Door(lambda: ("t" * 43,)), metrics)
    with WebhookServer("127.0.0.1", port, pages, ServedTls("controller", file, file)):
        assert {each.name for each in source()} >= {"affiant_controller_webhooks_total"}
        file.write_bytes(b"half a certifi")
        assert {each.name for each in source()} >= {"affiant_controller_webhooks_total"}
        file.write_bytes(written)
    stranger = other.issue("server")
    with (
        WebhookServer("127.0.0.1", port, pages, ServedTls("controller", stranger, stranger)),
        pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        list(source())


@pytest.mark.parametrize("mutual", [False, True])
def test_a_certificate_of_the_controller_that_was_renewed_is_believed(machine: Machine, mutual: bool) -> None:
    """Whoever believes the one of before tells nobody any more. While its files are none the controller shows the one
    of before, and is told of alerts by it; that is said once.
    """
    authority = Authority(machine.directory, "ours")
    file, port, settings = authority.issue("server"), free_port(), machine.directory / "affiant.toml"
    settings.write_text(
        f'[controller]\nport = {port}\ntls_certificate = "{file.name}"\ntls_key = "{file.name}"\n'
        + (f'client_ca = "{authority.path.name}"\n' if mutual else "")
    )
    config = load(settings)
    (sender,) = _controller(config, config.section("monitor", MonitorSettings))
    token = read_token(machine.directory / "controller.token")
    ear, door = Ear(), Door(lambda: (token,), certificates=mutual)
    tls = ServedTls("controller", file, file, authority.path if mutual else None)
    with WebhookServer("127.0.0.1", port, application(ear, door, ControllerMetrics()), tls):
        assert sender._post(message(alert())) == 202
        for _ in range(2):
            authority.issue("renewed").replace(file)
            assert sender._post(message(alert())) == 202
        whole = file.read_bytes()
        with capture_logs() as logs:
            file.write_bytes(b"half a certifi")
            assert [sender._post(message(alert())) for _ in range(2)] == [202, 202]
            file.write_bytes(whole)
            assert sender._post(message(alert())) == 202
        ours = [each["log_level"] for each in logs if "a server" in each["event"]]
        assert ours == ["warning", "info"]
    assert len(ear.heard) == 6
    file.unlink()
    with pytest.raises(ConfigError, match=r"\[controller\] TLS"):
        _controller(config, config.section("monitor", MonitorSettings))


@pytest.mark.parametrize("content", [None, "", "hooks.example.org/x", "ftp://hooks.example.org/x\n"])
def test_an_address_of_people_that_is_none_is_refused(machine: Machine, content: str | None) -> None:
    """At the start, and without what it holds: it may be most of a secret."""
    file = machine.directory / "people"
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(
        ConfigError, match=r"\[monitor\] people_webhook_file: .*people is not to be read, or"
    ) as told:
        machine.evaluating()
    assert "example" not in str(told.value)


def test_another_address_of_people_is_taken_and_one_that_is_none_is_not(machine: Machine) -> None:
    """Without a restart, and without a word of what the file holds."""
    post = machine.evaluating()._senders[-1]._post
    file = machine.directory / "people"
    with capture_logs() as logs:
        for path, content in (
            ("secret", None), ("another", f"{machine.people.url}/services/another"), ("another", "hidden"),
        ):  # fmt: skip
            if content is not None:
                file.write_text(content)
            assert post(b"{}") == 200
            assert machine.people.posts[-1].path == f"/services/{path}"
    assert [each["log_level"] for each in logs] == ["info", "warning"]
    assert not [word for word in ("services", "hidden") if word in str(logs)]


def test_where_prometheus_does_it_nothing_is_evaluated(machine: Machine) -> None:
    """And the files are not read."""
    (machine.directory / "people").unlink()
    config = machine.configured(more="evaluate = false\n")
    settings = config.section("monitor", MonitorSettings)
    assert configured_evaluating(config, settings, machine.monitor, lambda: None) is None


def test_what_fires_is_shown(machine: Machine) -> None:
    """Exit code 1 as long as something does; 3 where nobody evaluates, or nobody is there."""
    evaluating = machine.evaluating(full_policy())
    settings = machine.directory / "shown.toml"
    with ExitStack() as stack:

        def serve(firing: Any) -> None:
            server = stack.enter_context(
                MetricsServer(
                    "127.0.0.1", 0, machine.monitor, str, table="monitor",
                    pages=firing_page(firing, lambda: machine.monitor.leads),
                )
            )  # fmt: skip
            settings.write_text(f"[monitor]\nmetrics_port = {server.port}\n")

        serve(lambda: evaluating.firing)
        command = ("alerts", "firing", "--config", settings)
        calm = affiant(*command)
        assert (calm.code, calm.out) == (0, "nothing fires\n")
        evaluating.look()
        shown = affiant(*command)
        assert shown.code == 1
        assert "AffiantScoreDrift" in shown.out
        said = affiant(*command, "--json").json
        assert said["leads"] is True
        assert [each["labels"]["feature"] for each in said["firing"]] == ["score:bad"]
        machine.monitor.leads = False
        assert "does not lead" in affiant(*command).out
        serve(None)
        nobody = affiant(*command)
        assert (nobody.code, "Prometheus does" in nobody.err) == (3, True)
    assert affiant(*command).code == 3


@pytest.mark.parametrize(
    ("text", "elsewhere", "said"),
    [
        ("[" * 100_000, None, "RecursionError"),
        ("[]", None, "is no monitor"),
        ('{"firing": [{"labels": {"a": 1}, "annotations": {}, "since": 1}]}', None, "is no monitor"),
        ('{"firing": []}', "http://127.0.0.1:1/firing", "answers 302"),
    ],
)
def test_what_is_no_monitors_answer_is_none(
    tmp_path: Path, text: str, elsewhere: str | None, said: str
) -> None:
    """Nor is that of where somebody is sent."""
    settings = tmp_path / "affiant.toml"
    with Exporter(text, elsewhere) as page:
        settings.write_text(f"[monitor]\nmetrics_port = {page.address.rsplit(':')[-1]}\n")
        done = affiant("alerts", "firing", "--config", settings)
    assert done.code == 3
    assert said in done.err


def test_a_webhooks_thread_that_dies_is_not_missed_in_silence(machine: Machine) -> None:
    """It ends the monitor as any other does."""
    evaluating, stop = machine.evaluating(), threading.Event()

    def broken() -> None:
        raise KeyError("nobody expected this")

    evaluating._senders[-1].step = broken  # type: ignore[assignment, method-assign]

    def main_loop() -> None:
        with Together(stop) as threads:
            evaluating.begin(threads)
            assert stop.wait(10)

    with pytest.raises(AuditError, match=r"'told' has ended unasked .KeyError"):
        main_loop()


def test_what_completeness_found_is_read_where_the_settings_name_its_file(machine: Machine) -> None:
    """Without one its rules are not there: they could say nothing. A file that nobody has written is no target down."""
    rules = {rule.alert for group in machine.evaluating()._groups(None, True) for rule in group.rules}
    assert not rules & COMPLETENESS
    file = machine.directory / "affiant.prom"
    more = 'completeness_file = "affiant.prom"\n'
    assert fires(machine.evaluating(more=more)) == set()
    assert list(watched(machine.configured(more=more))["completeness"]()) == []
    file.write_text('affiant_audit_missing{journal="ab"} 2\naffiant_audit_looked_seconds 1\n')
    assert fires(machine.evaluating(more=more)) == {"AffiantRecordsMissing", "AffiantCompletenessOld"}


@pytest.mark.parametrize(
    ("more", "told"), [("", True), ('webhook = "https://elsewhere.example/alerts"\n', False)]
)
def test_that_no_controller_decides_is_told_where_it_is_this_machine_s(
    tmp_path: Path, more: str, told: bool
) -> None:
    """By the policy, which counts on one; not of a controller that is elsewhere, whose metrics nobody reads here."""
    path, policy = tmp_path / "affiant.toml", full_policy()
    for watched in ("", 'watched = ["gateway"]\n'):
        path.write_text(f"[monitor]\n{more}{watched}")
        config = load(path)
        found = configured_evaluating(
            config, config.section("monitor", MonitorSettings), Monitor(), lambda: policy
        )
        assert found is not None
        rules = {rule.alert for group in found._groups(policy, True) for rule in group.rules}
        assert ("AffiantNoController" in rules) == (told and not watched)
        assert "AffiantNoController" not in {
            rule.alert for group in found._groups(None, True) for rule in group.rules
        }
