"""ONNX Runtime: float32 single-input models, and pipelines with one input a column (numbers, integers, text).

A session runs with fixed threads and fixed options. Custom operators and external data are refused: the first
would load a library that the package does not hold, the second would read files beside the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from registry.errors import DeviceUnavailable, ModelRefused, NotExplainable
from registry.signature import Feature, Signature

from .base import Rows

DOMAINS: Final = {"", "ai.onnx", "ai.onnx.ml"}
"""Operator sets that every build of ONNX Runtime has."""
_NUMBERS: Final = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}
_TEXT: Final = "tensor(string)"

_DEVICES: Final = {"CPUExecutionProvider": "cpu", "CUDAExecutionProvider": "cuda"}
_PROVIDER: Final[dict[str, dict[str, str]]] = {
    "cpu": {},
    # TF32 keeps ten bits of a factor, and its answers are not the model's to 1e-4; an exhaustive search takes the
    # convolution that is fastest just now, and with it other bits at each start.
    "cuda": {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
}

Feed = Callable[[Rows], dict[str, NDArray[Any]]]


def read_model(data: bytes) -> Any:
    """The ModelProto, checked for what is never served.

    Raises:
        ModelRefused: not ONNX, custom operators, model-local functions, or external data.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelRefused(f"not an ONNX model: {error}") from error
    if model.functions:
        raise ModelRefused("the ONNX model defines functions of its own, which are not served")
    foreign = {imported.domain for imported in model.opset_import} - DOMAINS
    for graph in _graphs(model.graph):
        foreign |= {node.domain for node in graph.node} - DOMAINS
        tensors = [*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer)]
        tensors += [
            attribute.t for node in graph.node for attribute in node.attribute if attribute.HasField("t")
        ]
        if any(
            tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data for tensor in tensors
        ):
            raise ModelRefused("the ONNX model keeps data in other files, which a package does not hold")
    if foreign:
        raise ModelRefused(
            f"the ONNX model needs operators that are not ONNX's own: {', '.join(sorted(map(str, foreign)))}"
        )
    return model


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)


