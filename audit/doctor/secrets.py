"""Files with keys and secrets, and certificates: are they there, closed to others, of each other, and valid?"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from audit.errors import KeyRefused

from .base import Finding, Looked, Outcome

SOON: Final = 14 * 86_400
"""Seconds before its end in which a certificate is told of."""
_MOST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Secret:
    """A file that its owner alone may read. `wanted`: that it is not there is a finding; `make`: the command for it."""

    what: str
    path: Path
    make: str
    wanted: bool = True
    read: Callable[[Path], object] | None = None
    """Reads it as its component does, and raises `KeyRefused` when it holds no key."""
    mounted: bool = False
    """Whether its component takes it as a Secret's volume gives it, and not of mode 0600 alone."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Of an open file: mode, owner, and whether its mount is only read."""

    mode: int
    owner: int
    read_only: bool


def facts_of(descriptor: int) -> Facts:
    """Ask the system."""
    found = os.fstat(descriptor)
    read_only = bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)
    return Facts(stat.S_IMODE(found.st_mode), found.st_uid, read_only)


def look(secret: Secret, facts: Callable[[int], Facts] = facts_of) -> Iterator[Outcome]:
    """There, closed to others, and a key.

    Args:
        secret: the file.
        facts: says of an open file what it is.
    """
    path = secret.path
    try:
        with path.open("rb") as file:
            found = facts(file.fileno())
    except FileNotFoundError:
        if secret.wanted:
            yield Finding("key-absent", str(path), f"{secret.what} is not there", secret.make)
        return
    except OSError as error:
        remedy = "run the doctor as the user that runs the component, and give that user the file"
        yield Finding("key-absent", str(path), f"{secret.what} cannot be read: {error.strerror}", remedy)
        return
    if not _closed(secret, found):
        yield Finding(
            "key-mode",
            str(path),
            f"{secret.what} has mode {found.mode:04o}: others than its owner may read or change it",
            f"chmod 600 {path}; and make another if anybody may have read it",
        )
        return
    if secret.read is not None:
        try:
            secret.read(path)
        except KeyRefused as error:
            yield Finding("key-malformed", str(path), f"{secret.what}: {error}", secret.make)
            return
    yield Looked(secret.what, f"{path}, mode {found.mode:04o}")


def _closed(secret: Secret, found: Facts) -> bool:
    """Whether nobody else may read it or change it.

    A Secret's volume belongs to root, and gives its files to the pod's group (fsGroup), which is nobody else's: 0440 at
    best, on a mount that nobody can change a mode on. Anywhere else a group is of people.
    """
    if not found.mode & 0o077:
        return True
    return secret.mounted and found.read_only and found.owner == 0 and not found.mode & 0o037


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain, and its private key where we have it."""

    what: str
    certificate: Path
    key: Path | None


def look_at_pair(pair: Pair, now: datetime | None = None) -> Iterator[Outcome]:
    """Readable, of each other, and valid now and for a while."""
    now = now or datetime.now(UTC)
    remedy = "have it issued again (cert-manager does by itself), and start the component again"
    try:
        with pair.certificate.open("rb") as file:
            found = x509.load_pem_x509_certificates(file.read(_MOST))
        if pair.key is not None:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(pair.certificate, pair.key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        yield Finding("certificate-unusable", str(pair.certificate), f"{pair.what}: {why}", remedy)
        return
    # Of a chain each certificate must hold. Of several authorities in one file any may be the one that is asked.
    end = min(each.not_valid_after_utc for each in found)
    begin = max(each.not_valid_before_utc for each in found)
    if now >= end:
        yield Finding(
            "certificate-expired",
            str(pair.certificate),
            f"{pair.what} ended on {end:%Y-%m-%d %H:%M} UTC",
            remedy,
        )
    elif now < begin:
        what = f"{pair.what} begins on {begin:%Y-%m-%d %H:%M} UTC, which is not yet"
        yield Finding(
            "certificate-expired", str(pair.certificate), what, remedy + "; or is this clock wrong?"
        )
    elif (end - now).total_seconds() < SOON:
        what = f"{pair.what} ends on {end:%Y-%m-%d %H:%M} UTC"
        yield Finding("certificate-expires", str(pair.certificate), what, remedy, grave=False)
    else:
        yield Looked(pair.what, f"valid until {end:%Y-%m-%d}")
