"""Labels at the gateway: taken whole or not at all, durable before the answer, shipped and read back."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.check import check_log
from audit.config import load
from audit.journal import Journal
from audit.labels import Label, is_label, read_label
from audit.log import configured_log
from audit.proof.entry import Key, Kind, Slot
from audit.proof.record import Header, Record, parse_payload, parse_record
from audit.settings import SidecarSettings
from audit.ship.sidecar import Sidecar
from audit.show import describe, find, walk
from monitoring.labels import HOUR, Outcomes, Prediction, Task, answers_of, cohorts, compare
from monitoring.labels.follow import Follow, asked_of
from monitoring.labels.look import Look
from monitoring.panes import Of
from monitoring.panes import Of as Who
from monitoring.read import StorePackages
from registry.infer import Wanted
from registry.package import Package
from registry.policy import parse_policy
from registry.publish import publish
from registry.runtimes import load as load_model
from registry.stores import configured_store
from service.auth import add_key, list_keys
from service.labels import MAX_LABELS, MEMBERS
from tests.components.gateway import JSON, Answer, Site, ask, open_gateway
from tests.components.packages import MADE, number_package, number_table

POLICY = b"""
format: 1
change: {roles: {policy: 1}}
services:
  numbers:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1}}
    performance:
      metrics: {brier: {maximum: 0.9, worse_than_before_by: 0.001}}
      minimum_labels: 30
      cohort_hours: 1000
"""
PREDICT = "/v1/models/numbers:predict"
LABEL = "/v1/models/numbers:label"
ROWS = b'{"instances":[[1.0,2.0,3.0],[3.0,2.0,1.0]]}'
RECORD = "00" * 16 + "-42"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One service."""
    site = Site(tmp_path)
    site.serve("numbers", number_package())
    return site


def labels(site: Site) -> list[Label]:
    """Those in the journal, in its order."""
    return [read_label(record, 0) for record in site.records() if is_label(record.entry)]


def ship(site: Site) -> list[tuple[int, Record]]:
    """Run a sidecar until everything is in the local log; the log's records, with its times, checked."""
    config = load(site.config)
    sidecar = Sidecar(config.data, configured_log(config), SidecarSettings(scan_seconds=0.05))
    stop = threading.Event()
    stop.set()
    assert sidecar.run(stop) == 0
    reader = configured_log(config, create=False).reader()
    try:
        assert check_log(reader, 1).flaws == []
        _, end = reader.bounds(0)
        return [(one.timestamp, parse_record(one.value or b"")) for one in walk(reader, 0, 0, end)]
    finally:
        reader.close()


