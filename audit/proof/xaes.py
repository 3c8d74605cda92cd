"""XAES-256-GCM: AES-256-GCM whose nonces are long enough to be drawn at random for as many messages as there ever are.

Source: C2SP, xaes-256-gcm.md. From the key and the first half of the nonce it derives a key of AES-256-GCM, as
NIST SP 800-108r1 has it (counter mode, AES-CMAC), and encrypts with the second half. AES-GCM's own nonces of 12 bytes
would have to be counted, or the key changed every 2^32 messages.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import NotProved

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 24
TAG_SIZE: Final = 16
_BLOCK: Final = 16
_HALF: Final = 12
_FIRST, _SECOND = b"\x00\x01X\x00", b"\x00\x02X\x00"
_REDUCTION: Final = 0x87
"""Of CMAC's doubling in GF(2^128)."""


class Xaes:
    """One key. For one thread at a time."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes. Raises ValueError: it is not."""
        if len(key) != KEY_SIZE:
            raise ValueError(f"a key of XAES-256-GCM has {KEY_SIZE} bytes, this one {len(key)}")
        # Single blocks, each of them once: ECB is the block cipher itself here.
        self._block: Final = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - see above
        doubled = int.from_bytes(self._block.update(bytes(_BLOCK)), "big") << 1
        if doubled >> 128:
            doubled = (doubled & ((1 << 128) - 1)) ^ _REDUCTION
        self._subkeys: Final = tuple(
            int.from_bytes(counter + bytes(_HALF), "big") ^ doubled for counter in (_FIRST, _SECOND)
        )

    def encrypt(self, nonce: bytes, plain: bytes, beside: bytes) -> bytes:
        """The ciphertext and its tag of 16 bytes.

        Args:
            nonce: 24 bytes; MUST be random.
            plain: what is hidden, and vouched for.
            beside: what is vouched for alone.
        """
        return AESGCM(self._derived(nonce)).encrypt(nonce[_HALF:], plain, beside)

    def decrypt(self, nonce: bytes, hidden: bytes, beside: bytes) -> bytes:
        """What was encrypted. Raises NotProved: it was not, with this key, nonce and what stands beside it."""
        try:
            return AESGCM(self._derived(nonce)).decrypt(nonce[_HALF:], hidden, beside)
        except (InvalidTag, ValueError) as error:
            raise NotProved("it was not encrypted with this key, or was changed since") from error

    def _derived(self, nonce: bytes) -> bytes:
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce of XAES-256-GCM has {NONCE_SIZE} bytes, this one {len(nonce)}")
        half = int.from_bytes(nonce[:_HALF], "big")
        first, second = self._subkeys
        return self._block.update(
            (first ^ half).to_bytes(_BLOCK, "big") + (second ^ half).to_bytes(_BLOCK, "big")
        )
