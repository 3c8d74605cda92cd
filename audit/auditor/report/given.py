"""What the model was given, with the names and categories of its package's signature, for who reads no float32."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from struct import Struct, error
from typing import Any, Final

from audit.proof.bundle import PackagePart
from audit.proof.printable import printable
from audit.proof.record import Header, Payload

from .texts import short

_ROWS: Final = 4
"""Of a request, that are shown."""
_FEATURES: Final = 100
_FLOAT: Final = Struct("<f")
CSS: Final = (
    ".given :is(th,td){white-space:normal;overflow-wrap:anywhere;min-width:7em}"
    "@media screen{.given :is(th,td){min-width:13em}}"
)
"""Categories are sentences: they take lines, so that a few rows fit on paper."""
Features = Sequence[Mapping[str, Any]]
"""As signature.json has them, docs/model-package.md."""


@dataclass(frozen=True, slots=True)
class Given:
    """The first rows of an input, as they were given to the model."""

    schema: bytes
    """SHA-256 of the signature.json that says what the columns are."""
    rows: int
    """Of the whole input."""
    values: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, parts: Payload) -> Given | None:
        """Of a payload; None where it has none, or one that is not what its header says."""
        match parts.header.get(Header.INPUT):
            case [bytes() as schema, int() as rows, int() as columns] if (
                rows * columns * _FLOAT.size == len(parts.input) and columns
            ):
                width = columns * _FLOAT.size
                some = range(0, min(rows, _ROWS) * width, width)
                lines = (parts.input[at : at + width] for at in some)
                values = tuple(tuple(value for (value,) in _FLOAT.iter_unpack(line)) for line in lines)
                return cls(schema, rows, values)
        return None


def signatures_of(packages: Mapping[str, PackagePart | None]) -> dict[bytes, Features]:
    """The features of the packages' signatures, by the SHA-256 that an input names them by."""
    blobs = (blob for package in packages.values() if package is not None for blob in package.blobs.values())
    return {sha256(blob).digest(): found["features"] for blob in blobs if (found := _signature(blob))}


def answers_of(package: PackagePart) -> str:
    """What the model's answer means, by its package's signature; empty where that is not here."""
    found = next((content for blob in package.blobs.values() if (content := _signature(blob))), {})
    positive, threshold, classes = (found.get(key) for key in ("positive_class", "threshold", "classes"))
    if isinstance(positive, str) and isinstance(threshold, int | float):
        return f"{positive} when the score is at least {threshold:g}"
    if isinstance(classes, list) and classes:
        return f"a score for each of {', '.join(map(str, classes))}"
    return "a number" if found.get("task") == "regression" else ""


def _signature(blob: bytes) -> dict[str, Any]:
    """The content of a signature.json; empty for what is none."""
    try:
        content = json.loads(blob)
    except (ValueError, RecursionError):
        return {}
    features = content.get("features") if isinstance(content, dict) else None
    if not isinstance(features, list) or not features:
        return {}
    fit = all(
        isinstance(each, dict)
        and isinstance(each.get("name"), str)
        and isinstance(each.get("categories"), list)
        for each in features
    )
    return content if fit else {}


def table(given: Given | None, signatures: Mapping[bytes, Features]) -> str:
    """A line a feature, a column a row; nothing where nobody here says what the columns are."""
    features = signatures.get(given.schema, ()) if given is not None else ()
    if given is None or not given.values or len(features) != len(given.values[0]):
        return ""
    head = "".join(f"<th>row {number}</th>" for number in range(1, len(given.values) + 1))
    body = "".join(
        f"<tr><td>{_text(feature['name'], 60)}</td>{''.join(_cell(row[at], feature) for row in given.values)}</tr>"
        for at, feature in enumerate(features[:_FEATURES])
    )
    left = [
        f"the first {len(given.values)} of {given.rows:,} rows" if given.rows > len(given.values) else "",
        f"the first {_FEATURES} of {len(features):,} features" if len(features) > _FEATURES else "",
    ]
    said = " and ".join(filter(None, left))
    return (
        f"<h3>What the model was given</h3><div class=scroll><table class=given>"
        f"<thead><tr><th>feature</th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f"<p class=note>{said[:1].upper()}{said[1:]}{'. ' if said else ''}Float32 as recorded; names and categories by "
        "the package's signature, whose hash the record has.</p>"
    )


def _cell(value: float, feature: Mapping[str, Any]) -> str:
    if math.isnan(value):
        return "<td>missing</td>"
    number = shortest(value)
    names = feature["categories"]
    if value.is_integer() and 0 <= value < len(names):
        return f"<td>{_text(str(names[int(value)]), 60)}</td>"
    return f"<td>{number}</td>"


def _text(text: str, most: int) -> str:
    return escape(short(printable(text), most))


def shortest(value: float) -> str:
    """The shortest text that means this float32."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        try:
            if _FLOAT.pack(float(text)) == _FLOAT.pack(value):
                return repr(float(text)).removesuffix(".0")
        except (error, OverflowError):
            continue
    return repr(value)
