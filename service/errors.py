"""Everything that can be wrong with a request, and THE table from failure to status.

    GatewayError
    ├── Refused                    before a model was found: recorded by hash and length, below a rate
    │   ├── Unauthenticated        no key, or one that is not in the file
    │   ├── NotLoopback            no keys are configured, and the connection is not from this machine
    │   ├── WrongSubject           an Affiant-Subject that is none, or that nobody could record
    │   ├── UnknownService         no such service in the plan
    │   ├── UnknownPath            nothing of ours (answered by cold.py, not recorded)
    │   ├── UnknownVersion         the service is there, that digest is not in its plan
    │   ├── MethodNotAllowed       the path is there for another method
    │   ├── BodyTooLarge           over max_body_bytes, as received or inflated
    │   ├── UnsupportedMediaType   a Content-Type that this path does not read
    │   ├── UnsupportedEncoding    a Content-Encoding other than identity, gzip and deflate
    │   └── Unparseable            not JSON, not gzip, or not the protocol's envelope
    ├── Invalid                    after a model was found: recorded in full
    │   ├── InvalidInput           a row, a feature or a tensor that the signature does not have
    │   ├── TooManyRows            more than max_rows
    │   ├── NotExplained           this model has no exact explanation
    │   └── PredictionFailed       the model raised on valid input
    ├── Unavailable                nothing wrong with the request: only counted, come back later
    │   ├── Overloaded             max_queue requests are in work
    │   ├── NoRecord               the journal is full or failed: no answer leaves without a record
    │   └── NotReady               still loading, or stopping
    ├── NoReceipt                  a receipt was asked for, not a prediction: never recorded
    │   ├── UnknownRecord          no such record, or another caller's
    │   ├── RecordNotSealed        the notary has not sealed it yet: come again
    │   ├── ReceiptRefused         what was found does not prove the record
    │   └── ReceiptUnavailable     the sidecar, or what it looks at, does not answer
    ├── WrongLabel                 what came of a prediction, said wrongly: only counted, none of the request is taken
    │   ├── InvalidLabel           a label that is none
    │   └── TooManyLabels          more than a request may have, or none
    └── Disconnected               the client went away before its request was whole: nobody to answer

Bodies are RFC 9457 problem details: type, title, status, detail, instance, and `field` and `row` where one is
to blame. `error` repeats the detail: clients of the Open Inference Protocol look for that member.
"""

# ruff: noqa: N818 — the names are the house words of what happened

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

PROBLEM_JSON: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:affiant:problem:"
_MAX_QUOTE: Final = 64


class GatewayError(Exception):
    """Root of the failures of this room; the message is told to the client."""

    field: str | None = None
    row: int | None = None
    retry_after: int | None = None


class Refused(GatewayError):
    """The request was refused before a model was found for it."""


class Unauthenticated(Refused):
    """No API key, or one that is not in the file."""


class NotLoopback(Refused):
    """No keys are configured, and the connection is not from this machine."""


class WrongSubject(Refused):
    """An Affiant-Subject that is none, or that this gateway has no key for.

    Its words MUST NOT have the subject in them.
    """


class UnknownService(Refused):
    """No such service in the plan."""


class UnknownPath(Refused):
    """No path of ours."""


class UnknownVersion(Refused):
    """The service is there, that digest is not in its plan."""


class MethodNotAllowed(Refused):
    """The path is there for another method. `allow` is that method."""

    def __init__(self, message: str, allow: str) -> None:
        super().__init__(message)
        self.allow = allow


class BodyTooLarge(Refused):
    """Over the limit, as received or inflated. `sha256` and `received` speak of what was received."""

    def __init__(self, message: str, sha256: bytes = b"", received: int = 0) -> None:
        super().__init__(message)
        self.sha256 = sha256
        self.received = received


class UnsupportedMediaType(Refused):
    """A Content-Type that this path does not read."""


class UnsupportedEncoding(Refused):
    """A Content-Encoding other than identity and gzip."""


class Unparseable(Refused):
    """Not JSON, not gzip, or not the protocol's envelope."""


class Disconnected(GatewayError):
    """The client went away before its request was there whole: nobody is left to answer."""


