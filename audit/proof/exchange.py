"""A record as a person reads it: the fields of its entry by name, the request, the answer, what the model was given.

Of what is not here, or cannot be read here, it is said why. Nothing is verified here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from .bodies import body_of, body_text
from .bundle import Bundle
from .encryption import NO_KEYS, PayloadKeys
from .entry import Entry, Key, Kind, Protocol, Slot
from .errors import FormatError, NotProved
from .printable import printable_json
from .record import Header, Payload, parse_payload, parse_record

MAX_PRINTED: Final = 64 << 10
"""Characters of a body that are printed; files have all of it."""
_TIMES: Final = frozenset({"committing", "arrived", "time", "counted_since"})
"""Fields that are ns since 1970 UTC."""
_NAMES: Final = (("kind", Kind), ("slot", Slot), ("protocol", Protocol))


@dataclass(frozen=True, slots=True)
class Told:
    """One record of a tree, and where it stands."""

    origin: str
    offset: int
    entry: Entry
    payload: bytes
    """Empty where it is not here."""
    asked: bool = True
    """Whether it was asked for, or is there to understand others: then without its payload."""
    keys: PayloadKeys = NO_KEYS
    """Open it when it is encrypted."""

    @property
    def record(self) -> str | None:
        """The record id; None for entries of no journal."""
        journal, sequence = self.entry.get(Key.JOURNAL), self.entry.get(Key.SEQUENCE)
        known = isinstance(journal, bytes) and isinstance(sequence, int)
        return self.entry.record_id if known else None

    @property
    def name(self) -> str:
        """What its files are named by: the tree's topic and partition, and the offset."""
        return "-".join((*self.origin.split("/")[-2:], str(self.offset)))

    def parts(self) -> tuple[Payload | None, str | None]:
        """The payload's parts; else None, and why."""
        if not self.entry.get(Key.PAYLOAD_LENGTH):
            return None, "it has none"
        if not self.payload:
            return None, (
                "not in the bundle: it was erased, or nobody had it"
                if self.asked
                else "not in the bundle: the record was not asked for, its entry leads to a signature"
            )
        try:
            return parse_payload(self.keys.plain(self.entry, self.payload)), None
        except (FormatError, NotProved) as error:
            return None, f"not readable: {error}"


def records_of(bundle: Bundle, keys: PayloadKeys = NO_KEYS) -> Iterator[Told]:
    """All records of a bundle, those too that are there to understand others.

    Args:
        bundle: whose records.
        keys: open encrypted payloads.

    Raises:
        FormatError: one is none; a verification has said so.
    """
    for part in bundle.trees:
        for kept in part.records:
            record = parse_record(kept.record)
            yield Told(part.origin, kept.offset, record.entry, record.payload, part.asked(kept.offset), keys)


def fields_of(entry: Entry) -> dict[str, Any]:
    """An entry's fields by name; bytes as hex, kinds and slots by name."""
    named: dict[str, Any] = {}
    for key, value in entry.fields.items():
        name = Key(key).name.lower() if key in list(Key) else str(key)
        named[name] = _plain(value)
    for name, kind in _NAMES:
        if named.get(name) in list(kind):
            named[name] = kind(named[name]).name.lower()
    if "digest" in named:
        named["digest"] = f"sha256:{named['digest']}"
    return named


def _plain(value: object) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def parts_json(parts: Payload) -> dict[str, Any]:
    """Request, answer and input, the bodies decoded (bodies.py)."""
    header: Mapping[int, Any] = parts.header
    described: dict[str, Any] = {
        "request": {
            "method": _plain(header.get(Header.METHOD)),
            "target": _plain(header.get(Header.TARGET)),
            "content_type": _plain(header.get(Header.CONTENT_TYPE)),
            "body": body_of(
                parts.request, *_coding(header, Header.CONTENT_ENCODING, Header.INFERENCE_LENGTH)
            ),
        },
        "answer": {
            "content_type": _plain(header.get(Header.RESPONSE_TYPE)),
            "body": body_of(parts.response, *_coding(header, None, Header.RESPONSE_INFERENCE_LENGTH)),
        },
    }
    for part, name, key in (
        ("request", "content_encoding", Header.CONTENT_ENCODING),
        ("request", "inference_header_content_length", Header.INFERENCE_LENGTH),
        ("request", "oversize", Header.OVERSIZE),
        ("answer", "inference_header_content_length", Header.RESPONSE_INFERENCE_LENGTH),
    ):
        if key in header:
            described[part][name] = _plain(header[key])
    about = header.get(Header.INPUT)
    if isinstance(about, list) and len(about) == 3:
        described["input"] = dict(zip(("schema", "rows", "columns"), map(_plain, about), strict=True))
    return described


