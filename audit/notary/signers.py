"""Whose key the notary signs with: its own file's, or one that a command knows, of a KMS or an HSM.

The command is run without a shell, with one more argument:

    COMMAND… public    prints the Ed25519 public key, 32 bytes; asked by `affiant notary keygen` alone
    COMMAND… sign      reads the message from its input, and prints the signature by RFC 8032, 64 bytes

Both print the bytes as they are, or their base64 on one line. It may be run by several threads at once: once for each
new checkpoint of each partition, and for each statement of the governance log. What it gives is verified.
"""

from __future__ import annotations

import base64
import binascii
import shutil
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.commands import CommandFailed, ask
from audit.config import Config
from audit.errors import KeyRefused
from audit.files import write_once
from audit.proof.note import Signer, SignerUnavailable, VerifierKey
from audit.settings import NotarySettings

from .keys import FileKey, generate, read_vkey

SECONDS: Final = 10.0
"""A command that takes longer does not answer."""
_KEY: Final = 32
_SIGNATURE: Final = 64


class CommandKey:
    """A key that a command signs with. See `proof.note.Signer`."""

    def __init__(self, command: Sequence[str], public_key: bytes, seconds: float = SECONDS) -> None:
        """Nothing is asked yet. `public_key`: whose signatures are taken, 32 bytes; `seconds` of one answer.

        Raises:
            KeyRefused: there is no such command.
        """
        self._command = _found(command)
        self._seconds = seconds
        self.public_key = public_key

    def sign(self, message: bytes) -> bytes:
        """See `proof.note.Signer.sign`.

        Raises:
            SignerUnavailable: the command fails, takes too long, or prints something else.
            KeyRefused: what it printed is no signature of this message by this key: it has another one.
        """
        signature = _ask(self._command, "sign", message, _SIGNATURE, self._seconds)
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature as error:
            raise KeyRefused(
                f"{_named(self._command)} sign: what it printed is no signature by the key of [notary] public_key_file"
            ) from error
        return signature


def configured_signer(config: Config) -> Signer:
    """The key of the settings. A command is not run yet.

    Raises:
        KeyRefused: the key, or the vkey of what a command signs with, is not there; or there is no such command.
    """
    settings = config.section("notary", NotarySettings)
    if settings.signer_command:
        return CommandKey(
            settings.signer_command, read_vkey(config.resolve(settings.public_key_file)).public_key
        )
    return FileKey(config.resolve(settings.key_file))


def make_key(config: Config) -> VerifierKey:
    """The notary's key, made, or of a command asked for; its vkey is written then.

    Raises:
        KeyRefused: there is a key, or the vkey of another one, already; or there is no such command.
        SignerUnavailable: the command does not say its public key.
    """
    settings = config.section("notary", NotarySettings)
    public_key_file = config.resolve(settings.public_key_file)
    if not settings.signer_command:
        return generate(config.resolve(settings.key_file), public_key_file, settings.name)
    public_key = _ask(_found(settings.signer_command), "public", b"", _KEY, SECONDS)
    vkey = VerifierKey(settings.name, public_key)
    if not write_once(public_key_file, f"{vkey}\n".encode()) and read_vkey(public_key_file) != vkey:
        raise KeyRefused(f"{public_key_file} is there already, of another key; it was left as it is")
    return vkey


def _found(command: Sequence[str]) -> tuple[str, ...]:
    """The command, which is there: one that is not never will be, and trying again would hide it."""
    if shutil.which(command[0]) is None:
        raise KeyRefused(f"{_named(command)}: there is no such command")
    return tuple(command)


def _named(command: Sequence[str]) -> str:
    return f"[notary] signer_command ({command[0]})"


def _ask(command: tuple[str, ...], what: str, message: bytes, size: int, seconds: float) -> bytes:
    """Run it, and take what it prints. Raises SignerUnavailable."""
    told = f"{_named(command)} {what}"
    try:
        out = ask([*command, what], seconds, message)
    except CommandFailed as error:
        raise SignerUnavailable(f"{told}: {error}") from error
    raw = out if len(out) == size else _decoded(out)
    if len(raw) != size:
        raise SignerUnavailable(f"{told}: printed neither {size} bytes nor the base64 of so many")
    return raw


def _decoded(out: bytes) -> bytes:
    try:
        return base64.b64decode(out.strip(), validate=True)
    except binascii.Error:
        return b""
