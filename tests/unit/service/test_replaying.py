"""The gateway's predictor: how models are asked again, with models made for it and records made up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from audit.proof.entry import Key, Protocol
from audit.proof.record import Header
from audit.replay import Logged, Ran, Unanswerable, Verdict, replay
from registry.errors import DeviceUnavailable, GoldenMismatch, NotExplainable, NotFound
from registry.runtimes import Batching, load
from service.numbers import numbers_of, rows_of
from service.protocol import v1
from service.replaying import MODELS, GatewayPredictor
from tests.components.packages import number_package
from tests.components.replays import recorded

ROW = [0.5, -0.25, 1.0]
VERSIONS = {"affiant": "1", "numpy": "2", "testing": "3"}


EXACT = Batching("exact")


@dataclass(frozen=True)
class Odd:
    """A model whose answers are what the test wants."""

    predict: Callable[[Any], Any]
    batching: Batching = EXACT
    digest: str = "sha256:" + "11" * 32
    runtime: str = "testing 3"
    device: str = "cpu"
    signature: Any = number_package().signature
    schema_hash: bytes = number_package().schema_hash

    def explain(self, rows: Any) -> Any:
        """As an ONNX runner."""
        raise NotExplainable("no explanation here")


def predictor(model: Any) -> GatewayPredictor:
    return GatewayPredictor(lambda *_: model, VERSIONS)


def answer_of(model: Any, *batch: list[float], at: int = 0, rows: int = 1) -> bytes:
    """The body that a gateway gives for `rows` of the batch, from `at` on."""
    return v1.encode(model.predict(np.array(batch, np.float32))[at : at + rows]).body


def verdicts(model: Any, records: list[Logged], **options: Any) -> list[Any]:
    return list(replay(records, predictor(model), **options))


def by_size(rows: Any) -> Any:
    """Other bits in batches of more than 64, which no golden row has been in."""
    return rows[:, 0] + np.float32(len(rows) > 64) * np.float32(2**-20)


def test_an_exact_model_that_is_not_in_large_batches_is_asked_as_it_was() -> None:
    """Golden rows speak of batches up to 64 rows; what is put together here is larger."""
    model = Odd(by_size)
    rows = [[number / 8, 0.0, 0.0] for number in range(200)]
    records = [
        recorded(model, [row], answer_of(model, row), sequence=at + 1, batch=(at, 1, 0))
        for at, row in enumerate(rows)
    ]
    assert Counter(one.verdict for one in verdicts(model, records)) == {Verdict.IDENTICAL: 200}
    large = [[number / 8, 0.0, 0.0] for number in range(100)]
    one = recorded(model, large, answer_of(model, *large, rows=100), batch=(1, 100, 0))
    assert [judged.verdict for judged in verdicts(model, [one])] == [Verdict.IDENTICAL]


def in_fours(rows: Any) -> Any:
    """Other bits unless the batch is a multiple of four rows, and by the row's place in it."""
    return rows[:, 0] + np.arange(len(rows), dtype=np.float32) * np.float32(2**-20)


@pytest.mark.parametrize("kind", ["padded", "tolerance"])
def test_a_row_stands_in_its_recorded_place_of_a_batch_of_the_recorded_size(kind: Any) -> None:
    """Also when the other members are not there: a padded model does not mind what they are."""
    sizes = []

    def predict(rows: Any) -> Any:
        sizes.append(len(rows))
        return in_fours(rows)

    model = Odd(predict, Batching(kind, rows=4, bound=1e-3))
    batch = [[number / 8, 0.0, 0.0] for number in range(6)]
    records = [
        recorded(model, batch[2:4], answer_of(model, *batch, at=2, rows=2), sequence=1, batch=(9, 6, 2)),
        recorded(model, batch[5:], answer_of(model, *batch, at=5), sequence=2, batch=(9, 6, 5)),
    ]
    sizes.clear()
    assert [one.verdict for one in verdicts(model, records)] == [Verdict.IDENTICAL] * 2
    assert sizes == [6]


