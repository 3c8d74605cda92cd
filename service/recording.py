"""From an exchange to its record: what entry and payload of an answer hold (docs/record-format.md)."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Final

from audit.errors import JournalFull
from audit.proof.cbor import data, text, uint
from audit.proof.encryption import ENCRYPTED, PLAIN
from audit.proof.entry import Kind

from . import payload
from .batching import Predicted
from .call import Call
from .errors import PROBLEM_JSON, GatewayError, Invalid, Refused, problem_of
from .models import Served
from .protocol.base import Query, Reply

JSON: Final = b"application/json"
BINARY: Final = b"application/octet-stream"
PROBLEM: Final = PROBLEM_JSON.encode()
_TYPES: Final = {kind: payload.response_type_of(kind.decode()) for kind in (JSON, BINARY, PROBLEM)}
_INFERENCE: Final = int(Kind.INFERENCE)
_SERVICE_BYTES: Final = 128
_ALWAYS: Final = 11
"""Keys of an answer's entry that are always there, beside the journal's own: 6 to 10, 14 to 17, 19 and 22."""


def accept(call: Call, body: bytes) -> int:
    """Add the request frame to the next group; a crash from here on leaves an aborted entry."""
    gate = call.gate
    header, frame = payload.request_frame(
        call.head, body, call.inference_length, gate.payload_key, gate.nonces
    )
    return gate.recorder.accept_encoded(header, frame, call.arrived)


def append_answer(
    call: Call, served: Served, query: Query, predicted: Predicted, reply: Reply, *, ticket: int = 0
) -> asyncio.Future[str]:
    """Give the record of an answer to the journal; the future resolves when it is durable."""
    loaded, rows, gate = served.loaded, query.rows, call.gate
    key = gate.payload_key
    raw = payload.encode(
        gate.salts.next(),
        call.head,
        request=call.body,
        response=reply.body,
        response_type=_TYPES[JSON if reply.inference_length is None else BINARY],
        model_input=rows.packed,
        schema=loaded.schema,
        rows=rows.height,
        columns=loaded.reader.width,
        inference_length=call.inference_length,
        response_inference_length=reply.inference_length,
        key=key,
        nonces=gate.nonces,
    )
    ticket = ticket or call.ticket
    count, caller, unknown, suite = _ALWAYS, b"", b"", b"\x11\x00"
    if key is not None:
        count, suite = count + 1, b"\x11\x01\x12\x50" + key.id
    if call.caller is not None:
        count, caller = count + 1, b"\x0b" + data(call.caller)
    if call.subject is not None:
        count, caller = count + 1, caller + b"\x0c" + data(call.subject)
    if call.request_id is not None:
        count, caller = count + 1, caller + b"\x0d" + text(call.request_id)
    if rows.unknown:
        count, unknown = count + 1, b"\x15" + uint(rows.unknown)
    fields = b"\x06%b%b%b\x0e\x83%b%b%b\x0f\x58\x20%b\x10%b%b\x13%b%b\x16%b" % (
        uint(call.arrived), served.fields, caller,
        uint(predicted.batch), uint(predicted.size), uint(predicted.position),
        sha256(raw).digest(), uint(len(raw)), suite, uint(query.protocol), unknown, uint(ticket),
    )  # fmt: skip
    try:
        return gate.recorder.append_encoded(_INFERENCE, count, fields, raw, ticket)
    except JournalFull:
        call.ticket = ticket
        gate.debts.owe(call)
        raise


def append_refusal(call: Call, error: GatewayError, body: bytes) -> asyncio.Future[str]:
    """Give the record of a request that was not answered with 200 to the journal.

    An `Invalid` one is recorded in full. Of others hash and length stand for the body: nobody has shown yet
    that its content has any business here, or it stands in the request frame.
    """
    problem = problem_of(error)
    brief = not isinstance(error, Invalid)
    if not call.ticket:
        call.ticket = accept(call, b"" if brief else call.body)
    oversize = call.received or ((sha256(call.body).digest(), len(call.body)) if brief else None)
    key = call.gate.payload_key
    if key is not None and oversize is not None:
        oversize = key.digest(oversize[0]), oversize[1]
    raw = payload.encode(
        call.gate.salts.next(),
        call.head,
        request=b"" if brief else call.body,
        response=body,
        response_type=_TYPES[PROBLEM],
        inference_length=call.inference_length,
        oversize=oversize,
        key=key,
        nonces=call.gate.nonces,
    )
    fields: dict[int, object] = {0: _INFERENCE, 6: call.arrived, 7: cut(call.route.service, _SERVICE_BYTES)}
    if call.served is not None:
        fields[8] = call.served.loaded.digest_bytes
        fields[9] = call.served.slot
    fields[10] = problem.status
    if call.caller is not None:
        fields[11] = call.caller
    if call.subject is not None:
        fields[12] = call.subject
    if call.request_id is not None:
        fields[13] = call.request_id
    fields |= {
        15: sha256(raw).digest(),
        16: len(raw),
        17: PLAIN if key is None else ENCRYPTED,
        19: int(call.query.protocol if call.query is not None else call.route.operation),
        22: call.ticket,
        23: problem.type,
    }
    if key is not None:
        fields[18] = key.id
    try:
        return call.gate.recorder.append(fields, raw, call.ticket)
    except JournalFull:
        if isinstance(error, Refused | Invalid):  # else it is the debt itself that is tried again
            call.gate.debts.owe(call)
        raise


def cut(value: str, limit: int) -> str:
    """Text of at most `limit` bytes of UTF-8."""
    return (
        value if len(value) * 4 <= limit else value.encode(errors="replace")[:limit].decode(errors="ignore")
    )


def worth_recording(call: Call, error: GatewayError) -> bool:
    """Whether a refusal is recorded, or only counted: strangers must not be able to fill the disk."""
    return isinstance(error, Invalid) or (isinstance(error, Refused) and call.gate.brief.take())
