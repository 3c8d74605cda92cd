"""The path of a prediction with real models and a real journal, in this process: answers and their records."""

from __future__ import annotations

import asyncio
import errno
import gc
import gzip
import json
import struct
import threading
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.proof.entry import Key, Kind, Protocol, Slot
from audit.proof.record import Header
from registry.runtimes import load as load_model
from registry.table import encode, model_rows
from service.auth import add_key, list_keys
from service.call import Call
from service.errors import PROBLEM_JSON
from service.follow import follow as follow_file
from tests.components.gateway import JSON, Answer, Exchange, Site, ask, open_gateway, until
from tests.components.packages import credit_onnx_published, credit_package, credit_table, number_package

TARGET = "creditability"
FRAME = credit_table().frame.drop(columns=[TARGET])
ROWS: list[dict[str, Any]] = json.loads(FRAME.head(20).to_json(orient="records"))
PREDICT = "/v1/models/credit:predict"


def body(*instances: Any) -> bytes:
    """A V1 request."""
    return json.dumps({"instances": list(instances)}).encode()


def expected(count: int) -> list[float]:
    """The model's own answers for the first rows, asked without the gateway."""
    package = credit_package()
    inputs = model_rows(encode(credit_table().frame, package.signature), package.signature)[:count]
    answers: list[float] = load_model(package).predict(np.ascontiguousarray(inputs)).tolist()
    return answers


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One service with the German credit model."""
    site = Site(tmp_path)
    site.serve("credit", credit_package())
    return site


def same(answer: Answer, exchange: Exchange, sent: bytes) -> None:
    """The record is of this very exchange."""
    assert exchange.record_id == answer.headers["affiant-record"]
    assert exchange.fields[Key.STATUS] == answer.status
    assert exchange.payload.request == sent
    assert exchange.payload.response == answer.body
    assert exchange.payload.header[Header.RESPONSE_TYPE] == answer.headers["content-type"]


async def test_a_prediction_is_the_models_and_is_recorded_whole(site: Site) -> None:
    """By name and as lists; the entry and the payload hold what the format says."""
    digest = credit_package().digest
    sent = body(ROWS[0], list(ROWS[1].values()), ROWS[2])
    async with open_gateway(site) as front:
        answer = await ask(front, PREDICT + "?trace=1", sent, headers={**JSON, "x-request-id": "order-7"})
    assert answer.status == 200
    assert answer.json["predictions"] == pytest.approx(expected(3), abs=0, rel=1e-7)
    assert answer.headers["affiant-model"] == digest
    (exchange,) = site.exchanges()
    same(answer, exchange, sent)
    fields = exchange.fields
    assert fields[Key.SERVICE] == "credit"
    assert fields[Key.DIGEST].hex() == digest.removeprefix("sha256:")
    assert fields[Key.SLOT] == Slot.LIVE
    assert fields[Key.REQUEST_ID] == "order-7"
    assert fields[Key.BATCH] == [1, 3, 0]
    assert fields[Key.PROTOCOL] == Protocol.V1_PREDICT
    assert Key.CALLER not in fields
    assert Key.UNKNOWN not in fields
    header = exchange.payload.header
    assert header[Header.METHOD] == "POST"
    assert header[Header.TARGET] == PREDICT + "?trace=1"
    assert header[Header.CONTENT_TYPE] == "application/json"
    assert header[Header.INPUT] == [credit_package().schema_hash, 3, 20]
    given = np.frombuffer(exchange.payload.input, "<f4").reshape(3, 20)
    assert (
        load_model(credit_package()).predict(given.copy()) == np.float32(answer.json["predictions"])
    ).all()


async def test_concurrent_requests_share_a_batch_and_keep_their_own_rows(site: Site) -> None:
    """Ids, sizes and positions in the entries say which rows were predicted together."""
    async with open_gateway(site) as front:
        answers = await asyncio.gather(*[ask(front, PREDICT, body(row)) for row in ROWS])
    assert [one.json["predictions"][0] for one in answers] == pytest.approx(expected(20), rel=1e-7)
    entries = {exchange.record_id: exchange.fields[Key.BATCH] for exchange in site.exchanges()}
    batches = [entries[one.headers["affiant-record"]] for one in answers]
    assert {size for _, size, _ in batches} == {20}
    assert sorted(position for _, _, position in batches) == list(range(20))
    assert len({number for number, _, _ in batches}) == 1


async def test_v2_in_json_and_binary_give_the_same_answer(site: Site) -> None:
    """One tensor a feature with text for categories, all features as codes, and binary both ways."""
    site.serve("numbers", number_package())
    path = "/v2/models/numbers/infer"
    plain = {"name": "input", "datatype": "FP32", "shape": [2, 3], "data": [1, 2, 3, 4, 5, None]}
    nested = {**plain, "datatype": "FP64", "data": [[1, 2, 3], [4, 5, None]]}
    columns = [
        {"name": "a", "datatype": "INT64", "shape": [2], "data": [1, 4]},
        {"name": "b", "datatype": "FP64", "shape": [2, 1], "data": [[2], [5]]},
        {"name": "c", "datatype": "FP32", "shape": [2], "data": [3, None]},
    ]
    packed = struct.pack("<6f", 1, 2, 3, 4, 5, float("nan"))
    tensor = {
        "name": "input",
        "datatype": "FP32",
        "shape": [2, 3],
        "parameters": {"binary_data_size": len(packed)},
    }
    head = json.dumps({"id": "b-1", "inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    length = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    async with open_gateway(site) as front:
        answers = [
            await ask(front, path, json.dumps({"id": "x", "inputs": inputs}).encode())
            for inputs in ([plain], [nested], columns)
        ]
        binary = await ask(front, path, head + packed, headers=length)
        digest = number_package().digest
        by_version = await ask(
            front, f"/v2/models/numbers/versions/{digest}/infer", json.dumps({"inputs": [plain]}).encode()
        )
    outputs = [answer.json["outputs"][0] for answer in answers]
    assert outputs[0] == outputs[1] == outputs[2] == by_version.json["outputs"][0]
    assert (outputs[0]["name"], outputs[0]["shape"], outputs[0]["datatype"]) == (
        "predictions",
        [2, 1],
        "FP32",
    )
    assert answers[0].json["id"] == "x"
    assert answers[0].json["model_version"] == digest
    cut = int(binary.headers["inference-header-content-length"])
    assert json.loads(binary.body[:cut])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert np.frombuffer(binary.body[cut:], "<f4").tolist() == np.float32(outputs[0]["data"]).tolist()
    exchange = site.exchanges()[3]
    same(binary, exchange, head + packed)
    assert exchange.fields[Key.PROTOCOL] == Protocol.V2_INFER_BINARY
    assert exchange.fields[Key.REQUEST_ID] == "b-1"
    assert exchange.payload.header[Header.INFERENCE_LENGTH] == len(head)
    assert exchange.payload.header[Header.RESPONSE_INFERENCE_LENGTH] == cut
    assert exchange.payload.input == packed


async def test_v2_takes_categories_as_text(site: Site) -> None:
    """In JSON and as binary BYTES elements, one tensor a feature."""
    text = [name for name, value in ROWS[0].items() if isinstance(value, str)]
    inputs: list[dict[str, Any]] = []
    tail = b""
    for name in ROWS[0]:
        if name in text:
            part = b"".join(
                struct.pack("<I", len(v.encode())) + v.encode() for v in (r[name] for r in ROWS[:2])
            )
            inputs.append(
                {
                    "name": name,
                    "shape": [2],
                    "datatype": "BYTES",
                    "parameters": {"binary_data_size": len(part)},
                }
            )
            tail += part
        else:
            inputs.append(
                {"name": name, "shape": [2], "datatype": "INT64", "data": [r[name] for r in ROWS[:2]]}
            )
    head = json.dumps({"inputs": inputs}).encode()
    async with open_gateway(site) as front:
        answer = await ask(
            front,
            "/v2/models/credit/infer",
            head + tail,
            headers={"inference-header-content-length": str(len(head))},
        )
        for one in inputs:
            if one["datatype"] == "BYTES":
                one |= {"data": [r[one["name"]] for r in ROWS[:2]]}
                del one["parameters"]
        plain = await ask(front, "/v2/models/credit/infer", json.dumps({"inputs": inputs}).encode())
    assert answer.json["outputs"] == plain.json["outputs"]
    assert answer.json["outputs"][0]["data"] == pytest.approx(expected(2), rel=1e-7)


async def test_an_explanation_adds_up_to_the_models_margin(site: Site) -> None:
    """Contributions by name, the strongest reasons first with the client's own words."""
    async with open_gateway(site) as front:
        answer = await ask(front, "/v1/models/credit:explain", body(*ROWS[:3]))
    for row, one, probability in zip(ROWS, answer.json["explanations"], expected(3), strict=False):
        margin = one["bias"] + sum(one["contributions"].values())
        assert 1 / (1 + np.exp(-margin)) == pytest.approx(probability, abs=1e-5)
        assert one["prediction"] == pytest.approx(probability, rel=1e-6)
        weights = [abs(reason["contribution"]) for reason in one["reasons"]]
        assert weights == sorted(weights, reverse=True)
        assert all(row[reason["feature"]] == reason["value"] for reason in one["reasons"])
    assert site.exchanges()[0].fields[Key.PROTOCOL] == Protocol.V1_EXPLAIN


