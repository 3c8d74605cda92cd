"""Payloads of one package's answers, packed: what the model was given and what it answered, as matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audit.proof import cbor
from audit.proof.encryption import ENCRYPTED, PLAIN, NoKey, decrypted
from audit.proof.entry import Protocol
from audit.proof.errors import FormatError, NotProved
from audit.proof.record import MAX_PAYLOAD_HEADER, SALT_SIZE, Header, header_of

from .answers import read_binary, read_v1, read_v2
from .external import External, Opener
from .heads import Heads
from .packages import Profile
from .reasons import Reason

MAX_PAYLOAD: Final = 64 << 20
"""Larger ones are not fetched from the object store: no gateway takes such a request."""
_TOGETHER: Final = 16 << 20
"""Bytes of inputs that are held at once, one record more."""
_HEADS: Final = 4096
_USUAL_HEAD: Final = 512
"""Longer headers are not remembered."""
_HEAD: Final = SALT_SIZE + 4
_V1: Final = int(Protocol.V1_PREDICT)
_V2: Final = frozenset((int(Protocol.V2_INFER), int(Protocol.V2_INFER_BINARY)))


@dataclass(frozen=True, slots=True)
class Block:
    """Answers of one package, in the order of their places."""

    places: NDArray[np.int64]
    """[requests], ascending."""
    rows: NDArray[np.int64]
    """[requests]: how many rows of the matrices are each request's."""
    inputs: NDArray[np.float32]
    """[n, width]"""
    scores: NDArray[np.float32]
    """[n, outputs]"""


class _Parts(NamedTuple):
    """What a payload's header says: where the parts behind it begin, counted from the payload's first byte."""

    response: int
    input: int
    end: int
    schema: bytes
    rows: int
    columns: int
    inference: int | None
    whole: bool
    """Whether the input has as many bytes as its rows and columns say."""


_MALFORMED: Final = _Parts(0, 0, -1, b"", 0, 0, None, whole=False)
"""Of what is no header: no payload ends there."""


class BlockReader:
    """Reads payloads; remembers the headers that it met. For one thread."""

    def __init__(self, external: External | None) -> None:
        """`external` has what is not in the log; None: such payloads are counted as absent, or encrypted."""
        self._fetched: Final = None if external is None else external.fetch
        self.opener: Final = Opener(external)
        """Of whatever is read of the same batches beside these payloads: its keys are looked for once."""
        self._known: dict[bytes, _Parts] = {}

    def read(
        self, heads: Heads, places: NDArray[np.int64], profile: Profile
    ) -> Iterator[Block | tuple[int, Reason]]:
        """Answers of one package, and why some of them cannot be counted.

        Args:
            heads: of the batch.
            places: of answers of this package, ascending.
            profile: the package's.

        Raises:
            LogUnavailable: the object store does not answer now, or newer keys cannot be had.
        """
        digests = heads.digest[places].view("V32").ravel().tolist()
        protocols, suites = heads.protocol[places].tolist(), heads.suite[places].tolist()
        payloads = [heads.payloads[at] for at in places.tolist()]
        found = [sha256(payload).digest() for payload in payloads]
        self.opener.look_again()
        known, opened = self._known, _Open(profile)
        for at, payload, sum_, digest, protocol, suite in zip(
            places.tolist(), payloads, found, digests, protocols, suites, strict=True
        ):
            if sum_ != digest:
                fetched = self._fetch(heads, at, digest) if not payload and heads.length[at] else Reason.WRONG
                if isinstance(fetched, Reason):
                    yield at, fetched
                    continue
                payload = fetched  # noqa: PLW2901 - what the record stands for
            if suite == PLAIN:
                # Clients repeat themselves: to find a header costs a tenth of reading it strictly.
                head = payload[_HEAD : _HEAD + int.from_bytes(payload[SALT_SIZE:_HEAD], "big")]
                parts = known.get(head) or self._learn(head)
            elif isinstance(plain := self._plain(payload, suite), Reason):
                yield at, plain
                continue
            else:
                payload = plain  # noqa: PLW2901 - what it hides; its header has a nonce, and is met once
                parts = _read_head(header_of(payload)[0])
            wrong = opened.take(at, payload, protocol, parts)
            if wrong is not None:
                yield at, wrong
            elif opened.size >= _TOGETHER:
                yield opened.close()
                opened = _Open(profile)
        if opened.places:
            yield opened.close()

    def _fetch(self, heads: Heads, at: int, digest: bytes) -> bytes | Reason:
        if not heads.external[at] or self._fetched is None:
            return Reason.ABSENT
        if heads.length[at] > MAX_PAYLOAD:
            return Reason.LARGE
        found = self._fetched(digest)
        if found is None:
            return Reason.ABSENT
        return found if sha256(found).digest() == digest else Reason.WRONG

    def _plain(self, payload: bytes, suite: int) -> bytes | Reason:
        """As it was before it was encrypted; else why not."""
        if suite != ENCRYPTED:
            return Reason.ENCRYPTED
        try:
            return self.opener.open(lambda keys: decrypted(payload, keys))
        except NoKey:
            return Reason.ENCRYPTED
        except (FormatError, NotProved):
            return Reason.PAYLOAD

    def _learn(self, head: bytes) -> _Parts:
        """Of the header alone, never of what stands behind it: it is remembered."""
        parts = _read_head(head)
        if len(head) <= _USUAL_HEAD:
            if len(self._known) >= _HEADS:
                self._known.clear()
            self._known[head] = parts
        return parts


