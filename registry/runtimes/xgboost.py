"""XGBoost: one Booster, loaded from UBJSON or JSON bytes."""

from __future__ import annotations

import ctypes
import json
import weakref
from typing import Any, Final

import numpy as np

from registry.errors import DeviceUnavailable, ModelRefused
from registry.manifest import ModelType
from registry.signature import Signature

from .base import Rows
from .device_memory import DeviceMemory
from .xgboost_check import Checked, check_model

# Objectives whose prediction is what the task promises; others give a margin, a label or a ranking.
TASKS: Final = {
    "binary:logistic": "binary",
    "multi:softprob": "multiclass",
    "reg:squarederror": "regression",
    "reg:squaredlogerror": "regression",
    "reg:logistic": "regression",
    "reg:pseudohubererror": "regression",
    "reg:absoluteerror": "regression",
    "reg:gamma": "regression",
    "reg:tweedie": "regression",
    "count:poisson": "regression",
}
_PREDICT: Final = {
    "type": 0, "training": False, "iteration_begin": 0, "iteration_end": 0,
    "missing": float("nan"), "strict_shape": False, "cache_id": 0,
}  # fmt: skip


def load_booster(
    data: bytes, model_type: ModelType, *, device: str = "cpu", threads: int = 1
) -> tuple[Any, Checked]:
    """A Booster from a model file's bytes, and what was read of them beforehand.

    MUST NOT give XGBoost a byte before every index in the file was checked (`xgboost_check`).

    Raises:
        ModelRefused: the file is not as XGBoost writes it.
        DeviceUnavailable: "cuda" with a build or a machine that has none.
    """
    import xgboost

    checked = check_model(data, model_type)
    if device != "cpu" and not xgboost.build_info().get("USE_CUDA"):
        raise DeviceUnavailable(
            f"device {device!r}: this build of XGBoost ({xgboost.__version__}) has no CUDA; "
            'install the gateway-gpu extra, or set device = "cpu"'
        )
    try:
        booster = xgboost.Booster({"nthread": threads})
        booster.load_model(bytearray(data))
        booster.set_param({"nthread": threads, "device": device})
    except xgboost.core.XGBoostError as error:
        raise ModelRefused(
            f"XGBoost {xgboost.__version__} cannot read the model: {_first_line(error)}"
        ) from error
    _refuse_fallback(booster, device)
    return booster, checked


def _refuse_fallback(booster: Any, device: str) -> None:
    """XGBoost falls back to the processor with a warning alone; the record would then name the wrong device."""
    found = str(json.loads(booster.save_config())["learner"]["generic_param"]["device"])
    if found.partition(":")[0] != device.partition(":")[0]:
        raise DeviceUnavailable(
            f"device {device!r}: XGBoost fell back to {found!r}; this machine has no such device"
        )


def objective_of(booster: Any) -> str:
    """The objective that the model was trained for."""
    return str(json.loads(booster.save_config())["learner"]["objective"]["name"])


class XGBoostRunner:
    """Predicts through XGBoost's C interface (XGBoosterPredictFromDense, xgboost/c_api.h).

    The wrapper's `inplace_predict` makes the same call after looking for ten kinds of data frame and writing
    its settings as JSON again, and the call makes a proxy matrix when it is given none. With both kept, one
    row costs 27 µs in place of 89 (100 trees; docs/model-package.md has the figures), with the same bits.
    """

    def __init__(
        self, data: bytes, model_type: ModelType, signature: Signature, *, device: str, threads: int
    ) -> None:
        """Load and compare the model with the signature. Raises ModelRefused, DeviceUnavailable."""
        import xgboost

        self.runtime = f"xgboost {xgboost.__version__}"
        self.device = device
        self._booster, checked = load_booster(data, model_type, device=device, threads=threads)
        self._width = signature.width
        self._types = ["c" if feature.type == "category" else "float" for feature in signature.features]
        self._outputs = signature.outputs
        self._check(signature, checked)
        self._settings = json.dumps(_PREDICT).encode()
        self._library = xgboost.core._LIB  # noqa: SLF001 - the wrapper has no public name for it
        self._memory = DeviceMemory() if device != "cpu" else None
        self._call = (
            self._library.XGBoosterPredictFromDense
            if self._memory is None
            else self._library.XGBoosterPredictFromCudaArray
        )
        self._handle = self._booster.handle
        self._proxy = _proxy_matrix(self._library)
        weakref.finalize(self, self._library.XGDMatrixFree, self._proxy)
        self._shape = ctypes.POINTER(ctypes.c_uint64)()
        self._dims = ctypes.c_uint64()
        self._answers = ctypes.POINTER(ctypes.c_float)()
        self._out = (ctypes.byref(self._shape), ctypes.byref(self._dims), ctypes.byref(self._answers))

    def _check(self, signature: Signature, checked: Checked) -> None:
        booster = self._booster
        if booster.num_features() != signature.width:
            raise ModelRefused(
                f"the model has {booster.num_features()} features, the signature {signature.width}"
            )
        objective = objective_of(booster)
        if TASKS.get(objective) != signature.task:
            raise ModelRefused(f"the model's objective {objective!r} does not answer a {signature.task} task")
        names, types = booster.feature_names, booster.feature_types
        if names and tuple(names) != tuple(feature.name for feature in signature.features):
            raise ModelRefused("the model's feature names are not the signature's, or not in its order")
        for kept, feature in zip(checked.categories, signature.features, strict=False):
            if kept and kept != feature.categories:
                raise ModelRefused(
                    f"feature {feature.name!r}: the signature's categories are not the model's"
                )
        for kind, feature in zip(types or (), signature.features, strict=False):
            if (kind == "c") != (feature.type == "category"):
                raise ModelRefused(
                    f"feature {feature.name!r}: type {kind!r} in the model, {feature.type} in the signature"
                )

    def predict(self, rows: Rows) -> Rows:
        """See `Runner.predict`."""
        count, width = rows.shape
        if width != self._width or rows.dtype != np.float32 or not rows.flags.c_contiguous:
            raise ValueError(f"rows must be C-contiguous float32 [n, {self._width}]")
        memory = self._memory
        array = b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f4","version":3}' % (
            rows.ctypes.data if memory is None else memory.put(rows),
            count,
            width,
        )
        failed = self._call(self._handle, array, self._settings, self._proxy, *self._out)
        if failed:
            raise RuntimeError(self._library.XGBGetLastError().decode(errors="replace"))
        # The answers lie in a buffer that the next call overwrites: copied before anything else runs.
        size = 4 * count * self._outputs
        answers = np.frombuffer(
            ctypes.string_at(self._answers, size)
            if memory is None
            else memory.get(ctypes.cast(self._answers, ctypes.c_void_p).value or 0, size),
            np.float32,
        )
        return answers if self._outputs == 1 else answers.reshape(count, self._outputs)

    def explain(self, rows: Rows) -> Rows:
        """TreeSHAP contributions to the margin (log-odds for binary tasks), exact for trees."""
        import xgboost

        data = xgboost.DMatrix(
            rows, feature_types=self._types, feature_names=self._booster.feature_names, nthread=1
        )
        contributions: Rows = self._booster.predict(data, pred_contribs=True, validate_features=False)
        return contributions


def _proxy_matrix(library: Any) -> ctypes.c_void_p:
    """The matrix that lends its place to each batch in turn (XGProxyDMatrixCreate)."""
    handle = ctypes.c_void_p()
    if library.XGProxyDMatrixCreate(ctypes.byref(handle)):
        raise RuntimeError(library.XGBGetLastError().decode(errors="replace"))
    return handle


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0][-300:] if lines else type(error).__name__