class Invalid(GatewayError):
    """The request was understood, and the model's signature does not allow it."""

    def __init__(self, message: str, field: str | None = None, row: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.row = row


class InvalidInput(Invalid):
    """A row, a feature or a tensor that the signature does not have."""


class TooManyRows(Invalid):
    """More rows than one request may have."""


class NotExplained(Invalid):
    """This model has no exact explanation."""


class PredictionFailed(Invalid):
    """The model raised, or gave something that is no number, on a request that was valid."""


class Unavailable(GatewayError):
    """Nothing is wrong with the request."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


class Overloaded(Unavailable):
    """As many requests are in work as may be."""


class NoRecord(Unavailable):
    """The journal cannot take a record now."""


class NotReady(Unavailable):
    """Still loading, or stopping."""


class NoReceipt(GatewayError):
    """There is no receipt to give."""


class UnknownRecord(NoReceipt):
    """No record of that id is known here, or it is another caller's."""


class RecordNotSealed(NoReceipt):
    """The record is not under a published checkpoint yet."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


class ReceiptRefused(NoReceipt):
    """What was found does not prove the record under the notary's key."""


class ReceiptUnavailable(NoReceipt):
    """Who finds receipts does not answer."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


class WrongLabel(GatewayError):
    """The labels of a request cannot be taken."""


class InvalidLabel(WrongLabel):
    """A label that is none: `field` is the member to blame, `row` its place in the list."""

    def __init__(self, message: str, field: str | None = None, row: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.row = row


class TooManyLabels(WrongLabel):
    """More labels than one request may have, or an empty list."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A line of the table: the HTTP status, the problem's type (short) and title."""

    status: int
    slug: str
    title: str

    @property
    def type(self) -> str:
        """The problem's type, a URN."""
        return TYPE_PREFIX + self.slug


# THE table. A failure that is not in it is a defect: tests/unit/service/test_errors.py holds that each is.
TABLE: Final[dict[type[GatewayError], Problem]] = {
    Unauthenticated: Problem(401, "unauthenticated", "An API key is needed"),
    NotLoopback: Problem(403, "loopback-only", "Only connections from this machine are answered"),
    WrongSubject: Problem(400, "wrong-subject", "The subject cannot be recorded"),
    UnknownService: Problem(404, "unknown-service", "No such service"),
    UnknownPath: Problem(404, "unknown-path", "There is nothing here"),
    UnknownVersion: Problem(404, "unknown-version", "No such version of the service"),
    MethodNotAllowed: Problem(405, "method-not-allowed", "Another method is wanted here"),
    BodyTooLarge: Problem(413, "body-too-large", "The request body is too large"),
    UnsupportedMediaType: Problem(415, "unsupported-media-type", "The content type is not read here"),
    UnsupportedEncoding: Problem(415, "unsupported-encoding", "The content encoding is not read here"),
    Unparseable: Problem(400, "unparseable", "The request cannot be read"),
    InvalidInput: Problem(400, "invalid-input", "The input is not what the model takes"),
    TooManyRows: Problem(400, "too-many-rows", "Too many rows in one request"),
    NotExplained: Problem(501, "not-explainable", "This model has no exact explanation"),
    Overloaded: Problem(429, "overloaded", "Too many requests are in work"),
    NoRecord: Problem(503, "no-record", "The answer could not be recorded, so there is none"),
    NotReady: Problem(503, "not-ready", "The gateway is not ready"),
    UnknownRecord: Problem(404, "unknown-record", "No such record of this caller"),
    RecordNotSealed: Problem(404, "not-sealed", "The record is not sealed yet"),
    ReceiptRefused: Problem(502, "receipt-refused", "The receipt that was found does not hold"),
    ReceiptUnavailable: Problem(503, "receipt-unavailable", "Receipts are not to be had now"),
    InvalidLabel: Problem(400, "invalid-label", "A label is not what it should be"),
    TooManyLabels: Problem(400, "too-many-labels", "Too many labels in one request"),
    PredictionFailed: Problem(503, "prediction-failed", "The model did not answer"),
}


def problem_of(error: GatewayError) -> Problem:
    """The line of the table for a failure."""
    return TABLE[type(error)]


def problem_body(error: GatewayError, instance: str) -> bytes:
    """The problem details of a failure, as JSON. `instance` is the request's target."""
    problem = TABLE[type(error)]
    detail = str(error)
    content: dict[str, Any] = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "instance": instance,
    }
    if error.field is not None:
        content["field"] = error.field
    if error.row is not None:
        content["row"] = error.row
    content["error"] = detail
    try:
        return orjson.dumps(content)
    except TypeError:  # a lone surrogate, out of a path or a JSON text: say it escaped
        safe = {k: ascii(v)[1:-1] if isinstance(v, str) else v for k, v in content.items()}
        return orjson.dumps(safe)


def quote(value: object) -> str:
    """A client's value in a message: short, printable, so that nothing long or odd is sent back."""
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "an object"
    text = ascii(value)
    return text if len(text) <= _MAX_QUOTE else text[: _MAX_QUOTE - 1] + "…"
