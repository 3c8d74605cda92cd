"""A small sealed and archived log with persons in it: exchanges, a shadow's, labels, a large payload; one of each.

offset  what                          subject  payload file
0       opening
1–4     exchanges                     0 1 2 3  0–7
5       the shadow's answer to 4's    3
6       exchange, large payload       0        (object store)
7       label of the record at 4
8       label of the request of 4              8–15
9, 10   exchanges, one request id     1 2
11      label of that request id
12–15   exchanges                     0 1 2 3
16, 17  exchanges, not archived       0 1      (nowhere but in the log)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from audit.archive import Archiver, Limits
from audit.notary.noted import Noted, note_name
from audit.notary.seal import Seal
from audit.objects.base import Objects
from audit.proof.entry import Key, Kind, Protocol, Slot, encode_entry, signing_message
from audit.proof.hashing import ZERO_HASH, leaf_hash
from audit.proof.record import Header, encode_payload, frame_record
from audit.sealed import TreeId
from audit.trees import Trees, Trust
from tests.components.sealed import KeySigner

NAME: Final = "affiant.test"
TOPIC: Final = bytes(range(16))
SETTINGS: Final = f'[notary]\nname = "{NAME}"\npublic_key_file = "notary.pub"\n'
SIZE, ARCHIVED, SIGNER = 18, 16, KeySigner()
LARGE: Final = 300_000


def subject(number: int) -> bytes:
    """A pseudonym."""
    return bytes([number + 1]) * 16


@dataclass(frozen=True)
class Erasable:
    """What was written."""

    journal: bytes
    entries: tuple[bytes, ...]
    payloads: tuple[bytes, ...]
    """By offset; empty where there is none."""

    def record(self, sequence: int) -> str:
        """A record id."""
        return f"{self.journal.hex()}-{sequence}"

    def digest(self, offset: int) -> bytes:
        """Of the payload at an offset."""
        return sha256(self.payloads[offset]).digest()


class _Traffic:
    """One journal: an opening, then exchanges, chained."""

    def __init__(self) -> None:
        self.journal = bytes(range(16, 32))
        self._chain, self._sequence = ZERO_HASH, 0

    def time(self, number: int) -> int:
        """Of a record, ns since 1970 UTC."""
        return 1_767_225_600_000_000_000 + number * 1_000_000

    def opening(self) -> tuple[bytes, bytes]:
        """The journal's first entry."""
        topic = {"backend": "local", "name": "entries", "id": TOPIC, "partition": 0}
        fields: dict[int, object] = self._own(Kind.OPENING) | {
            Key.PUBLIC_KEY: SIGNER.public_key, Key.TOPIC: topic, Key.VERSIONS: {}, Key.DEVICE: "cpu", Key.THREADS: 1,
            Key.RELEASE: "disk", Key.HEARTBEAT: 60, Key.RECOVERED: {"groups": 0, "torn": 0, "aborted": 0},
        }  # fmt: skip
        plain = {int(key): int(value) if key == Key.KIND else value for key, value in fields.items()}  # type: ignore[call-overload]
        return self._made(plain | {int(Key.SIGNATURE): SIGNER.sign(signing_message(plain))}), b""

    def exchange(self, size: int = 0, **about: object) -> tuple[bytes, bytes]:
        """The next one, and its payload."""
        number = self._sequence
        header = {
            Header.METHOD: "POST", Header.TARGET: "/v1/models/m:predict", Header.CONTENT_TYPE: "application/json",
        }  # fmt: skip
        body = b'{"instances": [[%d]]}' % number
        payload = encode_payload(
            sha256(b"%d" % number).digest(), header, body.ljust(size), b'{"predictions":[1]}'
        )
        fields = self._own(Kind.INFERENCE) | {
            Key.ARRIVED: self.time(number) - 400_000, Key.SERVICE: "credit", Key.DIGEST: bytes(32),
            Key.SLOT: Slot.LIVE, Key.STATUS: 200, Key.CALLER: bytes(16), Key.REQUEST_ID: f"req-{number}",
            Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: 0,
            Key.PROTOCOL: Protocol.V1_PREDICT, Key.TICKET: number,
        }  # fmt: skip
        return self._made(fields | {Key[name]: value for name, value in about.items()}), payload

    def _own(self, kind: Kind) -> dict[int, object]:
        number = self._sequence
        return {
            Key.KIND: kind, Key.JOURNAL: self.journal, Key.EPOCH: 1, Key.SEQUENCE: number, Key.CHAIN: self._chain,
            Key.COMMITTING: self.time(number),
        }  # fmt: skip

    def _made(self, fields: Mapping[int, object]) -> bytes:
        entry = encode_entry(fields)
        self._chain, self._sequence = leaf_hash(entry), self._sequence + 1
        return entry


