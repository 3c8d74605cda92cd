"""What journals swear to, made in memory: chained, signed entries, to be changed, cut and reordered by tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.proof.entry import SIGNED_KINDS, Key, Kind, encode_entry, signing_message
from audit.proof.hashing import ZERO_HASH, leaf_hash
from audit.proof.record import Header, encode_payload, frame_record

NAME: Final = bytes(range(16))
OTHER: Final = bytes(range(16, 32))
TIME: Final = 1_700_000_000_000_000_000


@dataclass
class Journal:
    """Writes what a journal would."""

    name: bytes = NAME
    key: Ed25519PrivateKey = field(default_factory=lambda: Ed25519PrivateKey.from_private_bytes(bytes(32)))
    sequence: int = 0
    chain: bytes = ZERO_HASH
    epoch: int = 0
    values: list[tuple[bytes, bytes]] = field(default_factory=list)

    def add(self, kind: Kind, fields: dict[int, object], payload: bytes = b"") -> None:
        """One entry, chained and signed where its kind is."""
        if kind == Kind.OPENING:
            self.epoch += 1
        entry = {
            0: int(kind),
            1: self.name,
            2: self.epoch,
            3: self.sequence,
            4: self.chain,
            5: TIME,
            **fields,
        }
        if kind in SIGNED_KINDS:
            entry[Key.SIGNATURE] = self.key.sign(signing_message(entry))
        raw = encode_entry(dict(sorted(entry.items())))
        self.sequence, self.chain = self.sequence + 1, leaf_hash(raw)
        self.values.append((self.name, frame_record(raw, payload)))

    def opening(self) -> None:
        """An opening entry."""
        self.add(
            Kind.OPENING,
            {
                32: self.key.public_key().public_bytes_raw(),
                34: {"python": "3"},
                35: "cpu",
                36: 1,
                37: "disk",
                38: 10,
                39: {"groups": 0, "torn": 0, "aborted": 0},
            },
        )

    def exchange(self, text: bytes) -> None:
        """An inference entry with its payload."""
        header = {
            Header.METHOD: "POST",
            Header.TARGET: "/v1/models/credit:predict",
            Header.CONTENT_TYPE: "application/json",
        }
        payload = encode_payload(bytes(32), header, text, b'{"predictions":[0.5]}')
        fields = {
            6: TIME,
            7: "credit",
            10: 200,
            15: sha256(payload).digest(),
            16: len(payload),
            17: 0,
            22: self.sequence,
        }
        self.add(Kind.INFERENCE, fields, payload)

    def signed(self, kind: Kind) -> None:
        """A heartbeat or closing entry."""
        self.add(kind, {40: {"unauthenticated": 3}, 41: TIME})


def two_epochs(exchanges: int = 5, name: bytes = NAME) -> Journal:
    """Two epochs, a heartbeat, an orderly end."""
    made = Journal(name)
    made.opening()
    for number in range(exchanges):
        made.exchange(b'{"instances":[[%d]]}' % number)
    made.signed(Kind.HEARTBEAT)
    made.opening()
    made.exchange(b"{}")
    made.signed(Kind.CLOSING)
    return made
