"""The controller as a process, on a real log with drifted traffic; and its event, recomputed by an auditor."""

from __future__ import annotations

import json
import math
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.errors import LogUnavailable
from audit.governance import Governance
from audit.log import configured_governance_log, configured_log
from cli.controller_parts import again_under, burnt_under, publisher_of_store
from monitoring.close import TOLERANCE
from monitoring.controller.act import appender
from monitoring.controller.ground import Grounds, entries_of
from monitoring.controller.review import review
from monitoring.controller.run import Controller
from monitoring.controller.said import because_of
from registry.deployment import Deployment, encode_deployment
from registry.statement import RETRAINING, read
from registry.stores import configured_store
from tests.components.alertmanager import Alertmanager
from tests.components.approvals import affiant
from tests.components.certificates import Authority, Pem
from tests.components.controlled import PANE, TOKEN, Site
from tests.components.controller import KEYS, put
from tests.components.image import in_image
from tests.components.process import wait_until
from tests.components.receded import Receded
from tests.components.webhook import Receiver

OF_A_CLUSTER = ("audit.log.kafka", "registry.stores.oci", "registry.stores.mlflow")
"""What both need there, and not on the log in a directory of these tests."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A copy of one's own."""
    return Site.built().copy(tmp_path / "site")


@pytest.fixture(scope="module")
def rolled(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One that a controller has rolled back; tests read it, or copy it."""
    found = Site.built().copy(tmp_path_factory.mktemp("rolled") / "site")
    with found.monitor() as page, found.controller() as controller:
        for wrong in (None, TOKEN[::-1]):
            assert controller.post(found.alert(), token=wrong) == 401
        assert controller.decisions() == page.asked == []
        assert controller.post(found.alert()) == 202
        told = controller.wait_for("roll_back")
        assert told["to"] == found.first
        shown = affiant("controller", "decisions", *found.config)
        assert shown.code == 0
        assert "roll_back" in shown.out
        assert TOKEN not in shown.out
        scraped = controller.ask("GET", "/metrics", token=None)[1].decode()
        assert 'affiant_controller_rollbacks_total{cause="prediction",service="credit"} 1.0' in scraped
        controller.stop()
        assert "ended" in controller.process.log_text()
        assert TOKEN not in controller.process.log_text()
    return found


def test_from_a_webhook_to_a_rollback(rolled: Site) -> None:
    """The event counts; alert, figures and ranges are in it."""
    event = rolled.deployed().counted[-1]
    assert (event.content.action, event.content.live, event.role) == ("rollback", rolled.first, "controller")
    because = because_of(event)
    assert because is not None
    assert [each.column for each in because.evidence.columns if each.severity == "page"]
    assert [(each.first, each.end) for each in because.ranges] == [(0, 1536)]
    assert because.alert.labels["alertname"] == "AffiantScoreDrift"


def test_an_auditor_finds_it_right(rolled: Site) -> None:
    """By its offset and by its service, as a table and as JSON."""
    offset = rolled.deployed().counted[-1].offset
    done = affiant("audit", "recompute", offset, *rolled.config)
    assert done.code == 0, done
    assert "it was right" in done.out
    assert "0:0-1535" in done.out
    told = affiant("audit", "recompute", "credit@latest", "--json", *rolled.config).json
    assert told["right"] is True
    assert [each["what"] for each in told["checks"] if not each["holds"]] == []
    assert told["signed"] == told["computed"]
    assert told["offset"] == offset


def retold(site: Site, **changed: Any) -> Deployment:
    """The controller's event, said otherwise; its key signs it."""
    event = site.deployed().counted[-1].content
    evidence = json.loads(json.dumps(event.evidence))
    for path, value in changed.items():
        place = evidence
        *way, last = path.split("__")
        for each in way:
            place = place[int(each) if each.isdigit() else each]
        place[last] = value
    return event.model_copy(update={"evidence": evidence, "at": round(time.time(), 3)})


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"evidence__columns__0__ks_lower": 0.99}, ["figures"]),
        ({"evidence__rows": 1537}, ["figures"]),
        ({"begun": 1.0}, ["times"]),
        ({"policy": "sha256:" + "00" * 32}, ["policy of that time"]),
        ({"alert__cause": "slo"}, ["it pages", "decided the same again"]),
        ({"alert__slot": "canary"}, ["decided the same again"]),
        ({"alert__severity": "warn"}, ["decided the same again"]),
    ],
)
def test_an_auditor_finds_what_is_wrong(
    rolled: Site, tmp_path: Path, changed: dict[str, Any], wrong: list[str]
) -> None:
    """Whoever has the controller's key can sign it; nobody can make it right."""
    site = rolled.copy(tmp_path / "site")
    said = retold(site, **changed)
    append = appender(Governance(configured_governance_log(site.loaded), KEYS["robot"]))
    append([encode_deployment(said)])
    offset = site.deployed().events[-1].offset
    done = affiant("audit", "recompute", offset, "--json", *site.config)
    assert done.code == 1
    assert done.json["right"] is False
    found = [each["what"] for each in done.json["checks"] if not each["holds"]]
    # It follows an event that is not the newest: whatever else is wrong, it counts for nothing.
    assert [each for each in found if each != "it counts"] == wrong
    assert "NOT right" in affiant("audit", "recompute", offset, *site.config).out
    # What holds is still what the controller did.
    (right,) = [each.offset for each in site.deployed().counted if because_of(each) is not None]
    latest = affiant("audit", "recompute", "credit@latest", "--json", *site.config)
    assert (latest.code, latest.json["offset"]) == (0, right)


