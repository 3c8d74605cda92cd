"""Scores out of a recorded response. Small and strict: what a gateway writes, and nothing else."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import orjson

OUTPUT: Final = "predictions"
_NUMBERS: Final = frozenset((float, int))
_NULL: Final = type(None)
_SCORES: Final = frozenset((float, int, _NULL))
_NAN: Final = float("nan")


def read_v1(response: bytes, rows: int, outputs: int) -> list[float] | None:
    """`{"predictions": [...]}`: a number a row, or a list of `outputs` numbers; null is NaN.

    Returns:
        rows · outputs scores, row by row; None: it is none, or another number of them.
    """
    try:
        found = orjson.loads(response)[OUTPUT]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        return None
    if type(found) is not list or len(found) != rows:
        return None
    if rows == 1 == outputs and type(found[0]) is float:  # what almost all are
        return found
    if outputs > 1:
        if any(type(row) is not list or len(row) != outputs for row in found):
            return None
        found = [score for row in found for score in row]
    return _scores(found)


def read_v2(response: bytes, rows: int, outputs: int) -> list[float] | None:
    """One output `predictions` [rows, outputs] whose data is flat; null is NaN. Returns as `read_v1`."""
    try:
        (output,) = orjson.loads(response)["outputs"]
        name, shape, found = output["name"], output["shape"], output["data"]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError, ValueError):
        return None
    if name != OUTPUT or shape != [rows, outputs] or type(found) is not list or len(found) != rows * outputs:
        return None
    return _scores(found)


def read_binary(response: bytes, head: int, rows: int, outputs: int) -> list[float] | None:
    """float32, little-endian, after `head` bytes of JSON. Returns as `read_v1`."""
    if len(response) - head != 4 * rows * outputs:
        return None
    packed: list[float] = np.frombuffer(response, "<f4", rows * outputs, head).tolist()
    return packed


def _scores(found: list[Any]) -> list[float] | None:
    kinds = set(map(type, found))
    if kinds <= _NUMBERS:
        return found
    if kinds <= _SCORES:
        return [_NAN if score is None else score for score in found]
    return None
