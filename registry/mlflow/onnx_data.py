"""ONNX models whose tensors MLflow keeps in files beside the model: put together into one file.

`mlflow.onnx.log_model` does so by default for every tensor of a kilobyte or more; a package's model is one file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final

from registry.errors import PublishError
from registry.formats import detect
from registry.manifest import MODELS

_MAX: Final = MODELS["onnx"].max_bytes
_MAX_FILES: Final = 10_000


def kept_outside(model: bytes, file: str) -> list[str]:
    """The names of the files that hold the model's tensors, in order; none for a model that is whole, or not ONNX.

    Raises:
        PublishError: not ONNX within its bounds, or a name that leads out of the model's directory.
    """
    if detect(model, file) != "onnx":
        return []
    names = []
    for tensor in _tensors(_parse(model, file)):
        name = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        if not name or PurePosixPath(name).name != name or name in (".", "..") or "\\" in name:
            raise PublishError(f"{file}: a tensor is kept in {name!r}, which is no file beside the model")
        if name not in names:
            names.append(name)
    if len(names) > _MAX_FILES:
        raise PublishError(f"{file}: its tensors are kept in more than {_MAX_FILES} files")
    return names


def inlined(model: bytes, parts: Mapping[str, bytes]) -> bytes:
    """The same model with its tensors in it; `parts`: file name → bytes, names as `kept_outside` gave them.

    Raises:
        PublishError: a part does not have the bytes that the model wants, or it would be too large.
    """
    from onnx.external_data_helper import load_external_data_for_tensor

    read = _parse(model, "the model")
    total = 0
    with TemporaryDirectory() as scratch:
        for name, data in parts.items():
            (Path(scratch) / name).write_bytes(data)
        for tensor in _tensors(read):
            try:
                load_external_data_for_tensor(tensor, scratch)
            # onnx raises plain errors for a wrong offset or length, and one of its own for a path.
            except Exception as error:
                said = " ".join(str(error).split())[:200]
                raise PublishError(f"the tensors beside the ONNX model do not fit it: {said}") from error
            total += len(tensor.raw_data)  # many tensors may name the same bytes
            if total > _MAX:
                raise PublishError(f"the ONNX model's tensors have more than {_MAX} bytes")
    try:
        whole: bytes = read.SerializeToString(deterministic=True)
    except ValueError as error:
        raise PublishError("the ONNX model is too large to be one file") from error
    if len(whole) > _MAX:
        raise PublishError(f"the ONNX model has {len(whole)} bytes with its tensors, more than {_MAX}")
    return whole


def _parse(model: bytes, file: str) -> Any:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        return onnx.load_model_from_string(model)
    except (DecodeError, ValueError) as error:
        raise PublishError(f"{file}: not an ONNX model that can be read") from error


def _tensors(model: Any) -> Iterator[Any]:
    """Those that are kept outside: of the graph, of its nodes' attributes, and of graphs inside of it.

    What hides elsewhere (in functions, in training graphs) is refused when the model is read for its package.
    """
    import onnx

    for graph in _graphs(model.graph):
        found = [*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer)]
        for node in graph.node:
            found += [tensor for attribute in node.attribute for tensor in (attribute.t, *attribute.tensors)]
        yield from (each for each in found if each.data_location == onnx.TensorProto.EXTERNAL)


def _graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)
