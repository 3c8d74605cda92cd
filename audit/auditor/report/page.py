"""The report of an evidence bundle: one HTML page for people, with nothing in it from elsewhere.

No script, no link, no font: it opens from a disk in ten years, and prints. Everything that others wrote is escaped.
It says what the records say; that they are genuine only a verification of the bundle shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from audit.auditor.style import CSS
from audit.proof.bundle import PackagePart, TreePart
from audit.proof.entry import Entry
from audit.proof.journals import Sworn

from .charts import figures, plots
from .claims import shows, shows_not, wrong
from .claims import words as meanings
from .exchange import Exchange
from .given import CSS as GIVEN
from .given import signatures_of
from .spoken import MAX_SPOKEN, Spoken, sections
from .tables import models, records, trees, words
from .texts import listed, short

_NAMED: Final = 20
"""Parts of a selection that the heading names."""


@dataclass(slots=True)
class Report:
    """Gathers while the bundle is made, then writes the page."""

    kind: str
    made: Mapping[str, str]
    exchanges: list[Exchange] = field(default_factory=list)
    trees: Sequence[TreePart] = ()
    packages: Mapping[str, PackagePart | None] = field(default_factory=dict)
    """By the hex of the digest; None: not in the bundle."""

    lacks: Sequence[str] = ()
    """What of the packages was missing or changed in the store that they were taken from, each with its reason."""
    sworn: Sworn = field(default_factory=Sworn)
    """What the gateways' journals swear to of these records."""
    spoken: list[Spoken] = field(default_factory=list)
    """The first exchanges, word for word."""
    without: int = 0
    """Exchanges whose payload is not there."""
    erased: Sequence[str] = ()
    """Of those: which are erased, by whose signed statement."""
    broken: Sequence[str] = ()
    """What does not verify of the entries that would lead to gateways' signatures, and was left out."""
    flaws: Sequence[str] = ()
    """What is wrong with the records, in a bundle that is written all the same."""

    def add(self, partition: int, offset: int, entry: Entry, payload: bytes) -> None:
        """One record that was asked for, in the order of its tree; `payload` is empty where nobody has it."""
        exchange = Exchange.of(partition, offset, entry, payload)
        self.exchanges.append(exchange)
        if exchange.name is None:
            return
        self.without += not payload
        if len(self.spoken) < MAX_SPOKEN:
            self.spoken.append(Spoken.of(exchange, entry, payload))

    def html(self, value: str) -> str:
        """The page. `value`: of the selection."""
        title = f"Evidence: {self.kind} {short(value, 60)}"
        exchanges = sum(each.name is not None for each in self.exchanges)
        parts = [
            self._head(value),
            wrong(self.flaws),
            figures(self.exchanges),
            shows(self.kind, self.exchanges, self.trees, self.sworn, self.packages),
            shows_not(self.kind, self.without, self.sworn, self.lacks, self.erased, self.broken),
            sections(self.spoken, exchanges, signatures_of(self.packages)),
            *plots(self.exchanges),
            models(self.packages),
            trees(self.trees),
            records(self.exchanges),
            words(meanings(self.exchanges)),
        ]
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
            f"<title>{escape(title)}</title><style>{CSS}{GIVEN}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
        )

    def _head(self, value: str) -> str:
        asked = {
            "range": "All records of the offsets",
            "caller": "Records of the caller",
            "subject": "Records about the subject",
            "record": "The record" if "," not in value else "The records",
        }.get(self.kind, self.kind)
        names = value.split(",") if self.kind == "record" else [value]
        lines = [escape(short(name, 400)) for name in names[:_NAMED]]
        if len(names) > _NAMED:
            lines.append(f"and {len(names) - _NAMED:,} more")
        log = listed(
            sorted({tree.origin.rpartition("/")[0].rpartition("/")[0] for tree in self.trees}) or ["–"]
        )
        return (
            f"<header><p class=kicker>Affiant · evidence bundle</p><h1>{escape(asked)}<br>"
            f"<code>{'<br>'.join(lines)}</code></h1>"
            f"<p>Of the log {escape(log)}. Made {escape(self.made['time'])} by {escape(self.made['by'])}.</p>"
            "<aside><strong>This page proves nothing by itself.</strong> What does is beside it in the same file. "
            "Check that with the public key of the log's notary (VKEY), from another source, which you trust:"
            "<pre>affiant-verify bundle FILE --key VKEY</pre>"
            "It ends with “it holds”, or says what is wrong and where. With --record ID it prints what was asked and "
            "answered, out of the records themselves; the manual says how to do without it.</aside></header>"
        )
