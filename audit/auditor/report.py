"""The report of an evidence bundle: one HTML page for people, with nothing in it from elsewhere.

No script, no link, no font: it opens from a disk in ten years, and prints. Everything that others wrote is escaped.
It says what the records say; that they are genuine only a verification of the bundle shows.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Final

from audit.proof.bundle import PackagePart, TreePart
from audit.proof.checkpoint import parse_checkpoint
from audit.proof.entry import Entry, Key, Kind, Protocol, Slot
from audit.proof.errors import FormatError
from audit.proof.note import parse_note
from audit.proof.record import parse_payload

from .plots import Series, bin_of, columns, rows
from .style import CSS

_LISTED: Final = 500
_BINS: Final = 60
_SCORES: Final = 100_000
_CLASSES: Final = (
    (200, "answered (2xx)", "good"),
    (400, "refused (4xx)", "warn"),
    (500, "failed (5xx)", "bad"),
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the report needs of one record. Times in ns since 1970 UTC."""

    partition: int
    offset: int
    kind: str
    name: str | None
    arrived: int | None
    committing: int | None
    service: str | None
    digest: str | None
    slot: str | None
    status: int | None
    caller: str | None
    scores: tuple[float, ...] = ()
    payload: bool = False

    @classmethod
    def of(cls, partition: int, offset: int, entry: Entry, payload: bytes) -> Exchange:
        """Of a record."""
        fields = entry.fields
        digest, caller = entry.get(Key.DIGEST), entry.get(Key.CALLER)
        slot = fields.get(Key.SLOT)
        return cls(
            partition,
            offset,
            Kind(entry.kind).name.lower().replace("_", " ")
            if entry.kind in list(Kind)
            else f"kind {entry.kind}",
            entry.record_id if entry.kind in (Kind.INFERENCE, Kind.ABORTED) else None,
            entry.get(Key.ARRIVED),
            entry.get(Key.COMMITTING) or entry.get(Key.TIME),
            entry.get(Key.SERVICE),
            None if digest is None else digest.hex(),
            None if slot is None else Slot(slot).name.lower() if slot in list(Slot) else str(slot),
            entry.get(Key.STATUS),
            None if caller is None else caller.hex(),
            _scores(entry, payload),
            bool(payload),
        )


def _scores(entry: Entry, payload: bytes) -> tuple[float, ...]:
    """The first numbers that were answered for each row, where the answer is JSON."""
    if entry.get(Key.STATUS) != 200 or not payload or entry.get(Key.SUITE) != 0:
        return ()
    try:
        answer = json.loads(parse_payload(payload).response)
    except (FormatError, ValueError, RecursionError):
        return ()
    if not isinstance(answer, dict) or entry.get(Key.PROTOCOL) == Protocol.V1_EXPLAIN:
        return ()
    values = answer.get("predictions")
    if values is None and isinstance(answer.get("outputs"), list) and answer["outputs"]:
        first = answer["outputs"][0]
        values = first.get("data") if isinstance(first, dict) else None
    if not isinstance(values, list):
        return ()
    found = (each[0] if isinstance(each, list) and each else each for each in values[:256])
    return tuple(
        float(each)
        for each in found
        if isinstance(each, int | float) and not isinstance(each, bool) and abs(each) < 1e300
    )


