"""`affiant model signatures` and `verify-signature`: OpenSSF model signatures, listed and verified."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audit.config import load
from audit.errors import ConfigError
from registry.errors import RegistryError, SignatureRefused

from .approvals_open import warn
from .approvals_show import cell, screen, table
from .errors import WRONG
from .model_options import DigestArgument, JsonOption, StoreOption
from .options import ConfigOption
from .output import check_output, write_output
from .text import counted, json_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry.package import Package
    from registry.signing.kept import Kept, Signatures
    from registry.signing.verify import Finding, Trust

PublicKeysOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--public-key", help="A key whose signatures count: PEM; repeat it for others.", show_default=False
    ),
]


def signatures_of(config: Path | None, store: Path | None) -> Signatures:
    """Where the store keeps signatures."""
    from registry.signing.kept import LayoutSignatures, configured_signatures

    return LayoutSignatures(store) if store is not None else configured_signatures(load(config))


def signatures(
    digest: DigestArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A folder that they are written to, for others' tools."),
    ] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the OpenSSF signatures that are kept with a package: by which key, and whether they are of its files.

    Whether they hold is not looked at: `affiant model verify-signature` does that, with keys that you trust.

    Exit codes: 0 listed; 1 the store does not have the package; 2 wrong usage or settings; 3 the store does not answer.

    Example: affiant model signatures sha256:5e66a605fa8c
    """
    from .model import _find, _open

    package = _find(_open(config, store), digest)
    found = signatures_of(config, store).kept(package.digest)
    told = [_claimed(each, package) for each in found]
    if out is not None:
        _write(out, found)
    if as_json:
        typer.echo(json_text({"digest": package.digest, "signatures": told}))
        return
    if not told:
        typer.echo("no signatures are kept with it; `affiant model sign` makes one")
        return
    grid = table("signature", "key", "of this package")
    for each in told:
        grid.add_row(cell(each["signature"]), cell(each["key"] or "-"), cell(each["problem"] or "yes"))
    screen().print(grid)


def verify_signature(
    digest: DigestArgument,
    public_key: PublicKeysOption = None,
    certificates: Annotated[
        list[Path] | None,
        typer.Option(
            "--certificates",
            help="Authorities, PEM: whom they certify for signing counts; repeat it for others.",
            show_default=False,
        ),
    ] = None,
    signature: Annotated[
        Path | None,
        typer.Option(help="A signature's file; else those that the store keeps.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify the OpenSSF signatures of a package: one by a key that you trust is enough.

    A signature must be of exactly the package's files, as `affiant model pull` writes them: what its signer left out is
    no signature. The package's bytes are verified as well. Nobody is asked over a network but the store.

    Exit codes: 0 one counts; 1 none counts, there is none, or a byte of the package is wrong; 2 wrong usage, settings
    or keys, or the extra `signing` is not installed; 3 the store does not answer.

    Example: affiant model verify-signature sha256:5e66a605fa8c --public-key release.pub
    """
    from registry.manifest import digest_of
    from registry.signing.kept import Kept
    from registry.signing.verify import findings

    from .model import _find, _open, _progress

    trust = trust_of(public_key, certificates)
    raw = None if signature is None else read_signature(signature)
    with _progress("verifying", 3) as step:
        step("reading the package")
        package = _find(_open(config, store), digest)
        step("reading signatures")
        given = None if raw is None else (Kept(digest_of(raw), raw),)
        kept = given or signatures_of(config, store).kept(package.digest)
        step("verifying")
        found = findings(kept, package, trust)
    holds = any(each.holds for each in found)
    if as_json:
        typer.echo(
            json_text({"digest": package.digest, "holds": holds, "signatures": list(map(asdict, found))})
        )
    else:
        _tell(package, found)
    if not holds:
        raise typer.Exit(WRONG)


def pulled(
    config: Path | None, store: Path | None, package: Package, keys: Sequence[Path] | None
) -> str | None:
    """By whom a package is signed, where keys are trusted; else that nobody has looked is said, not passed over.

    Raises:
        SignatureRefused: keys are trusted, and no signature by one of them counts.
    """
    from registry.signing.verify import findings

    if not keys:
        say_unverified(config, store, package.digest, "--public-key says whose counts")
        return None
    trust = trust_of(keys, None)
    found_out = findings(signatures_of(config, store).kept(package.digest), package, trust)
    by = next((each.by for each in found_out if each.holds), None)
    if by is None:
        raise SignatureRefused("; ".join(each.problem for each in found_out) or "it has no signature")
    return by


def say_unverified(config: Path | None, store: Path | None, digest: str, whose: str) -> None:
    """Warn of signatures that are kept with a package, where nobody says whose count: a key in the signature's own
    bundle, or in the store beside it, would be its signer's.

    Args:
        config: the settings' file.
        store: a layout directory, in its place.
        digest: the package.
        whose: how to say it.
    """
    try:
        found = signatures_of(config, store).kept(digest)
    except RegistryError as error:
        warn(f"whether it is signed cannot be said: {error}")
        return
    if found:
        warn(f"{counted(len(found), 'OpenSSF signature')} kept with it, not verified: {whose}")


def kept_for_gates(
    config: Path | None, store: Path | None, digest: str, *, asked: bool
) -> Sequence[Kept] | None:
    """Those that the store keeps, where a gate judges them; else that nobody verifies them is said."""
    if asked:
        return signatures_of(config, store).kept(digest)
    say_unverified(config, store, digest, "the policy has no gate model_signing, whose keys say whose counts")
    return None


def trust_of(keys: Sequence[Path] | None, certificates: Sequence[Path] | None) -> Trust:
    """Raises ConfigError: nobody is trusted. KeyRefused: a file that is not what it should be."""
    from registry.signing.keys import read_certificates, read_public
    from registry.signing.verify import Trust

    if not keys and not certificates:
        raise ConfigError("whose signatures count? --public-key names a key, --certificates authorities")
    return Trust([read_public(each) for each in keys or ()], read_certificates(certificates or ()))


def read_signature(path: Path) -> bytes:
    """A signature's file; of one that is too long, enough to say so. Raises ConfigError."""
    from registry.signing.bundle import MAX_SIGNATURE

    try:
        with path.open("rb") as file:
            return file.read(MAX_SIGNATURE + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error


def _claimed(kept: Kept, package: Package) -> dict[str, Any]:
    from registry.signing.bundle import check_files, read

    key, problem = None, kept.problem
    if kept.raw is not None:
        try:
            claim = read(kept.raw)
            key = claim.key or "certificate"
            check_files(claim, package)
        except SignatureRefused as error:
            problem = str(error)
    return {"signature": kept.digest, "key": key, "problem": problem}


def _write(out: Path, found: Sequence[Kept]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    files = {
        out / f"{each.digest.removeprefix('sha256:')}.sig": each.raw for each in found if each.raw is not None
    }
    for path in files:
        check_output(path, force=True)
    for path, raw in files.items():
        write_output(path, raw, force=True)


def _tell(package: Package, found: Sequence[Finding]) -> None:
    if not found:
        typer.echo(f"{package.digest} has no signature")
        return
    grid = table("signature", "by", "")
    for each in found:
        style = "green" if each.holds else "bold red"
        grid.add_row(
            cell(each.digest), cell(each.by or "-"), cell("counts" if each.holds else each.problem, style)
        )
    screen().print(grid)