def unheld(site: Site, evidence: dict[str, Any]) -> list[str]:
    """What does not hold of the rollback with other evidence."""
    governance = configured_governance_log(site.loaded, create=False)
    store, entries = configured_store(site.loaded), list(entries_of(governance, 0, None))
    publisher = publisher_of_store(store)
    grounds = Grounds(site.town.root, publisher)
    grounds.take(entries)
    event = site.deployed().counted[-1]
    event = replace(event, content=event.content.model_copy(update={"evidence": evidence}))
    log = configured_log(site.loaded, create=False)
    reader, under = log.reader(), [each(site.loaded, store, grounds) for each in (again_under, burnt_under)]
    try:
        told = review(entries, site.town.root, publisher, event, log.topic(), reader, *under)
    finally:
        reader.close()
    return [each.what for each in told.checks if not each.holds]


def test_figures_of_another_processor_are_right(rolled: Site) -> None:
    """Each float in its last bit, or by a billionth; by more than the tolerance it is another figure."""
    said = rolled.deployed().counted[-1].content.evidence
    assert said is not None

    def moved(by: Callable[[float], float]) -> dict[str, Any]:
        evidence = json.loads(json.dumps(said))
        for column in evidence["evidence"]["columns"]:
            column |= {key: by(value) for key, value in column.items() if isinstance(value, float)}
            column["log_e"] = {key: by(value) for key, value in column["log_e"].items()}
        return evidence  # type: ignore[no-any-return]

    assert unheld(rolled, moved(lambda number: math.nextafter(number, math.inf))) == []
    assert unheld(rolled, moved(lambda number: number * (1 - 1e-9))) == []
    assert unheld(rolled, moved(lambda number: (number + 1) * (1 + 2 * TOLERANCE) - 1)) == ["figures"]


def test_an_auditor_finds_a_target_that_was_not_admitted(rolled: Site, tmp_path: Path) -> None:
    """What was signed later does not count for then; the reason is said."""
    site = rolled.copy(tmp_path / "site")
    event = site.deployed().counted[-1]
    # As if the approvals of the target had been revoked before: the event is signed again behind the revocation.
    site.town.entries.clear()
    site.town.clock = time.time()
    site.town.revoke(site.first)
    log = configured_governance_log(site.loaded)
    append = appender(Governance(log, KEYS["robot"]))
    put(log, site.town.entries)  # type: ignore[arg-type]
    evidence = dict(event.content.evidence or {}) | {"governance_end": event.offset + 2}
    said = event.content.model_copy(
        update={"evidence": evidence, "after": event.content.after, "at": round(time.time(), 3)}
    )
    append([encode_deployment(said)])
    done = affiant("audit", "recompute", site.deployed().events[-1].offset, "--json", *site.config)
    checks = {each["what"]: each for each in done.json["checks"]}
    assert not checks["the target was admitted"]["holds"]
    assert "revoked: no" in checks["the target was admitted"]["said"]
    assert done.code == 1


