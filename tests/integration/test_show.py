"""What `affiant log show` makes of real exchanges: every protocol, in every encoding that the gateway takes."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.show import Place, describe, examine
from tests.components.gateway import JSON, Site, ask, open_gateway
from tests.components.packages import number_package

ENCODINGS: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    " Deflate ": zlib.compress,
}
INPUT = {"name": "input", "datatype": "FP32", "shape": [2, 3]}
VALUES = [1, 2, 3, 4, 5, 6.5]


def requests() -> dict[str, tuple[str, bytes, int | None, Any]]:
    """Path, body, length of its JSON, and what is to be shown of it."""
    v1 = {"instances": [VALUES[:3], VALUES[3:]]}
    v2 = {"inputs": [{**INPUT, "data": VALUES}]}
    packed = struct.pack("<6f", *VALUES)
    sized = {"inputs": [{**INPUT, "parameters": {"binary_data_size": len(packed)}}]}
    head = json.dumps({**sized, "parameters": {"binary_data_output": True}}).encode()
    shown = json.loads(head)
    shown["inputs"][0]["data"] = VALUES
    v2_path = "/v2/models/numbers/infer"
    return {
        "V1": ("/v1/models/numbers:predict", json.dumps(v1).encode(), None, v1),
        "V2": (v2_path, json.dumps(v2).encode(), None, v2),
        "V2 with binary tensors": (v2_path, head + packed, len(head), shown),
        "V2 with a length and no tensor": (v2_path, json.dumps(v2).encode(), len(json.dumps(v2)), v2),
    }


@pytest.mark.parametrize("protocol", requests())
async def test_each_request_and_answer_is_shown_decoded(tmp_path: Path, protocol: str) -> None:
    """Rows as numbers, whatever they were packed in; the answer's binary tensor too."""
    site = Site(tmp_path)
    site.serve("numbers", number_package())
    path, body, length, shown = requests()[protocol]
    answers = []
    async with open_gateway(site) as front:
        for encoding, encode in ENCODINGS.items():
            headers = dict(JSON)
            if encoding is not None:
                headers["content-encoding"] = encoding
            if length is not None:
                headers["inference-header-content-length"] = str(length)
            answers.append(await ask(front, path, encode(body), headers=headers))
    assert {answer.status for answer in answers} == {200}, answers[0].body
    records = {record.entry.record_id: record for record in site.records()}
    predictions = []
    for answer in answers:
        record = records[answer.headers["affiant-record"]]
        described = describe(examine(Place(0, 0, 0), record, None, None))
        assert described["request"]["body"] == shown
        told = described["answer"]["body"]
        predictions.append(told["predictions"] if protocol == "V1" else told["outputs"][0]["data"])
    assert len(predictions[0]) == 2
    assert all(isinstance(value, float) for value in predictions[0])
    assert predictions == [predictions[0]] * len(ENCODINGS)
