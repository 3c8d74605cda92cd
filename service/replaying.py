"""The gateway's own way to an answer, for requests out of the record (audit/replay).

Nothing of it is written twice: the request's bytes are read by `reading`, rows by `rows`, models are loaded by
`registry.runtimes`, answers written by `protocol`. What is here is the arrangement: many requests of a model
that does not mind in one call; of another model, each row in a batch of the recorded size, at its recorded place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from audit.config import Config
from audit.proof.entry import Protocol as ProtocolNumber
from audit.proof.record import Header
from audit.replay.base import Answerer, Number, Question, Ran, Unanswerable
from audit.replay.keys import BATCH, PROTOCOL, REQUEST_ID, SERVICE
from registry.errors import DeviceUnavailable, NotExplainable, NotFound, PackageError
from registry.runtimes import load as load_model
from registry.runtimes.base import Model
from registry.stores import configured_store

from .errors import GatewayError
from .journals import opening
from .numbers import numbers_of, rows_of
from .protocol import Query, v1, write
from .reading import JSON, read_query
from .reading import content as content_of
from .rows import RowReader
from .rows import Rows as PackedRows
from .settings import GatewaySettings

Rows = NDArray[np.float32]
Load = Callable[[str, str, int], Model]
"""Digest, device, threads → the model. Raises what a store and `registry.runtimes.load` raise."""

MAX_ROWS: Final = 1 << 20
MAX_BODY: Final = 1 << 30
"""The largest values that a gateway can be given: what it once took must not be refused now."""
MAX_BATCH: Final = 1 << 16
MAX_THREADS: Final = 256
CALL_ROWS: Final = 8192
"""Rows of one call, about: more bring nothing, and the model's memory grows with them."""
_EXPLAIN: Final = ProtocolNumber.V1_EXPLAIN
_OPERATIONS: Final[dict[object, ProtocolNumber]] = {int(number): number for number in ProtocolNumber}
MODELS: Final = 8
"""Models that are kept loaded."""


class GatewayPredictor:
    """See `audit.replay.base.Predictor`."""

    def __init__(
        self, load: Load, versions: Mapping[str, str], *, device: str = "cpu", threads: int = 1
    ) -> None:
        """Take the loader, what runs here, and device and threads for records whose opening is not known."""
        self._load: Final = load
        self._versions: Final = versions
        self._default: Final = (device, threads)
        self._models: OrderedDict[tuple[bytes, str, int], _Answerer | Unanswerable] = OrderedDict()

    @classmethod
    def configured(cls, config: Config) -> GatewayPredictor:
        """Packages from the store of the settings, loaded as the gateway loads them."""
        store, settings = configured_store(config), config.section("gateway", GatewaySettings)
        return cls(
            lambda digest, device, threads: load_model(store.pull(digest), device=device, threads=threads),
            opening(settings).versions,
            device=settings.device,
            threads=settings.threads,
        )

    def open(self, digest: bytes, ran: Ran | None) -> Answerer:
        """See the contract."""
        device, threads = self._default if ran is None else (ran.device, ran.threads)
        key = digest, device, threads
        found = self._models.get(key)
        if found is None:
            found = self._models[key] = self._open(f"sha256:{digest.hex()}", device, threads)
            if len(self._models) > MODELS:
                self._models.popitem(last=False)
        else:
            self._models.move_to_end(key)
        if isinstance(found, Unanswerable):
            # A new one: one that is raised again and again keeps every traceback.
            raise Unanswerable(str(found))
        return found

    def _open(self, digest: str, device: str, threads: int) -> _Answerer | Unanswerable:
        threads = max(1, min(threads, MAX_THREADS))
        try:
            device = device if device in ("cpu", "cuda") else "cpu"
            try:
                model = self._load(digest, device, threads)
            except DeviceUnavailable:
                device = "cpu"
                model = self._load(digest, device, threads)
        except NotFound:
            return Unanswerable(f"model missing: the store does not have {digest}")
        except PackageError as error:
            return Unanswerable(f"model refused: {error}")
        return _Answerer(model, device)

    def numbers(self, question: Question, body: bytes) -> list[Number]:
        """See the contract."""
        return numbers_of(question.entry.fields.get(PROTOCOL), body)

    def versions(self) -> Mapping[str, str]:
        """See the contract."""
        return self._versions


