"""Whatever a client sends, the gateway says what is wrong with it: never a 500, never a stack trace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.errors import PROBLEM_JSON
from service.front import Front
from tests.components.gateway import Answer, Site, ask, open_gateway
from tests.components.packages import credit_package, credit_table, number_package

TARGET = "creditability"
FEATURES = [name for name in credit_table().frame.columns if name != TARGET]
ROWS = json.loads(credit_table().frame[FEATURES].head(50).to_json(orient="records"))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
paths = st.sampled_from(
    [
        "/v1/models/credit:predict",
        "/v1/models/credit:explain",
        "/v2/models/credit/infer",
        "/v2/models/numbers/infer",
    ]
)
fuzz = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Running:
    """A gateway in a loop of its own, so that examples can ask it one after the other."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.loop = asyncio.new_event_loop()
        self.opened = open_gateway(site)
        self.front: Front = self.loop.run_until_complete(self.opened.__aenter__())

    def ask(self, *args: Any, **kwargs: Any) -> Answer:
        return self.loop.run_until_complete(ask(self.front, *args, **kwargs))

    def close(self) -> None:
        self.loop.run_until_complete(self.opened.__aexit__(None, None, None))
        self.loop.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two services, every refusal recorded."""
    directory: Path = tmp_path_factory.mktemp("fuzz")
    site = Site(
        directory, gateway={"unauthenticated_per_second": 1e9, "max_rows": 64, "max_body_bytes": 65536}
    )
    site.serve("credit", credit_package())
    site.serve("numbers", number_package())
    running = Running(site)
    yield running
    running.close()


def check(answer: Answer) -> None:
    """200, or a problem that says what is wrong; recorded in either case."""
    assert answer.status in (200, 400, 404, 405, 413, 415, 501), answer
    assert answer.headers["affiant-record"]
    if answer.status == 200:
        return
    assert answer.headers["content-type"] == PROBLEM_JSON
    problem = answer.json
    assert problem["status"] == answer.status
    assert problem["type"].startswith("urn:affiant:problem:")
    assert problem["detail"]
    assert "Traceback" not in answer.body.decode()


@fuzz
@given(path=paths, body=st.binary(max_size=300))
def test_any_bytes_are_answered_with_a_problem(gateway: Running, path: str, body: bytes) -> None:
    """Bytes that are no JSON are refused as such."""
    check(gateway.ask(path, body))


@fuzz
@given(path=paths, content=json_values)
@example(path="/v1/models/credit:predict", content={"instances": [{"\ud800": 1}]})
@example(path="/v2/models/credit/infer", content={"id": "\ud800", "inputs": []})
def test_any_json_is_answered_with_a_problem(gateway: Running, path: str, content: Any) -> None:
    """JSON of any shape is refused as such."""
    check(gateway.ask(path, json.dumps(content).encode()))


@fuzz
@given(
    number=st.integers(0, len(ROWS) - 1),
    name=st.sampled_from(FEATURES),
    value=json_values,
    verb=st.sampled_from(["predict", "explain"]),
    as_list=st.booleans(),
)
def test_one_cell_changed(
    gateway: Running, number: int, name: str, value: Any, verb: str, as_list: bool
) -> None:
    """A good row with one odd cell is answered, or the problem names that very cell."""
    row = {**ROWS[number], name: value}
    instance = list(row.values()) if as_list else row
    answer = gateway.ask(f"/v1/models/credit:{verb}", json.dumps({"instances": [ROWS[0], instance]}).encode())
    check(answer)
    if answer.status == 400 and answer.json["type"].endswith("invalid-input"):
        assert answer.json["field"] == name
        assert answer.json["row"] == 1


@fuzz
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from([*FEATURES, "other"]), json_values, max_size=4), max_size=3
    ),
    more=st.dictionaries(st.text(max_size=4), json_values, max_size=2),
)
def test_odd_rows(gateway: Running, rows: list[Any], more: dict[str, Any]) -> None:
    """Rows with missing, surplus and odd features."""
    check(gateway.ask("/v1/models/credit:predict", json.dumps({"instances": rows, **more}).encode()))


tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["input", "input-0", "a", "b", "housing", "duration_in_month", "x"])
        | json_values,
        "shape": st.lists(st.integers(-2, 70), max_size=3) | json_values,
        "datatype": st.sampled_from(["FP32", "FP64", "INT64", "UINT8", "BYTES", "BOOL", "FP16"])
        | json_values,
        "data": st.lists(st.floats() | st.integers() | st.text(max_size=4) | st.none(), max_size=6)
        | json_values,
        "parameters": st.fixed_dictionaries(
            {}, optional={"binary_data_size": st.integers(-1, 64) | json_values}
        ),
        "odd": json_values,
    },
)


@fuzz
@given(
    service=st.sampled_from(["credit", "numbers"]),
    inputs=st.lists(tensors, max_size=3),
    tail=st.binary(max_size=80),
    cut=st.integers(-5, 5),
    outputs=st.none()
    | st.lists(st.fixed_dictionaries({"name": st.just("predictions") | st.text()}), max_size=2),
)
def test_any_tensors(
    gateway: Running, service: str, inputs: list[Any], tail: bytes, cut: int, outputs: Any
) -> None:
    """Tensors of any name, shape and type, with binary data that fits or does not."""
    content: dict[str, Any] = {"inputs": inputs}
    if outputs is not None:
        content["outputs"] = outputs
    head = json.dumps(content).encode()
    headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(head) + cut),
    }
    check(gateway.ask(f"/v2/models/{service}/infer", head + tail, headers=headers))


@fuzz
@given(
    values=st.lists(st.floats(width=32), min_size=3, max_size=9),
    datatype=st.sampled_from(["<f4", "<f8"]),
)
def test_binary_tensors_are_read_as_numpy_wrote_them(
    gateway: Running, values: list[float], datatype: str
) -> None:
    """What the model was given is what numpy packed; NaN and infinities only where the signature has them."""
    rows = len(values) // 3
    array = np.array(values[: rows * 3], datatype).reshape(rows, 3)
    name = "FP32" if datatype == "<f4" else "FP64"
    tensor = {
        "name": "input",
        "shape": [rows, 3],
        "datatype": name,
        "parameters": {"binary_data_size": array.nbytes},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    answer = gateway.ask("/v2/models/numbers/infer", head + array.tobytes(), headers=headers)
    check(answer)
    allowed = np.isfinite(array)
    allowed[:, 2] |= np.isnan(array[:, 2])  # `c` may be missing
    assert (answer.status == 200) == bool(allowed.all())
    if answer.status == 200:
        recorded = gateway.site.exchanges()[-1]
        assert recorded.payload.input == array.astype("<f4").tobytes()


@fuzz
@given(
    path=st.text(min_size=1, max_size=30).map(lambda text: "/v1/models/" + text)
    | st.text(max_size=30).map(lambda text: "/v2/models/" + text),
    method=st.sampled_from(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
)
def test_any_path_is_answered_with_a_problem(gateway: Running, path: str, method: str) -> None:
    """Paths under our roots that are nothing are 404 or 405."""
    check(gateway.ask(path.replace("?", "").encode("utf-8", "ignore").decode(), b"{}", method=method))


@fuzz
@given(
    headers=st.dictionaries(
        st.sampled_from(
            ["content-type", "content-encoding", "x-request-id", "inference-header-content-length", "expect"]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
        | st.sampled_from(["application/json", "gzip", "deflate", "br", "application/json; charset=utf-8"]),
    ),
    path=paths,
)
def test_any_headers_are_answered(gateway: Running, headers: dict[str, str], path: str) -> None:
    """Header values of any kind."""
    check(gateway.ask(path, json.dumps({"instances": [ROWS[0]]}).encode(), headers=headers))
