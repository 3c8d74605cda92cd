"""API keys: who is asking, under a pseudonym.

The file holds, for each key, its SHA-256 (a key is 256 random bits: nothing to guess, so no slow hash), a
name for its owner, and 16 random bytes that stand in the record in the owner's place. Whoever erases the line
erases the only link between the two.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.errors import ConfigError
from audit.files import make_directory, sync_directory
from audit.invalid import first_problem

from .errors import NotLoopback, Unauthenticated

PREFIX: Final = "affiant_"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")
_MAX_FILE: Final = 16 << 20
_BEARER: Final = b"bearer "
CERTIFICATE: Final = "affiant.certificate"
"""In an ASGI scope's state: that the connection has shown a certificate which TLS found right (http.py)."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=128)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    caller: str = Field(pattern=r"^[0-9a-f]{32}$")


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = Field(default=1, ge=1, le=1)
    keys: tuple[_Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """Callers by the SHA-256 of their key. None: no keys are configured, loopback only.

    With `certificates` a connection must have shown one of [gateway] client_ca, besides. It says who may come in; who
    is asking is said by the key, in the record, too: a certificate has no pseudonym that could be erased.
    """

    callers: Mapping[bytes, bytes] | None
    certificates: bool = False

    def authenticate(self, headers: Mapping[bytes, bytes], scope: Mapping[str, Any]) -> bytes | None:
        """The caller's pseudonym, 16 bytes; None where no keys are configured.

        Keys come as `Authorization: Bearer KEY` or `X-API-Key: KEY`.

        Raises:
            Unauthenticated: no key, or an unknown one; no certificate where one is wanted.
            NotLoopback: no keys are configured, and the connection came to another address.
        """
        if self.certificates and scope.get("state", {}).get(CERTIFICATE) is not True:
            raise Unauthenticated("show a certificate, of the authority that [gateway] client_ca names")
        if self.callers is None:
            server = scope.get("server")
            # The address that the connection came to: a client cannot choose it, unlike a header.
            if server is None or not is_loopback(server[0]):
                raise NotLoopback(
                    "no API keys are configured, so only connections to the loopback are answered"
                )
            return None
        given = headers.get(b"authorization", b"")
        key = given[7:].strip() if given[:7].lower() == _BEARER else headers.get(b"x-api-key", b"")
        if not key:
            raise Unauthenticated("send a key: `Authorization: Bearer KEY` or `X-API-Key: KEY`")
        digest = sha256(key).digest()
        # The look-up's time tells about the hash alone, of which nobody can choose a part.
        caller = self.callers.get(digest)
        if caller is None:
            raise Unauthenticated("the key is not known")
        return caller


NO_KEYS: Final = Keys(None)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    return host.startswith(("127.", "::ffff:127.")) or host in ("::1", "localhost")


def read_keys(path: Path | None, *, certificates: bool = False) -> Keys:
    """The keys of a file; None gives NO_KEYS, or their like with `certificates`.

    Raises:
        ConfigError: the file is absent, readable by others, or not what it should be.
    """
    if path is None:
        return Keys(None, certificates) if certificates else NO_KEYS
    lines = _read(path).keys
    callers = {bytes.fromhex(line.sha256): bytes.fromhex(line.caller) for line in lines}
    if len(callers) != len(lines):
        raise ConfigError(f"{path}: a key is there twice")
    return Keys(callers, certificates)


def add_key(path: Path, name: str, *, random: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Make a key for `name`, add its hash to the file (made when absent, mode 0600) and return the key.

    The key itself is nowhere kept. A crash leaves the old file.

    Raises:
        ConfigError: the name is there already or is none, or the file is not what it should be.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"key name {name!r}: letters, digits and . _ @ - are wanted, at most 128")
    lines = list(_read(path).keys) if path.exists() else []
    if any(hmac.compare_digest(line.name, name) for line in lines):
        raise ConfigError(f"{path}: {name!r} has a key already; `affiant gateway keys remove {name}` ends it")
    key = PREFIX + random(32).hex()
    lines.append(_Line(name=name, sha256=sha256(key.encode()).hexdigest(), caller=random(16).hex()))
    _write(path, lines)
    return key


def remove_key(path: Path, name: str) -> None:
    """End a key. A running gateway follows within a second. Raises ConfigError when there is none."""
    lines = _read(path).keys
    kept = [line for line in lines if line.name != name]
    if len(kept) == len(lines):
        raise ConfigError(f"{path}: there is no key of the name {name!r}")
    _write(path, kept)


def list_keys(path: Path) -> list[tuple[str, str]]:
    """Names and callers' pseudonyms, in the file's order. Raises ConfigError."""
    return [(line.name, line.caller) for line in _read(path).keys]


def _read(path: Path) -> _File:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} can be read by others: chmod 600 {path}")
        with path.open("rb") as file:
            raw = file.read(_MAX_FILE)
        return _File.model_validate_json(raw)
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}; `affiant gateway keys add NAME` makes it"
        ) from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {first_problem(error)}") from error


def _write(path: Path, lines: list[_Line]) -> None:
    content = {"format": 1, "keys": [line.model_dump() for line in lines]}
    make_directory(path.parent)
    draft = path.with_name(path.name + ".new")
    # Complete and synced before it takes the old file's place: a gateway never reads half a file.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    # Until here a power failure may bring the old file back; nobody has the key yet.
    sync_directory(path.parent)
