"""From the wire to a validated query: the request's headers, body, encoding and content."""

from __future__ import annotations

import math
import zlib
from hashlib import sha256
from typing import Final

from audit.journal.admission import OPEN, Door
from audit.proof.bodies import WINDOW_BITS
from audit.proof.entry import Protocol as ProtocolNumber
from audit.subjects import NoSubject

from .call import Call, Receive
from .errors import (
    BodyTooLarge,
    Disconnected,
    NoRecord,
    NotReady,
    Overloaded,
    Unparseable,
    UnsupportedEncoding,
    UnsupportedMediaType,
    WrongSubject,
    quote,
)
from .models import Served
from .protocol import v1, v2
from .protocol.base import Query, check_request_id
from .rows import RowReader

_WINDOW_BITS: Final = {name.encode(): bits for name, bits in WINDOW_BITS.items()}
JSON: Final = b"application/json"
BINARY: Final = b"application/octet-stream"
SUBJECT: Final = b"affiant-subject"
V2: Final = frozenset({ProtocolNumber.V2_INFER, ProtocolNumber.V2_INFER_BINARY})


def admit(call: Call) -> float:
    """Seconds that the request should wait, 0 as a rule.

    Raises:
        Overloaded, NoRecord, NotReady: nothing of the request was read.
    """
    gate = call.gate
    if gate.stopping:
        raise NotReady("the gateway is stopping", retry_after=5)
    if gate.in_work > gate.max_queue:
        raise Overloaded(f"{gate.max_queue} requests are in work")
    admission = gate.recorder.admission()
    if admission is OPEN:
        return 0.0
    if admission.door in (Door.FULL, Door.FAILED):
        raise NoRecord(
            f"the journal takes no record now: {admission.reason}", math.ceil(admission.retry_after)
        )
    return admission.delay


def read_subject(call: Call) -> bytes | None:
    """The pseudonym of whom the request is about; None: it names nobody.

    The id itself MUST NOT get anywhere from here. No pseudonym is remembered: it costs a few microseconds, and what
    was remembered would be a list of persons.

    Raises:
        WrongSubject: it is none, there are several, or there is no key: a record without it could not be found by it.
    """
    given = call.headers.get(SUBJECT)
    if given is None:
        return None
    keys = call.gate.subjects
    if not keys.keys:
        raise WrongSubject("this gateway has no key for subjects ([gateway] subject_keys_file)")
    if sum(name == SUBJECT for name, _ in call.scope["headers"]) > 1:
        raise WrongSubject("Affiant-Subject is there twice; a request is about one")
    try:
        return keys.pseudonym(given)
    except NoSubject as error:
        raise WrongSubject(f"Affiant-Subject: {error}") from None


async def read_body(call: Call, receive: Receive) -> bytes:
    """The whole body, as received.

    Raises:
        BodyTooLarge: after reading no more than was needed to know; carries hash and length of that.
        Disconnected: the client went away.
    """
    limit = call.gate.max_body
    declared = call.headers.get(b"content-length")
    if declared is not None and len(declared) > len(str(limit)) and call.headers.get(b"expect"):
        # The client asks before it sends: it is told without having sent anything.
        raise _too_large(call, b"", limit)
    message = await receive()
    if message["type"] != "http.request":
        raise Disconnected
    body: bytes = message["body"]
    if message.get("more_body"):
        parts, size = [body], len(body)
        while size <= limit:
            message = await receive()
            if message["type"] != "http.request":
                raise Disconnected
            parts.append(message["body"])
            size += len(message["body"])
            if not message.get("more_body"):
                break
        body = b"".join(parts)
    if len(body) > limit:
        raise _too_large(call, body, limit)
    return body


def _too_large(call: Call, body: bytes, limit: int) -> BodyTooLarge:
    call.received = (sha256(body).digest(), len(body))
    return BodyTooLarge(f"the body is over {limit} bytes")


def pin(call: Call) -> Served:
    """The model that answers this request, from the map as it is now.

    Raises:
        UnknownService, UnknownVersion, MethodNotAllowed: what the route says.
    """
    route = call.route
    if route.refusal is not None:
        raise route.refusal()
    if (given := call.headers.get(b"x-request-id")) is not None:
        call.request_id = check_request_id(given.decode("latin-1"))
    if route.version is not None:
        return route.version
    assert route.plan is not None
    return route.plan.lone or route.plan.choose(split_key(call))


