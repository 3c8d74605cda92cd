"""A client of witnesses (C2SP tlog-witness): who vouches that a log was never forked or rolled back.

    POST <url>/add-checkpoint        old <size> ‖ consistency proof from there ‖ empty line ‖ the checkpoint

    200  signature lines of the witness, over the checkpoint and its own time
    409  it has last vouched for another size, which it says: the proof is made again, from there
    422  the proof does not hold: the tree that it knows is another one

A witness that knows a larger tree, or another one, has seen this log as it was and no longer is. But 409 and 422 are
signed by nobody, and may come from whoever stands between: what they say is told (cosigning.py), and ends nothing.
"""

from __future__ import annotations

import base64
import http.client
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from audit.authorities import believed
from audit.errors import ConfigError, WitnessContradicts, WitnessUnavailable
from audit.proof.checkpoint import Checkpoint, parse_number
from audit.proof.errors import FormatError, NotProved
from audit.proof.merkle import Nodes, consistency_proof
from audit.proof.note import COSIGNATURE, Signature, VerifierKey, parse_note, parse_signature, verify_note

MAX_ANSWER: Final = 64 << 10
"""Bytes of an answer that are read; a signature line has a few hundred."""
_TRIES: Final = 4
"""Of one checkpoint, when the witness says each time that it knows another size."""
_FIRST_PAUSE: Final = 1.0
_MAX_PAUSE: Final = 60.0


class Answer(NamedTuple):
    """What it answered."""

    status: int
    body: bytes