def without_zipmap(model: Any) -> Any:
    """The model with each ZipMap at its end left out: its input, the probabilities, is the output instead."""
    import onnx

    for node in [node for node in model.graph.node if node.op_type == "ZipMap"]:
        for output in model.graph.output:
            if output.name == node.output[0]:
                name = node.input[0]
                output.CopyFrom(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        model.graph.node.remove(node)
    return model


def open_session(model: Any, *, device: str, threads: int) -> Any:
    """An InferenceSession with everything fixed that changes bits. Raises ModelRefused, DeviceUnavailable."""
    import onnxruntime

    provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise DeviceUnavailable(
            f"device {device!r}: this build of ONNX Runtime ({onnxruntime.__version__}) has no {provider}; "
            'install the gateway-gpu extra, or set device = "cpu"'
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    if device == "cuda":
        options.use_deterministic_compute = True
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    # A pool of threads that spins between requests would take a core from the gateway.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=[(provider, _PROVIDER[device])], enable_fallback=0
        )
    # ONNX Runtime raises a family of errors without a public root.
    except Exception as error:
        raise ModelRefused(
            f"ONNX Runtime {onnxruntime.__version__} cannot load the model: {_short(error)}"
        ) from error
    if provider not in session.get_providers():
        raise DeviceUnavailable(
            f"device {device!r}: ONNX Runtime {onnxruntime.__version__} fell back to "
            f"{', '.join(session.get_providers())}; what it wrote on standard error says which library of CUDA "
            "or cuDNN it did not find"
        )
    return session


def device_of(session: Any) -> str:
    """Where the session's operators run: cpu, cuda, or cpu+cuda.

    ONNX Runtime has CUDA kernels for networks, and none for trees, encoders and linear models of `ai.onnx.ml`:
    it puts those on the processor without a word, whichever provider was asked for.
    """
    if "CUDAExecutionProvider" not in session.get_providers():
        return "cpu"
    placed = {part.ep_name for part in session.get_provider_graph_assignment_info()}
    return "+".join(sorted(_DEVICES[name] for name in placed)) or "cpu"


class OnnxRunner:
    """One session: `predict` builds the inputs, runs, and takes the score out of the chosen output."""

    def __init__(self, data: bytes, signature: Signature, *, device: str, threads: int) -> None:
        """Load and compare the model with the signature. Raises ModelRefused, DeviceUnavailable."""
        import onnxruntime

        self.runtime = f"onnxruntime {onnxruntime.__version__}"
        self._session = open_session(without_zipmap(read_model(data)), device=device, threads=threads)
        self.device = device_of(self._session)
        self._width = signature.width
        self._feed = make_feed(self._session.get_inputs(), signature)
        output = choose_output(self._session.get_outputs(), signature)
        self._names = [output.name]
        self._column = signature.score_column
        self._outputs = signature.outputs
        self._run = self._session.run

    def predict(self, rows: Rows) -> Rows:
        """See `Runner.predict`."""
        count, width = rows.shape
        if width != self._width or rows.dtype != np.float32 or not rows.flags.c_contiguous:
            raise ValueError(f"rows must be C-contiguous float32 [n, {self._width}]")
        (answers,) = self._run(self._names, self._feed(rows))
        if self._outputs > 1:
            return answers  # type: ignore[no-any-return]
        if answers.ndim == 2:
            last = answers.shape[1] - 1
            # A model with one column has the score alone, whichever label the signature puts first.
            column = last if self._column is None else min(self._column, last)
            return np.ascontiguousarray(answers[:, column])
        return answers.reshape(count)  # type: ignore[no-any-return]

    def explain(self, rows: Rows) -> Rows:
        """Raises NotExplainable: an ONNX graph has no exact contributions."""
        raise NotExplainable("ONNX models have no exact explanation here; TreeSHAP needs an XGBoost model")


def make_feed(inputs: Iterable[Any], signature: Signature) -> Feed:
    """How rows become the session's inputs.

    Raises:
        ModelRefused: an input that no feature fills, or a feature that no input takes.
    """
    inputs = list(inputs)
    if len(inputs) == 1 and _columns_of(inputs[0]) in (None, signature.width):
        only = inputs[0]
        if only.type == "tensor(float)" and (signature.width > 1 or only.name != signature.features[0].name):
            name = only.name
            return lambda rows: {name: rows}
        if only.type == "tensor(double)":
            name = only.name
            return lambda rows: {name: rows.astype(np.float64)}
    return _column_feed(inputs, signature)


def _column_feed(inputs: list[Any], signature: Signature) -> Feed:
    """One input a feature. Columns of one type are converted at once: a call each costs more than a model."""
    places = {feature.name: place for place, feature in enumerate(signature.features)}
    by_type: dict[str, list[str]] = {}
    for item in inputs:
        if item.name not in places or _columns_of(item) not in (None, 1):
            raise ModelRefused(
                f"the model's input {item.name!r} {item.type}{item.shape} is neither a feature of its own "
                f"(a column, [n, 1]) nor all {signature.width} features together"
            )
        by_type.setdefault(item.type, []).append(item.name)
    unused = places.keys() - {item.name for item in inputs}
    if unused:
        raise ModelRefused(f"no input of the model takes the feature {min(unused)!r}")
    groups = []
    for kind, names in by_type.items():
        features = [signature.features[places[name]] for name in names]
        convert = _texts_of(features) if kind == _TEXT else _numbers_of(features, kind)
        groups.append((names, np.array([places[name] for name in names]), convert))

    def feed(rows: Rows) -> dict[str, NDArray[Any]]:
        columns = rows.T
        result = {}
        for names, where, convert in groups:
            for name, column in zip(names, convert(columns[where]), strict=True):
                result[name] = column.reshape(-1, 1)
        return result

    return feed


def _texts_of(features: list[Feature]) -> Callable[[Rows], NDArray[Any]]:
    """Codes [columns, n] to category texts. A missing category is the empty text; no category is."""
    texts: list[str] = []
    starts, absent = [], []
    for feature in features:
        if feature.type != "category":
            raise ModelRefused(
                f"the model's input {feature.name!r} is text, the signature says {feature.type}"
            )
        if "" in feature.categories:
            raise ModelRefused(
                f"feature {feature.name!r} has the empty text as a category; it stands for missing"
            )
        starts.append(len(texts))
        absent.append(len(feature.categories))
        texts += [*feature.categories, ""]
    table = np.array(texts, dtype=object)
    first = np.array(starts, np.intp).reshape(-1, 1)
    last = np.array(absent, np.float32).reshape(-1, 1)

    def convert(codes: Rows) -> NDArray[Any]:
        known = np.where(np.isnan(codes), last, codes)
        if (known < 0).any() or (known > last).any():
            raise ValueError("a category code is outside its categories")
        found: NDArray[Any] = table[known.astype(np.intp) + first]
        return found

    return convert


def _numbers_of(features: list[Feature], kind: str) -> Callable[[Rows], NDArray[Any]]:
    """Numbers [columns, n] in the inputs' type."""
    if kind not in _NUMBERS:
        raise ModelRefused(f"the model's input {features[0].name!r} has type {kind}, which is not served")
    dtype = _NUMBERS[kind]
    for feature in features:
        if np.issubdtype(dtype, np.integer) and (feature.missing or feature.unknown == "missing"):
            raise ModelRefused(
                f"the model's input {feature.name!r} is integer and cannot be missing, as its feature may be"
            )
    return lambda columns: np.ascontiguousarray(columns, dtype=dtype)


def choose_output(outputs: Iterable[Any], signature: Signature) -> Any:
    """The output that holds the score: float, and as wide as the task asks.

    Raises:
        ModelRefused: none, or more than one that could be meant and none named for it.
    """
    floats = [item for item in outputs if item.type == "tensor(float)"]
    if len(floats) > 1:
        named = [item for item in floats if "prob" in item.name.lower()]
        floats = named or floats
    if len(floats) != 1:
        listed = ", ".join(f"{item.name!r} {item.type}" for item in floats) or "none"
        raise ModelRefused(
            f"the model must have one float output with its score or probabilities; found: {listed}"
        )
    columns = _columns_of(floats[0])
    allowed = {"binary": (None, 1, 2), "multiclass": (None, signature.outputs), "regression": (None, 1)}[
        signature.task
    ]
    if columns not in allowed:
        raise ModelRefused(
            f"the model's output {floats[0].name!r} has {columns} columns; "
            f"a {signature.task} task does not have that many"
        )
    return floats[0]


def _columns_of(item: Any) -> int | None:
    """Columns of an input or output; None where the model leaves them open."""
    shape = item.shape
    if not shape or len(shape) == 1:
        return 1 if shape else None
    return shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][-300:]