def _read_head(head: bytes) -> _Parts:
    """One that names no input is of a schema that nobody has."""
    if len(head) > MAX_PAYLOAD_HEADER:
        return _MALFORMED
    try:
        fields = cbor.decode(head)
    except FormatError:
        return _MALFORMED
    if not isinstance(fields, dict) or fields.get(Header.COMPRESSION) != 0:
        return _MALFORMED
    lengths = fields.get(Header.LENGTHS)
    if not isinstance(lengths, list) or len(lengths) != 3 or any(type(each) is not int for each in lengths):
        return _MALFORMED
    inference = fields.get(Header.RESPONSE_INFERENCE_LENGTH)
    if inference is not None and type(inference) is not int:
        return _MALFORMED
    schema, rows, columns = _read_input(fields.get(Header.INPUT))
    response = _HEAD + len(head) + lengths[0]
    given = response + lengths[1]
    whole = lengths[2] == 4 * rows * columns and rows > 0
    return _Parts(response, given, given + lengths[2], schema, rows, columns, inference, whole)


def _read_input(said: Any) -> tuple[bytes, int, int]:
    match said:
        case [bytes(schema), int(rows), int(columns)] if rows is not True and columns is not True:
            return schema, rows, columns
    return b"", 0, 0


class _Open:
    """A block that is being filled."""

    def __init__(self, profile: Profile) -> None:
        self.places: list[int] = []
        self.size = 0
        self._rows: list[int] = []
        self._inputs: list[bytes] = []
        self._scores: list[float] = []
        self._schema: Final = profile.schema
        self._width: Final = profile.width
        self._outputs: Final = len(profile.reference.scores)

    def take(self, at: int, payload: bytes, protocol: int, parts: _Parts) -> Reason | None:
        """One more request; else why not."""
        response_at, input_at, end, schema, rows, columns, inference, whole = parts
        if end != len(payload):
            return Reason.PAYLOAD
        if schema != self._schema or columns != self._width:
            return Reason.SCHEMA
        if not whole:
            return Reason.PAYLOAD
        response = payload[response_at:input_at]
        if protocol == _V1:
            scores = read_v1(response, rows, self._outputs)
        elif protocol not in _V2:
            scores = None
        elif inference is None:
            scores = read_v2(response, rows, self._outputs)
        else:
            scores = read_binary(response, inference, rows, self._outputs)
        if scores is None:
            return Reason.ANSWER
        self.places.append(at)
        self._rows.append(rows)
        self._inputs.append(payload[input_at:])
        self._scores += scores
        self.size += end - input_at
        return None

    def close(self) -> Block:
        """All of them."""
        inputs = np.frombuffer(b"".join(self._inputs), "<f4").reshape(-1, self._width)
        with np.errstate(over="ignore"):  # what no float32 can hold is infinite, and counted so
            scores = np.array(self._scores, np.float64).astype(np.float32)
        return Block(
            np.array(self.places, np.int64),
            np.array(self._rows, np.int64),
            inputs,
            scores.reshape(-1, self._outputs),
        )
