"""Replay's bench: what is timed does the same work, and records are what a gateway writes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from harness import replay

from audit.proof.entry import Kind
from audit.proof.record import parse_payload, parse_record, payload_holds
from service.replaying import GatewayPredictor
from tests.components.packages import number_package


@pytest.mark.parametrize("size", [1, 3])
def test_every_way_reads_the_same_records_and_finds_the_same_answers(size: int) -> None:
    """A way that left something out would look fast."""
    package = number_package()
    rows = np.random.default_rng(1).normal(size=(7, 3)).round(3).astype(np.float32)
    recorded = replay.record(SimpleNamespace(rows=rows), package, size, requests=20)
    parsed = [parse_record(value) for value in recorded.values]
    assert [record.entry.kind for record in parsed] == [Kind.OPENING] + [Kind.INFERENCE] * 20
    assert all(payload_holds(record) for record in parsed[1:])
    for value, record in zip(recorded.values[1:], parsed[1:], strict=True):
        payload = parse_payload(record.payload)
        assert replay._cut(value) == (payload.request, payload.response)
        assert len(payload.input) == 4 * 3 * size
    model = replay._load(package)
    assert replay._replay(recorded, GatewayPredictor(lambda *_: model, {})) == 20
    for at_once in (1, 8, 64):
        assert replay._Bare(package, at_once)(recorded) == 20


def test_a_wrong_answer_stops_the_bench() -> None:
    """No rate is told of answers that are not the recorded ones."""
    package = number_package()
    recorded = replay.record(SimpleNamespace(rows=np.ones((1, 3), np.float32)), package, 1, requests=2)
    other = number_package("other")
    assert other.digest != package.digest
    broken = replay.Recorded([value.replace(b"0.", b"1.") for value in recorded.values], 2, 1)
    with pytest.raises(AssertionError):
        replay._Bare(package, 1)(broken)
    with pytest.raises(AssertionError):
        replay._replay(broken, GatewayPredictor(lambda *_: replay._load(package), {}))