@dataclass(slots=True)
class Report:
    """Gathers while the bundle is made, then writes the page."""

    kind: str
    made: Mapping[str, str]
    exchanges: list[Exchange] = field(default_factory=list)
    trees: Sequence[TreePart] = ()
    packages: Mapping[str, PackagePart | None] = field(default_factory=dict)
    """By the hex of the digest; None: not in the bundle."""

    def add(self, exchange: Exchange) -> None:
        """One record that was asked for, in the order of its tree."""
        self.exchanges.append(exchange)

    def html(self, value: str) -> str:
        """The page. `value`: of the selection."""
        title = f"Evidence: {self.kind} {_short(value, 60)}"
        sections = [
            self._head(value),
            self._figures(),
            *self._plots(),
            self._models(),
            self._trees(),
            _NOT_SHOWN,
            self._records(),
        ]
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
            f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>{''.join(sections)}</main></body></html>\n"
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
            f"<code>{escape(_short(value, 400))}</code></h1>"
            f"<p>Made {escape(self.made['time'])} by {escape(self.made['by'])}.</p>"
            "<aside><strong>This page proves nothing by itself.</strong> What does is beside it in the same file. "
            "Check it with the public key of the log's notary, from a source that you trust:"
            "<pre>affiant-verify bundle FILE --key VKEY</pre></aside></header>"
        )

    # ---------------------------------------------------------------- figures and plots

    def _figures(self) -> str:
        exchanges = self.exchanges
        times = [each.committing for each in exchanges if each.committing]
        answered = sum(each.status is not None and each.status < 400 for each in exchanges)
        models = {each.digest for each in exchanges if each.digest}
        waits = sorted(_wait(each) for each in exchanges if _has_wait(each))
        figures = [
            ("records", f"{len(exchanges):,}"),
            ("answered", f"{answered:,}"),
            ("models", f"{len(models):,}"),
            ("first", _time(min(times)) if times else "–"),
            ("last", _time(max(times)) if times else "–"),
            ("median wait", _duration(waits[len(waits) // 2]) if waits else "–"),
        ]
        cells = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in figures)
        return f"<dl class=figures>{cells}</dl>"

    def _plots(self) -> list[str]:
        plots = [self._over_time(), self._status(), self._by_model(), self._waits(), self._score_plot()]
        return [
            f"<section><h2>{escape(title)}</h2>{svg}<p class=note>{escape(note)}</p></section>"
            for title, svg, note in plots
            if svg
        ]

    def _over_time(self) -> tuple[str, str, str]:
        timed = [(each.committing, each) for each in self.exchanges if each.committing]
        if len(timed) < 2:
            return "", "", ""
        low, high = min(time for time, _ in timed), max(time for time, _ in timed)
        if high == low:
            return "", "", ""
        counts = {style: [0] * _BINS for style in ("good", "warn", "bad", "other")}
        for time, each in timed:
            counts[_style(each.status)][bin_of(time, low, high, _BINS)] += 1
        names = {"good": "answered", "warn": "refused", "bad": "failed", "other": "without a status"}
        series = [Series(names[style], style, values) for style, values in counts.items() if any(values)]
        step = (high - low) / _BINS
        labels = [
            f"{_time(int(low + at * step))} to {_clock(int(low + (at + 1) * step))}" for at in range(_BINS)
        ]
        ticks = [
            (place, _tick(int(low + place * (high - low)), high - low))
            for place in (0.0, 0.25, 0.5, 0.75, 1.0)
        ]
        svg = columns(series, labels, ticks, "records over time, by status")
        legend = "".join(f'<span><i class="{one.style}"></i>{escape(one.name)}</span>' for one in series)
        return (
            "Records over time",
            f"<p class=legend>{legend}</p>{svg}",
            (f"By the time at which the gateway committed them, UTC; each column is {_duration(int(step))}."),
        )

    def _status(self) -> tuple[str, str, str]:
        counts = Counter((each.status, each.kind) for each in self.exchanges)
        if not counts:
            return "", "", ""
        bars = [
            (f"{status} · {kind}" if status is not None else kind, count, _style(status))
            for (status, kind), count in sorted(
                counts.items(), key=lambda item: (item[0][0] or 1000, item[0][1])
            )
        ]
        return (
            "Status",
            rows(_few(bars), "records by status"),
            "HTTP status of the answer, and kind of entry.",
        )

    def _by_model(self) -> tuple[str, str, str]:
        counts = Counter(
            (each.service or "–", each.digest, each.slot) for each in self.exchanges if each.digest
        )
        if not counts:
            return "", "", ""
        bars = [
            (f"{service} · {str(digest)[:8]} · {slot}", count, "good")
            for (service, digest, slot), count in counts.most_common()
        ]
        return (
            "Models",
            rows(_few(bars), "records by model"),
            "Service, the first digits of the package's digest, slot.",
        )

    def _waits(self) -> tuple[str, str, str]:
        waits = sorted(_wait(each) for each in self.exchanges if _has_wait(each))
        if len(waits) < 2:
            return "", "", ""
        low = math.floor(math.log10(max(1_000, waits[0])) * 2) / 2
        high = max(low + 0.5, math.ceil(math.log10(max(1_000, waits[-1])) * 2) / 2)
        values = [0] * _BINS
        for wait in waits:
            values[bin_of(math.log10(max(1_000, wait)), low, high, _BINS)] += 1
        edge = [10 ** (low + (high - low) * at / _BINS) for at in range(_BINS + 1)]
        labels = [f"{_duration(int(edge[at]))} to {_duration(int(edge[at + 1]))}" for at in range(_BINS)]
        powers = [
            low,
            *(power for power in range(math.ceil(low), math.floor(high) + 1) if low < power < high),
            high,
        ]
        ticks = [((power - low) / (high - low), _duration(10**power)) for power in powers]
        svg = columns([Series("records", "good", values)], labels, ticks, "time from arrival to commit")
        said = ", ".join(f"{name} {_duration(waits[min(len(waits) - 1, int(len(waits) * part))])}"
                         for name, part in (("median", 0.5), ("95 %", 0.95), ("99 %", 0.99)))  # fmt: skip
        return (
            "From arrival to commit",
            svg,
            (
                f"How long the gateway took until it gave the entry to its journal: {said}. Logarithmic. "
                "The answer left after that, when the entry was on disk."
            ),
        )

    def _score_plot(self) -> tuple[str, str, str]:
        scores: list[float] = []
        for each in self.exchanges:
            scores += each.scores
            if len(scores) >= _SCORES:
                break
        if len(set(scores)) < 2:
            return "", "", ""
        low, high = min(scores), max(scores)
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        values = [0] * _BINS
        for score in scores:
            values[bin_of(score, low, high, _BINS)] += 1
        step = (high - low) / _BINS
        labels = [f"{low + at * step:.4g} to {low + (at + 1) * step:.4g}" for at in range(_BINS)]
        ticks = [(place, f"{low + place * (high - low):.3g}") for place in (0.0, 0.25, 0.5, 0.75, 1.0)]
        svg = columns([Series("rows", "good", values)], labels, ticks, "distribution of scores")
        return "Scores", svg, f"The first number of each row that was answered as JSON: {len(scores):,} rows."

    # ---------------------------------------------------------------- tables

    def _models(self) -> str:
        if not self.packages:
            return ""
        body = []
        for digest, package in self.packages.items():
            name, made, lineage = _package(package)
            body.append((f"<code>sha256:{digest}</code>", escape(name), escape(made), lineage))
        return _table("Packages", ("digest", "name", "published", "lineage"), body, wide=0)

    def _trees(self) -> str:
        body = []
        for tree in self.trees:
            try:
                checkpoint = parse_checkpoint(parse_note(tree.checkpoint).text)
            except FormatError:  # what is published was verified; a caller's own bundle may be anything
                continue
            ranges = [
                f"{first:,}" if end == first + 1 else f"{first:,} – {end - 1:,}" for first, end in tree.wanted
            ]
            said = ", ".join(ranges[:8]) + (f" and {len(ranges) - 8:,} more" if len(ranges) > 8 else "")
            body.append(
                (
                    f"<code>{escape(tree.origin)}</code>", said,
                    f"{checkpoint.size:,}",
                    ", ".join(f"{size:,}" for size in sorted(tree.earlier)) or "–",
                    f"<code>{checkpoint.root.hex()}</code>",
                )
            )  # fmt: skip
        return _table("Trees", ("origin", "offsets", "size", "earlier checkpoints", "root"), body, wide=4)

    def _records(self) -> str:
        body = [
            (
                f"{each.partition}:{each.offset}",
                escape(f"{_time(each.committing)}.{each.committing // 10**6 % 1000:03d}")
                if each.committing
                else "–",
                escape(each.kind),
                _status_cell(each.status),
                escape(each.service or "–"),
                f"<code>{each.digest[:8]}</code>" if each.digest else "–",
                f"<code>{each.caller[:8]}</code>" if each.caller else "–",
                escape(", ".join(f"{score:.4g}" for score in each.scores[:3]))
                + ("…" if len(each.scores) > 3 else ""),
                f"<code>{each.name[:8]}…{each.name.partition('-')[2]}</code>" if each.name else "–",
            )
            for each in self.exchanges[:_LISTED]
        ]
        title = (
            "Records"
            if len(self.exchanges) <= _LISTED
            else f"The first {_LISTED} of {len(self.exchanges):,} records"
        )
        names = (
            "offset",
            "committed (UTC)",
            "kind",
            "status",
            "service",
            "model",
            "caller",
            "scores",
            "record",
        )
        return _table(title, names, body)


_NOT_SHOWN: Final = """<section><h2>What this does not show</h2><ul>
<li>This page, the time of making and its maker's name are said by the maker; the signature does not cover them.</li>
<li>Only a range of offsets is whole. Of a caller, a subject or single records, some may have been left out.</li>
<li>That a model is right or fair: the records show what was asked and answered, by which package.</li>
<li>What a package's lineage says is the word of who published it.</li></ul></section>"""


def _table(title: str, names: Sequence[str], body: Sequence[Sequence[str]], wide: int | None = None) -> str:
    """Cells are HTML."""
    if not body:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    lines = "".join(
        "<tr>"
        + "".join(f"<td{' class=wide' if at == wide else ''}>{cell}</td>" for at, cell in enumerate(row))
        + "</tr>"
        for row in body
    )
    return (
        f"<section><h2>{escape(title)}</h2><div class=scroll><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div></section>"
    )


def _package(package: PackagePart | None) -> tuple[str, str, str]:
    """Name, time, and lineage as HTML, as far as they are there."""
    if package is None:
        return "not in this bundle", "–", "–"
    try:
        notes = json.loads(package.manifest).get("annotations", {})
        name = str(notes.get("org.affiant.model.name", "–"))
        made = str(notes.get("org.opencontainers.image.created", "–"))
    except (ValueError, AttributeError, RecursionError):
        return "unreadable", "–", "–"
    lineage = next((found for blob in package.blobs.values() if (found := _lineage(blob))), "–")
    return name, made, lineage


def _lineage(blob: bytes) -> str:
    try:
        content = json.loads(blob)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(content, dict) or "format" not in content or "inputs" in content:
        return ""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    shown = " open" if len(text) < 2_000 else ""
    head = f"<details{shown}><summary>{len(content)} fields</summary>"
    return f"{head}<pre>{escape(_short(text, 20_000))}</pre></details>"


def _style(status: int | None) -> str:
    if status is None:
        return "other"
    return next((style for bound, _, style in reversed(_CLASSES) if status >= bound), "other")


def _status_cell(status: int | None) -> str:
    return "–" if status is None else f'<span class="pill {_style(status)}">{status}</span>'


def _few(bars: Sequence[tuple[str, int, str]], most: int = 12) -> list[tuple[str, int, str]]:
    rest = sum(count for _, count, _ in bars[most - 1 :])
    return (
        list(bars)
        if len(bars) <= most
        else [*bars[: most - 1], (f"{len(bars) - most + 1} others", rest, "other")]
    )


def _has_wait(each: Exchange) -> bool:
    return (
        each.arrived is not None and each.committing is not None and each.committing >= each.arrived > 10**15
    )


def _wait(each: Exchange) -> int:
    return (each.committing or 0) - (each.arrived or 0)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _moment(time: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(time / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _time(time: int) -> str:
    moment = _moment(time)
    return "–" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def _clock(time: int) -> str:
    return _time(time)[11:]


def _tick(time: int, span: int) -> str:
    text = _time(time)
    return text[:10] if span > 3 * 86_400 * 10**9 else text[5:16] if span > 86_400 * 10**9 else text[11:]


def _duration(nanoseconds: float) -> str:
    for unit, size in (("h", 3.6e12), ("min", 6e10), ("s", 1e9), ("ms", 1e6)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds / 1e3:.3g} µs"