def test_a_batch_that_cannot_be_is_not_made() -> None:
    """Nobody's word about a size is taken for so much memory."""
    model = Odd(in_fours, Batching("padded", rows=2))
    answer = answer_of(model, ROW)
    for batch in ((1, 1, 1), (1, 0, 0), (1, 2**60, 5), (1, 70_000, 0)):
        (judged,) = verdicts(model, [recorded(model, [ROW], answer, batch=batch)])
        assert judged.verdict is Verdict.DIFFERENT
        assert judged.reason.startswith("batch: 1 rows from ")
    (judged,) = verdicts(model, [recorded(model, [ROW], answer)])
    assert judged.verdict is Verdict.IDENTICAL


def test_a_model_that_fails_or_gives_no_number_is_different() -> None:
    """What it answered then, it does not answer now."""

    def fail(rows: Any) -> Any:
        raise RuntimeError("out of order")

    answer = b'{"predictions":[0.5]}'
    (judged,) = verdicts(Odd(fail), [recorded(Odd(fail), [ROW], answer)])
    assert (judged.verdict, judged.reason) == (Verdict.DIFFERENT, "the model failed: out of order")
    nan = Odd(lambda rows: np.full(len(rows), np.nan, np.float32), Batching("tolerance", bound=1e9))
    (judged,) = verdicts(nan, [recorded(nan, [ROW], answer)])
    assert judged.verdict is Verdict.DIFFERENT
    assert judged.difference == float("inf")


def test_a_zero_of_another_sign_is_another_answer() -> None:
    """The bits differ, by nothing: within tolerance."""
    model = Odd(lambda rows: np.zeros(len(rows), np.float32))
    (judged,) = verdicts(model, [recorded(model, [ROW], b'{"predictions":[-0.0]}')])
    assert (judged.verdict, judged.difference, len(judged.differences)) == (Verdict.WITHIN, 0.0, 1)


def test_a_header_or_a_protocol_that_no_gateway_writes_is_told() -> None:
    """Whatever an entry's digest covers, it ends no replay."""
    model = load(number_package())
    answer = answer_of(model, ROW)
    odd: list[tuple[dict[int, Any], dict[int, Any]]] = [
        ({Header.CONTENT_TYPE: 7}, {}),
        ({Header.CONTENT_TYPE: "application/json\u20ac"}, {}),
        ({Header.CONTENT_ENCODING: [1]}, {}),
        ({Header.INFERENCE_LENGTH: "x"}, {Key.PROTOCOL: Protocol.V2_INFER}),
        ({}, {Key.PROTOCOL: 99}),
    ]
    for header, fields in odd:
        (judged,) = verdicts(model, [recorded(model, [ROW], answer, header=header, fields=fields)])
        assert judged.verdict is Verdict.DIFFERENT
        assert "its header is not a gateway's" in judged.reason
    for header, words in (
        ({Header.CONTENT_TYPE: "text/csv"}, "refused now: Content-Type"),
        ({Header.CONTENT_ENCODING: "gzip"}, "refused now: the body is not gzip"),
        ({Header.INPUT: [bytes(32), 1, 3]}, "another signature"),
        ({Header.INPUT: 5}, "another signature"),
    ):
        (judged,) = verdicts(model, [recorded(model, [ROW], answer, header=header)])
        assert words in judged.reason


def test_the_recorded_device_is_asked_for_and_the_processor_where_it_is_not() -> None:
    """The verdict names both; what is not identical has that as its reason."""
    asked = []
    model = load(number_package())

    def loading(digest: str, device: str, threads: int) -> Any:
        asked.append((device, threads))
        if device == "cuda":
            raise DeviceUnavailable("no such device")
        return model

    own = GatewayPredictor(loading, VERSIONS, device="cpu", threads=2)
    digest = bytes.fromhex(number_package().digest[7:])
    assert own.open(digest, Ran({}, "cuda", 1)).device == "cpu"
    own.open(digest, Ran({}, "cuda", 1))
    own.open(digest, Ran({}, "a toaster", 10**9))
    own.open(digest, None)
    assert asked == [("cuda", 1), ("cpu", 1), ("cpu", 256), ("cpu", 2)]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NotFound("none"), "model missing: the store does not have"),
        (GoldenMismatch("off"), "model refused: off"),
    ],
)
def test_a_model_that_cannot_be_had_is_asked_for_once(error: Exception, words: str) -> None:
    """A store is not asked again for each record."""
    asked = []

    def loading(*_: Any) -> Any:
        asked.append(1)
        raise error

    own = GatewayPredictor(loading, VERSIONS)
    for _ in range(3):
        with pytest.raises(Unanswerable, match=words):
            own.open(bytes(32), None)
    assert asked == [1]


