"""A governed gateway, as a process: it follows the governance log by itself, under load, and serves nothing else.

Load comes from threads that ask without a pause; each answer says which package gave it.
"""

from __future__ import annotations

import http.client
import json
import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from audit.governance import Governance
from audit.log import configured_governance_log
from audit.log.kafka import KafkaLog, create
from audit.show import walk
from cli.sidecar import governance_copied
from registry.deployment import Deployment, Placed, encode_deployment
from registry.deployment.state import deployed_of
from registry.statement import REVOCATION, append
from registry.stores import configured_store
from tests.components.approvals import House, affiant
from tests.components.gateway import Served, Site, start_gateway
from tests.components.packages import credit_table
from tests.components.process import wait_until
from tests.components.threads import running

ROW: dict[str, Any] = json.loads(
    credit_table().frame.drop(columns=["creditability"]).head(1).to_json(orient="records")
)[0]
BODY = json.dumps({"instances": [ROW]}).encode()
PATH = "/v1/models/credit:predict"


@dataclass
class Load:
    """What came back, by status and package; `newest`: the last package that answered each thread."""

    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    newest: dict[int, str] = field(default_factory=dict)

    def only(self, digest: str) -> bool:
        """Whether each thread's last answer was that package's."""
        return bool(self.newest) and set(self.newest.values()) == {digest}