async def test_an_explanation_of_many_classes_is_by_class(tmp_path: Path) -> None:
    """Each class has its own contributions."""
    site = Site(tmp_path)
    site.serve("three", number_package("three", 3))
    async with open_gateway(site) as front:
        predicted = await ask(front, "/v1/models/three:predict", body([1, 2, 3]))
        answer = await ask(front, "/v1/models/three:explain", body([1, 2, 3]))
    (one,) = answer.json["explanations"]
    assert sum(predicted.json["predictions"][0]) == pytest.approx(1, abs=1e-5)
    margins = [part["bias"] + sum(part["contributions"].values()) for part in one["classes"].values()]
    softmax = np.exp(margins) / np.exp(margins).sum()
    assert softmax.tolist() == pytest.approx(predicted.json["predictions"][0], abs=1e-5)


async def test_an_onnx_model_predicts_and_says_that_it_cannot_explain(tmp_path: Path) -> None:
    """501 with a problem, recorded in full, under the ticket that was given."""
    from sklearn.linear_model import LogisticRegression

    site = Site(tmp_path)
    site.serve("onnx", credit_onnx_published(LogisticRegression(max_iter=1000)).package)
    sent = body(ROWS[0])
    async with open_gateway(site) as front:
        predicted = await ask(front, "/v1/models/onnx:predict", body({**ROWS[0], "housing": "tent"}))
        answer = await ask(front, "/v1/models/onnx:explain", sent)
    assert predicted.status == 200
    assert answer.status == 501
    assert answer.json["type"] == "urn:affiant:problem:not-explainable"
    first, second = site.exchanges()
    assert first.fields[Key.UNKNOWN] == 1
    same(answer, second, sent)
    assert second.fields[Key.REASON] == answer.json["type"]
    assert [record.entry.kind for record in site.records()].count(Kind.ABORTED) == 0


