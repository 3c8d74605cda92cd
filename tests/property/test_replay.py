"""Whatever a gateway was asked, and however much of the log is replayed: every answer comes out identical."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.replay import Verdict, replay
from tests.components.gateway import JSON, Answer, Site, ask, open_gateway
from tests.components.packages import number_package
from tests.components.replays import batch_bound_package, logged, predictor

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
