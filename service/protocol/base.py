"""What every protocol has in common."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

from audit.proof.entry import Protocol as ProtocolNumber
from service.errors import Unparseable, quote
from service.rows import Rows

MAX_REQUEST_ID = 128
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Query(NamedTuple):
    """A parsed and validated request."""

    rows: Rows
    protocol: ProtocolNumber
    request_id: str | None = None
    binary: bool = False
    """The client wants its answer as a binary tensor."""


class Reply(NamedTuple):
    """An answer's body. `inference_length`: Inference-Header-Content-Length of a binary answer."""

    body: bytes
    inference_length: int | None = None


def read_object(text: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Unparseable: says where the JSON ends to be JSON.
    """
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Unparseable(f"the body is not JSON: {error}") from None
    if type(content) is not dict:
        raise Unparseable("the body must be a JSON object")
    return content


def check_request_id(value: Any) -> str:
    """The client's own id of a request: text of at most 128 bytes without control characters.

    It is listed beside other records, and logged: it MUST NOT look like more than one line.

    Raises:
        Unparseable: it is something else.
    """
    if type(value) is not str:
        raise Unparseable("id must be text")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Unparseable(f"id {quote(value)} is not Unicode text") from None
    if size > MAX_REQUEST_ID:
        raise Unparseable(f"id is {size} bytes long; it may have {MAX_REQUEST_ID}")
    if not value.isprintable() and _CONTROL.search(value):
        raise Unparseable(f"id {quote(value)} has a control character")
    return value
