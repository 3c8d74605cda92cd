"""The notary's key: a file that only its owner may read. Others are in signers.py."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.errors import KeyRefused
from audit.files import write_once
from audit.proof.errors import FormatError
from audit.proof.note import VerifierKey

_SIZE: Final = 32
_MAX_VKEY: Final = 4096


class FileKey:
    """An Ed25519 key in a file of 32 raw bytes."""

    def __init__(self, path: Path) -> None:
        """Read the key.

        Raises:
            KeyRefused: not there, readable by others than its owner, or not 32 bytes.
        """
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                raw = file.read(_SIZE + 1)
        except FileNotFoundError as error:
            raise KeyRefused(f"{path} is not there; `affiant notary keygen` makes it") from error
        except OSError as error:
            raise KeyRefused(f"{path}: {error.strerror}") from error
        if stat.S_IMODE(mode) & 0o077:
            raise KeyRefused(
                f"{path} can be read by others than its owner (mode {stat.S_IMODE(mode):04o}): "
                f"`chmod 600 {path}`, and take another key if anybody may have read it"
            )
        if len(raw) != _SIZE:
            raise KeyRefused(f"{path} is not an Ed25519 key of {_SIZE} bytes")
        self._key = Ed25519PrivateKey.from_private_bytes(raw)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """See `proof.note.Signer.sign`."""
        return self._key.sign(message)


def generate(key_file: Path, public_key_file: Path, name: str) -> VerifierKey:
    """Make a key, and its vkey beside it.

    Raises:
        KeyRefused: there is a key already; nothing was changed.
    """
    key = Ed25519PrivateKey.generate()
    vkey = VerifierKey(name, key.public_key().public_bytes_raw())
    if not write_once(key_file, key.private_bytes_raw(), 0o600):
        raise KeyRefused(f"{key_file} is there already; it was left as it is")
    # A crash in between leaves a key without its vkey: `affiant notary vkey` prints it from the key.
    if not write_once(public_key_file, f"{vkey}\n".encode()):
        raise KeyRefused(f"{public_key_file} is there already, of another key; it was left as it is")
    return vkey


def read_vkey(path: Path) -> VerifierKey:
    """The vkey in a file of one line.

    Raises:
        KeyRefused: not there, or not a vkey.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_VKEY).decode().strip()
        return VerifierKey.parse(text)
    except FileNotFoundError as error:
        raise KeyRefused(f"{path} is not there; `affiant notary keygen` makes it") from error
    except (FormatError, UnicodeDecodeError) as error:
        raise KeyRefused(f"{path}: {error}") from error
