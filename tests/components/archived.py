"""Archives of days, made by the real writer without a notary."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from audit.archive import Archiver, Limits
from audit.notary.state import State
from audit.objects.base import Objects
from audit.proof.checkpoint import Checkpoint, sign_checkpoint
from audit.proof.entry import Key, Kind, encode_entry

DAY_MS = 86_400_000
TOPIC = bytes(range(16))


class Signer:
    """Whose signature nobody checks here."""

    public_key = bytes(32)

    def sign(self, message: bytes) -> bytes:
        """No signature."""
        return bytes(64)


class Seal:
    """The state of the notary alone."""

    def __init__(self, size: int) -> None:
        head = sign_checkpoint(Checkpoint("o/1", size, bytes(32)), Signer())
        self.state = State("o/1").grown(size, bytes(32), head)

    def begin_archive(self, end: int) -> None:
        """See `Sealing`."""
        self.state = self.state.archive_begun(end)

    def finish_archive(self) -> None:
        """See `Sealing`."""
        self.state = self.state.archive_finished()


def label(number: int, size: int = 1, **more: object) -> tuple[bytes, bytes]:
    """An entry and its payload of so many bytes."""
    payload = (b"%d" % number).zfill(size)
    fields: dict[int, object] = {
        Key.KIND: Kind.LABEL, Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload),
        Key.SUITE: 0, Key.BODY_TYPE: "text/plain", Key.AUTHOR: bytes(32), Key.TARGET: str(number), Key.TIME: 1,
    }  # fmt: skip
    return encode_entry(fields | {Key[name]: value for name, value in more.items()}), payload


def statement(number: int) -> tuple[bytes, bytes]:
    """One of the governance log."""
    payload = b"statement %d" % number
    entry: dict[int, object] = {
        Key.KIND: Kind.GOVERNANCE, Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload),
        Key.SUITE: 0, Key.BODY_TYPE: "text/plain", Key.AUTHOR: bytes(32), Key.TIME: 1,
    }  # fmt: skip
    return encode_entry(entry), payload


def shipper() -> tuple[bytes, bytes]:
    """An entry without a payload."""
    return encode_entry({Key.KIND: Kind.SHIPPER, Key.SHIPPER: bytes(16), Key.TIME: 1}), b""


def archived(
    objects: Objects, days: Sequence[Sequence[tuple[bytes, bytes]]], now: int, topic: bytes = TOPIC
) -> None:
    """A file for each day; the last is that of `now` (ms since 1970 UTC), the one before it the day before."""
    archiver, seal = Archiver(objects, topic, 0, 0, 0, Limits()), Seal(sum(map(len, days)))
    for ago, day in zip(range(len(days) - 1, -1, -1), days, strict=True):
        for entry, payload in day:
            archiver.add(archiver.next, now - ago * DAY_MS, entry, payload)
    while archiver.archive(seal, 0.0, flush=True) is not None:
        pass
