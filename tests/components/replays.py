"""Recorded traffic to be replayed, and a model whose answers depend on the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from audit.config import load
from audit.log.local import LocalLog
from audit.proof.entry import Key, Kind, Protocol, encode_entry, parse_entry
from audit.proof.record import Header, Record, encode_payload, frame_record
from audit.replay import Judged, Logged, replay
from audit.ship.external import ExternalStore
from registry.infer import Wanted
from registry.package import Package
from registry.publish import publish
from registry.runtimes.base import Model
from service.replaying import GatewayPredictor
from tests.components.gateway import Site
from tests.components.packages import MADE, number_table

DRIFT = 1e-6
"""What the mean of a batch adds to each answer of `batch_bound_package`."""


@cache
def batch_bound_package(name: str = "bound") -> Package:
    """ONNX over `number_table`: sigmoid(a) + DRIFT × the mean of `a` over the batch. No padding helps."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Gather", ["x", "first"], ["a"], axis=1),
        helper.make_node("Sigmoid", ["a"], ["own"]),
        helper.make_node("ReduceMean", ["a"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Mul", ["mean", "drift"], ["small"]),
        helper.make_node("Add", ["own", "small"], ["positive"]),
        helper.make_node("Sub", ["one", "positive"], ["negative"]),
        helper.make_node("Concat", ["negative", "positive"], ["probabilities"], axis=1),
    ]
    constants = [
        numpy_helper.from_array(np.array([0], np.int64), "first"),
        numpy_helper.from_array(np.array([DRIFT], np.float32), "drift"),
        numpy_helper.from_array(np.array([1], np.float32), "one"),
    ]
    graph = helper.make_graph(
        nodes,
        "bound",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return publish(
        model.SerializeToString(), number_table(), Wanted(name, "y"), file="bound.onnx", now=lambda: MADE
    ).package


def logged(records: list[Record]) -> list[Logged]:
    """As if these records were a partition."""
    return [Logged(0, offset, record.entry, record.payload) for offset, record in enumerate(records)]


def predictor(site: Site) -> GatewayPredictor:
    """The gateway's own, over the site's store."""
    return GatewayPredictor.configured(load(site.config))


def verdicts(site: Site, records: list[Logged] | None = None, **options: object) -> list[Judged]:
    """The site's records, or these, replayed."""
    chosen = logged(site.records()) if records is None else records
    return list(replay(chosen, predictor(site), **options))  # type: ignore[arg-type]


def ship(site: Site, records: list[Record] | None = None, *, at_once: int = 1 << 20) -> Path:
    """Put the site's records, or these, into its local log, so many in a group."""
    directory, external = site.directory / "data" / "log", ExternalStore(site.directory / "data" / "objects")
    writer = LocalLog(directory, "affiant-entries", 1).writer(0)
    try:
        for sent, record in enumerate(site.records() if records is None else records, start=1):
            value = external.move(frame_record(record.entry.raw, record.payload))
            writer.send(value, record.entry.fields[Key.JOURNAL])
            while sent % at_once == 0 and writer.delivered().sends < sent:
                writer.wait(1.0)
    finally:
        writer.close()
    return directory


def recorded(
    model: Model,
    rows: Sequence[Sequence[float | None]],
    answer: bytes,
    *,
    sequence: int = 1,
    batch: tuple[int, int, int] | None = None,
    fields: Mapping[int, Any] | None = None,
    header: Mapping[int, Any] | None = None,
) -> Logged:
    """A record of a V1 request, made up: what a gateway with this model would write, but for its answer."""
    packed = np.array(
        [[np.nan if cell is None else cell for cell in row] for row in rows], np.float32
    ).tobytes()
    head = {
        Header.METHOD: "POST", Header.TARGET: "/v1/models/m:predict", Header.CONTENT_TYPE: "application/json",
        Header.INPUT: [model.schema_hash, len(rows), model.signature.width],
    }  # fmt: skip
    request = orjson.dumps({"instances": rows})
    payload = encode_payload(bytes(32), {**head, **(header or {})}, request, answer, packed)
    entry: dict[int, Any] = {
        Key.KIND: Kind.INFERENCE, Key.JOURNAL: bytes(16), Key.EPOCH: 1, Key.SEQUENCE: sequence,
        Key.CHAIN: bytes(32), Key.COMMITTING: 1, Key.ARRIVED: 1, Key.SERVICE: "m",
        Key.DIGEST: bytes.fromhex(model.digest.removeprefix("sha256:")), Key.STATUS: 200,
        Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: 0,
        Key.PROTOCOL: Protocol.V1_PREDICT, Key.TICKET: sequence,
    }  # fmt: skip
    if batch is not None:
        entry[Key.BATCH] = list(batch)
    entry |= fields or {}
    return Logged(0, sequence, parse_entry(encode_entry(entry)), payload)
