"""What was asked and answered, word for word, as far as a page takes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from audit.bodies import body_of
from audit.proof.entry import Entry, Key
from audit.proof.errors import FormatError
from audit.proof.printable import REPLACED, printable, printable_json
from audit.proof.record import Header, Payload, parse_payload

from .exchange import Exchange
from .texts import utc

MAX_SPOKEN: Final = 50
"""So many exchanges are printed."""
MAX_SHOWN: Final = 8 << 10
"""Characters of a body that are printed."""
_MAX_DECODED: Final = 1 << 20
"""Bytes of a body that are decoded to be printed: a page takes a hundredth of it."""
_NUMBERS: Final = re.compile(r'\[\n\s*([^\[\]{}"]*?)\n\s*\]')


@dataclass(frozen=True, slots=True)
class Spoken:
    """An exchange with its bodies as texts; None where the payload is not there or not readable."""

    exchange: Exchange
    request: tuple[str, str] | None = None
    """Head and body."""
    answer: tuple[str, str] | None = None

    @classmethod
    def of(cls, exchange: Exchange, entry: Entry, payload: bytes) -> Spoken:
        """Of a record."""
        if not payload or entry.get(Key.SUITE) != 0:
            return cls(exchange)
        try:
            parts = parse_payload(payload)
        except FormatError:
            return cls(exchange)
        return cls(exchange, *_texts(parts))


def _texts(parts: Payload) -> tuple[tuple[str, str], tuple[str, str]]:
    head: Mapping[int, Any] = parts.header
    asked = " ".join(
        str(head[key])
        for key in (Header.METHOD, Header.TARGET, Header.CONTENT_TYPE, Header.CONTENT_ENCODING)
        if head.get(key) is not None
    )
    encoding, length = head.get(Header.CONTENT_ENCODING), head.get(Header.INFERENCE_LENGTH)
    answered = head.get(Header.RESPONSE_INFERENCE_LENGTH)
    return (
        (printable(asked), body_text(parts.request, encoding, length)),
        (printable(str(head.get(Header.RESPONSE_TYPE) or "")), body_text(parts.response, None, answered)),
    )


def body_text(body: bytes, encoding: Any, inference_length: Any) -> str:
    """A body as a person reads it: JSON indented, binary tensors as values, others as text or hex.

    What is cut is said at its end, and so is a body that is too large to be decoded here.
    """
    if not body:
        return "(empty)"
    if len(body) > _MAX_DECODED:
        return f"… {len(body):,} bytes: too many for this page"
    encoding = encoding if isinstance(encoding, str) else None
    length = inference_length if type(inference_length) is int else None
    found = body_of(body, encoding, length)
    if isinstance(found, str):
        text = "".join(each if each.isprintable() or each in "\n\t" else REPLACED for each in found)
    else:
        indented = json.dumps(found, indent=1, ensure_ascii=False)
        # A row of numbers is a row; no text of JSON has a line end in it, so none is changed.
        text = printable_json(_NUMBERS.sub(lambda row: f"[{' '.join(row[1].split())}]", indented))
    if len(text) <= MAX_SHOWN:
        return text
    return f"{text[:MAX_SHOWN]}\n… cut: {MAX_SHOWN:,} of {len(text):,} characters"


def sections(spoken: Sequence[Spoken], count: int) -> str:
    """The exchanges that are printed, of `count`."""
    if not spoken:
        return ""
    title = "What was asked and answered" if len(spoken) == count else (
        f"What was asked and answered: the first {len(spoken)} of {count:,}"
    )  # fmt: skip
    shown = " open" if len(spoken) <= 3 else ""
    return (
        f"<section><h2>{title}</h2>{''.join(_section(each, shown) for each in spoken)}"
        "<p class=note>JSON is indented, binary tensors are given as values, what cannot be seen as an escape or "
        "U+FFFD. The bytes themselves are in the bundle's <code>records</code>.</p></section>"
    )


def _section(spoken: Spoken, shown: str) -> str:
    each = spoken.exchange
    about = [
        ("record", each.name), ("place", f"{each.partition}:{each.offset}"),
        ("committed", f"{utc(each.committing)} UTC" if each.committing else None), ("service", each.service),
        ("model", each.digest and f"sha256:{each.digest}"), ("slot", each.slot), ("caller", each.caller),
        ("subject", each.subject), ("request id", each.request_id),
    ]  # fmt: skip
    rows = "".join(
        f"<dt>{name}</dt><dd>{escape(printable(value))}</dd>" for name, value in about if value is not None
    )
    status = f" · {each.status}" if each.status is not None else ""
    head = f"{each.partition}:{each.offset} · {each.kind}{status} · {each.request_id or each.name or ''}"
    return (
        f"<details class=exchange{shown}><summary>{escape(printable(head))}</summary><dl>{rows}</dl>"
        f"{_part('Request', spoken.request)}{_part('Answer', spoken.answer)}</details>"
    )


def _part(name: str, part: tuple[str, str] | None) -> str:
    if part is None:
        return f"<h3>{name}</h3><p class=note>Not here: it was erased, is nowhere to be had, or cannot be read.</p>"
    return f"<h3>{name} <code>{escape(part[0])}</code></h3><pre>{escape(part[1])}</pre>"
