"""Models large enough to be worth a device: boosted trees and a network, over thirty numbers."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Final

import numpy as np

from registry.infer import Wanted
from registry.package import Package
from registry.publish import publish
from registry.table import Table, table_of
from tests.components.packages import MADE

WIDTH: Final = 30
NAMES: Final = [f"f{at:02}" for at in range(WIDTH)]


@cache
def wide_table(rows: int = 4000) -> Table:
    """Thirty features, normal, and a target of two classes that hangs on some of them."""
    import pandas as pd

    random = np.random.default_rng(11)
    values = random.normal(size=(rows, WIDTH)).astype(np.float32)
    margin = values[:, 0] * values[:, 1] + np.sin(3 * values[:, 2]) + 0.3 * random.normal(size=rows)
    frame = pd.DataFrame(values, columns=NAMES)
    return table_of(frame.assign(y=(margin > 0).astype(int)), "wide")


@cache
def tree_package(trees: int = 500, depth: int = 8) -> Package:
    """XGBoost, binary."""
    import xgboost

    frame = wide_table().frame
    data = xgboost.DMatrix(frame[NAMES], frame["y"])
    settings = {"objective": "binary:logistic", "max_depth": depth, "tree_method": "hist", "nthread": 4}
    booster = xgboost.train(settings, data, trees)
    return publish(
        bytes(booster.save_raw("ubj")), wide_table(), Wanted("trees", "y"), now=lambda: MADE
    ).package


@cache
def network_package(hidden: int = 512, layers: int = 3) -> Package:
    """A network of dense layers, as ONNX; its weights are drawn, not trained."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(13)
    sizes = [WIDTH, *[hidden] * layers, 1]
    nodes, constants, last = [], [], "rows"
    for at, (into, out) in enumerate(itertools.pairwise(sizes)):
        weights = (random.normal(size=(into, out)) / np.sqrt(into)).astype(np.float32)
        constants += [
            numpy_helper.from_array(weights, f"w{at}"),
            numpy_helper.from_array(np.zeros(out, np.float32), f"b{at}"),
        ]
        nodes.append(helper.make_node("Gemm", [last, f"w{at}", f"b{at}"], [f"h{at}"]))
        final = at == layers
        last = "probability" if final else f"a{at}"
        nodes.append(helper.make_node("Sigmoid" if final else "Relu", [f"h{at}"], [last]))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, WIDTH])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return publish(
        model.SerializeToString(), wide_table(), Wanted("network", "y"), file="network.onnx", now=lambda: MADE
    ).package
