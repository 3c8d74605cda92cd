"""Asking a command of the settings: one that unwraps keys, or signs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from .proof.printable import printable


class CommandFailed(Exception):  # noqa: N818 - the name says what happened
    """It could not be run, did not end in time, or ended with a failure; the message says which."""


def ask(command: Sequence[str], seconds: float, given: bytes = b"") -> bytes:
    """What it prints. There is no shell; what it starts ends with it.

    What it printed MUST NOT be in a message: it may be key material. What it complains of is not.

    Args:
        command: the program, and its arguments.
        seconds: how long it may take.
        given: what it reads from its input.

    Raises:
        CommandFailed: there is no answer.
    """
    try:
        asked = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailed(str(error.strerror)) from error
    with asked:
        try:
            out, err = asked.communicate(given, seconds)
        except subprocess.TimeoutExpired as error:
            with suppress(ProcessLookupError):
                os.killpg(asked.pid, signal.SIGKILL)
            raise CommandFailed(f"no answer within {seconds:g} s") from error
    if asked.returncode:
        said = err.decode(errors="replace").strip().splitlines()
        last = f": {printable(said[-1])[:300]}" if said else ""
        raise CommandFailed(f"ended with {asked.returncode}{last}")
    return out