def _coding(header: Mapping[int, Any], encoding: int | None, length: int) -> tuple[str | None, int | None]:
    """What a body is read by. Who wrote the header may have written anything."""
    coded = header.get(encoding) if encoding is not None else None
    tensors = header.get(length)
    return coded if isinstance(coded, str) else None, tensors if type(tensors) is int else None


def _moment(time: Any) -> str:
    """Of ns since 1970, in words; nothing where no calendar has it."""
    try:
        return datetime.fromtimestamp(time // 10**9, UTC).strftime(
            f" (%Y-%m-%d %H:%M:%S.{time % 10**9:09d} UTC)"
        )
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


def texts(parts: Payload, most: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """Request and answer: of each what its headers say, and the body, as texts of at most so many characters."""
    header: Mapping[int, Any] = parts.header
    asked = (Header.METHOD, Header.TARGET, Header.CONTENT_TYPE, Header.CONTENT_ENCODING)
    body = body_text(parts.request, *_coding(header, Header.CONTENT_ENCODING, Header.INFERENCE_LENGTH), most)
    if not parts.request and isinstance(over := header.get(Header.OVERSIZE), list) and len(over) == 2:
        body = (
            f"(not recorded: {_plain(over[1])} bytes were over the limit; their SHA-256 is {_plain(over[0])})"
        )
    return (
        (" ".join(str(_plain(header[key])) for key in asked if header.get(key) is not None), body),
        (
            str(_plain(header.get(Header.RESPONSE_TYPE)) or ""),
            body_text(parts.response, *_coding(header, None, Header.RESPONSE_INFERENCE_LENGTH), most),
        ),
    )


def told_json(told: Told) -> dict[str, Any]:
    """All of it; bodies decoded as far as they can be."""
    parts, why = told.parts()
    return {
        "record": told.record,
        "tree": told.origin,
        "offset": told.offset,
        "asked_for": told.asked,
        "entry": fields_of(told.entry),
        **({"payload": why} if parts is None else parts_json(parts)),
    }


def told_lines(told: Told) -> Iterator[str]:
    """The same for people. Lines of bodies are set off: none of them can pass for one of the command's own.

    What is in a line MUST still be made printable.
    """
    yield f"record {told.record or 'without an id'}, offset {told.offset} of {told.origin}"
    for name, value in fields_of(told.entry).items():
        said = value if isinstance(value, str) else json.dumps(value)
        yield f"  {name.replace('_', ' ')}: {said}{_moment(value) if name in _TIMES else ''}"
    parts, why = told.parts()
    if parts is None:
        yield f"  payload: {why}"
        return
    for name, (head, body) in zip(("request", "answer"), texts(parts, MAX_PRINTED), strict=True):
        yield f"  {name}: {head}".rstrip()
        yield from (f"    | {line}" for line in body.split("\n"))
    about = parts_json(parts).get("input")
    if about is not None:
        yield f"  the model was given: {about['rows']} x {about['columns']} float32"


def files_of(told: Told) -> Iterator[tuple[str, bytes]]:
    """Names and contents: all as JSON, and the bytes themselves, as they were received, sent and given."""
    described = json.dumps(told_json(told), indent=1, ensure_ascii=False)
    yield f"{told.name}.json", printable_json(described).encode() + b"\n"
    parts, _ = told.parts()
    for ending, content in (
        (("request", parts.request), ("answer", parts.response), ("input", parts.input)) if parts else ()
    ):
        if content:
            yield f"{told.name}.{ending}", content