async def test_invalid_input_is_recorded_in_full(site: Site) -> None:
    """With the model that refused it and the problem's type."""
    sent = body(ROWS[0], {**ROWS[1], "housing": "tent"})
    async with open_gateway(site) as front:
        answer = await ask(front, PREDICT, sent)
    assert (answer.status, answer.headers["content-type"]) == (400, PROBLEM_JSON)
    assert (answer.json["field"], answer.json["row"]) == ("housing", 1)
    (exchange,) = site.exchanges()
    same(answer, exchange, sent)
    assert exchange.fields[Key.REASON] == "urn:affiant:problem:invalid-input"
    assert exchange.fields[Key.DIGEST]
    assert Key.BATCH not in exchange.fields


ZIPPED = {**JSON, "content-encoding": "gzip"}
REFUSALS: list[tuple[str, str, bytes, dict[str, str], str, int, str]] = [
    ("POST", PREDICT, b"{", JSON, "unparseable", 400, "not JSON"),
    ("POST", PREDICT, b"[]", JSON, "unparseable", 400, "object"),
    ("POST", PREDICT, b'{"rows":[]}', JSON, "unparseable", 400, "instances"),
    ("POST", PREDICT, b'{"instances":[[NaN]]}', JSON, "unparseable", 400, "not JSON"),
    ("POST", PREDICT, b"{}", {"content-type": "text/csv"}, "unsupported-media-type", 415, "text/csv"),
    ("POST", PREDICT, b"{}", {**JSON, "content-encoding": "br"}, "unsupported-encoding", 415, "gzip"),
    ("POST", PREDICT, b"{}", {**JSON, "content-encoding": "gzip"}, "unparseable", 400, "gzip"),
    ("POST", "/v1/models/nobody:predict", b"{}", JSON, "unknown-service", 404, "nobody"),
    ("POST", "/v2/models/nobody/infer", b"{}", JSON, "unknown-service", 404, "nobody"),
    ("POST", "/v2/models/credit/versions/1/infer", b"{}", JSON, "unknown-version", 404, "digests"),
    ("POST", "/v1/models/credit:train", b"{}", JSON, "unknown-service", 404, "nothing"),
    ("GET", PREDICT, b"", {}, "method-not-allowed", 405, "POST"),
    ("PUT", "/v2/models/credit/infer", b"{}", JSON, "method-not-allowed", 405, "POST"),
    ("POST", PREDICT, b"x" * 5000, JSON, "body-too-large", 413, "4096"),
    ("POST", PREDICT, gzip.compress(b" " * 100_000), ZIPPED, "body-too-large", 413, "inflated"),
    ("POST", PREDICT, b"{}", {**JSON, "x-request-id": "x" * 200}, "unparseable", 400, "128"),
    ("POST", PREDICT, b"{}", {**JSON, "x-request-id": "a\x1b[2J"}, "unparseable", 400, "control character"),
    ("POST", "/v2/models/credit/infer", b'{"id":"a\\nb","inputs":[]}', JSON, "unparseable", 400, "control character"),
    ("POST", "/v2/models/credit/infer", b"{}", {"inference-header-content-length": "-1"}, "unparseable", 400, "length"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "sent", "headers", "slug", "status", "words"), REFUSALS)
