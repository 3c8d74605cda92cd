"""Pickles are told by their bytes, whatever they are called."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import zipfile
import zlib

import joblib
import numpy as np
import pytest

from registry.errors import ModelRefused, PickleRefused
from registry.formats import detect
from tests.components.packages import credit_booster, credit_package

VALUE = {"weights": [1.0, 2.0], "name": "a model"}


class Thing:
    """Something with a class, as every estimator is."""

    def __init__(self) -> None:
        self.weights = np.arange(3.0)


def joblib_bytes(**options: object) -> bytes:
    """What joblib writes."""
    buffer = io.BytesIO()
    joblib.dump(VALUE, buffer, **options)
    return buffer.getvalue()


def zipped(data: bytes) -> bytes:
    """A zip archive with one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", data)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value", [VALUE, [1, 2], (1, "x"), "text", Thing(), np.arange(4)], ids=lambda v: type(v).__name__
)
def test_a_pickle_of_any_protocol_is_refused_whatever_its_name(protocol: int, value: object) -> None:
    """No name and no protocol gets a pickle in."""
    for name in ("model.ubj", "model.onnx", "model"):
        with pytest.raises((PickleRefused, ModelRefused)):
            detect(pickle.dumps(value, protocol), name)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_estimator_is_refused_as_a_pickle(protocol: int) -> None:
    """The reason is said, and what to do instead."""
    with pytest.raises(PickleRefused, match=r"pickle.*publish_sklearn"):
        detect(pickle.dumps(Thing(), protocol), "model.onnx")


@pytest.mark.parametrize(
    "data",
    [
        joblib_bytes(),
        joblib_bytes(compress=("zlib", 3)),
        joblib_bytes(compress=("gzip", 3)),
        joblib_bytes(compress=("bz2", 3)),
        joblib_bytes(compress=("xz", 3)),
        gzip.compress(pickle.dumps(VALUE)),
        bz2.compress(pickle.dumps(VALUE)),
        lzma.compress(pickle.dumps(VALUE)),
        zlib.compress(pickle.dumps(VALUE)),
        zipped(pickle.dumps(VALUE)),
    ],
    # Not by the bytes, in which is the time of day: two processes that run the tests must agree on their names.
    ids=[
        "joblib",
        "joblib-zlib",
        "joblib-gzip",
        "joblib-bz2",
        "joblib-xz",
        "gzip",
        "bz2",
        "xz",
        "zlib",
        "zip",
    ],
)
def test_what_may_hold_a_pickle_is_refused(data: bytes) -> None:
    """Compressed files and archives (joblib, skops, PyTorch) are refused by their first bytes."""
    with pytest.raises(PickleRefused):
        detect(data, "model.ubj")


@pytest.mark.parametrize("name", ["model.pkl", "model.PICKLE", "model.joblib", "model.skops", "dir/model.pt"])
def test_a_pickles_name_is_refused_whatever_its_bytes(name: str) -> None:
    """A suffix that promises a pickle is enough."""
    with pytest.raises(PickleRefused):
        detect(credit_package().model, name)


def test_each_kind_is_told_by_its_bytes() -> None:
    """The name does not matter for what is served."""
    booster = credit_booster()
    assert detect(bytes(booster.save_raw("ubj")), "x.json") == "xgboost-ubj"
    assert detect(bytes(booster.save_raw("json")), "x.onnx") == "xgboost-json"
    assert detect(b"\x08\x0a\x12\x08skl2onnx", "x.ubj") == "onnx"
    with pytest.raises(ModelRefused, match="none of"):
        detect(b"\x89PNG\r\n", "x.ubj")
