"""What was asked and answered, word for word, as far as a page takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from audit.proof.entry import Entry
from audit.proof.exchange import Told, texts
from audit.proof.printable import printable

from .exchange import Exchange
from .given import Features, Given, table
from .texts import exact

MAX_SPOKEN: Final = 50
"""So many exchanges are printed."""
MAX_SHOWN: Final = 8 << 10
"""Characters of a body that are printed."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """An exchange with its bodies as texts; None where the payload is not there or not readable."""

    exchange: Exchange
    request: tuple[str, str] | None = None
    """Head and body."""
    answer: tuple[str, str] | None = None
    why: str | None = None
    """Why they are not there."""
    given: Given | None = None

    @classmethod
    def of(cls, exchange: Exchange, entry: Entry, payload: bytes) -> Spoken:
        """Of a record."""
        parts, why = Told("", exchange.offset, entry, payload).parts()
        if parts is None:
            return cls(exchange, why=why)
        return cls(exchange, *texts(parts, MAX_SHOWN), given=Given.of(parts))


def sections(spoken: Sequence[Spoken], count: int, signatures: Mapping[bytes, Features]) -> str:
    """The exchanges that are printed, of `count`; `signatures`: what the models' inputs mean."""
    if not spoken:
        return ""
    title = "What was asked and answered" if len(spoken) == count else (
        f"What was asked and answered: the first {len(spoken)} of {count:,}"
    )  # fmt: skip
    shown = " open" if len(spoken) <= 3 else ""
    return (
        f"<section><h2>{title}</h2>{''.join(_section(each, shown, signatures) for each in spoken)}"
        "<p class=note>JSON is indented, binary tensors are given as values, what cannot be seen as an escape or "
        "U+FFFD. The bytes themselves are in the bundle's <code>records</code>.</p></section>"
    )


def _section(spoken: Spoken, shown: str, signatures: Mapping[bytes, Features]) -> str:
    each = spoken.exchange
    about = [
        ("record", each.name), ("place", f"{each.partition}:{each.offset}"),
        ("committed", f"{exact(each.committing)} UTC" if each.committing else None), ("service", each.service),
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
        f"{_part('Request', spoken.request, spoken.why)}{table(spoken.given, signatures)}"
        f"{_part('Answer', spoken.answer, spoken.why)}</details>"
    )


def _part(name: str, part: tuple[str, str] | None, why: str | None) -> str:
    if part is None:
        return f"<h3>{name}</h3><p class=note>Not here: {escape(printable(why or ''))}.</p>"
    return f"<h3>{name} <code>{escape(printable(part[0]))}</code></h3><pre>{escape(part[1])}</pre>"