async def test_a_refusal_is_recorded_by_hash_and_length(
    site: Site,
    method: str,
    path: str,
    sent: bytes,
    headers: dict[str, str],
    slug: str,
    status: int,
    words: str,
) -> None:
    """Nobody has shown that the content has any business in the record."""
    site.gateway["max_body_bytes"] = 4096
    async with open_gateway(site) as front:
        answer = await ask(front, path, sent, method=method, headers=headers)
    assert (answer.status, answer.json["type"]) == (status, f"urn:affiant:problem:{slug}")
    assert words in answer.json["detail"]
    (exchange,) = site.exchanges()
    assert exchange.record_id == answer.headers["affiant-record"]
    assert exchange.payload.request == b""
    assert exchange.payload.response == answer.body
    assert exchange.payload.header[Header.OVERSIZE] == [sha256(sent).digest(), len(sent)]
    assert exchange.fields[Key.REASON] == f"urn:affiant:problem:{slug}"


async def test_a_body_over_the_limit_is_not_read_to_its_end(site: Site) -> None:
    """What was received is hashed; a client that asks first is told before it sends anything."""
    site.gateway["max_body_bytes"] = 4096
    chunks = [b"a" * 3000, b"b" * 3000, b"c" * 3000]
    async with open_gateway(site) as front:
        answer = await ask(front, PREDICT, chunks)
        asked = await ask(
            front,
            PREDICT,
            b"never read",
            headers={**JSON, "content-length": "99999", "expect": "100-continue"},
        )
    assert answer.status == asked.status == 413
    assert answer.headers["connection"] == "close"
    first, second = site.exchanges()
    received = b"".join(chunks[:2])
    assert first.payload.header[Header.OVERSIZE] == [sha256(received).digest(), len(received)]
    assert second.payload.header[Header.OVERSIZE] == [sha256(b"").digest(), 0]


async def test_a_compressed_body_is_read_and_recorded_as_received(site: Site) -> None:
    """The record holds the compressed bytes, and the header says how to read them."""
    sent = gzip.compress(body(ROWS[0]))
    async with open_gateway(site) as front:
        answer = await ask(
            front, PREDICT, [sent[:10], sent[10:]], headers={**JSON, "content-encoding": "gzip"}
        )
    assert answer.json["predictions"] == pytest.approx(expected(1), rel=1e-7)
    (exchange,) = site.exchanges()
    same(answer, exchange, sent)
    assert exchange.payload.header[Header.CONTENT_ENCODING] == "gzip"


async def test_strangers_cannot_fill_the_disk(site: Site) -> None:
    """Above the rate their requests are counted, and the count stands in the signed closing entry."""
    site.gateway |= {"keys_file": "keys.json", "unauthenticated_per_second": 1}
    add_key(site.directory / "keys.json", "friend")
    async with open_gateway(site) as front:
        answers = await asyncio.gather(*[ask(front, PREDICT, body(ROWS[0])) for _ in range(50)])
        metrics = await ask(front, "/metrics", method="GET", headers={})
    assert {answer.status for answer in answers} == {401}
    assert answers[0].headers["www-authenticate"] == "Bearer"
    recorded = [answer for answer in answers if "affiant-record" in answer.headers]
    assert 1 <= len(recorded) < 10
    assert len(site.exchanges()) == len(recorded)
    closing = site.records()[-1].entry
    assert closing.kind == Kind.CLOSING
    assert closing.fields[Key.COUNTED] == {"unauthenticated": 50 - len(recorded)}
    assert (
        'affiant_counted_only_total{digest="",reason="unauthenticated",service="credit"} '
        f"{50 - len(recorded)}.0" in metrics.body.decode()
    )


