"""The one model that every server of a comparison serves, and the rows that it is asked for.

100 trees of XGBoost over 30 numeric features, and the same trees as ONNX. Made once and cached: the same
seed, so two machines measure the same work.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEATURES = 30
TREES = 100
ROWS = 256  # different requests, sent round and round
TRAINING_ROWS = 4000
SEED = 20
NAMES = tuple(f"x{index:02d}" for index in range(FEATURES))
MADE_BY = "2"  # raise it when what is below changes, so that caches are made again


@dataclass(frozen=True)
class Workload:
    """Files of the model, the rows to ask for [ROWS, FEATURES] float32 and the answers expected [ROWS]."""

    ubj: Path
    onnx: Path
    table: Path
    rows: NDArray[np.float32]
    expected: NDArray[np.float32]


def prepare(directory: Path) -> Workload:
    """Train and convert the model under `directory`, or take what is there already."""
    import xgboost

    folder = directory / f"model-{MADE_BY}-xgboost-{xgboost.__version__}"
    files = {
        name: folder / name for name in ("model.ubj", "model.onnx", "train.csv", "rows.npy", "expected.npy")
    }
    done = folder / "done"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _make(files)
        done.touch()
    return Workload(
        ubj=files["model.ubj"],
        onnx=files["model.onnx"],
        table=files["train.csv"],
        rows=np.load(files["rows.npy"], allow_pickle=False),
        expected=np.load(files["expected.npy"], allow_pickle=False),
    )


def _make(files: dict[str, Path]) -> None:
    import xgboost

    random = np.random.default_rng(SEED)
    features = random.normal(size=(TRAINING_ROWS, FEATURES)).astype(np.float32)
    weights = random.normal(size=FEATURES)
    score = features @ weights / 3 + features[:, 0] * features[:, 1] + random.normal(size=TRAINING_ROWS)
    labels = (score > 0).astype(np.float32)
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 6, "eta": 0.1, "seed": SEED, "nthread": 1},
        xgboost.DMatrix(features, labels, feature_names=list(NAMES)),
        num_boost_round=TREES,
    )
    # Three decimals: what a client sends as text is then exactly what every server reads as float32.
    rows = random.normal(size=(ROWS, FEATURES)).round(3).astype(np.float32)
    # The peers pass bare arrays, which a model with feature names would refuse; the gateway gets the names
    # from the training table's header.
    booster.feature_names = None
    booster.save_model(files["model.ubj"])
    expected = booster.inplace_predict(rows)
    files["model.onnx"].write_bytes(to_onnx(json.loads(booster.save_raw("json"))))
    np.save(files["rows.npy"], rows, allow_pickle=False)
    np.save(files["expected.npy"], expected.astype(np.float32), allow_pickle=False)
    with files["train.csv"].open("w") as table:
        table.write(",".join([*NAMES, "label"]) + "\n")
        for row, label in zip(features[:1000], labels[:1000], strict=True):
            table.write(",".join([*(repr(float(value)) for value in row), str(int(label))]) + "\n")


def to_onnx(model: dict[str, Any]) -> bytes:
    """The trees of an XGBoost model (its JSON, binary:logistic, numeric splits) as an ONNX tree ensemble.

    XGBoost goes left when x < condition, and left or right as the node says when x is missing; a leaf's value
    stands in its split condition. The operator is ai.onnx.ml TreeEnsembleRegressor, version 3.
    """
    import onnx
    from onnx import TensorProto, helper

    learner = model["learner"]
    # Since XGBoost 3.1 the base score is written as a vector with one number an output.
    base = float(learner["learner_model_param"]["base_score"].strip("[]"))
    nodes: dict[str, list[Any]] = {
        key: []
        for key in (
            "treeids",
            "nodeids",
            "featureids",
            "values",
            "modes",
            "truenodeids",
            "falsenodeids",
            "missing_value_tracks_true",
        )
    }
    leaves: dict[str, list[Any]] = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
    for number, tree in enumerate(learner["gradient_booster"]["model"]["trees"]):
        for node, left in enumerate(tree["left_children"]):
            leaf = left == -1
            nodes["treeids"].append(number)
            nodes["nodeids"].append(node)
            nodes["featureids"].append(0 if leaf else tree["split_indices"][node])
            nodes["values"].append(0.0 if leaf else tree["split_conditions"][node])
            nodes["modes"].append("LEAF" if leaf else "BRANCH_LT")
            nodes["truenodeids"].append(0 if leaf else left)
            nodes["falsenodeids"].append(0 if leaf else tree["right_children"][node])
            nodes["missing_value_tracks_true"].append(0 if leaf else int(tree["default_left"][node]))
            if leaf:
                leaves["treeids"].append(number)
                leaves["nodeids"].append(node)
                leaves["ids"].append(0)
                leaves["weights"].append(tree["split_conditions"][node])
    attributes: Any = {f"nodes_{key}": value for key, value in nodes.items()}
    attributes |= {f"target_{key}": value for key, value in leaves.items()}
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        ["input"],
        ["margin"],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[math.log(base / (1 - base))],
        aggregate_function="SUM",
        **attributes,
    )
    # A node of its own: ONNX Runtime passes over LOGISTIC as the regressor's post_transform.
    logistic = helper.make_node("Sigmoid", ["margin"], ["probability"])
    graph = helper.make_graph(
        [ensemble, logistic],
        "trees",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, FEATURES])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
    )
    made = helper.make_model(
        graph,
        producer_name="affiant-bench",
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
    )
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())
