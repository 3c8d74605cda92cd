"""`affiant certificate`: what shows that a package may answer, in one file."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from audit.config import load

from .approvals_open import JsonOption, ServiceOption, board_of, digest_of
from .approvals_show import day
from .model import DigestArgument
from .options import ConfigOption
from .output import ForceOption, check_output, write_output
from .text import json_text, printable

if TYPE_CHECKING:
    from audit.proof.certificate_found import Certified

app = typer.Typer()


@app.command()
def certificate(
    digest: DigestArgument,
    service: ServiceOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.", show_default=False)],
    slot: Annotated[Literal["live", "canary", "shadow"], typer.Option(help="Where it answers.")] = "live",
    force: ForceOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the certificate of a package that may answer: its manifest, root, policy, what was signed, and the proofs.

    `affiant-verify certificate FILE --root-digest DIGEST` checks it on a machine with nothing else.

    Exit codes: 0 written, and it verifies; 1 the package may not answer, or the log is not what was sealed; 2 wrong
    usage or settings; 3 the log, the store or the notary's store does not answer.

    Example: affiant certificate sha256:5e66a605fa8c --service credit --out credit.certificate.zip
    """
    from audit.log import configured_governance_log
    from audit.trees import configured_trees
    from registry.certificate import make_certificate, sealed_of
    from registry.certificate.make import entries_of
    from registry.lineage.publisher import publisher_of
    from registry.stores import configured_store

    check_output(out, force=force)
    loaded = load(config)
    store, board = configured_store(loaded), board_of(loaded)
    package = store.pull(digest_of(store, digest))
    topic, entries = entries_of(configured_governance_log(loaded, create=False), board.end)
    made = make_certificate(
        package, board, entries, sealed_of(configured_trees(loaded), topic, entries),
        service=service, slot=slot, now=int(time.time()), by=f"affiant {version('affiant')}",
        publisher=publisher_of(package),
    )  # fmt: skip
    write_output(out, made.raw, force=force)
    told = _told(out, len(made.raw), made.found, board.roots.chain[0][1].digest)
    if as_json:
        typer.echo(json_text(told))
        return
    _print(told, made.found)


def _told(out: Path, size: int, found: Certified, root: str) -> dict[str, Any]:
    return {
        "file": str(out),
        "bytes": size,
        "digest": found.digest,
        "service": found.service,
        "slot": found.slot,
        "root_digest": root,
        "approved_by": [list(each) for each in found.approved_by],
        "rejections": list(found.rejected),
        "break_glass": found.break_glass,
        "expires": found.expires,
        "statements": len(found.statements),
        "sealed": found.sealed if found.has_checkpoint else None,
        "not_covered": [row.requirement for row in found.rows if not row.evidence],
        "not_shown": found.not_shown(),
    }


def _print(told: dict[str, Any], found: Certified) -> None:
    sealed = f"{found.sealed} of them sealed" if found.has_checkpoint else "not sealed"
    typer.echo(f"{told['file']}: {told['statements']} statements, {sealed}; it verifies")
    if found.break_glass:
        typer.echo("  BREAK-GLASS: it answers without the approvals and gates that the policy asks for")
    for role, person in found.approved_by:
        typer.echo(printable(f"  approved by {person} ({role})"))
    for line in found.rejected:
        typer.echo(printable(f"  {line}"))
    if found.expires is not None:
        typer.echo(f"  the first approval ends {day(found.expires)}")
    for name in told["not_covered"]:
        typer.echo(f"  not covered: {name}")
    for line in told["not_shown"]:
        typer.echo(f"  it does not show {line}")
    typer.echo(f"check it: affiant-verify certificate {told['file']} --root-digest {told['root_digest']}")
