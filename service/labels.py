"""`POST /v1/models/NAME:label`: what came of predictions, durable in the journal before the answer.

    1 admit      as a prediction: room in the queue and in the journal
    2 read       key, body
    3 check      one label, or a list of at most `MAX_LABELS`: all are right, or none is taken
    4 append     one entry a label (audit/labels.py)
    5 answer     200, with the id of each entry, once all are durable

The gateway does not look for the predictions: whoever reads the log does. A label is no exchange: it has no request
frame, so a crash leaves either its entry or nothing, and a client without an answer says it again: that counts once.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
import structlog

from audit.errors import JournalError
from audit.labels import MAX_ROW, MAX_TEXT, NoLabel, Told, labelled, told
from audit.proof.entry import Protocol as ProtocolNumber

from .call import Call, Gate, Receive, Route, Scope, Send
from .errors import (
    Disconnected,
    GatewayError,
    InvalidLabel,
    MethodNotAllowed,
    NotReady,
    TooManyLabels,
    UnknownService,
    Unparseable,
    problem_body,
    quote,
)
from .models import Plan
from .predict import no_record, send_problem
from .reading import JSON, admit, content, read_body, read_subject

log = structlog.get_logger("affiant.gateway")

MAX_LABELS: Final = 1000
"""Of one request."""
MEMBERS: Final = ("record", "request_id", "label", "row", "time")
"""Of one label."""
REFUSED: Final = "label-refused"
"""How a refused request for labels is counted."""
_AT_ONCE: Final = 50
_START: Final = "/v1/models/"
_END: Final = ":label"


def service_of(path: str) -> str | None:
    """The service in the path of a label; None: it is no such path."""
    if not path.startswith(_START) or not path.endswith(_END):
        return None
    name = path[len(_START) : -len(_END)]
    return name if name and "/" not in name and ":" not in name else None


async def take(gate: Gate, service: str, plan: Plan, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request on the path of labels.

    MUST NOT answer 200 before every label of the request is durable. Of a request that is refused as a whole none is
    taken; of one that is answered 503 some may be in the log.
    """
    call = Call(gate, Route(service, ProtocolNumber.V1_PREDICT, plan.get(service)), scope)
    gate.in_work += 1
    try:
        if delay := admit(call):
            await asyncio.sleep(delay)
        call.caller = gate.keys.authenticate(call.headers, scope)
        call.subject = read_subject(call)
        call.body = await read_body(call, receive)
        _check_route(call, plan)
        said = read(call)
        entries = await append(call, said)
        await _answer(said, entries, send)
        gate.metrics.labelled(service, len(said))
    except (GatewayError, JournalError) as error:
        await _refuse(call, error, send)
    except Exception:  # a defect of ours: the client is told that much, our log has the rest
        log.exception("labels failed in a way that nobody expected", service=service)
        await _refuse(call, NotReady("the gateway failed; its log says why", 5), send)
    finally:
        gate.in_work -= 1


def _check_route(call: Call, plan: Plan) -> None:
    if call.route.plan is None:
        if not plan:
            raise NotReady("no model is loaded yet", 5)
        raise UnknownService(f"there is no service {quote(call.route.service)}")
    if call.scope["method"] != "POST":
        raise MethodNotAllowed(f"{quote(call.scope['method'])} is not answered here; POST is", "POST")


def read(call: Call) -> list[Told]:
    """The labels of the body: one object, or a list of them.

    Raises:
        Refused: the body cannot be read.
        InvalidLabel: one of them is none; `row` is its place in the list.
        TooManyLabels: or none at all.
    """
    headers = call.headers
    body = content(
        call.body,
        ProtocolNumber.V1_PREDICT,
        headers.get(b"content-type", JSON),
        headers.get(b"content-encoding"),
        call.gate.max_body,
    )
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unparseable(f"the body is not JSON: {error}") from None
    if type(given) is not list:
        return [_label(given, None, call.arrived)]
    if not 1 <= len(given) <= MAX_LABELS:
        raise TooManyLabels(f"{len(given)} labels; a request may have 1 to {MAX_LABELS}")
    return [_label(one, at, call.arrived) for at, one in enumerate(given)]


def _label(given: Any, at: int | None, now: int) -> Told:
    if type(given) is not dict:
        raise InvalidLabel("a label must be a JSON object", None, at)
    for name in given:
        if name not in MEMBERS:
            raise InvalidLabel(
                f"a label has no member {quote(name)}; it may have {', '.join(MEMBERS)}", None, at
            )
    try:
        return told(**given, now=now)
    except NoLabel as error:
        raise InvalidLabel(str(error), error.member, at) from error


async def append(call: Call, said: list[Told]) -> list[str]:
    """Give them to the journal, and wait until all are durable; the ids of their entries.

    Raises:
        JournalError: some may be there, or come to be.
    """
    gate = call.gate
    pending: list[asyncio.Future[str]] = []
    try:
        for at, one in enumerate(said, start=1):
            key = None if gate.payload_key is None else (gate.payload_key, gate.nonces.next())
            fields, payload = labelled(
                one,
                call.route.service,
                gate.salts.next(),
                call.arrived,
                caller=call.caller,
                subject=call.subject,
                key=key,
            )
            pending.append(gate.recorder.append(fields, payload))
            if at % _AT_ONCE == 0:
                await asyncio.sleep(0)  # predictions have their turn
        return list(await asyncio.gather(*pending))
    except JournalError:
        # Those that were taken are not waited for: the client says them again.
        for future in pending:
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
        raise


async def _answer(said: list[Told], entries: list[str], send: Send) -> None:
    accepted = [
        {
            "entry": entry,
            "record" if one.by == "record" else "request_id": one.target,
            **({} if one.row is None else {"row": one.row}),
        }
        for one, entry in zip(said, entries, strict=True)
    ]
    body = orjson.dumps({"accepted": accepted})
    headers = [(b"content-type", JSON), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse(call: Call, error: Exception, send: Send) -> None:
    """Tell the client, and count: what was refused is no prediction, and is not recorded."""
    if isinstance(error, JournalError):
        error = no_record(error)
    assert isinstance(error, GatewayError)
    call.gate.recorder.count(REFUSED)
    call.gate.metrics.count(REFUSED, call.route.service if call.route.plan is not None else "")
    if not isinstance(error, Disconnected):
        await send_problem(call, error, problem_body(error, call.target), None, send)


def schema() -> dict[str, Any]:
    """One label, for OpenAPI."""
    return {
        "type": "object",
        "description": "What came of one prediction: of record and request_id exactly one is there",
        "properties": {
            "record": {"type": "string", "description": "Affiant-Record of the answer"},
            "request_id": {"type": "string", "maxLength": 128, "description": "The client's own id"},
            "label": {
                "type": ["string", "number", "boolean"], "maxLength": MAX_TEXT,
                "description": "A class, a value, or whether it was the positive class",
            },
            "row": {
                "type": "integer", "minimum": 0, "maximum": MAX_ROW,
                "description": "Which of the request's rows; needed where it had several",
            },
            "time": {"type": "string", "format": "date-time", "description": "When it was known; else now"},
        },
        "required": ["label"],
        "oneOf": [{"required": ["record"]}, {"required": ["request_id"]}],
        "additionalProperties": False,
    }  # fmt: skip
