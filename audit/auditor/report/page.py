"""The report of an evidence bundle: one HTML page for people, with nothing in it from elsewhere.

No script, no link, no font: it opens from a disk in ten years, and prints. Everything that others wrote is escaped.
It says what the records say; that they are genuine only a verification of the bundle shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from audit.auditor.style import CSS
from audit.proof.bundle import PackagePart, TreePart
from audit.proof.entry import Entry
from audit.proof.journals import Sworn

from .charts import figures, plots
from .exchange import Exchange
from .spoken import MAX_SPOKEN, Spoken, sections
from .tables import models, records, trees
from .texts import short


@dataclass(slots=True)
class Report:
    """Gathers while the bundle is made, then writes the page."""

    kind: str
    made: Mapping[str, str]
    exchanges: list[Exchange] = field(default_factory=list)
    trees: Sequence[TreePart] = ()
    packages: Mapping[str, PackagePart | None] = field(default_factory=dict)
    """By the hex of the digest; None: not in the bundle."""

    sworn: Sworn = field(default_factory=Sworn)
    """What the gateways' journals swear to of these records."""
    spoken: list[Spoken] = field(default_factory=list)
    """The first exchanges, word for word."""
    without: int = 0
    """Exchanges whose payload is not there."""

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
        said = sections(self.spoken, sum(each.name is not None for each in self.exchanges))
        parts = [
            self._head(value),
            figures(self.exchanges),
            said,
            *plots(self.exchanges),
            models(self.packages),
            trees(self.trees),
            self._not_shown(),
            records(self.exchanges),
        ]
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
            f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
        )

    def _head(self, value: str) -> str:
        asked = {
            "range": "All records of the offsets",
            "caller": "Records of the caller",
            "subject": "Records about the subject",
            "record": "The record" if "," not in value else "The records",
        }.get(self.kind, self.kind)
        return (
            f"<header><p class=kicker>Affiant · evidence bundle</p><h1>{escape(asked)}<br>"
            f"<code>{escape(short(value, 400))}</code></h1>"
            f"<p>Made {escape(self.made['time'])} by {escape(self.made['by'])}.</p>"
            "<aside><strong>This page proves nothing by itself.</strong> What does is beside it in the same file. "
            "Check it with the public key of the log's notary, from a source that you trust:"
            "<pre>affiant-verify bundle FILE --key VKEY</pre></aside></header>"
        )

    def _not_shown(self) -> str:
        whole = {
            "range": "Anything outside of the range; within it each offset is there.",
            "record": "Other records than those that are named; each of these is there.",
        }
        lines = [
            "This page, the time of making and its maker's name are the maker's word; no signature covers them.",
            whole.get(self.kind, "That these are all: who made the bundle may have left some out."),
            "That a model is right or fair: the records show what was asked and answered, and by which package.",
            "What a package's lineage says is the word of who published it.",
        ]
        if self.without:
            lines.insert(
                2, f"What was asked and answered in {self.without:,} records: their payload is not here."
            )
        if left := self.sworn.without:
            lines.insert(
                2,
                f"That a gateway has signed over {left:,} of these {self.sworn.asked:,} records of journals; the "
                f"notary has. {'; '.join(self.sworn.why())}.",
            )
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        return f"<section><h2>What this does not show</h2><ul>{items}</ul></section>"
