"""The Open Inference Protocol (V2): `infer` in JSON and with the binary tensor extension.

The input is one tensor `input` [rows, features] of numbers (categories as codes), or one tensor a feature,
[rows] or [rows, 1], named as the feature (categories as BYTES text or codes). NaN is missing.
The output is one tensor `predictions` FP32 [rows, outputs].
Binary tensors follow the JSON in the order of `inputs`: little-endian, row-major; BYTES elements are each a
little-endian u32 length and that many bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from audit.proof.entry import Protocol as ProtocolNumber
from registry.signature import Signature
from service.errors import InvalidInput, TooManyRows, Unparseable, quote
from service.rows import RowReader, Rows, kind_of

from .base import Query, Reply, check_request_id, read_object

INPUT: Final = "input"
INPUT_NAMES: Final = frozenset({INPUT, "input-0"})
"""`input-0` is what other servers of this protocol call it; both are taken."""
OUTPUT: Final = "predictions"
_INFER: Final = ProtocolNumber.V2_INFER
_INFER_BINARY: Final = ProtocolNumber.V2_INFER_BINARY
DTYPES: Final = {
    "FP32": "<f4", "FP64": "<f8", "FP16": "<f2",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
}  # fmt: skip
_MEMBERS: Final = {"id", "inputs", "outputs", "parameters", "model_name", "model_version"}
"""The last two are not the protocol's; KServe's client sends them beside the path, which says it already."""
_TENSOR_MEMBERS: Final = {"name", "shape", "datatype", "data", "parameters"}


def parse(raw: bytes, inference_length: int | None, reader: RowReader) -> Query:
    """Read an inference request.

    Args:
        raw: the body.
        inference_length: bytes of JSON before the binary tensors; None: all of it is JSON.
        reader: of the model's signature.

    Raises:
        Unparseable: not JSON, or not the protocol's envelope.
        Invalid: a tensor is not what the signature says.
    """
    text, tail = raw, b""
    if inference_length is not None:
        if inference_length > len(raw):
            raise Unparseable(
                f"Inference-Header-Content-Length is {inference_length}, the body has {len(raw)} bytes"
            )
        text, tail = raw[:inference_length], raw[inference_length:]
    content = read_object(text)
    if not content.keys() <= _MEMBERS:
        raise Unparseable(f"the request has {quote(next(name for name in content if name not in _MEMBERS))}")
    request_id = check_request_id(content["id"]) if "id" in content else None
    binary = bool(_parameters(content).get("binary_data_output", False))
    if "outputs" in content:
        binary = _wanted_outputs(content["outputs"], binary)
    inputs = content.get("inputs")
    if type(inputs) is not list or not inputs or not all(type(item) is dict for item in inputs):
        raise Unparseable('"inputs" must be an array of tensors')
    rows = _read_inputs(inputs, tail, text, reader)
    used_binary = bool(tail) or binary
    number = _INFER_BINARY if used_binary else _INFER
    return Query(rows, number, request_id, binary)


def _read_inputs(inputs: list[dict[str, Any]], tail: bytes, text: bytes, reader: RowReader) -> Rows:
    if len(inputs) == 1 and not tail:
        rows = _plain_rows(inputs[0], reader)
        if rows is not None:
            return reader.read(rows, text)
    tensors, at = [], 0
    for item in inputs:
        tensor, at = _tensor(item, tail, at, reader)
        tensors.append(tensor)
    if at != len(tail):
        raise Unparseable(f"{len(tail) - at} bytes follow the last binary tensor")
    if len(tensors) == 1 and is_whole(tensors[0].name, reader):
        return _whole(tensors[0], reader)
    return _columns(tensors, reader)


def is_whole(name: str, reader: RowReader) -> bool:
    """Whether a tensor of this name is all features together."""
    return name in INPUT_NAMES and name not in reader.places


def _plain_rows(item: dict[str, Any], reader: RowReader) -> list[Any] | None:
    """The rows of one JSON tensor of numbers for a model of numbers, as V1 has them; None: look closer."""
    if not reader.only_numbers or item.get("datatype") not in ("FP32", "FP64") or "parameters" in item:
        return None
    shape, data, width = item.get("shape"), item.get("data"), reader.width
    if type(data) is not list or type(shape) is not list or len(shape) != 2 or item.get("name") != INPUT:
        return None
    count = shape[0]
    if type(count) is not int or count < 1 or shape[1] != width or INPUT in reader.places or len(item) != 4:
        return None
    if len(data) == count * width and (count * width != count or type(data[0]) is not list):
        return [data] if count == 1 else [data[at : at + width] for at in range(0, len(data), width)]
    return data if len(data) == count else None


class _Tensor(NamedTuple):
    """A tensor of [rows, columns]: numbers, or texts (None is missing) when the datatype is BYTES."""

    name: str
    rows: int
    columns: int
    numbers: NDArray[Any] | None
    texts: list[str | None] | None


def _tensor(item: dict[str, Any], tail: bytes, at: int, reader: RowReader) -> tuple[_Tensor, int]:
    """One tensor, and where in `tail` the next one begins."""
    name, shape, datatype = item.get("name"), item.get("shape"), item.get("datatype")
    if type(name) is not str:
        raise Unparseable("a tensor has no name")
    if not item.keys() <= _TENSOR_MEMBERS:
        odd = next(member for member in item if member not in _TENSOR_MEMBERS)
        raise Unparseable(f"tensor {quote(name)} has {quote(odd)}")
    if name not in reader.places and name not in INPUT_NAMES:
        raise InvalidInput(f"the model has no input {quote(name)}", name)
    rows, columns = _shape(name, shape, reader)
    size = _parameters(item).get("binary_data_size")
    count = rows * columns
    if size is None:
        flat = _flatten(item.get("data"), count, name)
        if datatype == "BYTES":
            return _Tensor(name, rows, columns, None, _texts(flat, name)), at
        return _Tensor(name, rows, columns, _numbers(flat, datatype, name, columns, reader), None), at
    if "data" in item:
        raise Unparseable(f"tensor {quote(name)} has both data and binary_data_size")
    if type(size) is not int or size < 0 or at + size > len(tail):
        raise Unparseable(
            f"tensor {quote(name)}: binary_data_size is {quote(size)}, {len(tail) - at} bytes are left"
        )
    part = tail[at : at + size]
    if datatype == "BYTES":
        return _Tensor(name, rows, columns, None, _unpack_bytes(part, count, name)), at + size
    dtype = _dtype(datatype, name)
    if size != count * dtype.itemsize:
        raise InvalidInput(
            f"tensor {quote(name)}: {size} bytes; its shape and datatype make {count * dtype.itemsize}", name
        )
    return _Tensor(name, rows, columns, np.frombuffer(part, dtype), None), at + size


def _shape(name: str, shape: Any, reader: RowReader) -> tuple[int, int]:
    if type(shape) is not list or not all(type(size) is int for size in shape):
        raise Unparseable(f"tensor {quote(name)} has no shape")
    whole = is_whole(name, reader)
    columns = reader.width if whole else 1
    if len(shape) not in ((2,) if whole else (1, 2)) or (len(shape) == 2 and shape[1] != columns):
        wanted = f"[rows, {columns}]" if whole else "[rows] or [rows, 1]"
        raise InvalidInput(f"tensor {quote(name)} has shape {_show_shape(shape)}; {wanted} is wanted", name)
    if shape[0] < 1:
        raise InvalidInput(f"tensor {quote(name)} has no rows", name)
    if shape[0] > reader.max_rows:
        raise TooManyRows(f"{shape[0]} rows; one request may have {reader.max_rows}", name, reader.max_rows)
    return shape[0], columns


def _show_shape(shape: list[int]) -> str:
    return "[" + ", ".join(str(size)[:24] for size in shape[:4]) + (", …]" if len(shape) > 4 else "]")


def _dtype(datatype: Any, name: str) -> np.dtype[Any]:
    if type(datatype) is not str or datatype not in DTYPES:
        raise InvalidInput(
            f"tensor {quote(name)} has datatype {quote(datatype)}; read are {', '.join(DTYPES)} and BYTES",
            name,
        )
    return np.dtype(DTYPES[datatype])


def _flatten(data: Any, count: int, name: str) -> list[Any]:
    if type(data) is not list:
        raise Unparseable(f"tensor {quote(name)} has no data")
    flat: list[Any] = []
    for item in data:
        if type(item) is list:
            flat.extend(item)
        else:
            flat.append(item)
    if len(flat) != count:
        raise InvalidInput(f"tensor {quote(name)} has {len(flat)} values; its shape makes {count}", name)
    return flat


def _numbers(flat: list[Any], datatype: Any, name: str, columns: int, reader: RowReader) -> NDArray[Any]:
    """JSON numbers as their datatype; null is missing, in a float tensor."""
    dtype = _dtype(datatype, name)
    floats = dtype.kind == "f"
    for at, value in enumerate(flat):
        if type(value) is int or (floats and (type(value) is float or value is None)):
            continue
        field = reader.names[at % columns] if columns > 1 else name
        wanted = "a number" if floats else "an integer"
        raise InvalidInput(
            f"{quote(field)} of row {at // columns} is {kind_of(value)}; {wanted} is wanted",
            field,
            at // columns,
        )
    try:
        # As float64, so that a value beyond the datatype is told from one that is infinite.
        return np.array([math.nan if value is None else value for value in flat], "<f8" if floats else dtype)
    except OverflowError:
        raise InvalidInput(f"tensor {quote(name)} has a value outside {datatype}", name) from None


def _texts(flat: list[Any], name: str) -> list[str | None]:
    for at, value in enumerate(flat):
        if value is not None and type(value) is not str:
            raise InvalidInput(f"{quote(name)} of row {at} is {kind_of(value)}; text is wanted", name, at)
    return flat


def _unpack_bytes(part: bytes, count: int, name: str) -> list[str | None]:
    """Elements of a binary BYTES tensor."""
    texts: list[str | None] = []
    at = 0
    for number in range(count):
        size = int.from_bytes(part[at : at + 4], "little")
        end = at + 4 + size
        if at + 4 > len(part) or end > len(part):
            raise InvalidInput(f"tensor {quote(name)} ends within element {number}", name, number)
        try:
            texts.append(part[at + 4 : end].decode())
        except UnicodeDecodeError:
            raise InvalidInput(f"{quote(name)} of row {number} is not UTF-8", name, number) from None
        at = end
    if at != len(part):
        raise InvalidInput(f"tensor {quote(name)} has {len(part) - at} bytes after its elements", name)
    return texts


def _whole(tensor: _Tensor, reader: RowReader) -> Rows:
    if tensor.numbers is None:
        raise InvalidInput(
            f"tensor {quote(tensor.name)} is BYTES; categories as text are given one tensor a feature",
            tensor.name,
        )
    return reader.matrix(tensor.numbers.reshape(tensor.rows, tensor.columns))


def _columns(tensors: list[_Tensor], reader: RowReader) -> Rows:
    """One tensor a feature."""
    count = tensors[0].rows
    values = np.full((count, reader.width), math.nan)
    passed = np.zeros((count, reader.width), bool)
    seen = set()
    for tensor in tensors:
        place = reader.places.get(tensor.name)
        if place is None:
            raise InvalidInput(f"{quote(tensor.name)} is given beside other tensors", tensor.name)
        if place in seen:
            raise InvalidInput(f"{quote(tensor.name)} is given twice", tensor.name)
        if tensor.rows != count:
            raise InvalidInput(f"{quote(tensor.name)} has {tensor.rows} rows, others {count}", tensor.name)
        seen.add(place)
        if tensor.numbers is not None:
            values[:, place] = tensor.numbers
            continue
        assert tensor.texts is not None
        for row, text in enumerate(tensor.texts):
            # Texts of a number are refused here, by `cell`; a category's text becomes its code.
            code = reader.cell(place, text, row)
            values[row, place] = code
            passed[row, place] = math.isnan(code) and text is not None
    for place, feature in enumerate(reader.features):
        if place not in seen and not feature.missing:
            raise InvalidInput(f"the request is without {quote(feature.name)}", feature.name)
    return reader.matrix(values, passed)


def _parameters(item: Mapping[str, Any]) -> dict[str, Any]:
    parameters = item.get("parameters", {})
    if type(parameters) is not dict:
        raise Unparseable('"parameters" must be an object')
    return parameters


def _wanted_outputs(outputs: Any, binary: bool) -> bool:
    """Whether the one output is wanted as a binary tensor."""
    if type(outputs) is not list or not all(type(item) is dict for item in outputs):
        raise Unparseable('"outputs" must be an array of objects')
    for item in outputs:
        if item.get("name") != OUTPUT:
            raise InvalidInput(
                f"the model has no output {quote(item.get('name'))}; it has {OUTPUT!r}", "outputs"
            )
        parameters = _parameters(item)
        if parameters.get("classification"):
            raise InvalidInput("the classification extension is not served", "outputs")
        binary = bool(parameters.get("binary_data", binary))
    return binary


def encode(
    query: Query, answers: NDArray[np.float32], service: bytes, digest: bytes, request_id: str | None
) -> Reply:
    """One answer. `service` and `digest` are JSON texts, quotes included."""
    rows = answers.shape[0]
    outputs = answers.shape[1] if answers.ndim == 2 else 1
    head = b'{"model_name":%b,"model_version":%b,' % (service, digest)
    if request_id is not None:
        head += b'"id":%b,' % orjson.dumps(request_id)
    head += b'"outputs":[{"name":"%b","datatype":"FP32","shape":[%d,%d],' % (_OUTPUT, rows, outputs)
    if not query.binary:
        data = orjson.dumps(np.ascontiguousarray(answers).reshape(-1), option=orjson.OPT_SERIALIZE_NUMPY)
        return Reply(head + b'"data":' + data + b"}]}")
    packed = np.ascontiguousarray(answers, dtype="<f4").tobytes()
    head += b'"parameters":{"binary_data_size":%d}}]}' % len(packed)
    return Reply(head + packed, len(head))


_OUTPUT: Final = OUTPUT.encode()


def metadata(service: str, versions: list[str], signature: Signature, runtime: str) -> dict[str, Any]:
    """The model metadata response."""
    return {
        "name": service,
        "versions": versions,
        "platform": runtime,
        "inputs": [{"name": INPUT, "datatype": "FP32", "shape": [-1, signature.width]}],
        "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, signature.outputs]}],
        "parameters": {
            "task": signature.task,
            "features": [
                {
                    "name": feature.name,
                    "type": feature.type,
                    "missing": feature.missing,
                    **({"categories": list(feature.categories)} if feature.categories else {}),
                }
                for feature in signature.features
            ],
        },
    }