async def test_a_key_puts_its_pseudonym_into_the_record(site: Site) -> None:
    """Keys that are added while it runs are followed; metrics name no caller."""
    site.gateway["keys_file"] = "keys.json"
    path = site.directory / "keys.json"
    key = add_key(path, "alice-batch")
    async with open_gateway(site) as front:
        answer = await ask(front, PREDICT, body(ROWS[0]), headers={**JSON, "authorization": f"Bearer {key}"})
        second = add_key(path, "bob-web")
        while True:
            late = await ask(front, PREDICT, body(ROWS[0]), headers={**JSON, "x-api-key": second})
            if late.status == 200:
                break
            await asyncio.sleep(0.05)
        metrics = await ask(front, "/metrics", method="GET", headers={}, server="10.0.0.1")
    assert answer.status == 200
    callers = dict(list_keys(path))
    served = [one for one in site.exchanges() if one.fields[Key.STATUS] == 200]
    assert [one.fields[Key.CALLER].hex() for one in served] == [callers["alice-batch"], callers["bob-web"]]
    text = metrics.body.decode()
    assert not any(word in text for word in (*callers, *callers.values()))


async def test_without_keys_other_addresses_get_health_alone(site: Site) -> None:
    """Predictions, metadata and documentation are for this machine."""
    async with open_gateway(site) as front:
        refused = [
            await ask(front, PREDICT, body(ROWS[0]), server="10.0.0.5"),
            await ask(front, "/v2/models/credit", method="GET", server="10.0.0.5"),
            await ask(front, "/docs", method="GET", server="10.0.0.5"),
        ]
        health = await ask(front, "/readyz", method="GET", server="10.0.0.5")
    assert {one.status for one in refused} == {403}
    assert health.status == 200


async def test_with_keys_others_are_told_of_a_model_when_they_have_one(site: Site) -> None:
    """Features and categories are for this machine, and for who has a key."""
    site.gateway["keys_file"] = "keys.json"
    key = add_key(site.directory / "keys.json", "friend")
    async with open_gateway(site) as front:
        for path in ("/v2/models/credit", "/docs", "/openapi.json", "/v1/models"):
            stranger = await ask(front, path, method="GET", headers={}, server="10.0.0.5")
            friend = await ask(front, path, method="GET", headers={"x-api-key": key}, server="10.0.0.5")
            here = await ask(front, path, method="GET", headers={})
            assert [stranger.status, friend.status, here.status] == [401, 200, 200]
            assert stranger.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/healthz", "/docs.json", "/schema.json", "/nothing"])
async def test_what_is_no_path_of_ours_is_a_problem(site: Site, path: str) -> None:
    """BentoML's own paths do not shine through: one of them says that it is well without a model."""
    async with open_gateway(site) as front:
        answers = [await ask(front, path, method=method, headers={}) for method in ("GET", "POST")]
    for answer in answers:
        assert (answer.status, answer.headers["content-type"]) == (404, PROBLEM_JSON)
        assert json.loads(answer.body)["type"].endswith("unknown-path")
    assert site.exchanges() == []


async def test_canaries_answer_by_weight_and_a_request_id_always_asks_the_same(site: Site) -> None:
    """The slot stands in the entry."""
    canary = site.serve("credit", credit_package(form="json"), "canary", 25.0)
    async with open_gateway(site) as front:
        answers = [await ask(front, PREDICT, body(ROWS[0])) for _ in range(100)]
        by_id = [
            (
                await ask(front, PREDICT, body(ROWS[0]), headers={**JSON, "x-request-id": f"id-{number % 5}"})
            ).headers["affiant-model"]
            for number in range(20)
        ]
        by_key = {
            (
                await ask(
                    front, PREDICT, body(ROWS[0]),
                    headers={**JSON, "x-request-id": f"id-{number}", "affiant-split": "customer 7"},
                )
            ).headers["affiant-model"]
            for number in range(12)
        }  # fmt: skip
        long = await ask(front, PREDICT, body(ROWS[0]), headers={**JSON, "affiant-split": "x" * 129})
        asked = await ask(
            front,
            f"/v2/models/credit/versions/{canary}/infer",
            json.dumps(
                {"inputs": [{"name": "input", "shape": [1, 20], "datatype": "FP32", "data": [0] * 20}]}
            ).encode(),
        )
    share = Counter(answer.headers["affiant-model"] for answer in answers)
    assert share[canary] == pytest.approx(20, abs=1)
    assert all(by_id[number] == by_id[number + 5] for number in range(15))
    assert len(by_key) == 1
    assert long.status == 400
    assert asked.headers["affiant-model"] == canary
    slots = Counter(one.fields[Key.SLOT] for one in site.exchanges()[:100])
    assert slots == {Slot.LIVE: share.total() - share[canary], Slot.CANARY: share[canary]}


