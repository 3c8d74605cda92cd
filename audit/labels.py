"""Labels: what came of a prediction later, as entries of the log (docs/labels.md).

A `labelled` entry (kind 12) stands in a journal: a gateway's, or an import's. A `label` entry (kind 9) stands in the
log alone. Both have the same body, so readers read one like the other.

The body is JSON: `label` (text, a number or a truth value), perhaps `row` (which row of the request, from 0), `time`
(RFC 3339: when it was known) and `source`. Members that are not known are kept and passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Literal

import orjson

from .proof.encryption import ENCRYPTED, NO_KEYS, PLAIN, NoKey, PayloadKey, PayloadKeys, encrypt_payload
from .proof.entry import Entry, Key, Kind, parse_record_id
from .proof.errors import FormatError, NotProved
from .proof.record import Header, Record, encode_payload, parse_payload, payload_holds

BODY_TYPE: Final = "application/vnd.affiant.label+json"
REQUEST: Final = "request:"
"""Before a client's request id in a target. No record id begins so."""
MAX_TEXT: Final = 256
"""Characters of a label that is text."""
MAX_ROW: Final = 2**31 - 1
_MAX_REQUEST_ID: Final = 128
_LARGEST: Final = float(2**53)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = 2**63 - 1

Value = str | int | float | bool
By = Literal["record", "request"]


class NoLabel(ValueError):  # noqa: N818 — says what happened
    """What was said is no label. `member`: of the body, which is to blame."""

    def __init__(self, message: str, member: str) -> None:
        super().__init__(message)
        self.member = member


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody says of a prediction. Build it with `told`, which checks it."""

    target: str
    """A record id, or a client's request id."""
    by: By
    value: Value
    row: int | None = None
    """Of the request's rows, from 0; None: it has one."""
    known: int | None = None
    """ns since 1970 UTC; None: when it was told."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label as the log has it.

    Two labels of the same service, target and row are one: of the same value, said twice; of another, corrected. The
    newest `known_ns` holds, then the newest in the log (`logged_ms`).
    """

    service: str
    """Empty where the entry names none (kind 9): then only a record id finds the prediction."""
    target: str
    by: By
    row: int | None
    value: Value
    known_ns: int
    logged_ms: int


def told(
    *,
    record: object = None,
    request_id: object = None,
    label: object = None,
    row: object = None,
    time: object = None,
    now: int,
) -> Told:
    """Check what somebody says. Of `record` and `request_id` exactly one MUST be there.

    Args:
        record: a record id.
        request_id: the client's own id of a request.
        label: text, a finite number or a truth value.
        row: of the request's rows, from 0.
        time: RFC 3339; MUST NOT be in the future: such a label could never be corrected.
        now: ns since 1970 UTC.

    Raises:
        NoLabel: says what is wrong, and with which member.
    """
    if (record is None) == (request_id is None):
        raise NoLabel("say either record or request_id", "record")
    if record is not None:
        if not isinstance(record, str):
            raise NoLabel("record must be text", "record")
        try:
            parse_record_id(record)
        except FormatError as error:
            raise NoLabel(str(error), "record") from error
        target, by = record, "record"
    else:
        target, by = _request_id(request_id), "request"
    known = None if time is None else parse_time(time)
    if known is not None and known > now + _SKEW:
        raise NoLabel("time is in the future", "time")
    return Told(target, by, _value(label), _row(row), known)  # type: ignore[arg-type]


_SKEW: Final = 300 * 10**9
"""ns that somebody's clock may be ahead of ours."""
_AHEAD: Final = 86_400 * 10**9
"""ns that a gateway's clock may be ahead of the log's."""
_STEP: Final = 256
"""Bytes: the body of an encrypted label is a multiple of it."""


