"""MLmodel and ONNX's files beside a model, as strangers may write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from registry.errors import PickleRefused, PublishError
from registry.mlflow import onnx_data
from registry.mlflow.mlmodel import describe
from registry.mlflow.onnx_data import inlined, kept_outside


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"flavors: {xgboost: {data: [1]}}", "names no file"),
        (b"flavors: {}", "has no flavors"),
        (b"- 1", "not a description"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"a: [", "not YAML"),
        (b"flavors: !!python/object/apply:os.system ['touch /tmp/affiant-was-here']", "not YAML"),
        (
            b"flavors: {lightgbm: {data: m.lgb}, python_function: {}}",
            "lightgbm, python_function; those that can be",
        ),
    ],
)
def test_what_is_no_description_is_said(text: bytes, says: str) -> None:
    """A YAML file may ask for code to be run; it is read as data."""
    with pytest.raises(PublishError, match=says):
        describe(text, "models:/m/1")


@pytest.mark.parametrize(
    "flavour",
    [
        "sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle}",
        "sklearn: {pickled_model: model.skops, serialization_format: skops}",
        "sklearn: {}",
        "statsmodels: {pickled_model: m.pkl}",
    ],
)
def test_pickles_are_refused_with_the_way_out(flavour: str) -> None:
    """Before any of their bytes is asked for."""
    with pytest.raises(
        PickleRefused, match=r"log its ONNX beside it.*mlflow\.onnx\.log_model.*publish_sklearn"
    ):
        describe(f"flavors: {{{flavour}, python_function: {{}}}}".encode(), "models:/m/1")


def test_the_flavour_that_is_data_is_taken() -> None:
    """An ONNX flavour beside a pickle is the way out itself."""
    told = describe(
        b"mlflow_version: 3.1\nflavors: {sklearn: {pickled_model: m.pkl},"
        b" onnx: {data: model.onnx, onnx_version: '1.23'}}\n"
        b"signature: {inputs: '[{\"type\": \"double\"}]', outputs: 'no JSON', params: null}",
        "a",
    )
    assert (told.flavour, told.file, told.flavours) == ("onnx", "model.onnx", ("onnx", "sklearn"))
    assert told.signature == {"inputs": [{"type": "double"}], "outputs": "no JSON", "params": None}
    assert told.environment == {"onnx_version": "1.23"}


def model(**told: str) -> bytes:
    """A model whose one weight, of 400 float32, is kept as `told` says (location, offset, length)."""
    weight = numpy_helper.from_array(np.arange(400, dtype=np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in told.items():
        weight.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [400])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [400])],
        [weight],
    )
    # Read back, as a stranger would write it: onnx's own writer looks for the file.
    return bytes(helper.make_model(graph, ir_version=9).SerializeToString())


WEIGHT = np.arange(400, dtype=np.float32).tobytes()


def test_tensors_are_put_into_the_model() -> None:
    """From the place in the file that the model says; the same bytes every time."""
    outside = model(location="w.data", offset="8", length="1600")
    assert kept_outside(outside, "model.onnx") == ["w.data"]
    whole = inlined(outside, {"w.data": b"\0" * 8 + WEIGHT + b"more"})
    assert whole == inlined(outside, {"w.data": b"\0" * 8 + WEIGHT + b"more"})
    assert kept_outside(whole, "model.onnx") == []
    (tensor,) = onnx.ModelProto.FromString(whole).graph.initializer
    assert tensor.raw_data == WEIGHT


@pytest.mark.parametrize("name", ["../w", "/etc/passwd", "a/b", "..", "", "a\\b"])
def test_a_tensor_that_lies_elsewhere_is_refused(name: str) -> None:
    """Its name would become a path here and on the server."""
    with pytest.raises(PublishError, match="no file beside the model"):
        kept_outside(model(location=name), "model.onnx")


@pytest.mark.parametrize(
    "told", [{"offset": "9999"}, {"length": "9999"}, {"offset": "-1"}, {"length": "x"}, {"offset": "1" * 40}]
)
def test_a_file_that_does_not_fit_is_refused(told: dict[str, str]) -> None:
    """Wrong places are an error of ours."""
    with pytest.raises(PublishError, match="do not fit it"):
        inlined(model(location="w.data", **told), {"w.data": WEIGHT})


def test_tensors_that_grow_by_naming_the_same_bytes_are_refused(monkeypatch: Any) -> None:
    """A small file can be named by many tensors."""
    monkeypatch.setattr(onnx_data, "_MAX", 1500)
    with pytest.raises(PublishError, match="more than 1500 bytes"):
        inlined(model(location="w.data"), {"w.data": WEIGHT})


def test_what_is_not_onnx_has_nothing_outside() -> None:
    """XGBoost files are whole; what cannot be parsed is refused."""
    assert kept_outside(b'{"learner": {}}', "model.json") == []
    with pytest.raises(PublishError, match="not an ONNX model"):
        kept_outside(b"\x08\x09\xff\xff\xff", "model.onnx")
