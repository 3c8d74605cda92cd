"""Golden rows: inputs of the training table with the answers that the model gave when it was published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from audit.proof import cbor
from audit.proof.errors import FormatError

from .errors import PackageError

FORMAT: Final = 1
MAX_ROWS: Final = 4096
_KEYS: Final = {"format", "rows", "columns", "outputs", "input", "expected", "made_with"}


@dataclass(frozen=True, slots=True)
class Golden:
    """Rows [n, columns] and expected answers [n, outputs], float32; `made_with` is runtime and version."""

    rows: NDArray[np.float32]
    expected: NDArray[np.float32]
    made_with: str

    def encode(self) -> bytes:
        """Deterministic CBOR; the arrays as packed little-endian float32, row by row."""
        return cbor.encode(
            {
                "format": FORMAT,
                "rows": self.rows.shape[0],
                "columns": self.rows.shape[1],
                "outputs": self.expected.shape[1],
                "input": np.ascontiguousarray(self.rows, dtype="<f4").tobytes(),
                "expected": np.ascontiguousarray(self.expected, dtype="<f4").tobytes(),
                "made_with": self.made_with,
            }
        )


def decode(data: bytes) -> Golden:
    """Read golden.cbor.

    Raises:
        PackageError: not the format, no rows, lengths that do not fit, or an answer that is not a finite
        number.
    """
    content = read_map(data, "golden.cbor", _KEYS)
    rows, columns, outputs = (natural(content, key, "golden.cbor") for key in ("rows", "columns", "outputs"))
    if content["format"] != FORMAT:
        raise PackageError(f"golden.cbor: format {content['format']!r} is not known")
    if not 1 <= rows <= MAX_ROWS or columns < 1 or outputs < 1:
        raise PackageError(f"golden.cbor: {rows} rows of {columns} columns and {outputs} outputs")
    made_with = content["made_with"]
    if not isinstance(made_with, str):
        raise PackageError("golden.cbor: made_with is not text")
    inputs = packed(content, "input", "<f4", rows * columns, "golden.cbor").reshape(rows, columns)
    expected = packed(content, "expected", "<f4", rows * outputs, "golden.cbor").reshape(rows, outputs)
    if not np.isfinite(expected).all():
        raise PackageError("golden.cbor: an expected answer is not a finite number")
    return Golden(inputs, expected, made_with)


def read_map(data: bytes, what: str, keys: set[str]) -> dict[str, Any]:
    """A CBOR map with exactly these keys, in the deterministic encoding."""
    try:
        content = cbor.decode(data, what)
    except FormatError as error:
        raise PackageError(str(error)) from error
    return check_map(content, what, keys)


def check_map(content: object, what: str, keys: set[str]) -> dict[str, Any]:
    """`content` if it is a map with exactly these keys."""
    if not isinstance(content, dict):
        raise PackageError(f"{what}: not a map")
    if content.keys() != keys:
        odd = sorted(str(key) for key in content.keys() ^ keys)
        raise PackageError(f"{what}: missing or unknown: {', '.join(odd)}")
    return content


def natural(content: dict[str, Any], key: str, what: str) -> int:
    """The non-negative integer under `key`."""
    value = content[key]
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise PackageError(f"{what}: {key} is not a count")
    return value


def packed(content: dict[str, Any], key: str, dtype: str, count: int | None, what: str) -> NDArray[Any]:
    """The packed numbers under `key`: `count` of them, or as many as there are."""
    value = content[key]
    size = np.dtype(dtype).itemsize
    if (
        not isinstance(value, bytes)
        or len(value) % size
        or (count is not None and len(value) != count * size)
    ):
        raise PackageError(f"{what}: {key} does not have the length that its shape asks for")
    return np.frombuffer(value, dtype)
