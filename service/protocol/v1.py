"""KServe's V1 protocol: `:predict` and `:explain` with `instances`.

Rows are arrays in the model's order or objects by feature name; categories are text; null is missing.
A prediction is the positive class's probability, the value, or one probability a class.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from audit.proof.entry import Protocol as ProtocolNumber
from registry.signature import Signature
from service.errors import Unparseable, quote
from service.rows import RowReader

from .base import Query, Reply, read_object

_NUMPY: Final = orjson.OPT_SERIALIZE_NUMPY
REASONS: Final = 5
"""How many features an explanation names as its reasons."""

_LINKS: Final = {"binary": "log-odds", "multiclass": "log of the unnormalised probability"}


def parse(text: bytes, reader: RowReader, protocol: ProtocolNumber) -> Query:
    """Read `{"instances": [...]}`.

    Raises:
        Unparseable: not JSON, or not that object.
        Invalid: a row is not what the signature says.
    """
    content = read_object(text)
    try:
        instances = content["instances"]
    except KeyError:
        raise Unparseable('the body has no "instances"') from None
    if len(content) > 1:
        other = next(name for name in content if name != "instances")
        raise Unparseable(f'the body has {quote(other)}; only "instances" is read here')
    return Query(reader.read(instances, text), protocol)


def encode(answers: NDArray[np.float32]) -> Reply:
    """`{"predictions": [...]}`: the shortest decimals that read back as the same float32."""
    return Reply(orjson.dumps({"predictions": answers}, option=_NUMPY))


def encode_explanation(
    signature: Signature,
    rows: NDArray[np.float32],
    answers: NDArray[np.float32],
    contributions: NDArray[np.float32],
) -> Reply:
    """Contributions by feature name, and the features that moved the answer most.

    Args:
        signature: the model's.
        rows: [n, width], what the model was given.
        answers: [n] or [n, classes].
        contributions: TreeSHAP (Lundberg et al. 2020, doi 10.1038/s42256-019-0138-9), [n, width + 1] or
            [n, classes, width + 1], the last column being the bias. A row's sum is the model's margin.
    """
    explanations = []
    for number in range(rows.shape[0]):
        one: dict[str, Any] = {"prediction": answers[number].tolist()}
        if contributions.ndim == 2:
            one |= _explain(signature, rows[number], contributions[number])
        else:
            one["classes"] = {
                name: _explain(signature, rows[number], contributions[number, place])
                for place, name in enumerate(signature.classes)
            }
        explanations.append(one)
    unit = _LINKS.get(signature.task, "the value")
    return Reply(orjson.dumps({"explanations": explanations, "method": "TreeSHAP", "unit": unit}))


def _explain(
    signature: Signature, row: NDArray[np.float32], contributions: NDArray[np.float32]
) -> dict[str, Any]:
    values = contributions.tolist()
    names = [feature.name for feature in signature.features]
    order = np.argsort(-np.abs(contributions[:-1]), kind="stable")[:REASONS]
    return {
        "bias": values[-1],
        "contributions": dict(zip(names, values[:-1], strict=True)),
        "reasons": [
            {"feature": names[at], "value": shown(signature, at, row[at]), "contribution": values[at]}
            for at in map(int, order)
            if values[at] != 0
        ],
    }


def shown(signature: Signature, place: int, value: np.float32) -> str | float | None:
    """A cell of the model's input as its client wrote it: a category by its text, missing as null."""
    if np.isnan(value):
        return None
    feature = signature.features[place]
    return feature.categories[int(value)] if feature.type == "category" else float(value)
