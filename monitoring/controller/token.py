"""The webhook's bearer token: a file that its owner alone reads, and that may be changed while the controller runs."""

from __future__ import annotations

import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from audit.errors import KeyRefused
from audit.files import write_once

GRACE: Final = 300.0
"""Seconds that the token of before is good for, too: a cluster shows its pods a changed secret minutes apart."""
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


class LiveTokens:
    """The tokens that are good now: the file's, and the one before for GRACE seconds from the call that found the
    change. From any thread. Who has it MUST call it every few seconds (`Door.watch`). The file's own time does not
    count: who copies a file, or mounts a Secret, may give it any.

    MUST go on with the last good one while what is in its place is none: a file is written, or changed for another, in
    more than one step.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        """The file is read now, and at each call. Raises KeyRefused as `read_token`."""
        self._path: Final = path
        self._monotonic: Final = monotonic
        self._log: Final = structlog.get_logger("affiant.controller")
        self._lock: Final = threading.Lock()
        self._token = read_token(path)
        self._before: tuple[str, float] | None = None
        """And until when it is good."""
        self._why = ""

    def __call__(self) -> tuple[str, ...]:
        """The file's first."""
        with self._lock:
            self._read()
            if self._before is not None and self._monotonic() >= self._before[1]:
                self._before = None
            return (self._token,) if self._before is None else (self._token, self._before[0])

    def _read(self) -> None:
        try:
            token, why = read_token(self._path), ""
        except KeyRefused as error:
            token, why = self._token, str(error)
        if why and why != self._why:
            self._log.warning("the token is as before: what is in its place is none", why=why)
        self._why = why
        if token != self._token:
            self._before = self._token, self._monotonic() + GRACE
            self._token = token
            self._log.info("the token was changed", seconds_of_the_one_before=GRACE)