async def test_a_shadow_is_recorded_and_never_returned(site: Site) -> None:
    """Its record is of the same request, with its own digest and answer."""
    shadow = site.serve("credit", credit_package(form="json"), "shadow", 100.0)
    sent = body(ROWS[0])
    async with open_gateway(site) as front:
        answer = await ask(front, PREDICT, sent)
        refused = await ask(front, f"/v2/models/credit/versions/{shadow}/infer", b"{}")
    assert answer.headers["affiant-model"] != shadow
    assert refused.status == 404
    shown = [one for one in site.exchanges() if one.fields.get(Key.SLOT) == Slot.SHADOW]
    (one,) = shown
    assert one.fields[Key.DIGEST].hex() == shadow.removeprefix("sha256:")
    assert one.payload.request == sent
    assert one.record_id != answer.headers["affiant-record"]


@pytest.mark.parametrize("where", ["_predict", "submit"])
async def test_a_shadow_that_fails_in_any_way_is_counted(site: Site, where: str) -> None:
    """What its runtime raises, and what nobody expected; whoever asked has its answer all the same."""
    site.serve("credit", credit_package(form="json"), "shadow", 100.0)
    async with open_gateway(site) as front:
        (shadow,) = front.plan["credit"].shadows

        def broken(rows: Any) -> Any:
            raise RuntimeError("a runtime of a stranger")

        setattr(shadow.loaded.batcher, where, broken)
        answer = await ask(front, PREDICT, body(ROWS[0]))
        await until(lambda: not front.gate.shadows._tasks, "the shadow")  # type: ignore[union-attr]
        failed = await counted(front, 'reason="shadow-failed"')
    assert answer.status == 200
    assert float(failed.split()[-1]) == 1
    assert Slot.SHADOW not in {one.fields.get(Key.SLOT) for one in site.exchanges()}


@pytest.mark.parametrize("queue", [0, 3])
async def test_a_shadow_that_hangs_holds_so_many_requests_and_no_more(site: Site, queue: int) -> None:
    """The others are answered, counted as dropped, and let go of."""
    site.serve("credit", credit_package(form="json"), "shadow", 100.0)
    site.gateway |= {"shadow_queue": queue, "thread_rows": 1}
    go_on = threading.Event()
    async with open_gateway(site) as front:
        (shadow,) = front.plan["credit"].shadows
        batcher, predict = shadow.loaded.batcher, shadow.loaded.batcher._predict
        batcher._predict = lambda rows: predict(rows) if go_on.wait() else rows  # type: ignore[misc]
        try:
            answers = [await ask(front, PREDICT, body(ROWS[0])) for _ in range(20)]
            gc.collect()
            held = sum(isinstance(each, Call) for each in gc.get_objects())
            dropped = await counted(front, 'reason="shadow-dropped"')
        finally:
            go_on.set()
        await until(lambda: not front.gate.shadows._tasks, "shadows")  # type: ignore[union-attr]
        after = await ask(front, PREDICT, body(ROWS[0]))
    assert [each.status for each in (*answers, after)] == [200] * 21
    assert held == queue
    assert float(dropped.split()[-1]) == 20 - queue
    slots = Counter(one.fields[Key.SLOT] for one in site.exchanges())
    # Once it has answered, there is room again.
    assert slots == Counter({Slot.LIVE: 21}) + Counter({Slot.SHADOW: queue + bool(queue)})


async def test_a_changed_plan_is_swapped_whole_and_a_bad_one_changes_nothing(site: Site) -> None:
    """Requests in work keep the model that they pinned."""
    async with open_gateway(site) as front:
        first = await ask(front, PREDICT, body(ROWS[0]))
        pinned = front.plan["credit"].answering[0].loaded.batcher
        other = site.push(credit_package(form="json"))
        site.plan = [("credit", other, "live", 100.0), ("again", other, "live", 1.0)]
        site.write()
        await until(lambda: "again" in front.plan, "the new plan")
        second = await ask(front, PREDICT, body(ROWS[0]))
        late = await pinned.submit(front.plan["credit"].answering[0].loaded.reader.read([ROWS[0]], b""))
        for bad in ([("credit", "sha256:" + "0" * 64, "live", 1.0)], [("credit", other, "canary", 1.0)]):
            site.plan = bad
            site.write()
            before = await failures(front)
            while await failures(front) == before:
                await asyncio.sleep(0.05)
            third = await ask(front, PREDICT, body(ROWS[0]))
            assert third.headers["affiant-model"] == other
        ready = await ask(front, "/readyz", method="GET")
    assert second.headers["affiant-model"] == other != first.headers["affiant-model"]
    assert second.json == first.json
    assert late.answers.tolist() == pytest.approx(first.json["predictions"], rel=1e-7)
    assert ready.status == 200


