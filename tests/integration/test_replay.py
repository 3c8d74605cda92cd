"""Replay of what real gateways recorded: every protocol and batch, and everything that can be otherwise."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from audit.proof.entry import Key, Kind, encode_entry, parse_entry
from audit.proof.record import encode_payload, parse_payload
from audit.replay import Comparison, Logged, Verdict, against, replay
from tests.components.gateway import JSON, Site, ask, open_gateway
from tests.components.packages import credit_onnx_published, credit_package, credit_table, number_package
from tests.components.replays import batch_bound_package, logged, predictor, verdicts

FRAME = credit_table().frame.drop(columns=["creditability"])
ROWS: list[dict[str, Any]] = json.loads(FRAME.head(60).to_json(orient="records"))
NUMBERS = [[number / 7, -number / 3, None if number % 5 == 0 else 0.5] for number in range(60)]
ZIPPED = {**JSON, "content-encoding": "gzip"}
WANTED = {"name": "predictions", "parameters": {"binary_data": True}}


def v1(*instances: Any) -> bytes:
    return json.dumps({"instances": list(instances)}).encode()


def v2(rows: list[list[float]], **more: Any) -> bytes:
    tensor = {"name": "input", "datatype": "FP32", "shape": [len(rows), 3], "data": rows}
    return json.dumps({"inputs": [tensor], **more}).encode()


def binary(rows: list[list[float]]) -> tuple[bytes, dict[str, str]]:
    packed = struct.pack(f"<{3 * len(rows)}f", *(value for row in rows for value in row))
    parameters = {"binary_data_size": len(packed)}
    tensor = {"name": "input", "datatype": "FP32", "shape": [len(rows), 3], "parameters": parameters}
    head = json.dumps(
        {"id": 'odd }]} "id"', "inputs": [tensor], "parameters": {"binary_data_output": True}}
    ).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    return head + packed, headers


def counts(judged: list[Any]) -> Counter[str]:
    return Counter(str(one.verdict) for one in judged)


async def mixed_traffic(front: Any, services: list[str], rounds: int = 3) -> None:
    """Every protocol and encoding, one row and many, all at once."""
    plain = [[row[0], row[1], 0.25] for row in NUMBERS]
    for turn in range(rounds):
        asked = []
        for service in services:
            predict, infer = f"/v1/models/{service}:predict", f"/v2/models/{service}/infer"
            for at in range(0, 24, turn + 1):
                asked.append(ask(front, predict, v1(NUMBERS[at])))
                asked.append(
                    ask(front, infer, v2(plain[at : at + 2 + turn]), headers={**JSON, "x-request-id": "é"})
                )
            content, headers = binary(plain[turn : turn + 5])
            asked += [
                ask(front, predict, v1(*NUMBERS[:40])),
                ask(front, predict, gzip.compress(v1(*NUMBERS[3:9])), headers=ZIPPED),
                ask(front, infer, v2(plain[:1], id="a-1")),
                ask(front, infer, v2(plain[:7], outputs=[WANTED])),
                ask(front, infer, content, headers=headers),
                ask(front, f"/v1/models/{service}:explain", v1(NUMBERS[turn], NUMBERS[turn + 1])),
            ]  # fmt: skip
        answers = await asyncio.gather(*asked)
        assert {answer.status for answer in answers} <= {200, 501}


async def test_xgboost_gives_every_answer_again_bit_for_bit(tmp_path: Path) -> None:
    """Every protocol, encoding and batch under concurrent load; live, canary and shadow; two and three classes."""
    site = Site(tmp_path)
    site.serve("numbers", number_package())
    site.serve("numbers", number_package("canary"), "canary", 50.0)
    site.serve("numbers", number_package("shadow", 3), "shadow", 100.0)
    site.serve("classes", number_package("classes", 3))
    async with open_gateway(site) as front:
        await mixed_traffic(front, ["numbers", "classes"])
    found = verdicts(site)
    assert counts(found) == {"identical": len(found)}
    exchanges = site.exchanges()
    assert len(found) == len(exchanges)
    assert {exchange.fields[Key.PROTOCOL] for exchange in exchanges} == {1, 2, 3, 4}
    assert {exchange.fields[Key.SLOT] for exchange in exchanges} == {0, 1, 2}
    assert len({exchange.fields[Key.BATCH][1] for exchange in exchanges}) > 5


async def test_categories_by_name_and_unknown_ones_come_out_the_same(tmp_path: Path) -> None:
    """The German credit data, and a pipeline that lets unknown categories pass as missing."""
    from sklearn.linear_model import LogisticRegression

    site = Site(tmp_path)
    site.serve("credit", credit_package())
    site.serve("onnx", credit_onnx_published(LogisticRegression(max_iter=2000)).package)
    async with open_gateway(site) as front:
        await asyncio.gather(
            *(ask(front, "/v1/models/credit:predict", v1(*ROWS[at : at + 1 + at % 4])) for at in range(20)),
            *(ask(front, "/v1/models/onnx:predict", v1({**ROWS[at], "housing": "tent"})) for at in range(20)),
            ask(front, "/v1/models/credit:explain", v1(*ROWS[:3])),
        )
    assert counts(verdicts(site)) == {"identical": 41}


async def test_a_model_that_is_padded_is_padded_again(tmp_path: Path) -> None:
    """Logistic regression in ONNX Runtime: alone, in twos and in large batches."""
    from sklearn.linear_model import LogisticRegression

    site = Site(tmp_path)
    site.serve("onnx", credit_onnx_published(LogisticRegression(max_iter=2000)).package)
    async with open_gateway(site) as front:
        for together in (1, 2, 3, 30):
            await asyncio.gather(
                *(
                    ask(front, "/v1/models/onnx:predict", v1(*ROWS[at : at + 1 + at % 2]))
                    for at in range(together)
                )
            )
    found = verdicts(site)
    assert counts(found) == {"identical": 36}
    part = [*logged(site.records())][5:20]
    assert counts(verdicts(site, part)) == {"identical": 15}


@pytest.fixture
async def bound(tmp_path: Path) -> Site:
    """A model whose answers depend on the batch, after some load."""
    site = Site(tmp_path)
    site.serve("bound", batch_bound_package())
    async with open_gateway(site) as front:
        for together in (1, 5, 24):
            await asyncio.gather(
                *(ask(front, "/v1/models/bound:predict", v1(NUMBERS[at + 1])) for at in range(together))
            )
    return site


async def test_a_model_that_minds_its_batch_is_given_the_recorded_one(bound: Site) -> None:
    """Its answers hold the mean of the batch: only the very same rows in it give the same bits."""
    found = verdicts(bound)
    assert counts(found) == {"identical": 30}


async def test_a_batch_is_looked_for_around_what_is_wanted(bound: Site) -> None:
    """One record is judged, with the rest of its batch before and behind it."""
    records = [record._replace(wanted=record.offset == 15) for record in logged(bound.records())]
    (judged,) = verdicts(bound, records)
    assert (judged.verdict, judged.offset) == (Verdict.IDENTICAL, 15)


async def test_missing_members_of_a_batch_are_told(bound: Site) -> None:
    """The answer is then only near the recorded one: within the package's bound, and it is said why."""
    records = logged(bound.records())
    last = [record for record in records if record.entry and record.entry.get(Key.BATCH)][-12:]
    found = verdicts(bound, [records[0], *last])
    assert counts(found) == {"within tolerance": 12}
    for judged in found:
        assert judged.reason is not None
        assert "12 of its 24 rows are not in the log" in judged.reason
        assert 0 < judged.difference <= judged.bound < 1e-4
        assert all(one.difference == abs(one.recorded - one.replayed) for one in judged.differences)
    assert counts(verdicts(bound, [records[0], *last], tolerance=0.0)) == {"different": 12}


