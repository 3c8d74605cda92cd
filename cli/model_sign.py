"""`affiant model sign` and `attach-signature`: OpenSSF model signatures, made here or brought from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .approvals_open import secret
from .model_options import DigestArgument, JsonOption, StoreOption
from .model_signatures import read_signature, signatures_of
from .options import ConfigOption
from .output import ForceOption, check_output, write_output
from .text import json_text

if TYPE_CHECKING:
    from registry.package import Package
    from registry.signing.kept import Signatures
    from registry.signing.keys import PrivateKey
    from registry.signing.sign import Certified


def sign(  # noqa: PLR0917 - a command takes its options one by one
    digest: DigestArgument,
    key: Annotated[
        Path,
        typer.Option(
            "--key", help="A private key, PEM, on P-256, P-384 or P-521; mode 0600.", show_default=False
        ),
    ],
    certificate: Annotated[
        Path | None,
        typer.Option(help="The key's certificate, PEM; goes into the signature.", show_default=False),
    ] = None,
    chain: Annotated[
        list[Path] | None,
        typer.Option(help="Certificates between it and an authority, PEM; repeat it.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the signature to a file, too.")
    ] = None,
    force: ForceOption = False,
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a package's files as OpenSSF's model-signing does, and keep the signature with the package.

    `model_signing verify key` verifies it against the folder that `affiant model pull` writes. A key with a passphrase
    takes it from AFFIANT_KEY_PASSPHRASE, or asks. A package that the key has signed is not signed by it again.
    A key of people who approve does not fit: `openssl ecparam -name prime256v1 -genkey -noout` makes one.

    Exit codes: 0 signed, or it was; 1 the store does not have the package, or a byte is wrong; 2 wrong usage, settings
    or key, or the extra `signing` is not installed; 3 the store does not answer.

    Example: affiant model sign sha256:5e66a605fa8c --key release.pem
    """
    from registry.signing.keys import read_private
    from registry.signing.sign import Certified

    from .model import _find, _open, _progress

    if chain and certificate is None:
        raise typer.BadParameter("it goes with --certificate", param_hint="--chain")
    if out is not None:
        check_output(out, force=force)
    private = read_private(key, secret)
    certified = None if certificate is None else Certified(certificate, tuple(chain or ()))
    with _progress("signing", 3) as step:
        step("reading and verifying")
        package = _find(_open(config, store), digest)
        step("signing")
        place = signatures_of(config, store)
        before = _before(place, package, private) if certified is None else None
        raw = before or _made(package, private, certified)
        step("keeping")
        name = place.keep(package, raw)
    if out is not None:
        write_output(out, raw, force=force)
    if as_json:
        told = {"digest": package.digest, "signature": name, "key": private.public.id, "made": before is None}
        typer.echo(json_text(told))
        return
    typer.echo(
        f"{name}: {'signed' if before is None else 'it was signed already'}, kept with {package.digest}"
    )


def attach_signature(
    digest: DigestArgument,
    file: Annotated[Path, typer.Argument(help="A signature, as model-signing writes it.")],
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a signature with a package that was made elsewhere, over the folder that `affiant model pull` writes.

    It must be of exactly the package's files. Whether it holds is not looked at: `affiant model verify-signature` does.

    Exit codes: 0 kept; 1 it is no signature of this package, or the store does not have that; 2 wrong usage or
    settings; 3 the store does not answer.

    Example: affiant model attach-signature sha256:5e66a605fa8c model.sig
    """
    from registry.signing.bundle import check_files, read

    from .model import _find, _open

    raw = read_signature(file)
    claim = read(raw)
    package = _find(_open(config, store), digest)
    check_files(claim, package)
    name = signatures_of(config, store).keep(package, raw)
    if as_json:
        typer.echo(json_text({"digest": package.digest, "signature": name, "key": claim.key}))
        return
    typer.echo(f"{name}: kept with {package.digest}")


def _before(place: Signatures, package: Package, private: PrivateKey) -> bytes | None:
    """A signature of the package by this key that is kept and holds."""
    from registry.signing.verify import Trust, findings

    kept = place.kept(package.digest)
    found = findings(kept, package, Trust([private.public]))
    return next((one.raw for one, each in zip(kept, found, strict=True) if each.holds), None)


def _made(package: Package, private: PrivateKey, certified: Certified | None) -> bytes:
    """A signature, looked at before anybody gets it."""
    from registry.signing.bundle import check_files, read
    from registry.signing.sign import sign as make
    from registry.signing.verify import Trust, verify

    raw = make(package, private, certified)
    if certified is None:
        verify(raw, package, Trust([private.public]))
    check_files(read(raw), package)
    return raw