def split_key(call: Call) -> str | None:
    """By what a request falls to live or a canary: the caller's own key where there is one, else the request's id.

    Raises:
        Unparseable: the key is over 128 bytes, or has control characters.
    """
    if (given := call.headers.get(b"affiant-split")) is not None:
        return check_request_id(given.decode("latin-1"))
    return call.request_id


def parse(call: Call, served: Served) -> Query:
    """Read and validate the content.

    Raises:
        Refused: the body cannot be read.
        Invalid: its content is not what the model takes.
    """
    headers, operation = call.headers, call.route.operation
    body = content(
        call.body,
        operation,
        headers.get(b"content-type", JSON),
        headers.get(b"content-encoding"),
        call.gate.max_body,
    )
    if operation in V2 and (length := headers.get(b"inference-header-content-length")) is not None:
        call.inference_length = read_length(length)
    query = read_query(body, operation, call.inference_length, served.loaded.reader)
    if query.request_id is not None:
        call.request_id = query.request_id
    return query


# The two halves of `parse` know no call: a replay reads a recorded request with them (replaying.py).


def content(body: bytes, operation: ProtocolNumber, kind: bytes, encoding: bytes | None, limit: int) -> bytes:
    """The body without its encoding, when its type is one that the operation reads.

    Args:
        body: as received.
        operation: the path's.
        kind: Content-Type; JSON where there was none.
        encoding: Content-Encoding, None where there was none.
        limit: bytes of the inflated body, at most.

    Raises:
        UnsupportedEncoding, Unparseable, BodyTooLarge, UnsupportedMediaType.
    """
    if encoding is not None:
        body = inflate(body, encoding.strip().lower(), limit)
    if kind != JSON:  # which every operation reads
        kinds = (JSON, BINARY) if operation in V2 else (JSON,)
        if kind not in kinds:
            check_type(kind, kinds)
    return body


def read_query(
    body: bytes, operation: ProtocolNumber, inference_length: int | None, reader: RowReader
) -> Query:
    """The body's rows, in the protocol of the path.

    Args:
        body: what `content` gave.
        operation: the path's.
        inference_length: Inference-Header-Content-Length; V2 alone reads it.
        reader: of the model's signature.

    Raises:
        Unparseable, Invalid.
    """
    if operation in V2:
        return v2.parse(body, inference_length, reader)
    return v1.parse(body, reader, operation)


def check_type(given: bytes, wanted: tuple[bytes, ...]) -> None:
    """The media type without its parameters, which JSON does not have."""
    if given.partition(b";")[0].strip().lower() not in wanted:
        raise UnsupportedMediaType(
            f"Content-Type is {quote(given.decode('latin-1'))}; "
            f"{' or '.join(kind.decode() for kind in wanted)} is read here"
        )


def read_length(given: bytes) -> int:
    """Inference-Header-Content-Length."""
    if not given.isdigit() or len(given) > 12:
        raise Unparseable(
            f"Inference-Header-Content-Length is {quote(given.decode('latin-1'))}, which is no length"
        )
    return int(given)


def inflate(body: bytes, encoding: bytes, limit: int) -> bytes:
    """A compressed body's content, of at most `limit` bytes: a few bytes can stand for gigabytes.

    Raises:
        UnsupportedEncoding, Unparseable, BodyTooLarge.
    """
    if encoding in (b"", b"identity"):
        return body
    bits = _WINDOW_BITS.get(encoding)
    if bits is None:
        raise UnsupportedEncoding(
            f"Content-Encoding is {quote(encoding.decode('latin-1'))}; read are identity, gzip and deflate"
        )
    machine = zlib.decompressobj(bits)
    try:
        content = machine.decompress(body, limit + 1)
    except zlib.error as error:
        raise Unparseable(f"the body is not {encoding.decode()}: {error}") from None
    if len(content) > limit:
        raise BodyTooLarge(f"the body is over {limit} bytes when inflated")
    if not machine.eof or machine.unused_data:
        raise Unparseable(f"the body is not one whole {encoding.decode()} stream")
    return content
