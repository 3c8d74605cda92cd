"""The numbers of a recorded answer, by row and output: how far one answer is from another.

What `protocol` writes is read back here; the record may hold anything in its place.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

import numpy as np
import orjson

from audit.proof.entry import Protocol as ProtocolNumber
from audit.replay.base import Number, Unanswerable

_JSON: Final = json.JSONDecoder()


def numbers_of(protocol: object, body: bytes) -> list[Number]:
    """The numbers of an answer's body.

    Raises:
        Unanswerable: it is no answer of that protocol.
    """
    try:
        if protocol == ProtocolNumber.V1_PREDICT:
            return rows_of(orjson.loads(body)["predictions"])
        if protocol == ProtocolNumber.V1_EXPLAIN:
            return explained(orjson.loads(body)["explanations"])
        return tensor(body)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise Unanswerable(f"not an answer of protocol {protocol} ({type(error).__name__})") from None


def _float(value: Any) -> float:
    if value is None:
        return math.nan
    if type(value) is not float and type(value) is not int:
        raise TypeError(f"{type(value).__name__} is no number")
    with np.errstate(over="ignore"):  # beyond a float32 it is infinite
        return float(np.float32(value))


def rows_of(predictions: list[Any]) -> list[Number]:
    """One number, or one an output, a row."""
    found = []
    for row, value in enumerate(predictions):
        if isinstance(value, list):
            found += [Number(row, f"prediction[{at}]", _float(one)) for at, one in enumerate(value)]
        else:
            found.append(Number(row, "prediction", _float(value)))
    return found


def explained(explanations: list[Any]) -> list[Number]:
    """Of each row its prediction, the bias, and each feature's contribution; of each class, where there are many."""
    found = []
    for row, one in enumerate(explanations):
        found += [number._replace(row=row) for number in rows_of([one["prediction"]])]
        for name, part in one["classes"].items() if "classes" in one else [("", one)]:
            head = f"{name}: " if name else ""
            found.append(Number(row, f"{head}bias", _float(part["bias"])))
            found += [
                Number(row, f"{head}contribution of {feature}", _float(value))
                for feature, value in part["contributions"].items()
            ]
    return found


def tensor(body: bytes) -> list[Number]:
    """The one output tensor of an answer in V2, in JSON or behind it."""
    # As Latin-1 each byte is a character, whatever the texts mean; only numbers are read here.
    content, end = _JSON.raw_decode(body.decode("latin-1"))
    output, tail = content["outputs"][0], body[end:]
    values = np.frombuffer(tail, "<f4").tolist() if tail else output["data"]
    rows, outputs = output["shape"]
    if len(values) != rows * outputs:
        raise ValueError(f"{len(values)} values, its shape makes {rows * outputs}")
    if outputs == 1:
        return rows_of(values)
    return rows_of([values[at : at + outputs] for at in range(0, len(values), outputs)])
