"""The journal's own entries: opening, heartbeat, closing, aborted and not released."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final

from audit.proof import cbor
from audit.proof.encryption import ENCRYPTED, PLAIN, encryption_of
from audit.proof.entry import Key, Kind
from audit.proof.record import SALT_SIZE, Header

from .identity import Identity
from .layout import RequestFrame

# Reasons of exchanges that are only counted are a short list: a caller that makes them up gets one name.
MAX_REASONS: Final = 64
OTHER: Final = "other"
ABORTED: Final = "the gateway stopped before it answered"


class OwnEntries:
    """Encodes them; `place` is the sequence and the chain that the entry gets."""

    def __init__(
        self,
        identity: Identity,
        epoch: int,
        clock: Callable[[], int],
        random: Callable[[int], bytes],
        external_bytes: int,
    ) -> None:
        self._identity = identity
        self._epoch = epoch
        self._clock = clock
        self._random = random
        self._external_bytes = external_bytes
        self._counted: dict[str, int] = {}
        self._since = clock()

    def count(self, reason: str) -> None:
        """One more exchange that is only counted."""
        if reason not in self._counted and len(self._counted) >= MAX_REASONS:
            reason = OTHER
        self._counted[reason] = self._counted.get(reason, 0) + 1

    def opening(self, place: tuple[int, bytes], fields: Mapping[int, object]) -> bytes:
        """`fields`: keys 33 to 39; the public key is put in here."""
        return self._signed(Kind.OPENING, place, {Key.PUBLIC_KEY: self._identity.public_key, **fields})

    def counts(self, kind: Kind, place: tuple[int, bytes]) -> bytes:
        """A heartbeat or closing entry; the counts begin anew with it."""
        counted, since = self._counted, self._since
        self._counted, self._since = {}, self._clock()
        return self._signed(kind, place, {Key.COUNTED: counted, Key.COUNTED_SINCE: since})

    def aborted(self, place: tuple[int, bytes], request: RequestFrame) -> tuple[bytes, bytes]:
        """Entry and payload of a request that the last epoch accepted and did not answer."""
        payload = b"".join(
            (self._random(SALT_SIZE), len(request.header).to_bytes(4, "big"), request.header, request.request)
        )
        fields: dict[int, object] = {
            Key.ARRIVED: request.arrived,
            Key.PAYLOAD_DIGEST: sha256(payload).digest(),
            Key.PAYLOAD_LENGTH: len(payload),
            **_suite(request.header),
            **({Key.EXTERNAL: True} if len(payload) > self._external_bytes else {}),
            Key.TICKET: request.ticket,
            Key.REASON: ABORTED,
        }
        return cbor.encode(self._fields(Kind.ABORTED, place, fields)), payload

    def not_released(self, place: tuple[int, bytes], released: int, reason: str) -> bytes:
        """The entry `released` is on this disk, but its answer did not go out."""
        return cbor.encode(
            self._fields(Kind.NOT_RELEASED, place, {Key.REASON: reason, Key.RELEASED: released})
        )

    def _signed(self, kind: Kind, place: tuple[int, bytes], fields: Mapping[int, object]) -> bytes:
        return self._identity.sign(self._fields(kind, place, fields))

    def _fields(
        self, kind: Kind, place: tuple[int, bytes], fields: Mapping[int, object]
    ) -> dict[int, object]:
        sequence, chain = place
        common: dict[int, object] = {
            Key.KIND: int(kind),
            Key.JOURNAL: self._identity.journal_id,
            Key.EPOCH: self._epoch,
            Key.SEQUENCE: sequence,
            Key.CHAIN: chain,
            Key.COMMITTING: self._clock(),
        }
        return {int(key): value for key, value in (common | dict(fields)).items()}


def _suite(header: bytes) -> dict[int, object]:
    """How a request frame says that its body is encrypted."""
    said = cbor.decode(header)
    if not isinstance(said, dict) or Header.NONCE not in said:
        return {Key.SUITE: PLAIN}
    _, name = encryption_of(said)
    return {Key.SUITE: ENCRYPTED, Key.KEY_ID: name}
