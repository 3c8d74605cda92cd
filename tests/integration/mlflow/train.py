"""Trains and logs with MLflow, as a data scientist does; runs in MLflow's own environment. Prints what it made as JSON.

    python train.py TABLE EXPERIMENT

Logged: XGBoost (twice, the second a nested run's), scikit-learn, ONNX with its tensors in a file beside it, and files.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import mlflow
import mlflow.data
import mlflow.onnx
import mlflow.sklearn
import mlflow.xgboost
import numpy as np
import onnx
import pandas as pd
import xgboost
from mlflow.models import infer_signature
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression

TARGET = "creditability"
PINS = {
    "pip_requirements": ["xgboost-cpu==3.2.0"]
}  # given, so that MLflow does not load the model to find out


def booster(frame: pd.DataFrame) -> xgboost.Booster:
    """The credit model with native categories."""
    features = frame.drop(columns=[TARGET])
    # pandas 3 reads text as its own type.
    features = features.astype(
        {name: "category" for name in features if not pd.api.types.is_numeric_dtype(features[name])}
    )
    data = xgboost.DMatrix(features, (frame[TARGET] == "bad").astype(int), enable_categorical=True)
    settings = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1, "seed": 0}
    return xgboost.train(settings, data, 20)


def numbers(features: int) -> tuple[np.ndarray, np.ndarray]:
    """A table of numbers wide enough that ONNX keeps the weights outside of the model file."""
    random = np.random.default_rng(3)
    rows = random.normal(size=(300, features)).astype(np.float32)
    return rows, (rows[:, 0] + rows[:, 1] > 0).astype(int)


def main(table: str, experiment: str) -> dict[str, str]:
    """Logs everything."""
    made: dict[str, str] = {}
    frame = pd.read_csv(table, keep_default_na=False)
    mlflow.set_experiment(experiment)
    model = booster(frame)
    with mlflow.start_run(run_name="pipeline") as parent, tempfile.TemporaryDirectory() as scratch:
        made["parent"] = parent.info.run_id
        with mlflow.start_run(run_name="training", nested=True) as run:
            made["run"] = run.info.run_id
            mlflow.log_params({"max_depth": 4, "rounds": 20})
            mlflow.log_metrics({"auc": 0.81, "broken": float("nan")})
            mlflow.set_tags(
                {"team": "risk", "mlflow.source.git.commit": "0123456789abcdef0123456789abcdef01234567"}
            )
            data = mlflow.data.from_pandas(frame, source=table, name="german credit", targets=TARGET)
            mlflow.log_input(data, context="training")
            mlflow.log_artifact(table, "data")
            signature = infer_signature(frame.drop(columns=[TARGET]).head(), np.array([0.5]))
            info = mlflow.xgboost.log_model(
                model, name="model", signature=signature, model_format="ubj", **PINS
            )
            made["model"] = info.model_id
            model.save_model(Path(scratch) / "plain.json")
            mlflow.log_artifact(str(Path(scratch) / "plain.json"), "files")
        version = mlflow.register_model(f"models:/{info.model_id}", experiment)
        made["version"] = str(version.version)
        mlflow.MlflowClient().set_registered_model_alias(experiment, "champion", version.version)
        with mlflow.start_run(run_name="others", nested=True) as run:
            made["others"] = run.info.run_id
            rows, target = numbers(400)
            linear = LogisticRegression().fit(rows, target)
            made["skops"] = mlflow.sklearn.log_model(linear, name="skops", **PINS).model_id
            made["cloudpickle"] = mlflow.sklearn.log_model(
                linear, name="pickled", serialization_format="cloudpickle", **PINS
            ).model_id
            exported = convert_sklearn(
                linear,
                initial_types=[("rows", FloatTensorType([None, rows.shape[1]]))],
                options={"zipmap": False},
            )
            # scikit-learn's converter keeps weights in attributes; a product of matrices has them in tensors.
            made["onnx"] = mlflow.onnx.log_model(outside(linear), name="onnx", **PINS).model_id
            made["onnx-small"] = mlflow.onnx.log_model(
                exported, name="small", save_as_external_data=False, **PINS
            ).model_id
            wide = pd.DataFrame(rows, columns=[f"f{place}" for place in range(rows.shape[1])]).assign(
                y=target
            )
            wide.to_csv(Path(scratch) / "wide.csv", index=False)
            mlflow.log_artifact(str(Path(scratch) / "wide.csv"), "data")
    return made


def outside(linear: LogisticRegression) -> onnx.ModelProto:
    """The same model as a product of matrices: its weights are a tensor of its own."""
    from onnx import TensorProto, helper, numpy_helper

    weights = linear.coef_.T.astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["rows", "weights"], ["product"]),
            helper.make_node("Add", ["product", "offset"], ["margin"]),
            helper.make_node("Sigmoid", ["margin"], ["score"]),
        ],
        "linear",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, weights.shape[0]])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(linear.intercept_.astype(np.float32), "offset"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


if __name__ == "__main__":
    assert os.environ["MLFLOW_TRACKING_URI"]
    print(json.dumps(main(*sys.argv[1:])))
