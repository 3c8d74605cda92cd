"""Whatever a gateway was asked, and however much of the log is replayed: every answer comes out identical."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.proof.entry import Key, Protocol, encode_entry, parse_entry
from audit.proof.record import encode_payload, parse_payload
from audit.replay import Logged, Verdict, against, replay
from registry.runtimes import load
from service.protocol import v1
from service.replaying import GatewayPredictor
from tests.components.gateway import JSON, Answer, Site, ask, open_gateway
from tests.components.packages import number_package
from tests.components.replays import batch_bound_package, logged, predictor, recorded

CELL = st.floats(-4, 4, width=32)
ROWS = st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6)
REQUEST = st.tuples(
    st.sampled_from(["exact", "exact", "classes", "bound"]),
    st.sampled_from(["v1", "v1 gzip", "v1 explain", "v2", "v2 binary", "v2 binary output"]),
    ROWS,
    st.none() | st.text(max_size=12).filter(lambda text: text.isprintable()),
)
TURNS = st.lists(st.lists(REQUEST, min_size=1, max_size=12), min_size=1, max_size=4)


async def send(front: Any, service: str, form: str, rows: list[Any], name: str | None) -> Answer:
    """One request."""
    if form.startswith("v1"):
        # The bound model's runtime has no explanations: asked for one it refuses, and its batch loses a member.
        verb = "explain" if form == "v1 explain" and service != "bound" else "predict"
        body = json.dumps({"instances": rows}).encode()
        packed = form == "v1 gzip"
        headers = {**JSON, "content-encoding": "gzip"} if packed else JSON
        return await ask(
            front,
            f"/v1/models/{service}:{verb}",
            gzip.compress(body) if packed else body,
            headers=headers,
        )
    tensor: dict[str, Any] = {"name": "input", "datatype": "FP32", "shape": [len(rows), 3]}
    content: dict[str, Any] = {"inputs": [tensor]} | ({} if name is None else {"id": name})
    headers, tail = dict(JSON), b""
    if form == "v2 binary":
        tail = b"".join(struct.pack("<3f", *row) for row in rows)
        tensor["parameters"] = {"binary_data_size": len(tail)}
    else:
        tensor["data"] = rows
    if form != "v2":
        content["parameters"] = {"binary_data_output": True}
    body = json.dumps(content).encode()
    if tail:
        headers["inference-header-content-length"] = str(len(body))
    return await ask(front, f"/v2/models/{service}/infer", body + tail, headers=headers)


async def record(site: Site, turns: list[list[tuple[str, str, list[Any], str | None]]]) -> int:
    """Ask the turns' requests together, turn after turn; how many."""
    async with open_gateway(site) as front:
        for turn in turns:
            answers = await asyncio.gather(*(send(front, *request) for request in turn))
            assert [answer.status for answer in answers] == [200] * len(turn)
    return sum(map(len, turns))


@settings(max_examples=12, deadline=None)
@given(TURNS, st.data())
def test_what_was_recorded_is_replayed_to_the_bit(turns: list[Any], data: st.DataObject) -> None:
    """All of it, and any part of it with what stands around."""
    with tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory))
        site.serve("exact", number_package())
        site.serve("exact", number_package("canary"), "canary", 100.0)
        site.serve("classes", number_package("classes", 3))
        site.serve("bound", batch_bound_package())
        count = asyncio.run(record(site, turns))
        records = logged(site.records())
        own = predictor(site)
        assert [one.verdict for one in replay(records, own)] == [Verdict.IDENTICAL] * count
        first = data.draw(st.integers(0, len(records) - 1), "first")
        end = data.draw(st.integers(first + 1, len(records)), "end")
        part = [one._replace(wanted=first <= one.offset < end) for one in records]
        found = list(replay(part, own))
        assert {one.verdict for one in found} <= {Verdict.IDENTICAL}
        assert all(first <= one.offset < end for one in found)


MODEL = load(number_package())
OWN = GatewayPredictor(lambda *_: MODEL, {})
HEADER = st.dictionaries(
    st.sampled_from([1, 2, 3, 4, 5, 9, 10, 11]),
    st.integers(0, 2**64 - 1)
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.booleans()
    | st.sampled_from(["gzip", "application/json", "application/octet-stream"])
    | st.lists(st.integers(0, 9), max_size=3),
    max_size=3,
)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
JSON_VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["predictions", "explanations", "outputs", "instances", "inputs", "name", "shape", "data"]
            )
            | st.sampled_from(
                ["prediction", "classes", "bias", "contributions", "input", "datatype", "FP32"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
BODY = st.binary(max_size=60) | JSON_VALUE.map(lambda value: json.dumps(value).encode())
DEEP = b'{"outputs":' + b"[" * 100_000


@settings(max_examples=120, deadline=None)
@given(
    HEADER,
    st.none() | BODY,
    st.none()
    | BODY
    | st.just(DEEP)
    | st.just(b'{"predictions":[1e300]}')
    | st.just(b'{"outputs":[{"data":[1%s],"shape":[1,1]}]}' % (b"0" * 400)),
    st.none() | st.binary(max_size=24),
    st.integers(0, 6),
    st.none() | st.tuples(*[st.integers(0, 5) | st.integers(0, 2**64 - 1)] * 3),
)
def test_whatever_a_digest_covers_has_one_verdict(
    header: dict[int, Any],
    request: bytes | None,
    response: bytes | None,
    model_input: bytes | None,
    protocol: int,
    batch: tuple[int, int, int] | None,
) -> None:
    """Made-up records end no replay, and are identical only if nothing that matters was made up."""
    answer = v1.encode(MODEL.predict(np.array([[0.5, 1, 2]], np.float32))).body
    fields = {Key.PROTOCOL: protocol, Key.REQUEST_ID: "x"}
    record = recorded(MODEL, [[0.5, 1, 2]], answer, batch=batch, fields=fields)
    parts = parse_payload(record.payload)
    payload = encode_payload(
        parts.salt,
        {**parts.header, **header},
        parts.request if request is None else request,
        parts.response if response is None else response,
        parts.input if model_input is None else model_input,
    )
    assert record.entry is not None
    digest = {Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload)}
    entry = parse_entry(encode_entry({**record.entry.fields, **digest}))
    (judged,) = replay([Logged(0, 1, entry, payload)], OWN)
    if judged.verdict is Verdict.IDENTICAL:
        assert protocol == Protocol.V1_PREDICT
        assert response in (None, answer)
        assert model_input in (None, parts.input)
    else:
        assert judged.reason
    (compared,) = against([Logged(0, 1, entry, payload)], OWN, bytes(32))
    assert compared.reason is not None or compared.rows == 1