def test_an_auditor_without_the_log_reads_the_archive(rolled: Site, tmp_path: Path) -> None:
    """All of it, or what the log does not have any more; without either, its records are gone."""
    site = rolled.copy(tmp_path / "site")
    log = Receded(site.loaded, site.directory)
    log.begin(700)
    assert affiant("audit", "recompute", "credit@latest", *site.config).code == 0
    log.lose()
    assert affiant("audit", "recompute", "credit@latest", *site.config).code == 3
    done = affiant("audit", "recompute", "credit@latest", "--archive", "--json", *site.config)
    assert done.code == 0, done
    assert done.json["right"] is True
    oldest = min(each for each in (site.directory / "data").rglob("*.parquet") if "entries" in str(each))
    oldest.unlink()
    done = affiant("audit", "recompute", "credit@latest", "--archive", *site.config)
    assert (done.code, done.out) == (1, "")
    assert "has the offsets 600 to before 1536" in done.err


@pytest.mark.parametrize(
    ("event", "code", "told"),
    [
        ("1000", 2, "no deployment event at offset 1000"),
        ("0", 2, "no deployment event at offset 0"),
        ("cards@latest", 2, "cards has no event with evidence"),
        ("latest", 2, "wanted an offset of the governance log or SERVICE@latest"),
        ("first deployment", 2, "has no evidence of drift"),
    ],
)
def test_what_is_no_event_with_evidence(rolled: Site, event: str, code: int, told: str) -> None:
    """In a line."""
    wanted = str(rolled.deployed().counted[0].offset) if event == "first deployment" else event
    done = affiant("audit", "recompute", wanted, *rolled.config)
    assert (done.code, done.out) == (code, "")
    assert told in done.err


def test_a_well_formed_lie_does_nothing(site: Site) -> None:
    """The token is right and the alert is whole; the log says that no input has drifted."""
    before = site.deployed().events
    drifted = site.evidence()
    site.record(4 * PANE, shift=0.0)
    calm = drifted.model_copy(update={"panes": tuple((0, number) for number in range(6, 10))})
    elsewhere = drifted.model_copy(update={"topic": "00" * 16})
    lies = (
        (calm, "does not page for input"),
        (elsewhere, "of the topic 00000000"),
        (b"{}", "not to be believed"),
    )
    with site.monitor() as page, site.controller() as controller:
        for number, (evidence, why) in enumerate(lies):
            page.say(evidence)
            alert = site.alert(cause="input") | {"fingerprint": f"f{number}"}
            assert controller.post(alert) == 202
            assert why in controller.wait_for("wait", f"f{number}")["why"]
            assert controller.post(alert | {"status": "resolved"}) == 202
    assert site.deployed().events == before
    assert site.live() == site.second


def manager_of(site: Site, url: str, http: dict[str, Any], name: str = "alertmanager") -> Alertmanager:
    """One that tells the controller of everything at once. `http`: how it comes to its door; `name`: of its folder."""
    receiver = {"name": "controller", "webhook_configs": [{"url": url, "http_config": http}]}
    route = {
        "receiver": "controller", "group_by": ["service"], "group_wait": "0s", "group_interval": "1s",
        "repeat_interval": "1m",
    }  # fmt: skip
    return Alertmanager(site.directory / name, {"route": route, "receivers": [receiver]})


