"""Recorded bodies as a person reads them: inflated, JSON as JSON, binary tensors as numbers and texts.

What the gateway reads is decoded here, and nothing else: encodings and datatypes are one table each.
"""

from __future__ import annotations

import json
import math
import re
import struct
import zlib
from typing import Any, Final

from .printable import REPLACED, printable_json

WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Content-Encoding (in lower case) → what zlib needs to know. The gateway reads these, and identity."""

TENSOR_FORMATS: Final = {
    "FP32": "<f", "FP64": "<d", "FP16": "<e",
    "INT8": "<b", "INT16": "<h", "INT32": "<i", "INT64": "<q",
    "UINT8": "<B", "UINT16": "<H", "UINT32": "<I", "UINT64": "<Q",
}  # fmt: skip
"""Datatype of a binary tensor → an element, as `struct` has it; and BYTES, each behind its u32 length."""

MAX_INFLATED: Final = 64 << 20
MAX_VALUES: Final = 4096
"""Values of a binary tensor that are shown."""
_MAX_DEPTH: Final = 64
MAX_HEX: Final = 64 << 10
"""Bytes that are shown as hex."""
_MAX_READ: Final = 1 << 20
"""Bytes of a body that are decoded to be shown as text: a page takes a hundredth of it."""
_NUMBERS: Final = re.compile(r'\[\n\s*([^\[\]{}"]*?)\n\s*\]')


def body_of(body: bytes, encoding: str | None = None, inference_length: int | None = None) -> Any:
    """JSON where it is JSON, text where it is text, else {"hex": …}, with "bytes" when not all of it is shown.

    Args:
        body: as it was received or sent.
        encoding: Content-Encoding, None where there was none.
        inference_length: bytes of JSON before the binary tensors, None when there are none. Each tensor then has its
            values under `data`, row-major: {"values": [the first …], "of": count} when there are too many.
    """
    plain = _inflate(body, encoding)
    if plain is None:
        return _hex(body)
    if inference_length is not None:
        return _with_tensors(plain, inference_length)
    try:
        return _json(plain)
    except ValueError:
        try:
            return plain.decode()
        except UnicodeDecodeError:
            return _hex(plain)


def body_text(body: bytes, encoding: str | None, inference_length: int | None, most: int) -> str:
    """A body as a person reads it: JSON indented, binary tensors as values, others as text or hex.

    Lines end with a line feed; all else that cannot be seen is an escape, or U+FFFD. What is cut, after `most`
    characters, is said at its end, and so is a body that is too large to be decoded for a person.
    """
    if not body:
        return "(empty)"
    if len(body) > _MAX_READ:
        return f"… {len(body):,} bytes: too many to be shown here"
    found = body_of(body, encoding, inference_length)
    if isinstance(found, str):
        text = "".join(each if each.isprintable() or each in "\n\t" else REPLACED for each in found)
    else:
        indented = json.dumps(found, indent=1, ensure_ascii=False)
        # A row of numbers is a row; no text of JSON has a line end in it, so none is changed.
        text = printable_json(_NUMBERS.sub(lambda row: f"[{' '.join(row[1].split())}]", indented))
    return text if len(text) <= most else f"{text[:most]}\n… cut: {most:,} of {len(text):,} characters"


def _inflate(body: bytes, encoding: str | None) -> bytes | None:
    """The body without its encoding; None when it is not one whole stream of it, or too large."""
    name = (encoding or "").strip().lower()
    if name in ("", "identity"):
        return body
    if name not in WINDOW_BITS:
        return None
    machine = zlib.decompressobj(WINDOW_BITS[name])
    try:
        plain = machine.decompress(body, MAX_INFLATED)
    except zlib.error:
        return None
    return plain if machine.eof and not machine.unused_data else None


def _json(raw: bytes) -> Any:
    """JSON that can be printed as JSON again. What JSON does not have (NaN, Infinity) is given by its name.

    Raises:
        ValueError: it is none, is nested too deep, or has half a character (a lone surrogate).
    """
    try:
        content = json.loads(raw, parse_constant=str)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if raw.count(b"[") + raw.count(b"{") > _MAX_DEPTH and _deeper(content, _MAX_DEPTH):
        raise ValueError("nested too deep")
    if b"\\ud" in raw.lower():
        json.dumps(content, ensure_ascii=False).encode()  # a UnicodeEncodeError is a ValueError
    return content


def _deeper(content: Any, most: int) -> bool:
    """Whether there is more nesting than that."""
    level = [content]
    for _ in range(most):
        level = [
            inner
            for each in level
            if isinstance(each, (list, dict))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return any(isinstance(each, (list, dict)) for each in level)


def _with_tensors(body: bytes, length: int) -> Any:
    """The JSON of an inference request or answer, with the values of the binary tensors that follow it."""
    try:
        content = _json(body[:length]) if 0 <= length <= len(body) else None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return _hex(body)
    tail, at = body[length:], 0
    for member in ("inputs", "outputs"):
        tensors = content.get(member)
        for tensor in tensors if isinstance(tensors, list) else ():
            size = _binary_size(tensor)
            if size is None:
                continue
            if at + size > len(tail):
                return {"json": content, "binary": _hex(tail)}
            tensor["data"] = _values(
                tail[at : at + size], tensor.get("datatype"), _count(tensor.get("shape"))
            )
            at += size
    return content if at == len(tail) else {"json": content, "binary": _hex(tail)}


def _binary_size(tensor: Any) -> int | None:
    """Bytes that a tensor has behind the JSON; None when its values are in the JSON."""
    parameters = tensor.get("parameters") if isinstance(tensor, dict) else None
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    return size if type(size) is int and size >= 0 else None


def _count(shape: Any) -> int | None:
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        return None
    return math.prod(shape)


def _values(part: bytes, datatype: Any, count: int | None) -> Any:
    """A tensor's values; hex when its bytes are not what its shape and datatype make."""
    if datatype == "BYTES":
        found = _texts(part)
        return _hex(part) if found is None or len(found) != count else _bounded(found, len(found))
    form = TENSOR_FORMATS.get(datatype) if isinstance(datatype, str) else None
    if form is None or count is None or count * struct.calcsize(form) != len(part):
        return _hex(part)
    shown = part[: MAX_VALUES * struct.calcsize(form)]
    return _bounded([_number(value) for (value,) in struct.iter_unpack(form, shown)], count)


def _texts(part: bytes) -> list[Any] | None:
    """The elements of a BYTES tensor; None when they do not fill it exactly."""
    found: list[Any] = []
    at = 0
    while at < len(part):
        end = at + 4 + int.from_bytes(part[at : at + 4], "little")
        if at + 4 > len(part) or end > len(part):
            return None
        element = part[at + 4 : end]
        try:
            found.append(element.decode())
        except UnicodeDecodeError:
            found.append(_hex(element))
        at = end
    return found


def _number(value: float) -> float | str:
    """Numbers that JSON does not have by their names, as in JSON's own body."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _bounded(values: list[Any], count: int) -> Any:
    return values if count <= MAX_VALUES else {"values": values[:MAX_VALUES], "of": count}


def _hex(raw: bytes) -> dict[str, Any]:
    if len(raw) <= MAX_HEX:
        return {"hex": raw.hex()}
    return {"hex": raw[:MAX_HEX].hex(), "bytes": len(raw)}