async def test_what_is_followed_is_followed_on_after_a_failure_that_nobody_expected(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for these tasks: the end of one would leave the gateway with the plan of that moment."""
    fails = ["plan", "keys", "subject keys"]

    async def follow(*given: Any, **options: Any) -> None:
        if fails:
            raise OSError(errno.EMFILE, f"no descriptor for the {fails.pop()}")
        await follow_file(*given, **options)

    monkeypatch.setattr("service.worker.follow", follow)
    monkeypatch.setattr("service.tasks.AGAIN_SECONDS", 0.01)
    async with open_gateway(site) as front:
        await until(lambda: not fails, "the failures")
        site.plan.append(("again", site.plan[0][1], "live", 1.0))
        site.write()
        await until(lambda: "again" in front.plan, "the new plan")
        told = await counted(front, 'event="task-failed"')
    assert float(told.split()[-1]) == 3


async def test_a_store_that_hangs_takes_no_thread_from_those_who_ask(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two large batches at once while a package is being loaded: each waits for the other, and both are answered."""
    site.plan.append(("again", site.push(credit_package(form="json")), "live", 1.0))
    site.gateway |= {"thread_rows": 1}
    hangs, go_on = threading.Event(), threading.Event()
    both = threading.Barrier(2, timeout=20)

    def hang(*given: Any, **options: Any) -> Any:
        hangs.set()
        go_on.wait(60)
        return load_model(*given, **options)

    async with open_gateway(site) as front:
        for name in ("credit", "again"):
            (served,) = front.plan[name].answering
            batcher, predict = served.loaded.batcher, served.loaded.batcher._predict
            batcher._predict = lambda rows, predict=predict: (both.wait(), predict(rows))[1]  # type: ignore[misc]
        monkeypatch.setattr("service.worker.load_model", hang)
        try:
            site.plan.append(("third", site.push(number_package()), "live", 1.0))
            site.write()
            await until(hangs.is_set, "the load")
            answers = await asyncio.gather(
                *[ask(front, f"/v1/models/{name}:predict", body(ROWS[0])) for name in ("credit", "again")]
            )
        finally:
            go_on.set()
        await until(lambda: "third" in front.plan, "the new plan")
    assert [each.status for each in answers] == [200, 200]


async def failures(front: Any) -> str:
    """The metric's line of plans that could not be served."""
    return await counted(front, 'event="plan-failed"')


async def counted(front: Any, label: str) -> str:
    """The metric's line with that label."""
    text = (await ask(front, "/metrics", method="GET")).body.decode()
    return next((line for line in text.splitlines() if label in line), "")


async def test_without_a_model_it_is_alive_and_not_ready(tmp_path: Path) -> None:
    """A plan whose package is not there yet is tried again."""
    site = Site(tmp_path, plan=[("credit", credit_package().digest, "live", 1.0)])
    async with open_gateway(site) as front:
        live = await ask(front, "/livez", method="GET")
        ready = await ask(front, "/readyz", method="GET")
        answer = await ask(front, PREDICT, body(ROWS[0]))
        site.push(credit_package())
        site.write()
        await until(lambda: front.plan, "the package")
        late = await ask(front, PREDICT, body(ROWS[0]))
    assert (live.status, ready.status, answer.status, late.status) == (200, 503, 503, 200)
    assert b"no model" in ready.body
    assert answer.headers["retry-after"]
    assert answer.headers["content-type"] == PROBLEM_JSON


async def test_a_full_journal_answers_503_and_not_ready(site: Site) -> None:
    """No answer leaves without a record; the refusals are counted."""
    site.journal |= {"segment_bytes": 1 << 20, "max_bytes": 3 << 20}
    sent = body(*ROWS * 40)
    async with open_gateway(site) as front:
        statuses = []
        while 503 not in statuses:
            answers = await asyncio.gather(*[ask(front, PREDICT, sent) for _ in range(8)])
            statuses += [answer.status for answer in answers]
        last = next(answer for answer in answers if answer.status == 503)
        # What is too large for the room that is left is refused first; small ones fill the rest.
        while (ready := await ask(front, "/readyz", method="GET")).status == 200:
            small = await asyncio.gather(*[ask(front, PREDICT, body(ROWS[0])) for _ in range(20)])
            statuses += [answer.status for answer in small]
    assert last.json["type"] == "urn:affiant:problem:no-record"
    assert int(last.headers["retry-after"]) >= 1
    assert "affiant-record" not in last.headers
    assert ready.status == 503
    assert sum(one.fields[Key.STATUS] == 200 for one in site.exchanges()) == statuses.count(200)


async def test_more_than_max_queue_is_429(site: Site) -> None:
    """With Retry-After; the others are answered."""
    site.gateway["max_queue"] = 4
    async with open_gateway(site) as front:
        answers = await asyncio.gather(*[ask(front, PREDICT, body(ROWS[0])) for _ in range(10)])
    statuses = Counter(answer.status for answer in answers)
    assert statuses == {200: 4, 429: 6}
    assert all(answer.headers["retry-after"] for answer in answers if answer.status == 429)
    assert len(site.exchanges()) == 4


async def test_too_many_rows_are_refused(site: Site) -> None:
    """With the limit; as many as allowed are answered, on a thread."""
    site.gateway |= {"max_rows": 16, "thread_rows": 8}
    async with open_gateway(site) as front:
        refused = await ask(front, PREDICT, body(*ROWS[:17]))
        answer = await ask(front, PREDICT, body(*ROWS[:16]))
    assert (refused.status, refused.json["type"]) == (400, "urn:affiant:problem:too-many-rows")
    assert answer.json["predictions"] == pytest.approx(expected(16), rel=1e-7)


async def test_metadata_health_and_documentation(site: Site) -> None:
    """V1 and V2 as the protocols have them; none of it is recorded."""
    digest = credit_package().digest
    async with open_gateway(site) as front:

        async def get(path: str) -> Any:
            answer = await ask(front, path, method="GET", headers={})
            assert answer.status == 200, path
            return answer.json

        assert (await get("/v1/models"))["models"] == ["credit"]
        assert await get("/v1/models/credit") == {"name": "credit", "ready": True}
        assert await get("/v2/health/live") == {"live": True}
        assert await get("/v2/health/ready") == {"ready": True}
        assert (await get("/v2/models/credit/ready"))["ready"] is True
        assert (await get("/v2"))["extensions"] == ["binary_tensor_data"]
        metadata = await get("/v2/models/credit")
        assert metadata == await get(f"/v2/models/credit/versions/{digest}")
        described = await get("/openapi.json")
        page = await ask(front, "/docs", method="GET", headers={})
        head = await ask(front, "/readyz", method="HEAD", headers={})
    assert metadata["versions"] == [digest]
    assert metadata["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 20]}]
    assert described["openapi"] == "3.1.0"
    asked = described["paths"]["/v1/models/credit:predict"]["post"]["parameters"]
    known = described["components"]["parameters"]
    named = [known[each["$ref"].rpartition("/")[2]]["name"] for each in asked]
    assert named == ["X-Request-Id", "Affiant-Subject", "Affiant-Split"]
    row = described["components"]["schemas"]["credit.row"]["oneOf"][0]
    assert set(row["properties"]) == set(ROWS[0])
    assert row["properties"]["housing"]["enum"] == sorted(row["properties"]["housing"]["enum"])
    assert b"credit:predict" in page.body
    assert b"<script" not in page.body
    assert b"http" not in page.body.replace(b"https://", b"http")
    assert head.body == b""
    assert site.exchanges() == []


async def test_the_documented_example_is_answered(site: Site) -> None:
    """What /docs shows as a request works as it stands."""
    from service.page import example_row

    async with open_gateway(site) as front:
        answer = await ask(front, PREDICT, body(example_row(credit_package().signature)))
    assert answer.status == 200


async def test_metrics_count_by_service_and_digest(site: Site) -> None:
    """Requests, latency, batches, the journal's state and the plan."""
    digest = credit_package().digest
    async with open_gateway(site) as front:
        for _ in range(3):
            await ask(front, PREDICT, body(ROWS[0]))
        await ask(front, PREDICT, b"{")
        text = (await ask(front, "/metrics", method="GET")).body.decode()
    labels = f'digest="{digest}",service="credit"'
    for line in (
        f'affiant_requests_total{{{labels},status="200"}} 3.0',
        f"affiant_request_seconds_count{{{labels}}} 3.0",
        "affiant_batch_rows_count 3.0",
        "affiant_journal_append_seconds_count 4.0",
        "affiant_ready 1.0",
        "affiant_unaudited 0.0",
    ):
        assert line in text, line
    for name in ("affiant_journal_held_bytes", "affiant_journal_hours_to_full", "affiant_plan_weight"):
        assert f"\n{name}" in text