def test_a_few_models_are_kept() -> None:
    """A log of many models does not fill the memory; the one asked for last stays."""
    loaded: list[str] = []
    model = Odd(in_fours)

    def loading(digest: str, *_: Any) -> Any:
        loaded.append(digest)
        return replace(model, digest=digest)

    own = GatewayPredictor(loading, VERSIONS)
    digests = [bytes([number]) * 32 for number in range(MODELS + 1)]
    for digest in digests[:MODELS]:
        own.open(digest, None)
    own.open(digests[0], None)
    own.open(digests[MODELS], None)
    own.open(digests[0], None)
    assert len(loaded) == MODELS + 1
    own.open(digests[1], None)
    assert len(loaded) == MODELS + 2


def test_an_explanation_is_made_again_and_one_that_cannot_be_is_not_replayable() -> None:
    """TreeSHAP of the request's own rows; a runtime without explanations says so."""
    model = load(number_package())
    rows = np.array([ROW, [1, 2, 3]], np.float32)
    body = v1.encode_explanation(model.signature, rows, model.predict(rows), model.explain(rows)).body
    fields = {Key.PROTOCOL: Protocol.V1_EXPLAIN}
    record = recorded(model, [ROW, [1, 2, 3]], body, fields=fields)
    assert [one.verdict for one in verdicts(model, [record])] == [Verdict.IDENTICAL]
    other = recorded(model, [ROW, [1, 2, 3]], re.sub(rb'"bias":[^,]+', b'"bias":7', body), fields=fields)
    (judged,) = verdicts(model, [other])
    assert {one.output for one in judged.differences} == {"bias"}
    (judged,) = verdicts(Odd(in_fours), [recorded(Odd(in_fours), [ROW], body, fields=fields)])
    assert (judged.verdict, judged.reason) == (Verdict.NOT_REPLAYABLE, "explanation: no explanation here")


@pytest.mark.parametrize(
    ("classes", "threshold", "numbers", "wanted"),
    [(2, 0.3, [0.3], "1"), (2, 0.3, [0.29], "0"), (2, None, [0.9], None), (3, None, [0.2, 0.5, 0.3], "1")],
)
def test_a_decision_is_the_signatures(
    classes: int, threshold: Any, numbers: list[float], wanted: Any
) -> None:
    """At or above the threshold, or the most probable class."""
    signature = number_package(classes=classes).signature.model_copy(update={"threshold": threshold})
    answerer = predictor(Odd(in_fours, signature=signature)).open(bytes(32), None)
    assert answerer.decide(rows_of([numbers if classes > 2 else numbers[0]])) == wanted


def test_every_number_of_an_explanation_of_many_classes_is_read() -> None:
    """Predictions, and of each class the bias and each feature's contribution."""
    model = load(number_package("classes", 3))
    rows = np.array([ROW, [1, 2, 3]], np.float32)
    said, contributions = model.predict(rows), model.explain(rows)
    body = v1.encode_explanation(model.signature, rows, said, contributions).body
    found = numbers_of(Protocol.V1_EXPLAIN, body)
    assert len(found) == 2 * (3 + 3 * 4)
    values = {(one.row, one.output): one.value for one in found}
    assert values[1, "prediction[2]"] == said[1, 2]
    assert values[0, "1: bias"] == contributions[0, 1, 3]
    assert values[1, "2: contribution of c"] == contributions[1, 2, 2]