@contextmanager
def load(served: Served, threads: int = 3) -> Iterator[Load]:
    """Ask without a pause; a connection that breaks fails the test."""
    found, stop, failures = Load(), threading.Event(), []

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
        try:
            while not stop.is_set():
                connection.request("POST", PATH, BODY, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                digest = answer.getheader("affiant-model", "")
                found.answers[answer.status, digest] += 1
                found.newest[number] = digest
        except Exception as error:  # noqa: BLE001 - told below, in the test's thread
            failures.append(repr(error))
        finally:
            connection.close()

    workers = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    for each in workers:
        each.start()
    try:
        yield found
    finally:
        stop.set()
        for each in workers:
            each.join()
    assert not failures


def post(served: Served) -> tuple[int, str, dict[str, Any]]:
    """One request: status, package, body."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    try:
        connection.request("POST", PATH, BODY, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("affiant-model", ""), json.loads(answer.read())
    finally:
        connection.close()


def exposed(served: Served) -> str:
    """What it says at /metrics."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def metric(served: Served, name: str) -> float:
    """A metric without labels of its own."""
    return next(float(line.split()[-1]) for line in exposed(served).splitlines() if line.startswith(name))


def weights(served: Served) -> dict[tuple[str, str], float]:
    """Digest and slot → `affiant_plan_weight`."""
    return {
        (sample.labels["digest"], sample.labels["slot"]): sample.value
        for family in text_string_to_metric_families(exposed(served))
        for sample in family.samples
        if sample.name == "affiant_plan_weight"
    }


def approve(house: House, *digests: str) -> None:
    """All that live needs."""
    for digest in digests:
        house.gates(digest=digest)
        for person, role in (("dan", "legal"), ("bob", "compliance")):
            assert house.sign("approve", person, role, digest=digest).code == 0


def move(house: House, verb: str, *words: object) -> None:
    """A command of deployments that must end well."""
    done = affiant(
        verb, "credit", *words, "--reason", "because", "--key", house.key("dan"), "--yes", *house.config
    )
    assert done.code == 0, done


@pytest.fixture(scope="module")
def house(built: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house whose gateway runs."""
    return built.copy(tmp_path_factory.mktemp("governed") / "house")


@pytest.fixture(scope="module")
def packages(house: House) -> tuple[str, str]:
    """Both digests of its store."""
    first, second = (each.digest for each in configured_store(house.loaded).list())
    return first, second


@pytest.fixture(scope="module")
def gateway(house: House, packages: tuple[str, str]) -> Iterator[Served]:
    """With the second package in its settings' plan, which nobody has approved."""
    site = Site(house.directory, tables={"governance": {"root": "root.json"}})
    site.plan.append(("credit", packages[1], "live", 100.0))
    served = start_gateway(site, ready=False)
    yield served
    served.process.kill()


def test_what_nobody_approved_does_not_answer(
    gateway: Served, house: House, packages: tuple[str, str]
) -> None:
    """Whatever the settings say; the log of the gateway says what is missing."""
    assert post(gateway)[0] in (404, 503)
    assert metric(gateway, "affiant_plan_behind") == 1
    assert "no gate results under the policy in force" in (house.directory / "gateway.log").read_text()
    approve(house, packages[0])
    move(house, "deploy", packages[0])
    wait_until(lambda: post(gateway)[:2] == (200, packages[0]), what="it follows the log")
    # It answers a moment before it says that it has come so far.
    wait_until(lambda: metric(gateway, "affiant_plan_behind") == 0, what="nothing of the plan is behind")


def test_no_request_is_dropped_over_swaps(gateway: Served, house: House, packages: tuple[str, str]) -> None:
    """Deployed, back, and again; every request is answered by one of the two."""
    approve(house, packages[1])
    with load(gateway) as seen:
        for number in range(6):
            digest = packages[(number + 1) % 2]
            move(house, "deploy", digest)
            wait_until(lambda digest=digest: seen.only(digest), what=f"swap {number} is seen by all")  # type: ignore[misc]
    assert {status for status, _ in seen.answers} == {200}
    assert {digest for _, digest in seen.answers} == set(packages)


def test_the_plan_s_weights_say_which_digest_has_which_share(
    gateway: Served, house: House, packages: tuple[str, str]
) -> None:
    """They follow a canary, its promotion and the way back; what is gone has none."""
    first, second = packages
    assert weights(gateway) == {(first, "live"): 100.0}
    for words, wanted in (
        (("deploy", second, "--canary", "10%"), {(first, "live"): 90.0, (second, "canary"): 10.0}),
        (("promote",), {(second, "live"): 100.0}),
        (("deploy", first), {(first, "live"): 100.0}),
    ):
        move(house, *words)
        wait_until(lambda wanted=wanted: weights(gateway) == wanted, what=f"weights: {wanted}")  # type: ignore[misc]
        assert post(gateway)[1] in {digest for digest, _ in wanted}


def test_a_canary_answers_its_share_and_a_revocation_takes_it_off(
    gateway: Served, house: House, packages: tuple[str, str]
) -> None:
    """Under load, and what is live goes on."""
    live, canary = packages
    move(house, "deploy", canary, "--canary", "10%")
    with load(gateway) as seen:
        wait_until(lambda: seen.answers[200, canary] >= 20, what="the canary answers")
        predicate = {"service": "credit", "role": "legal", "rationale": "found a flaw", "at": time.time()}
        house.say("ann", REVOCATION, predicate, canary)
        wait_until(lambda: metric(gateway, "affiant_plan_behind") == 1, what="the gateway has seen it")
        seen.newest.clear()
        wait_until(lambda: len(seen.newest) == 3, what="each thread was answered since")
        before = seen.answers[200, canary]
        others = seen.answers[200, live]
        wait_until(lambda: seen.answers[200, live] > others + 300, what="many more answers")
        assert seen.answers[200, canary] == before
    assert {status for status, _ in seen.answers} == {200}


def test_a_package_that_does_not_load_leaves_the_old_one(
    gateway: Served, house: House, packages: tuple[str, str]
) -> None:
    """Its bytes were changed in the store after everybody had looked."""
    live, other = packages
    # Off the plan first: as a canary it would be loaded with the first of these signatures, while it is whole.
    move(house, "deploy", live)
    approve(house, other)  # again, after the revocation
    blob = _blob(house, other)
    kept = blob.read_bytes()
    blob.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    _deploy_unseen(house, other)
    wait_until(
        lambda: (
            f"{other} " in (house.directory / "gateway.log").read_text()
            and metric(gateway, "affiant_plan_behind") == 1
        ),
        what="the gateway says that it cannot load it",
    )
    assert post(gateway)[:2] == (200, live)
    blob.write_bytes(kept)
    wait_until(lambda: post(gateway)[:2] == (200, other), what="it is loaded when it is whole again")


def _blob(house: House, digest: str) -> Path:
    """The file of a package's model in the store."""
    package = configured_store(house.loaded).pull(digest)
    name = package.parsed.roles["model"].digest.removeprefix("sha256:")
    (found,) = (path for path in (house.directory / "data" / "store").rglob(name) if path.is_file())
    return found


def _deploy_unseen(house: House, digest: str) -> None:
    """As somebody does who does not look into the store first."""
    board = house.board()
    last = deployed_of(board.roots, board.said, "credit").last
    event = Deployment(
        service="credit", action="deploy", plan=[Placed(digest=digest)], reason="r", actor="dan",
        after=None if last is None else last.offset, at=round(time.time(), 3),
    )  # fmt: skip
    append(
        Governance(configured_governance_log(house.loaded), house.signer("dan")), [encode_deployment(event)]
    )


@pytest.mark.kafka
def test_a_governance_log_on_kafka_reaches_the_gateway_by_its_copy(
    built: House, kafka: str, tmp_path: Path
) -> None:
    """The gateway does not speak to the broker; while nobody copies, its copy grows old, and it says so."""
    house = built.copy(tmp_path / "house")
    approve(house, house.digest)
    topic = f"governance-{uuid.uuid4().hex[:12]}"
    site = Site(house.directory, tables={"governance": {"root": "root.json"}})
    site.tables["log"] = {"backend": "kafka", "bootstrap": kafka, "governance_topic": topic, "replication": 1}
    local = configured_governance_log(house.loaded)
    site.write()
    told = cast("KafkaLog", configured_governance_log(house.loaded))
    assert create(told)
    reader, writer = local.reader(), told.writer(0)
    for entry in (entries := list(walk(reader, 0, 0, reader.bounds(0)[1]))):
        writer.send(entry.value or b"", entry.key or b"")
    wait_until(lambda: writer.delivered().sends == len(entries), what="the log is on Kafka")
    writer.close()
    reader.close()
    served = start_gateway(site, ready=False)
    try:
        assert metric(served, "affiant_governance_seconds") == math.inf
        copy = governance_copied(house.loaded)
        assert copy is not None
        with running(copy.run):
            move(house, "deploy", house.digest)
            wait_until(lambda: post(served)[:2] == (200, house.digest), what="it follows the log")
            assert metric(served, "affiant_governance_seconds") < 60
            house.say("ann", REVOCATION, {"service": "credit", "role": "legal", "rationale": "a flaw"})
            wait_until(lambda: post(served)[0] == 503, what="it is taken off")
    finally:
        served.process.kill()