_Asked = Sequence[tuple[Question, Query | Unanswerable]]
"""Questions with what the gateway's reader made of them."""


class _Answerer:
    """See `audit.replay.base.Answerer`."""

    def __init__(self, model: Model, device: str) -> None:
        """`device`: what the model was loaded for, as an opening entry has it; its operators may run elsewhere."""
        self._model: Final = model
        self._reader: Final = RowReader(model.signature, MAX_ROWS)
        self._width: Final = self._reader.width
        self._digest: Final = orjson.dumps(model.digest)
        self._exact: Final = model.batching.kind == "exact"
        self.device: Final = device
        self.bound: Final = model.batching.bound
        self.whole_batches: Final = model.batching.kind == "tolerance"
        self.libraries: Final = model.runtime.split(" ")[0]

    def answer(self, questions: Sequence[Question]) -> list[bytes | Unanswerable]:
        """See the contract."""
        asked = [(question, self._read_same(question)) for question in questions]
        bodies = self._bodies(asked, together=self._exact)
        if self._exact:
            self._ask_as_it_was(asked, bodies)
        return bodies

    def _bodies(self, asked: _Asked, *, together: bool) -> list[bytes | Unanswerable]:
        answers = self._predict(asked, together=together)
        return [
            self._write(question, query, said)
            if isinstance(query, Query) and isinstance(said, np.ndarray)
            else _failure(query, said)
            for (question, query), said in zip(asked, answers, strict=True)
        ]

    def _ask_as_it_was(self, asked: _Asked, bodies: list[bytes | Unanswerable]) -> None:
        """What is not identical is asked once more, in its recorded batch: golden rows speak of some sizes."""
        odd = {
            question.batch
            for (question, _), body in zip(asked, bodies, strict=True)
            if body != question.payload.response
        }
        if not odd:
            return
        places = [at for at, (question, _) in enumerate(asked) if question.batch in odd]
        again = self._bodies([asked[at] for at in places], together=False)
        for at, body in zip(places, again, strict=True):
            if body == asked[at][0].payload.response:
                bodies[at] = body

    def predictions(self, questions: Sequence[Question]) -> list[list[Number] | Unanswerable]:
        """See the contract."""
        asked = [(question, self._read(question)) for question in questions]
        answers = self._predict(asked, together=self._exact)
        return [
            rows_of(said.tolist()) if isinstance(said, np.ndarray) else _failure(query, said)
            for (_, query), said in zip(asked, answers, strict=True)
        ]

    def decide(self, row: Sequence[Number]) -> str | None:
        """See the contract."""
        signature = self._model.signature
        values = [number.value for number in row if number.output.startswith("prediction")]
        if signature.task == "multiclass" and len(values) == len(signature.classes):
            return signature.classes[int(np.argmax(values))]
        if signature.task == "binary" and signature.threshold is not None and len(values) == 1:
            return signature.classes[int(values[0] >= signature.threshold)]
        return None

    def _read(self, question: Question) -> Query | Unanswerable:
        """The recorded request through the gateway's own reader."""
        header, protocol = question.payload.header, question.entry.fields.get(PROTOCOL)
        try:
            operation = _OPERATIONS[protocol]
            kind = header[Header.CONTENT_TYPE].encode("latin-1") or JSON
            encoding = header.get(Header.CONTENT_ENCODING)
            raw = encoding.encode("latin-1") if encoding is not None else None
            body = content_of(question.payload.request, operation, kind, raw, MAX_BODY)
            return read_query(body, operation, header.get(Header.INFERENCE_LENGTH), self._reader)
        except GatewayError as error:
            return Unanswerable(f"input: the recorded request is refused now: {error}")
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            return Unanswerable(f"payload: its header is not a gateway's ({error!r})")

    def _read_same(self, question: Question) -> Query | Unanswerable:
        """The same, and it MUST make the recorded model input of the recorded protocol."""
        query = self._read(question)
        if isinstance(query, Unanswerable):
            return query
        if query.rows.packed != question.payload.input:
            return Unanswerable("input: the recorded request makes another model input now")
        shape = [self._model.schema_hash, query.rows.height, self._width]
        if question.payload.header.get(Header.INPUT) != shape:
            return Unanswerable("input: it was recorded for another signature")
        if query.protocol != question.entry.fields[PROTOCOL]:
            return Unanswerable("input: the recorded request is of another protocol now")
        return query

    def _predict(self, asked: _Asked, *, together: bool) -> list[Rows | Unanswerable | None]:
        """Answers [rows] or [rows, outputs]; None where there is no query.

        `together`: as many in a call as there is room for; else each in a batch of its recorded size.
        """
        answers: list[Rows | Unanswerable | None] = [None] * len(asked)
        for call in self._calls(asked, answers) if not together else _joined(asked):
            said = self._call(call)
            for number, position, rows in call.parts:
                if isinstance(said, Unanswerable):
                    answers[number] = said
                else:
                    answers[number] = said[position : position + rows.height]
        return answers

    def _calls(self, asked: _Asked, answers: list[Rows | Unanswerable | None]) -> Iterable[_Call]:
        """One call a recorded batch."""
        batches: dict[object, _Call] = {}
        for number, (question, query) in enumerate(asked):
            if isinstance(query, Unanswerable):
                continue
            height, name = query.rows.height, question.batch
            _, size, position = question.entry.fields.get(BATCH) or (0, height, 0)
            if position + height > size or size > max(MAX_BATCH, height):
                answers[number] = Unanswerable(f"batch: {height} rows from {position} on, of {size} in all")
                continue
            call = batches.setdefault(number if name is None else name, _Call(size, []))
            call.parts.append((number, position, query.rows))
        return batches.values()

    def _call(self, call: _Call) -> Rows | Unanswerable:
        try:
            return self._model.predict(_matrix(call, self._width))
        # Whatever a runtime raises: what it answered then, it does not answer now.
        except Exception as error:  # noqa: BLE001
            return Unanswerable(f"the model failed: {str(error)[:200]}")

    def _write(self, question: Question, query: Query, answers: Rows) -> bytes | Unanswerable:
        fields = question.entry.fields
        if query.protocol != _EXPLAIN:
            return write(query, answers, _json(fields[SERVICE]), self._digest, fields.get(REQUEST_ID)).body
        rows = np.frombuffer(query.rows.packed, np.float32).reshape(-1, self._width)
        try:
            contributions = self._model.explain(rows)
        except NotExplainable as error:
            return Unanswerable(f"explanation: {error}", replayable=False)
        except Exception as error:  # noqa: BLE001 — as in `_call`
            return Unanswerable(f"the model failed: {str(error)[:200]}")
        return v1.encode_explanation(self._model.signature, rows, answers, contributions).body


