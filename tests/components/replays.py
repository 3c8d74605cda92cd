"""Recorded traffic to be replayed, and a model whose answers depend on the batch."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from audit.config import load
from audit.log.local import LocalLog
from audit.proof.entry import Key
from audit.proof.record import Record, frame_record
from audit.replay import Judged, Logged, replay
from registry.infer import Wanted
from registry.package import Package
from registry.publish import publish
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
    directory = site.directory / "data" / "log"
    writer = LocalLog(directory, "affiant-entries", 1).writer(0)
    try:
        for sent, record in enumerate(site.records() if records is None else records, start=1):
            writer.send(frame_record(record.entry.raw, record.payload), record.entry.fields[Key.JOURNAL])
            while sent % at_once == 0 and writer.delivered().sends < sent:
                writer.wait(1.0)
    finally:
        writer.close()
    return directory