def _label(target: str) -> tuple[bytes, bytes]:
    payload = encode_payload(
        sha256(target.encode()).digest(), {Header.CONTENT_TYPE: "text/plain"}, b"paid back"
    )
    fields: dict[int, object] = {
        Key.KIND: Kind.LABEL, Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload),
        Key.SUITE: 0, Key.BODY_TYPE: "text/plain", Key.AUTHOR: bytes(32), Key.TARGET: target, Key.TIME: 1,
        Key.SERVICE: "credit",
    }  # fmt: skip
    return encode_entry(fields), payload


def _records() -> tuple[bytes, list[tuple[bytes, bytes]]]:
    traffic = _Traffic()
    made = [traffic.opening(), *(traffic.exchange(SUBJECT=subject(person)) for person in range(4))]
    arrived = traffic.time(4) - 400_000
    made += [
        traffic.exchange(SUBJECT=subject(3), SLOT=Slot.SHADOW, REQUEST_ID="req-4", ARRIVED=arrived),
        traffic.exchange(LARGE, SUBJECT=subject(0), EXTERNAL=True),
        _label(f"{traffic.journal.hex()}-4"),
        _label("request:req-4"),
        traffic.exchange(SUBJECT=subject(1), REQUEST_ID="twice"),
        traffic.exchange(SUBJECT=subject(2), REQUEST_ID="twice"),
        _label("request:twice"),
        *(traffic.exchange(SUBJECT=subject(person)) for person in (0, 1, 2, 3, 0, 1)),
    ]
    return traffic.journal, made


def write_erasable(
    objects: Objects,
    move: Callable[[bytes], bytes],
    logged: int,
    payload_objects: Objects | None = None,
) -> Erasable:
    """Seal and archive it.

    Args:
        objects: the notary's store.
        move: `ExternalStore.move`.
        logged: the log's time of all, ms since 1970 UTC.
        payload_objects: where payload files go, when elsewhere.
    """
    journal, records = _records()
    assert len(records) == SIZE
    objects.create(note_name("entries"), Noted(TOPIC, 1).encode())
    seal = Seal(objects, TreeId(NAME, TOPIC, 0), SIGNER)
    archiver = Archiver(objects, TOPIC, 0, 0, 0, Limits(records=8), payload_objects)
    for offset, (entry, payload) in enumerate(records):
        seal.append([entry])
        moved = move(frame_record(entry, payload)) if len(payload) >= LARGE else frame_record(entry, payload)
        if offset < ARCHIVED:
            archiver.add(offset, logged, entry, moved[4 + len(entry) :])
    seal.seal()
    while archiver.archive(seal, 0.0, flush=True):
        pass
    seal.close()
    return Erasable(journal, tuple(each[0] for each in records), tuple(each[1] for each in records))


def trees_of(directory: Path, objects: Objects, payload_objects: Objects | None = None) -> Trees:
    """The trees, as everybody opens them; the notary's key is written to `directory`/notary.pub."""
    key = directory / "notary.pub"
    key.write_text(f"{TreeId(NAME, TOPIC, 0).key(SIGNER.public_key)}\n")
    return Trees(Trust(NAME, key, (), 0), objects, payload_objects)
