"""A model that a gateway loads fast: its start is what these tests wait for most."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from registry.infer import Wanted
from registry.publish import publish
from tests.components.packages import MADE, number_table

if TYPE_CHECKING:
    from registry.package import Package

FILE: Final = "light.onnx"


@cache
def light_package() -> Package:
    """ONNX over `number_table`: the sigmoid of `a`. Its runtime is there in a tenth of the time that XGBoost takes."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Gather", ["x", "first"], ["a"], axis=1),
        helper.make_node("Sigmoid", ["a"], ["positive"]),
        helper.make_node("Sub", ["one", "positive"], ["negative"]),
        helper.make_node("Concat", ["negative", "positive"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "light",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [
            numpy_helper.from_array(np.array([0], np.int64), "first"),
            numpy_helper.from_array(np.array([1], np.float32), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return publish(
        model.SerializeToString(), number_table(), Wanted("numbers", "y"), file=FILE, now=lambda: MADE
    ).package
