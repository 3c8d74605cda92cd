"""The webhook's bearer token: a file that its owner alone reads."""

from __future__ import annotations

import os
import re
import secrets
import stat
from pathlib import Path
from typing import Final

from audit.errors import KeyRefused
from audit.files import write_once

_TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/=-]{32,512}")
"""What RFC 6750 lets a bearer token be, long enough not to be guessed."""


def make_token(path: Path) -> None:
    """Write a fresh token, 256 random bits, mode 0600.

    Raises:
        KeyRefused: something is there; it was left as it is.
    """
    if not write_once(path, f"{secrets.token_urlsafe(32)}\n".encode(), 0o600):
        raise KeyRefused(f"{path} is there already; it was left as it is")


def read_token(path: Path) -> str:
    """The token.

    Raises:
        KeyRefused: it is not there, others than its owner can read it, or it is none. The message does not have it.
    """
    try:
        with path.open("rb") as file:
            raw, mode = file.read(1024), os.fstat(file.fileno()).st_mode
    except FileNotFoundError as error:
        raise KeyRefused(f"{path} is not there; `affiant controller token` makes it") from error
    except OSError as error:
        raise KeyRefused(f"{path}: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise KeyRefused(
            f"{path} can be read by others than its owner (mode {stat.S_IMODE(mode):04o}): `chmod 600 {path}`, "
            "and make another if anybody may have read it"
        )
    token = raw.strip()
    if not _TOKEN.fullmatch(token):
        raise KeyRefused(f"{path} holds no token: 32 letters and digits or more, on one line, are wanted")
    return token.decode()
