"""Keys and signed notes made by hand, for tests of what others' software makes of them.

Written here a second time and on purpose: what the product signs is held against it, so it shares no code with it.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_ED25519 = b"\x01"


@dataclass(frozen=True)
class NoteKey:
    """An Ed25519 key under a name, as Go's sumdb/note has them."""

    name: str
    seed: bytes = field(default_factory=lambda: Ed25519PrivateKey.generate().private_bytes_raw(), repr=False)
    """32 bytes: the private key of RFC 8032."""

    @property
    def private(self) -> Ed25519PrivateKey:
        """The key itself."""
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def key_id(self) -> bytes:
        """SHA-256(name, newline, 0x01, public key), the first four bytes."""
        public = self.private.public_key().public_bytes_raw()
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + public).digest()[:4]

    @property
    def vkey(self) -> str:
        """The verifier's key: name+id+key."""
        return (
            f"{self.name}+{self.key_id.hex()}+{_b64(_ED25519 + self.private.public_key().public_bytes_raw())}"
        )

    @property
    def skey(self) -> str:
        """The signer's key: PRIVATE+KEY+name+id+seed."""
        return f"PRIVATE+KEY+{self.name}+{self.key_id.hex()}+{_b64(_ED25519 + self.seed)}"

    def sign(self, text: str) -> bytes:
        """The note: the text, which ends in a newline, an empty line and one signature."""
        signature = self.private.sign(text.encode())
        return f"{text}\n— {self.name} {_b64(self.key_id + signature)}\n".encode()

    def checkpoint(self, size: int, root: bytes) -> bytes:
        """A signed checkpoint of the log whose origin is the key's name."""
        return self.sign(f"{self.name}\n{size}\n{_b64(root)}\n")


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