async def test_labels_are_in_the_log_under_the_ids_that_were_answered(site: Site) -> None:
    """By record id and by request id, with row and time; chained like predictions, shown like them, and no exchange."""
    async with open_gateway(site) as front:
        predicted = await ask(front, PREDICT, ROWS, headers={**JSON, "x-request-id": "order-7"})
        record = predicted.headers["affiant-record"]
        one = await ask(front, LABEL, json.dumps({"record": record, "label": 1, "row": 0}).encode())
        many = await ask(
            front,
            LABEL,
            json.dumps(
                [
                    {"request_id": "order-7", "row": 1, "label": "bad", "time": "2026-01-02T03:04:05Z"},
                    {"request_id": "order-8", "label": True},
                ]
            ).encode(),
        )
        metrics = (await ask(front, "/metrics", method="GET")).body.decode()
        described = (await ask(front, "/openapi.json", method="GET")).json
    assert (one.status, many.status) == (200, 200)
    (taken,) = described["paths"][LABEL].values()
    single, several = taken["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert several["maxItems"] == MAX_LABELS
    assert single == several["items"] == {"$ref": "#/components/schemas/Label"}
    assert set(described["components"]["schemas"]["Label"]["properties"]) == set(MEMBERS)
    assert set(taken["responses"]) == {"200", "400", "401", "403", "404", "405", "413", "415", "429", "503"}
    (first,) = one.json["accepted"]
    assert first == {"entry": first["entry"], "record": record, "row": 0}
    assert [sorted(each) for each in many.json["accepted"]] == [
        ["entry", "request_id", "row"],
        ["entry", "request_id"],
    ]
    assert 'affiant_labels_total{service="numbers"} 3.0' in metrics
    assert "affiant_recorded_answers_total{journal=" in metrics
    assert metrics.count("affiant_requests_total{") == 1
    logged = ship(site)
    found = [
        (record.entry.record_id, read_label(record, at)) for at, record in logged if is_label(record.entry)
    ]
    accepted = [each["entry"] for each in one.json["accepted"] + many.json["accepted"]]
    assert [entry for entry, _ in found] == accepted
    assert [(one.target, one.by, one.row, one.value, one.service) for _, one in found] == [
        (record, "record", 0, 1, "numbers"),
        ("order-7", "request", 1, "bad", "numbers"),
        ("order-8", "request", None, True, "numbers"),
    ]
    assert found[1][1].known_ns == 1_767_323_045 * 10**9
    arrived = [one.entry.get(Key.ARRIVED) for _, one in logged if is_label(one.entry)]
    assert found[2][1].known_ns == arrived[2]
    assert [one.logged_ms > 0 for _, one in found] == [True] * 3
    kinds = [one.entry.kind for _, one in logged if Key.JOURNAL in one.entry.fields]
    assert kinds == [Kind.OPENING, Kind.INFERENCE, *[Kind.LABELLED] * 3, Kind.CLOSING]
    reader = configured_log(load(site.config), create=False).reader()
    try:
        exchange = find(reader, 1, accepted[1])
    finally:
        reader.close()
    shown = describe(exchange)
    assert set(exchange.holds.values()) == {True}
    assert (shown["entry"]["kind"], shown["entry"]["target"]) == ("labelled", "request:order-7")
    assert shown["request"]["body"]["label"] == "bad"


def _many(count: int) -> bytes:
    return json.dumps([{"record": RECORD, "label": at} for at in range(count)]).encode()


REFUSED: list[tuple[bytes, int, str, dict[str, Any]]] = [
    (b"{", 400, "unparseable", {}),
    (b'"bad"', 400, "invalid-label", {}),
    (b'{"record":"42","label":1}', 400, "invalid-label", {"field": "record"}),
    (b'{"record":"%b","label":1,"lable":2}' % RECORD.encode(), 400, "invalid-label", {}),
    (
        b'[{"request_id":"a","label":1},{"request_id":"a"}]',
        400,
        "invalid-label",
        {"field": "label", "row": 1},
    ),
    (b'[{"request_id":"a","label":1},[]]', 400, "invalid-label", {"row": 1}),
    (b'{"request_id":"a","label":1,"time":"2999-01-01T00:00:00Z"}', 400, "invalid-label", {"field": "time"}),
    (b"[]", 400, "too-many-labels", {}),
    (_many(MAX_LABELS + 1), 400, "too-many-labels", {}),
    (b"[" + b" " * (5 << 20) + b"]", 413, "body-too-large", {}),
]


async def test_a_request_with_one_wrong_label_is_refused_whole(site: Site) -> None:
    """By the one table, with the member and the place in the list; nothing of it is in the journal, all is counted."""
    async with open_gateway(site) as front:
        for body, status, slug, blame in REFUSED:
            answer = await ask(front, LABEL, body)
            assert (answer.status, answer.json["type"]) == (status, f"urn:affiant:problem:{slug}"), body[:80]
            assert {name: answer.json[name] for name in ("field", "row") if name in answer.json} == blame
            assert answer.headers["content-type"] == "application/problem+json"
        wrong = [
            (await ask(front, "/v1/models/nobody:label", _many(1)), 404, "unknown-service"),
            (await ask(front, LABEL, b"", method="GET"), 405, "method-not-allowed"),
            (await ask(front, LABEL, b"", method="DELETE"), 405, "method-not-allowed"),
            (
                await ask(front, LABEL, _many(1), headers={"content-type": "text/csv"}),
                415,
                "unsupported-media-type",
            ),
        ]
        metrics = (await ask(front, "/metrics", method="GET")).body.decode()
    for answer, status, slug in wrong:
        assert (answer.status, answer.json["type"]) == (status, f"urn:affiant:problem:{slug}")
    assert wrong[1][0].headers["allow"] == "POST"
    assert [one.entry.kind for one in site.records()] == [Kind.OPENING, Kind.CLOSING]
    counted = site.records()[-1].entry.fields[Key.COUNTED]
    assert counted == {"label-refused": len(REFUSED) + len(wrong)}
    of_service = len(REFUSED) + len(wrong) - 1
    assert (
        f'affiant_counted_only_total{{digest="",reason="label-refused",service="numbers"}} {of_service}.0'
        in metrics
    )


async def test_the_most_that_a_request_may_have_is_taken(site: Site) -> None:
    """In the order of the list."""
    async with open_gateway(site) as front:
        answer = await ask(front, LABEL, _many(MAX_LABELS))
    assert answer.status == 200
    assert [one.value for one in labels(site)] == list(range(MAX_LABELS))


async def test_callers_are_known_as_for_predictions(site: Site, tmp_path: Path) -> None:
    """Without a key 401 and no entry; with one its pseudonym stands in the entry, and receipts are its own."""
    key = add_key(tmp_path / "keys.json", "ann")
    site.gateway["keys_file"] = str(tmp_path / "keys.json")
    async with open_gateway(site) as front:
        stranger = await ask(front, LABEL, _many(1))
        known = await ask(front, LABEL, _many(1), headers={**JSON, "authorization": f"Bearer {key}"})
    assert (stranger.status, stranger.headers["www-authenticate"]) == (401, "Bearer")
    assert known.status == 200
    (entry,) = [one.entry for one in site.records() if is_label(one.entry)]
    ((_, caller),) = list_keys(tmp_path / "keys.json")
    assert entry.get(Key.CALLER) == bytes.fromhex(caller)


async def test_no_label_is_said_to_be_taken_before_it_is_durable(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk has not said so of each of them there is no answer."""
    from service import worker

    held: list[Any] = []
    real = Journal.append

    def append(self: Journal, *given: Any) -> asyncio.Future[str]:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        held.append((future, real(self, *given)))
        return future

    assert worker.Journal is Journal
    monkeypatch.setattr(Journal, "append", append)
    async with open_gateway(site) as front:
        asked = asyncio.create_task(ask(front, LABEL, _many(2)))
        while len(held) < 2:
            await asyncio.sleep(0)
        held[0][0].set_result(await held[0][1])
        await asyncio.gather(held[1][1])
        assert not asked.done()
        held[1][0].set_result("x-2")
        answer = await asked
    assert [one["entry"] for one in answer.json["accepted"]][1] == "x-2"


@pytest.fixture
def full(site: Site) -> Site:
    """A journal with no room for long."""
    site.journal |= {"segment_bytes": 64 << 10, "max_bytes": 3 * (64 << 10)}
    return site


async def test_a_journal_that_is_full_takes_some_and_says_503(full: Site) -> None:
    """With Retry-After; what was taken is whole, and the client says all of it again."""
    async with open_gateway(full) as front:
        answers: list[Answer] = []
        while not answers or answers[-1].status == 200:
            answers.append(await ask(front, LABEL, _many(200)))
    assert answers[-1].status == 503
    assert int(answers[-1].headers["retry-after"]) >= 1
    taken = [one.value for one in labels(full)]
    whole = 200 * (len(answers) - 1)
    assert taken[:whole] == list(range(200)) * (len(answers) - 1)
    assert taken[whole:] == list(range(len(taken) - whole))


def prediction_of(record: Record, logged: int) -> Prediction:
    """As a reader of the log has it."""
    fields, payload = record.entry.fields, parse_payload(record.payload)
    rows = payload.header[Header.INPUT][1]
    return Prediction(
        record.entry.record_id, fields.get(Key.REQUEST_ID), fields[Key.ARRIVED], fields[Key.SERVICE],
        f"sha256:{fields[Key.DIGEST].hex()}", Slot(fields[Key.SLOT]).name.lower(),
        np.array(json.loads(payload.response)["predictions"], np.float32).reshape(rows, -1), logged,
    )  # fmt: skip


def weaker() -> Package:
    """A model of the same table with a single tree."""
    import xgboost

    table = number_table()
    data = xgboost.DMatrix(table.frame[["a", "b", "c"]], table.frame["y"])
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 1, "nthread": 1}, data, 1)
    return publish(bytes(booster.save_raw("ubj")), table, Wanted("weaker", "y"), now=lambda: MADE).package


def followed(site: Site) -> Mapping[Who, Look]:
    """As the monitor says it of the log that was shipped, by packages of the store."""
    config = load(site.config)
    asked = asked_of(parse_policy(POLICY))
    store = configured_store(config)
    live, shadow = (digest for _, digest, _, _ in site.plan)
    follow = Follow(
        configured_log(config, create=False).reader(), [0], asked, StorePackages(store), window=1e6,
        clock=lambda: time.time_ns() // 1_000_000,
    )  # fmt: skip
    with closing(follow):
        while not follow.looks:
            follow.step({Of("numbers", live, "live"): 1, Of("numbers", shadow, "shadow"): 2})
        return follow.looks


async def test_live_and_shadow_are_judged_by_labels_that_came_through_the_gateway(site: Site) -> None:
    """From HTTP to figures: the accuracy is that of the model on these rows; both packages by the same labels."""
    site.serve("numbers", weaker(), "shadow")
    frame = number_table().frame
    rows = json.loads(frame[["a", "b", "c"]].head(40).to_json(orient="values"))
    truth = frame["y"].head(40).tolist()
    async with open_gateway(site) as front:
        said: list[dict[str, Any]] = []
        for number, (row, label) in enumerate(zip(rows, truth, strict=True)):
            body = json.dumps({"instances": [row]}).encode()
            headers = {**JSON, "x-request-id": f"n-{number}"} if number % 2 else JSON
            answer = await ask(front, PREDICT, body, headers=headers)
            named = (
                {"request_id": f"n-{number}"} if number % 2 else {"record": answer.headers["affiant-record"]}
            )
            said.append({**named, "label": label})
        assert (await ask(front, LABEL, json.dumps([*said[:30], *said[:3]]).encode())).status == 200
    outcomes, task = Outcomes("numbers"), Task.of(number_package().signature)
    for logged, record in ship(site):
        if is_label(record.entry):
            outcomes.say(read_label(record, logged))
        elif record.entry.kind == Kind.INFERENCE:
            one = prediction_of(record, logged)
            outcomes.predict(one.package, task, answers_of([one]))
    found, fits = outcomes.joined()
    live, shadow = sorted(found, key=lambda package: package.slot)
    assert (live.slot, shadow.slot, sum(fits), outcomes.repeated) == ("live", "shadow", 0, 3)
    (cohort,) = cohorts(found[live], 1000 * HOUR)
    inputs = np.ascontiguousarray(frame[["a", "b", "c"]].head(30), np.float32)
    scores = load_model(number_package()).predict(inputs)
    right = (scores >= np.float32(task.threshold or 0)) == np.array(truth[:30], bool)
    assert (cohort.rows, cohort.labelled) == (40, 30)
    assert cohort.metrics["accuracy"].value == pytest.approx(right.mean())
    compared = compare(found[shadow], found[live])
    assert (compared.rows, compared.labelled) == (40, 30)
    brier = compared.differences["brier"]
    assert brier.interval.low > 0  # a single tree is told from eight by thirty rows
    looks = followed(site)
    assert looks[live].cohort == cohort
    assert looks[live].alarms == {"brier": None}
    assert looks[shadow].alarms == {"brier": "page"}  # against live, which came before it