def tell(manager: Alertmanager, alert: dict[str, Any]) -> None:
    """As Prometheus does."""
    body = json.dumps([{"labels": alert["labels"], "annotations": alert["annotations"]}]).encode()
    request = urllib.request.Request(
        f"{manager.url}/api/v2/alerts", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


@pytest.mark.prometheus
def test_a_real_alertmanager_comes_in_by_its_certificate(site: Site) -> None:
    """Of the authority that the settings name. Without one, or with another's, nobody is heard, token or not."""
    authority, strangers = Authority(site.directory / "tls"), Authority(site.directory / "other")
    door, ours, theirs = (
        authority.issue("controller"), authority.issue("alertmanager"), strangers.issue("stranger"),
    )  # fmt: skip
    site.say(tls_certificate=door.certificate, tls_key=door.key, client_ca=authority.certificate)

    def by(pem: Pem) -> dict[str, Any]:
        files = {"ca_file": authority.certificate, "cert_file": pem.certificate, "key_file": pem.key}
        return {"tls_config": {name: str(path) for name, path in files.items()}}

    url = f"https://127.0.0.1:{site.port}/alerts"
    controller = site.controller()
    controller.tls = ssl.create_default_context(cafile=authority.certificate)
    with site.monitor() as page, controller:
        assert controller.post(site.alert()) == 401  # with the token, and no certificate
        with manager_of(site, url, by(theirs), "stranger") as stranger:
            tell(stranger, site.alert())
            stranger.process.wait_for_log("Notify attempt failed", deadline_s=60)
        assert page.asked == []
        with manager_of(site, url, by(ours)) as manager:
            tell(manager, site.alert())
            controller.tls.load_cert_chain(ours.certificate, ours.key)
            told = controller.wait_for("roll_back")
    assert told["alert"] == "AffiantScoreDrift"
    assert site.live() == site.first


def retrainings(site: Site) -> list[Any]:
    """What the governance log says was asked for."""
    reader = configured_governance_log(site.loaded, create=False).reader()
    try:
        return [each.predicate for each in read(reader, types={RETRAINING})]
    finally:
        reader.close()


@pytest.mark.parametrize("first", [[], [503]], ids=["taken", "taken the second time"])
def test_who_is_to_train_anew_is_told_over_http(site: Site, first: list[int]) -> None:
    """What the statement in the log says, at the path of the settings, without any token; and once."""
    with Receiver() as hook:
        hook.answers.first += first
        site.say(retrain_webhook=f"{hook.url}/pipelines/credit")
        with site.monitor(), site.controller() as controller:
            assert controller.post(site.alert(feature="score:1")) == 202
            controller.wait_for("roll_back")
            wait_until(lambda: len(hook.posts) > len(first), what="the webhook", deadline_s=60)
            assert controller.post(site.alert(feature="score:1") | {"fingerprint": "again"}) == 202
            controller.wait_for("pass", "again")
    assert len(hook.posts) == len(first) + 1
    assert {post.path for post in hook.posts} == {"/pipelines/credit"}
    assert all("Authorization" not in post.headers for post in hook.posts)
    (said,) = retrainings(site)
    told = hook.posts[-1].body
    assert all(post.body == told for post in hook.posts)
    assert told == {
        "event": "retraining wanted", "service": "credit", "digest": site.second, "slot": "live",
        "columns": said["columns"], "text": said["reason"], "at": said["at"],
    }  # fmt: skip
    assert told["columns"]


@pytest.mark.prometheus
def test_real_alertmanager_and_monitor_and_an_auditor(site: Site) -> None:
    """The token is out of the same file; the evidence is the monitor's, counted from the same log.

    Monitor and controller have what their images have, and nothing else: what is missing there is missing here.
    """
    token = {"authorization": {"credentials_file": str(site.directory / "controller.token")}}
    manager = manager_of(site, f"http://127.0.0.1:{site.port}/alerts", token)
    monitor, decides = in_image("monitoring", OF_A_CLUSTER), in_image("controller", OF_A_CLUSTER)
    with site.real_monitor(monitor), site.controller(program=decides) as controller, manager:
        tell(manager, site.alert())
        told = controller.wait_for("roll_back")
    assert told["alert"] == "AffiantScoreDrift"
    assert site.live() == site.first
    assert affiant("audit", "recompute", "credit@latest", *site.config).code == 0


def test_a_token_is_made_once(site: Site) -> None:
    """And never printed."""
    path = site.directory / "controller.token"
    assert affiant("controller", "token", *site.config).code == 2
    path.unlink()
    assert affiant("controller", "run", *site.config).code == 2
    done = affiant("controller", "token", *site.config)
    assert done.code == 0
    assert path.read_text().strip() not in done.out
    assert path.stat().st_mode & 0o777 == 0o600


def test_nobody_there_to_ask(site: Site) -> None:
    """The command says so."""
    done = affiant("controller", "decisions", *site.config)
    assert done.code == 3
    assert "does not answer" in done.err


def test_a_controller_that_cannot_go_on_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it: of a process that lives on and decides nothing no supervisor would know."""
    monkeypatch.setattr(Controller, "run", _fails)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # this process keeps its own
    done = affiant("controller", "run", *site.config)
    assert (done.code, "it is gone" in done.err) == (3, True)
    assert "rollouts" not in [each.name for each in threading.enumerate()]


def test_a_controller_looks_at_its_token_without_requests(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a thread of its own, with which it ends."""
    names: list[str] = []

    def run(*_: object) -> None:
        names.extend(each.name for each in threading.enumerate())

    monkeypatch.setattr(Controller, "run", run)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # this process keeps its own
    assert affiant("controller", "run", *site.config).code == 0
    assert {"rollouts", "token"} <= set(names)
    assert "token" not in [each.name for each in threading.enumerate()]


def _fails(*_: object) -> None:
    raise LogUnavailable("it is gone")
