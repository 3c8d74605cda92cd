"""Telling model files apart by their first bytes, and refusing the ones that run code when they are read."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

from .errors import ModelRefused, PackageError, PickleRefused
from .manifest import ModelType

_ADVICE: Final = (
    "reading a pickle runs whatever code is in it, so Affiant never does. Export the model instead: "
    "XGBoost with `booster.save_model('model.ubj')`, scikit-learn through ONNX with "
    "`registry.convert.publish_sklearn(estimator, …)`"
)
_PICKLE_SUFFIXES: Final = {
    ".pkl",
    ".pickle",
    ".joblib",
    ".cloudpickle",
    ".dill",
    ".skops",
    ".pt",
    ".pth",
    ".mlmodel",
}
# Pickle protocol 2 and up begin with PROTO n; protocols 0 and 1 with the opcodes that a module, a list, a
# dict or a tuple begins with (Lib/pickletools.py). Compressed files and archives may hold one and are no
# model format here.
_CONTAINERS: Final = {
    b"PK\x03\x04": "a zip archive (skops, PyTorch and NumPy's .npz hold pickles)",
    b"\x1f\x8b": "gzip (joblib writes compressed pickles)",
    b"BZh": "bzip2 (joblib writes compressed pickles)",
    b"\xfd7zXZ": "xz (joblib writes compressed pickles)",
    b"\x28\xb5\x2f\xfd": "zstd (joblib writes compressed pickles)",
    b"\x04\x22\x4d\x18": "lz4 (joblib writes compressed pickles)",
    b"\x93NUMPY": "a NumPy array (object arrays hold pickles)",
    b"ZF": "joblib's old compressed form",
}
_ZLIB: Final = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_OLD_PICKLE: Final = re.compile(
    rb"c[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n|\(dp\d|\(lp\d|\([cid][A-Za-z_][\w.]*\n|[\]}]q.|ccopy_reg"
)


def pickle_reason(data: bytes) -> str | None:
    """Why these bytes are, or may hold, a pickle; None when they do not."""
    if len(data) > 1 and data[0] == 0x80 and 2 <= data[1] <= 5:
        return f"it is a pickle (protocol {data[1]})"
    for magic, what in _CONTAINERS.items():
        if data.startswith(magic):
            return f"it is {what}"
    if data.startswith(_ZLIB):
        return "it is zlib (joblib writes compressed pickles)"
    if _OLD_PICKLE.match(data):
        return "it is a pickle (protocol 0 or 1)"
    return None


def refuse_pickle(data: bytes, name: str = "the model file") -> None:
    """Raises PickleRefused when the bytes, or the name, are those of a pickle."""
    reason = pickle_reason(data)
    if reason is None and PurePath(name).suffix.lower() in _PICKLE_SUFFIXES:
        reason = f"files named {PurePath(name).suffix} are, or hold, pickles"
    if reason is not None:
        raise PickleRefused(f"{name} is refused: {reason}; {_ADVICE}")


def detect(data: bytes, name: str = "the model file") -> ModelType:
    """The kind of a model file, by its bytes alone.

    Raises:
        PickleRefused: a pickle, or a container that may hold one.
        ModelRefused: none of the kinds that Affiant serves.
    """
    refuse_pickle(data[:4096], name)
    if _is_ubjson(data):
        return "xgboost-ubj"
    if _is_json(data):
        return "xgboost-json"
    if _is_onnx(data):
        return "onnx"
    raise ModelRefused(f"{name} is none of: XGBoost UBJSON (.ubj), XGBoost JSON (.json), ONNX (.onnx)")


def check_model(data: bytes, model_type: ModelType) -> None:
    """Raises PackageError when the file is not of that kind (PickleRefused for a pickle)."""
    found = detect(data)
    if found != model_type:
        raise PackageError(f"the model file is {found}, the manifest says {model_type}")


def _is_ubjson(data: bytes) -> bool:
    # An XGBoost model is an object whose first key is "learner": { L <i64 length> learner …
    return data.startswith(b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner")


def _is_json(data: bytes) -> bool:
    return re.match(rb"\s*\{\s*\"", data) is not None


def _is_onnx(data: bytes) -> bool:
    # ModelProto has no magic: its first field is ir_version (field 1, varint), a small number.
    return len(data) > 2 and data[0] == 0x08 and 1 <= data[1] <= 0x40
