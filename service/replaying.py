"""The gateway's own way to an answer, for requests out of the record (audit/replay).

Nothing of it is written twice: the request's bytes are read by `reading`, rows by `rows`, models are loaded by
`registry.runtimes`, answers written by `protocol`. What is here is the arrangement: many requests of a model
that does not mind in one call; of another model, each row in a batch of the recorded size, at its recorded place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from audit.config import Config
from audit.proof.entry import Key
from audit.proof.entry import Protocol as ProtocolNumber
from audit.proof.record import Header
from audit.replay.base import Answerer, Number, Question, Ran, Unanswerable
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
        if isinstance(found, Unanswerable):
            # A new one: one that is raised again and again keeps every traceback.
            raise Unanswerable(str(found))
        return found

    def _open(self, digest: str, device: str, threads: int) -> _Answerer | Unanswerable:
        threads = max(1, min(threads, MAX_THREADS))
        try:
            try:
                model = self._load(digest, device if device in ("cpu", "cuda") else "cpu", threads)
            except DeviceUnavailable:
                model = self._load(digest, "cpu", threads)
        except NotFound:
            return Unanswerable(f"model missing: the store does not have {digest}")
        except PackageError as error:
            return Unanswerable(f"model refused: {error}")
        return _Answerer(model)

    def numbers(self, question: Question, body: bytes) -> list[Number]:
        """See the contract."""
        protocol = question.entry.get(Key.PROTOCOL)
        try:
            return numbers_of(protocol, body)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise Unanswerable(f"not an answer of protocol {protocol}: {error!r}") from None

    def versions(self) -> Mapping[str, str]:
        """See the contract."""
        return self._versions


class _Read(NamedTuple):
    """A request, read again."""

    query: Query
    rows: Rows


class _Answerer:
    """See `audit.replay.base.Answerer`."""

    def __init__(self, model: Model) -> None:
        self._model: Final = model
        self._reader: Final = RowReader(model.signature, MAX_ROWS)
        self._digest: Final = orjson.dumps(model.digest)
        self._exact: Final = model.batching.kind == "exact"
        self.device: Final = model.device
        self.bound: Final = model.batching.bound
        self.whole_batches: Final = model.batching.kind == "tolerance"
        self.libraries: Final = model.runtime.split(" ")[0]

    def answer(self, questions: Sequence[Question]) -> list[bytes | Unanswerable]:
        """See the contract."""
        read = [self._read(question, same_input=True) for question in questions]
        bodies = self._bodies(questions, read, joined=self._exact)
        if self._exact:
            self._ask_as_it_was(questions, read, bodies)
        return bodies

    def _bodies(
        self, questions: Sequence[Question], read: Sequence[_Read | Unanswerable], *, joined: bool
    ) -> list[bytes | Unanswerable]:
        answers = self._predict(questions, read, joined=joined)
        return [
            said if isinstance(said, Unanswerable) else self._write(question, one, said)
            for question, one, said in zip(questions, read, answers, strict=True)
        ]

    def _ask_as_it_was(
        self,
        questions: Sequence[Question],
        read: Sequence[_Read | Unanswerable],
        bodies: list[bytes | Unanswerable],
    ) -> None:
        """What is not identical is asked once more, in its recorded batch: golden rows speak of some sizes."""
        odd = {
            question.batch
            for question, body in zip(questions, bodies, strict=True)
            if isinstance(body, bytes) and body != question.payload.response
        }
        again = [at for at, question in enumerate(questions) if question.batch in odd]
        said = self._bodies([questions[at] for at in again], [read[at] for at in again], joined=False)
        for at, body in zip(again, said, strict=True):
            if body == questions[at].payload.response:
                bodies[at] = body

    def predictions(self, questions: Sequence[Question]) -> list[list[Number] | Unanswerable]:
        """See the contract."""
        read = [self._read(question, same_input=False) for question in questions]
        answers = self._predict(questions, read, joined=self._exact)
        return [said if isinstance(said, Unanswerable) else rows_of(said.tolist()) for said in answers]

    def decide(self, row: Sequence[Number]) -> str | None:
        """See the contract."""
        signature = self._model.signature
        values = [number.value for number in row if number.output.startswith("prediction")]
        if signature.task == "multiclass" and len(values) == len(signature.classes):
            return signature.classes[int(np.argmax(values))]
        if signature.task == "binary" and signature.threshold is not None and len(values) == 1:
            return signature.classes[int(values[0] >= signature.threshold)]
        return None

    def _read(self, question: Question, *, same_input: bool) -> _Read | Unanswerable:
        """The recorded request through the gateway's own reader."""
        header, recorded = question.payload.header, question.payload
        try:
            operation = ProtocolNumber(question.entry.get(Key.PROTOCOL))
            kind = header[Header.CONTENT_TYPE].encode("latin-1") or JSON
            encoding = header.get(Header.CONTENT_ENCODING)
            raw = encoding.encode("latin-1") if encoding is not None else None
            length = header.get(Header.INFERENCE_LENGTH)
            body = content_of(recorded.request, operation, kind, raw, MAX_BODY)
            query = read_query(body, operation, length, self._reader)
        except GatewayError as error:
            return Unanswerable(f"input: the recorded request is refused now: {error}", replayable=same_input)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            return Unanswerable(f"payload: its header is not a gateway's ({error!r})")
        if same_input:
            if query.rows.packed != recorded.input:
                return Unanswerable("input: the recorded request makes another model input now")
            if header.get(Header.INPUT) != [self._model.schema_hash, query.rows.height, self._reader.width]:
                return Unanswerable("input: it was recorded for another signature")
        return _Read(query, np.frombuffer(query.rows.packed, np.float32).reshape(query.rows.height, -1))

    def _predict(
        self, questions: Sequence[Question], read: Sequence[_Read | Unanswerable], *, joined: bool
    ) -> list[Rows | Unanswerable]:
        """Answers [rows] or [rows, outputs] of each question; `joined`: many in one call, else as recorded."""
        answers: list[Rows | Unanswerable | None] = [
            one if isinstance(one, Unanswerable) else None for one in read
        ]
        for members in self._calls(questions, read, answers, joined=joined):
            self._call(members, read, answers)
        return [one if one is not None else Unanswerable("the model was not asked") for one in answers]

    def _calls(
        self,
        questions: Sequence[Question],
        read: Sequence[_Read | Unanswerable],
        answers: list[Rows | Unanswerable | None],
        *,
        joined: bool,
    ) -> list[_Call]:
        """Which questions are predicted together, and where in the batch each stands."""
        calls: list[_Call] = []
        batches: dict[tuple[bytes, int, int], _Call] = {}
        for number, (question, one) in enumerate(zip(questions, read, strict=True)):
            if isinstance(one, Unanswerable):
                continue
            height = one.query.rows.height
            name = question.batch
            if joined or name is None:
                if not calls or not joined or calls[-1].size + height > CALL_ROWS:
                    calls.append(_Call(0, []))
                calls[-1].places.append((number, calls[-1].size))
                calls[-1].size += height
                continue
            _, size, position = question.entry.fields[Key.BATCH]
            if position + height > size or size > max(MAX_BATCH, height):
                answers[number] = Unanswerable(f"batch: rows {position} … of {size} cannot hold {height}")
                continue
            call = batches.get(name)
            if call is None:
                call = batches[name] = _Call(size, [])
                calls.append(call)
            call.places.append((number, position))
        return calls

    def _call(
        self, call: _Call, read: Sequence[_Read | Unanswerable], answers: list[Rows | Unanswerable | None]
    ) -> None:
        parts: list[tuple[int, int, Rows]] = []
        for number, position in call.places:
            one = read[number]
            assert not isinstance(one, Unanswerable)
            parts.append((number, position, one.rows))
        try:
            said = self._model.predict(_join(call.size, parts))
        # Whatever a runtime raises: what it answered then, it does not answer now.
        except Exception as error:  # noqa: BLE001
            for number, _ in call.places:
                answers[number] = Unanswerable(f"the model failed: {str(error)[:200]}")
            return
        for number, position, rows in parts:
            answers[number] = said[position : position + rows.shape[0]]

    def _write(self, question: Question, read: _Read | Unanswerable, answers: Rows) -> bytes | Unanswerable:
        assert not isinstance(read, Unanswerable)
        query, entry = read.query, question.entry
        if query.protocol != entry.fields[Key.PROTOCOL]:
            return Unanswerable(f"input: protocol {query.protocol} now, {entry.fields[Key.PROTOCOL]} then")
        if query.protocol == ProtocolNumber.V1_EXPLAIN:
            try:
                contributions = self._model.explain(read.rows)
            except NotExplainable as error:
                return Unanswerable(f"explanation: {error}", replayable=False)
            return v1.encode_explanation(self._model.signature, read.rows, answers, contributions).body
        service = orjson.dumps(entry.fields[Key.SERVICE])
        return write(query, answers, service, self._digest, entry.get(Key.REQUEST_ID)).body


class _Call:
    """One call of the model: rows, and (question, first row) of each that is in it."""

    __slots__ = ("places", "size")

    def __init__(self, size: int, places: list[tuple[int, int]]) -> None:
        self.size = size
        self.places = places


def _join(size: int, parts: Sequence[tuple[int, int, Rows]]) -> Rows:
    """Rows [size, width]. Places that nothing is known of hold the first row, as the gateway's padding does."""
    first = parts[0][2]
    if len(parts) == 1 and first.shape[0] == size:
        return first
    if sum(rows.shape[0] for _, _, rows in parts) == size:
        return np.concatenate([rows for _, _, rows in sorted(parts, key=lambda part: part[1])])
    batch = np.empty((size, first.shape[1]), np.float32)
    batch[:] = first[0]
    for _, position, rows in parts:
        batch[position : position + rows.shape[0]] = rows
    return batch
