"""The receiver of the copy: chunks are sent by fluent-logger, and each is waited for until it is acknowledged.

fluent-logger knows no acknowledgements: what it wrote is in a socket's buffer, and a receiver that dies then takes it
along. Its `emit` that gives False has not lost anything either: it sends it again with the next. Here neither counts.
A chunk (PackedForward with the option `chunk`) is delivered when the receiver has answered with its name, and after
any failure nothing of it is kept: the mirror reads it from the journal again.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgpack
from fluent.sender import FluentSender

from audit.settings import UNIX, FluentdSettings

from .errors import ReceiverUnavailable

_LOOK_SECONDS: Final = 0.2
_MAX_ANSWER: Final = 64 << 10


class _Sender(FluentSender):  # type: ignore[misc]
    """fluent-logger's, which reads what a receiver says and throws it away; here it is left to be read."""

    def _check_recv_side(self) -> None:
        """Nothing. That the receiver has closed is seen when its answer is read."""


class Receiver:
    """One connection to a receiver, made when it is needed. Used by one thread."""

    def __init__(
        self,
        settings: FluentdSettings,
        ended: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ended` is asked while an answer is waited for: true ends the wait."""
        assert settings.address is not None
        host, _, port = settings.address.rpartition(":")
        unix = settings.address.startswith(UNIX)
        self._address = settings.address
        self._where = {"host": settings.address} if unix else {"host": host, "port": int(port)}
        self._tag = settings.tag
        self._timeout = settings.timeout_seconds
        self._ended = ended
        self._monotonic = monotonic
        self._sender: _Sender | None = None

    def deliver(self, label: str | None, events: Sequence[bytes]) -> None:
        """Send events under one tag, and wait until the receiver has acknowledged them all.

        MUST NOT return before. After a failure any part of them may have arrived.

        Args:
            label: ends the tag; None for the tag alone.
            events: each `[time, fields]` in MessagePack.

        Raises:
            ReceiverUnavailable: it does not connect, take or acknowledge in time, or answers something else.
        """
        name = base64.b64encode(os.urandom(16)).decode()
        if self._sender is None:
            # An error while packing would be sent as an event of the library's own.
            self._sender = _Sender(
                self._tag, timeout=self._timeout, forward_packet_error=False, **self._where
            )
        # (tag, packed events, option): with these in the places of time and record, it is a PackedForward message.
        option = {"chunk": name, "size": len(events)}
        try:
            if not self._sender.emit_with_time(label, b"".join(events), option):
                raise ReceiverUnavailable(f"{self._address}: {self._sender.last_error}")
            self._wait(self._sender, name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection, and of what fluent-logger holds to be sent again: it would try for seconds."""
        if self._sender is not None:
            self._sender.pendings = None
            self._sender.close()
            self._sender = None

    def _wait(self, sender: _Sender, name: str) -> None:
        answers = msgpack.Unpacker(max_buffer_size=_MAX_ANSWER)
        deadline = self._monotonic() + self._timeout
        while True:
            for answer in self._read(sender, answers, deadline):
                if answer != {"ack": name}:
                    raise ReceiverUnavailable(
                        f"{self._address}: answered {str(answer)[:80]!r}, not our chunk"
                    )
                return

    def _read(self, sender: _Sender, answers: Any, deadline: float) -> list[Any]:
        """Answers that have come."""
        if self._ended():
            raise ReceiverUnavailable("told to end")
        if self._monotonic() > deadline:
            raise ReceiverUnavailable(f"{self._address}: nothing acknowledged within {self._timeout:g} s")
        try:
            sender.socket.settimeout(_LOOK_SECONDS)
            try:
                said = sender.socket.recv(4096)
            finally:
                sender.socket.settimeout(self._timeout)
            if not said:
                raise ReceiverUnavailable(f"{self._address}: closed the connection")
            answers.feed(said)
            return list(answers)
        except TimeoutError:
            return []
        except (OSError, ValueError, msgpack.UnpackException) as error:
            raise ReceiverUnavailable(f"{self._address}: {error}") from error