class Witness:
    """One witness, for one tree. `Seal` asks it for each head; an absent one is then left in peace for a while.

    Used by one thread at a time. Proxies of the environment are not used.
    """

    def __init__(
        self,
        url: str,
        key: VerifierKey,
        *,
        timeout: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        authorities: Path | None = None,
    ) -> None:
        """`url` is the submission prefix, `key` whose cosignatures are believed, `timeout` of one request in seconds;
        `authorities` a file of certificates that sign the server's, in the place of the system's.

        Raises:
            ConfigError: no http or https URL, or a key of another kind.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ConfigError(f"the witness {url} is not http://… or https://…, without a query")
        if key.algorithm != COSIGNATURE:
            raise ConfigError(f"the key of the witness {url} is not one for cosignatures (type 0x04)")
        self.url = url
        self.key = key
        self._https = parts.scheme == "https"
        self._authorities = authorities
        self._host, self._port = parts.hostname, parts.port
        self._path = f"{parts.path.rstrip('/')}/add-checkpoint"
        self._timeout = timeout
        self._clock = clock
        self._known = 0
        """The size that it has last vouched for, as far as we know; it says so when it is another one."""
        self._pause = 0.0
        self._not_before = 0.0
        self._why = WitnessUnavailable()
        self._connection: http.client.HTTPConnection | None = None

    def __repr__(self) -> str:
        return f"witness {self.key.name}"

    def cosign(self, checkpoint: Checkpoint, note: bytes, nodes: Nodes) -> Signature:
        """See `Seal`'s `Cosigner`.

        Raises:
            WitnessUnavailable: it does not answer, or vouches for nothing; not asked again for a while.
            WitnessContradicts: it says that it knows a larger tree of this log, or another one.
        """
        if self._clock() < self._not_before:
            raise type(self._why)(f"{self._why} (asked again later)")
        try:
            signature = self._cosign(checkpoint, note, nodes)
        except WitnessUnavailable as error:
            self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _MAX_PAUSE)
            self._not_before = self._clock() + self._pause
            self._why = type(error)(str(error))  # without what it came from, which would be kept alive
            raise
        self._pause = 0.0
        self._known = checkpoint.size
        return signature

    def _cosign(self, checkpoint: Checkpoint, note: bytes, nodes: Nodes) -> Signature:
        for _ in range(_TRIES):
            # It may be told of more than this head (a larger `_known`): then it is asked from the start.
            old = self._known if self._known <= checkpoint.size else 0
            proof = consistency_proof(nodes, old, checkpoint.size)
            answer = self._post(_body(old, proof, note))
            if answer.status == 200:
                return self._signature(answer.body, note)
            if answer.status == 409:
                self._known = self._conflict(answer, old, checkpoint)
                continue
            if answer.status == 422:
                raise WitnessContradicts(
                    f"{checkpoint.origin}: {self} says that it vouches for a tree of {old} leaves that the one of "
                    f"{checkpoint.size} does not continue: the log was forked, or its tiles are damaged"
                )
            raise WitnessUnavailable(f"{self}: {_meaning(answer)}")
        raise WitnessUnavailable(f"{self}: says another size at each of {_TRIES} tries")

    def _conflict(self, answer: Answer, old: int, checkpoint: Checkpoint) -> int:
        """The size that it says; ours to go on from, if the tree is no smaller."""
        try:
            known = parse_number(answer.body.decode("ascii").removesuffix("\n"), "size")
        except (FormatError, UnicodeDecodeError) as error:
            if old == checkpoint.size:  # the one conflict without a size to say: two roots at one size
                known = old
            else:
                raise WitnessUnavailable(f"{self}: a conflict, without the size that it knows") from error
        if known > checkpoint.size:
            raise WitnessContradicts(
                f"{checkpoint.origin}: {self} says that it vouches for {known} leaves, and this notary knows "
                f"{checkpoint.size}: its state is an old one, and sealing on would fork the log"
            )
        if known == old == checkpoint.size:
            raise WitnessContradicts(
                f"{checkpoint.origin}: {self} says that it vouches for another tree of {known} leaves: "
                "the log was forked"
            )
        return known

    def _signature(self, body: bytes, note: bytes) -> Signature:
        """The line of the key that we believe, verified; lines of other keys are passed over."""
        try:
            lines = body.decode().removesuffix("\n").split("\n")
            for line in map(parse_signature, lines):
                if (line.name, line.key_id) == (self.key.name, self.key.key_id):
                    signed = parse_note(note)
                    verify_note(type(signed)(signed.text, (line,)), [self.key])
                    return line
        except (FormatError, NotProved, UnicodeDecodeError) as error:
            raise WitnessUnavailable(f"{self}: {error}") from error
        raise WitnessUnavailable(f"{self}: its answer has no signature of {self.key}")

    def _post(self, body: bytes) -> Answer:
        """One request. The connection is kept; one that was kept and is broken is made again, once."""
        kept = self._connection is not None
        try:
            return self._request(body)
        except (OSError, http.client.HTTPException) as error:
            if not kept or isinstance(error, TimeoutError):
                raise self._unavailable(error) from error
        try:
            return self._request(body)
        except (OSError, http.client.HTTPException) as error:
            raise self._unavailable(error) from error

    def _request(self, body: bytes) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        # The socket's time-out is for each step: one that sends a byte now and then would keep us for ever.
        watchdog = threading.Timer(self._timeout, _cut, [connection])
        watchdog.daemon = True
        watchdog.start()
        try:
            connection.request("POST", self._path, body, {"Content-Type": "text/plain; charset=utf-8"})
            response = connection.getresponse()
            content = b""
            while part := response.read1(MAX_ANSWER + 1 - len(content)):
                content += part
                if len(content) > MAX_ANSWER:
                    raise http.client.HTTPException(f"an answer of over {MAX_ANSWER} bytes")
            if response.length:
                raise http.client.HTTPException("an answer that was cut off")
        except BaseException:
            self.close()
            raise
        finally:
            watchdog.cancel()
        return Answer(response.status, content)

    def _connect(self) -> http.client.HTTPConnection:
        if self._https:
            context = believed(self._authorities)
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)

    def _unavailable(self, error: Exception) -> WitnessUnavailable:
        return WitnessUnavailable(f"{self} at {self.url}: {str(error) or type(error).__name__}")

    def close(self) -> None:
        """Let go of the connection; it is made again when it is needed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _cut(connection: http.client.HTTPConnection) -> None:
    """End a request that takes too long, from another thread: who waits for it reads an end."""
    with suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)


def _body(old: int, proof: Sequence[bytes], note: bytes) -> bytes:
    lines = [f"old {old}", *(base64.b64encode(each).decode() for each in proof), "", ""]
    return "\n".join(lines).encode() + note


def _meaning(answer: Answer) -> str:
    known = {
        400: "it does not understand the request",
        403: "it does not know the key that signed the checkpoint",
        404: "it does not know this log",
        429: "it was asked too often",
    }
    return f"{known.get(answer.status, 'it does not vouch')} (HTTP {answer.status})"
