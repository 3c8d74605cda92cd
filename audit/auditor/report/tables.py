"""The tables of the report: packages, trees, records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from audit.proof.bundle import PackagePart, TreePart
from audit.proof.checkpoint import parse_checkpoint
from audit.proof.errors import FormatError
from audit.proof.note import parse_note
from audit.proof.printable import printable, printable_json

from .charts import style_of
from .exchange import Exchange
from .given import answers_of
from .texts import exact, short

_LISTED: Final = 500
_LINEAGE_TYPE: Final = "application/vnd.affiant.lineage.v1+json"
"""Of the layer, docs/model-package.md."""


def models(packages: Mapping[str, PackagePart | None]) -> str:
    """The packages that answered; None: not in the bundle."""
    if not packages:
        return ""
    body = []
    for digest, package in packages.items():
        name, made, lineage = _package(package)
        answers = "" if package is None else answers_of(package)
        named, published, said = (
            escape(short(printable(each), 200)) for each in (name, made, answers or "–")
        )
        body.append((f"<code>sha256:{digest}</code>", named, published, said, lineage))
    note = (
        "The models that answered. The digest stands in each record; a manifest that is here has it as its SHA-256. "
        "Lineage is what the publisher says of where the model comes from."
    )
    return _table("Packages", ("digest", "name", "published", "answers", "lineage"), body, wide=0, note=note)


def trees(parts: Sequence[TreePart]) -> str:
    """Under which checkpoints the records are proved."""
    body = []
    for tree in parts:
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
    note = (
        "Each tree is one partition of the log; its origin ends with the topic's id and the partition. Size and root "
        "are what the notary has signed; affiant-verify prints them, too."
    )
    return _table(
        "Trees", ("origin", "offsets", "size", "earlier checkpoints", "root"), body, wide=4, note=note
    )


def records(exchanges: Sequence[Exchange]) -> str:
    """Some hundred of them, a line each."""
    body = [
        (
            f"{each.partition}:{each.offset}",
            escape(exact(each.committing)) if each.committing else "–",
            escape(each.kind),
            _status_cell(each.status),
            escape(each.service or "–"),
            f"<code>{each.digest[:8]}</code>" if each.digest else "–",
            f"<code>{each.caller[:8]}</code>" if each.caller else "–",
            f"<code>{each.subject[:8]}</code>" if each.subject else "–",
            escape(short(printable(each.request_id), 40)) if each.request_id else "–",
            escape(", ".join(f"{score:.4g}" for score in each.scores[:3]))
            + ("…" if len(each.scores) > 3 else ""),
            f"<code>{each.name[:8]}…{each.name.partition('-')[2]}</code>" if each.name else "–",
        )
        for each in exchanges[:_LISTED]
    ]
    title = "Records" if len(exchanges) <= _LISTED else f"The first {_LISTED} of {len(exchanges):,} records"
    note = (
        "Place: partition and offset. Model, caller, subject and record are shortened; they are whole above, and in "
        "what affiant-verify bundle FILE --key VKEY --extract DIR writes. Scores: the first number of each row."
    )
    names = (
        "place",
        "committed (UTC)",
        "kind",
        "status",
        "service",
        "model",
        "caller",
        "subject",
        "request\u00a0id",
        "scores",
        "record",
    )
    return _table(title, names, body, note=note)


def words(told: Sequence[tuple[str, str]]) -> str:
    """What the words of the page mean, as HTML."""
    return _table("Words", ("word", "meaning"), told, wide=1)


def _table(
    title: str, names: Sequence[str], body: Sequence[Sequence[str]], wide: int | None = None, note: str = ""
) -> str:
    """Cells are HTML, the note is text."""
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
        f"<tbody>{lines}</tbody></table></div>{f'<p class=note>{escape(note)}</p>' if note else ''}</section>"
    )


def _package(package: PackagePart | None) -> tuple[str, str, str]:
    """Name, time, and lineage as HTML, as far as they are there."""
    if package is None:
        return "not in this bundle", "–", "–"
    try:
        manifest = json.loads(package.manifest)
        notes = manifest.get("annotations", {})
        name = str(notes.get("org.affiant.model.name", "–"))
        made = str(notes.get("org.opencontainers.image.created", "–"))
        named = [
            layer["digest"] for layer in manifest.get("layers", ()) if layer.get("mediaType") == _LINEAGE_TYPE
        ]
        found = package.blobs.get(str(named[0]).removeprefix("sha256:")) if named else None
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return "unreadable", "–", "–"
    return name, made, _lineage(found) if found is not None else "–"


def _lineage(blob: bytes) -> str:
    try:
        content = json.loads(blob)
    except (ValueError, RecursionError):
        return "unreadable"
    if not isinstance(content, dict):
        return "unreadable"
    text = json.dumps(content, indent=1, ensure_ascii=False)
    shown = " open" if len(text) < 2_000 else ""
    head = f"<details{shown}><summary>{len(content)} fields</summary>"
    return f"{head}<pre>{escape(short(printable_json(text), 20_000))}</pre></details>"


def _status_cell(status: int | None) -> str:
    return "–" if status is None else f'<span class="pill {style_of(status)}">{status}</span>'