@lru_cache(256)
def _json(service: str) -> bytes:
    return orjson.dumps(service)


@dataclass(slots=True)
class _Call:
    """One call of the model: how many rows, and (question, first row, rows) of each that is in it."""

    size: int
    parts: list[tuple[int, int, PackedRows]]


def _joined(asked: _Asked) -> Iterable[_Call]:
    """One after the other, in calls of about CALL_ROWS."""
    call = _Call(0, [])
    for number, (_, query) in enumerate(asked):
        if isinstance(query, Unanswerable):
            continue
        call.parts.append((number, call.size, query.rows))
        call.size += query.rows.height
        if call.size >= CALL_ROWS:
            yield call
            call = _Call(0, [])
    if call.parts:
        yield call


def _matrix(call: _Call, width: int) -> Rows:
    """Rows [size, width]. Places that nothing is known of hold the first row, as the gateway's padding does."""
    parts = sorted(call.parts, key=itemgetter(1))
    if sum(rows.height for _, _, rows in parts) == call.size:
        return np.frombuffer(b"".join([rows.packed for _, _, rows in parts]), np.float32).reshape(-1, width)
    arrays = [np.frombuffer(rows.packed, np.float32).reshape(-1, width) for _, _, rows in parts]
    batch = np.empty((call.size, width), np.float32)
    batch[:] = arrays[0][0]
    for (_, position, rows), own in zip(parts, arrays, strict=True):
        batch[position : position + rows.height] = own
    return batch


def _failure(query: Query | Unanswerable, said: Rows | Unanswerable | None) -> Unanswerable:
    """Why there is no answer."""
    if isinstance(query, Unanswerable):
        return query
    assert isinstance(said, Unanswerable)
    return said
