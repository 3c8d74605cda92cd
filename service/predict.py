"""THE path of a prediction: `answer` is all of it. What it calls are the steps' details."""

from __future__ import annotations

import asyncio
from typing import Final

import numpy as np
import structlog

from audit.errors import JournalError, JournalFull, NotReleased
from audit.proof.entry import Protocol as ProtocolNumber
from registry.errors import NotExplainable

from .batching import Predicted
from .call import Call, Gate, Receive, Route, Scope, Send
from .errors import (
    BodyTooLarge,
    Disconnected,
    GatewayError,
    Invalid,
    MethodNotAllowed,
    NoRecord,
    NotExplained,
    PredictionFailed,
    Refused,
    Unauthenticated,
    Unavailable,
    WrongSubject,
    problem_body,
    problem_of,
)
from .models import Served
from .protocol import v1, write
from .protocol.base import Query, Reply
from .reading import admit, parse, pin, read_body, read_subject
from .recording import BINARY, JSON, PROBLEM, accept, append_answer, append_refusal, worth_recording

log = structlog.get_logger("affiant.gateway")

Header = tuple[bytes, bytes]
# A member of an enum costs 125 ns to look up in Python 3.11, and this is the hot path.
_EXPLAIN: Final = ProtocolNumber.V1_EXPLAIN


async def answer(gate: Gate, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request of a prediction path.

    MUST NOT send a byte of an answer before its record is durable; docs/gateway.md lists what is only counted
    and has none.
    """
    call = Call(gate, route, scope)
    gate.in_work += 1
    answered = False
    try:
        if delay := admit(call):
            await asyncio.sleep(delay)
        call.caller = gate.keys.authenticate(call.headers, scope)
        call.subject = read_subject(call)
        call.body = await read_body(call, receive)
        call.served = served = pin(call)
        call.query = query = parse(call, served)
        call.step("parse")
        call.ticket = accept(call, call.body)
        predicted = await served.loaded.batcher.submit(query.rows)
        reply = await encode(call, served, query, predicted)
        call.step("predict")
        record = await append_answer(call, served, query, predicted, reply)
        call.step("journal", record)
        await send_answer(send, served, reply, record)
        finish(call, 200, recorded=True)
        answered = True
    except (GatewayError, JournalError) as error:
        await fail(call, error, send)
    # A defect of ours: the client is told that much, the log has the rest, the record says that it happened.
    except Exception as error:
        log.exception("a request failed in a way that nobody expected", service=route.service)
        await fail(call, PredictionFailed("the gateway failed; its log says why"), send, cause=error)
    finally:
        gate.in_work -= 1
    # Outside of the try: what goes wrong with a shadow MUST NOT be told to a client that has its answer.
    if answered and route.plan is not None and route.plan.shadows and gate.shadows is not None:
        gate.shadows.show(call, route.plan)


async def encode(call: Call, served: Served, query: Query, predicted: Predicted) -> Reply:
    """The answer's body, in the request's protocol."""
    loaded = served.loaded
    if query.protocol != _EXPLAIN:
        plan = call.route.plan
        assert plan is not None
        return write(query, predicted.answers, plan.name_json, loaded.digest_json, call.request_id)
    rows = np.frombuffer(query.rows.packed, np.float32).reshape(query.rows.height, -1)
    try:
        contributions = await call.gate.explain(served, rows)
    except NotExplainable as error:
        raise NotExplained(str(error)) from error
    return v1.encode_explanation(loaded.signature, rows, predicted.answers, contributions)


async def send_answer(send: Send, served: Served, reply: Reply, record: str) -> None:
    """200 with the record id and the model's digest."""
    body = reply.body
    headers: list[Header] = [
        (b"content-type", JSON if reply.inference_length is None else BINARY),
        (b"content-length", b"%d" % len(body)),
        (b"affiant-record", record.encode()),
        served.loaded.header,
    ]
    if reply.inference_length is not None:
        headers.append((b"inference-header-content-length", b"%d" % reply.inference_length))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def fail(call: Call, error: Exception, send: Send, cause: Exception | None = None) -> None:
    """Answer with a problem, recorded or only counted, as docs/gateway.md says."""
    if isinstance(error, JournalError):
        error = no_record(error)
    assert isinstance(error, GatewayError)
    if isinstance(error, Disconnected):
        count_only(call, "disconnected")
        return
    if isinstance(error, PredictionFailed) and (error.__cause__ or cause) is not None:
        log.error("a prediction failed", service=call.route.service, cause=repr(error.__cause__ or cause))
    body, record = problem_body(error, call.target), None
    if isinstance(error, Refused | Invalid) and worth_recording(call, error):
        try:
            record = await append_refusal(call, error, body)
        except JournalError as failure:
            error = no_record(failure)
            body = problem_body(error, call.target)
    if record is None:
        count_only(call, problem_of(error).slug)
    await send_problem(call, error, body, record, send)
    finish(call, problem_of(error).status, recorded=record is not None)


def no_record(error: JournalError) -> NoRecord:
    """The journal's failure as what the client is told."""
    if isinstance(error, JournalFull):
        return NoRecord("the journal takes no record now: it is full", int(error.retry_after) + 1)
    if isinstance(error, NotReleased):
        return NoRecord(f"the answer is held back: {error}", 5)
    return NoRecord(f"the answer could not be recorded: {type(error).__name__}", 5)


def count_only(call: Call, reason: str) -> None:
    """An exchange that gets no record of its own: in the journal's next signed entry, and in the metrics."""
    call.gate.recorder.count(reason)
    service, digest = known_of(call)
    call.gate.metrics.count(reason, service, digest)


def known_of(call: Call) -> tuple[str, str]:
    """Service and digest as labels: a path that names no service of the plan is nobody's."""
    return (
        call.route.service if call.route.plan is not None else "",
        call.served.loaded.digest if call.served is not None else "",
    )


async def send_problem(call: Call, error: GatewayError, body: bytes, record: str | None, send: Send) -> None:
    """The problem details of a failure, and the headers that go with it."""
    headers: list[Header] = [(b"content-type", PROBLEM), (b"content-length", b"%d" % len(body))]
    if record is not None:
        headers.append((b"affiant-record", record.encode()))
    if call.served is not None:
        headers.append(call.served.loaded.header)
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    elif isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allow.encode()))
    elif isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, BodyTooLarge | Unauthenticated | Unavailable | WrongSubject):
        # What the client has not sent yet will not be read.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": problem_of(error).status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def finish(call: Call, status: int, *, recorded: bool) -> None:
    """Count the answer; export the spans of a sampled one."""
    gate = call.gate
    if recorded:
        gate.metrics.recorded(status)
    gate.metrics.answered(*known_of(call), status, gate.timer() - call.started)
    if call.steps is not None and gate.spans is not None:
        gate.spans.finish(call, status)