def _request_id(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise NoLabel("request_id must be text", "request_id")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise NoLabel("request_id is not Unicode text", "request_id") from None
    if size > _MAX_REQUEST_ID or _CONTROL.search(value):
        raise NoLabel(
            f"request_id is no request id: at most {_MAX_REQUEST_ID} bytes without control characters",
            "request_id",
        )
    return value


def _value(value: object) -> Value:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not math.isfinite(value) or abs(value) > _LARGEST:
            raise NoLabel("label is not a finite number of at most 2^53", "label")
        return value
    if not isinstance(value, str):
        raise NoLabel("label must be text, a number, true or false", "label")
    if not value or len(value) > MAX_TEXT or _CONTROL.search(value) or not _unicode(value):
        raise NoLabel(f"label is no text of 1 to {MAX_TEXT} characters without control characters", "label")
    return value


def _unicode(text: str) -> bool:
    """Whether it has no lone surrogate."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _row(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_ROW:
        raise NoLabel("row must be a whole number, from 0", "row")
    return value


def parse_time(text: object) -> int:
    """RFC 3339, with T or a space → ns since 1970 UTC.

    Raises:
        NoLabel: no such time, or before 1970.
    """
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise NoLabel("time must be RFC 3339, such as 2026-01-02T03:04:05Z", "time")
    date, clock, fraction, sign, hours, minutes = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}+00:00") - _EPOCH
    except ValueError as error:
        raise NoLabel(f"time is no time: {error}", "time") from error
    if sign is not None:
        away = timedelta(hours=int(hours), minutes=int(minutes))
        moment += away if sign == "-" else -away
    whole = moment // timedelta(seconds=1)
    known = whole * 10**9 + int((fraction or "0").ljust(9, "0"))
    if not 0 <= known <= _LATEST:
        raise NoLabel("time is outside of the years 1970 to 2262", "time")
    return known


def format_time(known: int) -> str:
    """Of ns since 1970 UTC: RFC 3339, in UTC, with nine digits: the same time has one text."""
    moment = datetime.fromtimestamp(known // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{known % 10**9:09d}Z"


def target_of(said: Told) -> str:
    """Key 54."""
    return said.target if said.by == "record" else REQUEST + said.target


def body_of(said: Told, source: str | None = None) -> bytes:
    """The body as JSON. `source`: where it came from, `sha256:…` of a file."""
    content: dict[str, Any] = {"label": said.value}
    if said.row is not None:
        content["row"] = said.row
    if source is not None:
        content["source"] = source
    if said.known is not None:
        content["time"] = format_time(said.known)
    return orjson.dumps(content)


def labelled(
    said: Told,
    service: str,
    salt: bytes,
    arrived: int,
    *,
    caller: bytes | None = None,
    subject: bytes | None = None,
    source: str | None = None,
    key: tuple[PayloadKey, bytes] | None = None,
) -> tuple[dict[int, object], bytes]:
    """Fields and payload of a `labelled` entry, as `Journal.append` takes them.

    Args:
        said: what was said.
        service: of the predictions; at most 128 bytes.
        salt: 32 random bytes.
        arrived: ns since 1970 UTC.
        caller: pseudonym of the API key that it came with.
        subject: pseudonym of whom it is about.
        source: see `body_of`.
        key: what it is encrypted with, and a nonce of 24 random bytes; None: it stands in the clear.
    """
    header: dict[int, object] = {Header.CONTENT_TYPE: BODY_TYPE}
    if key is None:
        payload = encode_payload(salt, header, body_of(said, source))
    else:
        payload = encrypt_payload(salt, header, *key, _padded(body_of(said, source)))
    fields: dict[Key, object] = {Key.KIND: int(Kind.LABELLED), Key.ARRIVED: arrived, Key.SERVICE: service}
    if caller is not None:
        fields[Key.CALLER] = caller
    if subject is not None:
        fields[Key.SUBJECT] = subject
    fields |= {
        Key.PAYLOAD_DIGEST: sha256(payload).digest(),
        Key.PAYLOAD_LENGTH: len(payload),
        Key.SUITE: PLAIN if key is None else ENCRYPTED,
        Key.BODY_TYPE: BODY_TYPE,
        Key.TARGET: target_of(said),
    }
    if key is not None:
        fields[Key.KEY_ID] = key[0].id
    return {int(key): value for key, value in fields.items()}, payload


def _padded(body: bytes) -> bytes:
    """JSON with white space behind it: lengths stay readable, and `true` is a byte shorter than `false`."""
    return body.ljust(-(-len(body) // _STEP) * _STEP)


def is_label(entry: Entry) -> bool:
    """Whether it is a label, of either kind."""
    return entry.kind in (Kind.LABELLED, Kind.LABEL)


def read_label(record: Record, logged_ms: int, keys: PayloadKeys = NO_KEYS) -> Label:
    """The label that a record is.

    Args:
        record: whose entry `is_label`.
        logged_ms: the log's time, ms since 1970 UTC.
        keys: open it when it is encrypted.

    Raises:
        NoKey: it is encrypted with a key that is not among them.
        FormatError: no payload (erased, or elsewhere), another one than the digest covers, no label, or one that is
            known a day or more after it was logged.
    """
    entry = record.entry
    if entry.get(Key.BODY_TYPE) != BODY_TYPE:
        raise FormatError("label: of a type that this version does not read")
    if not record.payload:
        raise FormatError("label: its payload is not here")
    if not payload_holds(record):
        raise FormatError("label: its payload is not what its digest covers")
    plain = _plain(record, keys)
    known: int = entry.fields[Key.ARRIVED if entry.kind == Kind.LABELLED else Key.TIME]
    target: str = entry.fields[Key.TARGET]
    which = {"request_id": target.removeprefix(REQUEST)} if target.startswith(REQUEST) else {"record": target}
    try:
        said = told(**which, **_members(parse_payload(plain).request), now=_LATEST)
    except ValueError as error:
        raise FormatError(f"label: {error}") from error
    at = known if said.known is None else said.known
    if at > min(_LATEST, logged_ms * 10**6 + _AHEAD if logged_ms > 0 else _LATEST):
        raise FormatError("label: known after it was logged: no other could ever correct it")
    return Label(entry.get(Key.SERVICE) or "", said.target, said.by, said.row, said.value, at, logged_ms)


def _plain(record: Record, keys: PayloadKeys) -> bytes:
    try:
        return keys.plain(record.entry, record.payload)
    except NoKey:
        raise
    except NotProved as error:
        raise FormatError(f"label: {error}") from error


def _members(body: bytes) -> Mapping[str, object]:
    content = orjson.loads(body)  # its error is a ValueError
    if not isinstance(content, dict):
        raise NoLabel("not an object", "label")
    return {name: content.get(name) for name in ("label", "row", "time")}