async def test_a_batch_may_be_spread_over_the_log(bound: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members that come later are waited for, whatever is judged meanwhile; but not for ever."""
    monkeypatch.setattr("audit.replay.run.CHUNK", 4)
    records = logged(bound.records())
    others = [record for record in records if record.entry and record.entry.kind == Kind.HEARTBEAT]
    assert counts(verdicts(bound, [*records, *others])) == {"identical": 30}
    monkeypatch.setattr("audit.replay.run.REACH", 8)
    assert counts(verdicts(bound, records))["within tolerance"] >= 8


async def numbers_site(tmp_path: Path, requests: int = 4, package: Any = None) -> Site:
    site = Site(tmp_path)
    site.serve("numbers", package or number_package())
    async with open_gateway(site) as front:
        for at in range(requests):
            await ask(front, "/v1/models/numbers:predict", v1(NUMBERS[at + 1]))
    return site


def changed(record: Logged, fields: dict[int, Any] | None = None, payload: bytes | None = None) -> Logged:
    """The record with other fields, or another payload under a digest that holds."""
    from hashlib import sha256

    assert record.entry is not None
    new = {**record.entry.fields, **(fields or {})}
    if payload is not None:
        new |= {Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload)}
    return record._replace(
        entry=parse_entry(encode_entry(new)), payload=record.payload if payload is None else payload
    )


def answered(record: Logged, body: bytes) -> Logged:
    """The record with another answer, in a payload whose digest holds."""
    parts = parse_payload(record.payload)
    return changed(record, payload=encode_payload(parts.salt, parts.header, parts.request, body, parts.input))


async def test_another_answer_is_different_by_so_much(tmp_path: Path) -> None:
    """A record that was made up, with a payload whose digest holds: no reason is known."""
    site = await numbers_site(tmp_path)
    records = logged(site.records())
    answer = site.exchanges()[0].payload.response
    forged = answered(records[1], b'{"predictions":[0.25]}')
    judged = verdicts(site, [records[0], forged, *records[2:]])
    assert counts(judged) == {"different": 1, "identical": 3}
    bad = judged[0]
    assert bad.reason == "no reason is known: device, threads and libraries are those of the record"
    assert (bad.bound, len(bad.differences)) == (0.0, 1)
    (one,) = bad.differences
    assert (one.row, one.output, one.recorded) == (0, "prediction", 0.25)
    assert one.replayed == pytest.approx(json.loads(answer)["predictions"][0])
    assert one.difference == bad.difference == abs(one.recorded - one.replayed) > 0


async def test_the_same_numbers_in_another_text_are_different(tmp_path: Path) -> None:
    """Bytes are compared: an answer with a space in it is not the answer."""
    site = await numbers_site(tmp_path, 1)
    opening, record, *_ = logged(site.records())
    answer = site.exchanges()[0].payload.response
    (judged,) = verdicts(site, [opening, answered(record, answer.replace(b"[", b"[ "))])
    assert judged.verdict is Verdict.DIFFERENT
    assert judged.reason is not None
    assert judged.reason.startswith("every number is the same, the text around them is not; no reason is")
    (judged,) = verdicts(site, [opening, answered(record, answer.replace(b"[", b"[0.5,"))])
    assert judged.reason is not None
    assert judged.reason.startswith("the answer has other outputs or rows")
    for nonsense in (b"", b"[]", b'{"predictions":7}', b'{"predictions":[{}]}', b'{"predictions":["x"]}'):
        (judged,) = verdicts(site, [opening, answered(record, nonsense)])
        assert judged.verdict is Verdict.DIFFERENT
        assert judged.reason is not None
        assert judged.reason.startswith("the recorded answer is none")


async def test_a_request_that_was_swapped_is_told_from_its_input(tmp_path: Path) -> None:
    """The recorded float32 rows are what the model was given: the request must still make them."""
    site = await numbers_site(tmp_path, 1)
    opening, record, *_ = logged(site.records())
    request = site.exchanges()[0].payload.request
    other = request.replace(b"0.5", b"0.7")
    (judged,) = verdicts(site, [opening, changed(record, payload=record.payload.replace(request, other))])
    assert judged.verdict is Verdict.DIFFERENT
    assert judged.reason == "input: the recorded request makes another model input now"
    broken = request.replace(b"0.5", b'"x"')
    (judged,) = verdicts(site, [opening, changed(record, payload=record.payload.replace(request, broken))])
    assert judged.reason is not None
    assert judged.reason.startswith("input: the recorded request is refused now:")


async def test_a_payload_that_is_gone_or_changed_is_told(tmp_path: Path) -> None:
    """Erased: nothing to replay. Other bytes than the entry's digest covers: different."""
    site = await numbers_site(tmp_path, 3)
    records = logged(site.records())
    records[1] = records[1]._replace(payload=b"")
    records[2] = records[2]._replace(payload=records[2].payload[:-1] + b"\0")
    found = verdicts(site, records)
    assert [(one.verdict, one.reason) for one in found[:2]] == [
        (
            Verdict.NOT_REPLAYABLE,
            "payload: not there, and no signed statement tells of its erasure (over its time, or removed)",
        ),
        (Verdict.DIFFERENT, "payload: not the bytes that the entry's digest covers"),
    ]
    assert found[2].verdict is Verdict.IDENTICAL


async def test_refused_and_aborted_requests_are_not_replayable(tmp_path: Path) -> None:
    """No model's answer stands in their records. The record's own reason is told."""
    site = Site(tmp_path)
    site.serve("numbers", number_package())
    async with open_gateway(site) as front:
        await ask(front, "/v1/models/numbers:predict", v1([1, 2]))
        await ask(front, "/v1/models/numbers:predict", b"{")
    records = logged(site.records())
    aborted = {
        key: value
        for key, value in records[1].entry.fields.items()  # type: ignore[union-attr]
        if key in {*range(7), 15, 16, 17, 22}
    } | {Key.KIND: Kind.ABORTED, Key.SEQUENCE: 99, Key.REASON: "a crash"}
    entry = parse_entry(encode_entry(aborted))
    found = verdicts(site, [*records, Logged(0, 99, entry, b"")])
    assert counts(found) == {"not replayable": 3}
    assert [one.reason for one in found] == [
        "refused: 400 urn:affiant:problem:invalid-input",
        "refused: 400 urn:affiant:problem:unparseable",
        "aborted: the request was accepted and never answered",
    ]


async def test_a_model_that_is_missing_or_damaged_is_the_reason(tmp_path: Path) -> None:
    """Without its package nobody can say that the answer was right."""
    site = await numbers_site(tmp_path, 2)
    digest = number_package().digest
    blobs = site.directory / "data" / "store" / "blobs" / "sha256"
    model = max(blobs.iterdir(), key=lambda path: path.stat().st_size)
    whole = model.read_bytes()
    model.chmod(0o600)
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    found = verdicts(site)
    assert counts(found) == {"different": 2}
    assert all(one.reason is not None and one.reason.startswith("model refused: ") for one in found)
    (blobs / digest.removeprefix("sha256:")).unlink()
    index = site.directory / "data" / "store" / "index.json"
    content = json.loads(index.read_text())
    index.write_text(json.dumps({**content, "manifests": []}))
    found = verdicts(site)
    assert {one.reason for one in found} == {f"model missing: the store does not have {digest}"}


async def test_another_library_or_device_is_the_reason(tmp_path: Path) -> None:
    """The epoch's opening entry says what it ran with; what is otherwise now is named, of that runtime alone."""
    site = await numbers_site(tmp_path, 1)
    opening, record, *_ = logged(site.records())
    assert opening.entry is not None
    versions = {**opening.entry.fields[Key.VERSIONS], "xgboost-cpu": "2.9.9", "onnxruntime": "0.1"}
    old = changed(opening, {Key.VERSIONS: versions, Key.DEVICE: "cuda"})
    forged = answered(record, b'{"predictions":[0.25]}')
    (judged,) = verdicts(site, [old, forged])
    assert judged.reason is not None
    assert "device: cuda then, cpu now" in judged.reason
    assert "library: xgboost-cpu 2.9.9 then, " in judged.reason
    assert "onnxruntime" not in judged.reason
    (judged,) = verdicts(site, [forged])
    assert judged.reason == "what it ran with is not known: its epoch's opening entry is not there"
    (judged,) = verdicts(site, [forged], opening=lambda _: old.entry)
    assert judged.reason is not None
    assert "2.9.9" in judged.reason
    assert counts(verdicts(site, [old, record])) == {"identical": 1}


async def test_the_recorded_threads_are_what_the_model_is_loaded_with(tmp_path: Path) -> None:
    """Some models give other bits with other threads."""
    site = await numbers_site(tmp_path, 1)
    opening, record, *_ = logged(site.records())
    asked: list[tuple[str, int]] = []
    own = predictor(site)
    load = own._load

    def note(digest: str, device: str, threads: int) -> Any:
        asked.append((device, threads))
        return load(digest, device, threads)

    own._load = note  # type: ignore[misc, assignment]
    three = changed(opening, {Key.THREADS: 3})
    assert [one.verdict for one in replay([three, record], own)] == [Verdict.IDENTICAL]
    assert asked == [("cpu", 3)]


async def test_an_explanation_that_this_runtime_cannot_make_is_not_replayable(tmp_path: Path) -> None:
    """The record of an explanation under a digest whose runtime has none."""
    site = Site(tmp_path)
    site.serve("numbers", number_package())
    site.push(batch_bound_package())
    async with open_gateway(site) as front:
        await ask(front, "/v1/models/numbers:explain", v1(NUMBERS[1]))
    opening, record, *_ = logged(site.records())
    other = bytes.fromhex(batch_bound_package().digest.removeprefix("sha256:"))
    schema = number_package().schema_hash, batch_bound_package().schema_hash
    moved = changed(record, {Key.DIGEST: other}, record.payload.replace(*schema))
    (judged,) = verdicts(site, [opening, moved])
    assert judged.verdict is Verdict.NOT_REPLAYABLE
    assert judged.reason is not None
    assert judged.reason.startswith("explanation: ")


async def test_benign_duplicates_and_foreign_values_are_passed_over(tmp_path: Path) -> None:
    """A record that was shipped twice has one verdict."""
    site = await numbers_site(tmp_path, 3)
    records = logged(site.records())
    passed: list[Any] = []
    found = verdicts(
        site, [*records[:3], *records[1:3], Logged(0, 9, None, b""), *records[3:]], tell=passed.append
    )
    assert counts(found) == {"identical": 3}
    assert (passed[0].duplicates, passed[0].unreadable) == (2, 1)


async def test_a_forged_record_in_front_takes_no_verdict_from_those_behind_it(tmp_path: Path) -> None:
    """It says a sequence that the journal has not reached: what comes after it is judged, and told."""
    site = await numbers_site(tmp_path, 5)
    opening, *answers, closing = logged(site.records())
    passed: list[Any] = []
    forged = changed(answers[0], {Key.SEQUENCE: 10**9}, answers[0].payload)
    wrong = answered(answers[3], b'{"predictions":[0.25]}')
    found = verdicts(site, [opening, forged, *answers[:3], wrong, answers[4], closing], tell=passed.append)
    assert counts(found) == {"identical": 5, "different": 1}
    assert (passed[0].duplicates, passed[0].disordered) == (0, 5)
    assert passed[0].first[0].record == answers[0].entry.record_id


async def test_a_record_whose_sequence_another_has_is_judged(tmp_path: Path) -> None:
    """Whichever of the two comes first; the same entry once more is passed over, unless it was without its payload."""
    site = await numbers_site(tmp_path, 2)
    opening, one, two, closing = logged(site.records())
    other = answered(one, b'{"predictions":[0.25]}')
    for records, judged, duplicates, disordered in (
        ([one, other, two], {"identical": 2, "different": 1}, 0, 1),
        ([other, one, other, two], {"identical": 2, "different": 1}, 1, 1),
        ([two, one, one], {"identical": 2}, 1, 1),
        ([one._replace(payload=b""), one, one, two], {"identical": 2, "not replayable": 1}, 1, 0),
        ([one, one._replace(payload=b""), two], {"identical": 2}, 1, 0),
    ):
        passed: list[Any] = []
        found = verdicts(site, [opening, *records, closing], tell=passed.append)
        assert counts(found) == judged
        assert (passed[0].duplicates, passed[0].disordered) == (duplicates, disordered)


async def test_what_was_long_ago_is_judged_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries are remembered for a while: at least as many as are said, of all journals together."""
    monkeypatch.setattr("audit.replay.intake.REMEMBERED", 3)
    site = await numbers_site(tmp_path, 9)
    opening, *answers, _ = logged(site.records())
    for behind, disordered in ((3, 0), (7, 1)):
        passed: list[Any] = []
        verdicts(site, [opening, *answers[: behind + 1], answers[0]], tell=passed.append)
        assert (passed[0].duplicates, passed[0].disordered) == (1 - disordered, disordered)


async def test_one_models_answers_alone(tmp_path: Path) -> None:
    """`only` passes over every other model's records."""
    site = Site(tmp_path)
    site.serve("numbers", number_package())
    digest = site.serve("classes", number_package("classes", 3))
    async with open_gateway(site) as front:
        await mixed_traffic(front, ["numbers", "classes"], rounds=1)
    found = verdicts(site, only=bytes.fromhex(digest.removeprefix("sha256:")))
    assert {one.digest for one in found} == {digest}
    assert {one.service for one in found} == {"classes"}


async def test_what_another_model_would_have_answered(tmp_path: Path) -> None:
    """Its answers beside the recorded ones, and the decisions that would have been others."""
    site = Site(tmp_path)
    site.serve("classes", number_package("classes", 3))
    other = site.push(number_package("deeper", 3))
    assert other != site.plan[0][1]
    async with open_gateway(site) as front:
        await asyncio.gather(*(ask(front, "/v1/models/classes:predict", v1(row)) for row in NUMBERS))
    same = list(against(logged(site.records()), predictor(site), bytes.fromhex(other[7:])))
    assert [one.differences for one in same] == [()] * 60
    assert sum(one.decided for one in same) == 60
    two = bytes.fromhex(site.push(number_package())[7:])
    uneven = list(against(logged(site.records()), predictor(site), two))
    assert {one.reason for one in uneven} == {
        "the other model's outputs are not those of the recorded answer"
    }
    bound = bytes.fromhex(site.push(batch_bound_package())[7:])
    assert len(list(against(logged(site.records()), predictor(site), bound))) == 60


async def test_decisions_that_nobody_knows_are_counted_with_the_reason(tmp_path: Path) -> None:
    """The recorded model is not in this store: its threshold is not to be had, its answers are."""
    site, elsewhere = await numbers_site(tmp_path / "one", 3), Site(tmp_path / "two")
    other = elsewhere.push(batch_bound_package())
    elsewhere.write()
    passed: list[Any] = []
    records = logged(site.records())
    found = list(
        against([*records, records[1]], predictor(elsewhere), bytes.fromhex(other[7:]), tell=passed.append)
    )
    reason = (
        f"the recorded model's rule is not known: model missing: the store does not have {site.plan[0][1]}"
    )
    assert [(one.decided, one.undecided, one.reason) for one in found] == [(0, reason, None)] * 3
    comparison = Comparison()
    for one in found:
        comparison.add(one)
    assert (comparison.records, comparison.rows, comparison.decided) == (3, 3, 0)
    assert comparison.as_json()["undecided"] == {reason: 3}
    assert passed[0].duplicates == 1
