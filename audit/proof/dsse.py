"""Dead Simple Signing Envelopes (DSSE 1.0.2): who said these bytes, and of what type they are.

    {"payload": base64, "payloadType": …, "signatures": [{"keyid": …, "sig": base64}, …]}

What is signed is PAE(type, payload) = "DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload, lengths in decimal
bytes. A key id is a hint; here it is the hexadecimal SHA-256 of the public key's one form (keys.py).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from .errors import FormatError, NotProved
from .keys import holds
from .note import Signer, decode_base64

MEDIA_TYPE: Final = "application/vnd.dsse.envelope.v1+json"


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope, split and not verified. `signatures`: key id and signature."""

    type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def encode(self) -> bytes:
        """As JSON."""
        content = {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": self.type,
            "signatures": [
                {"keyid": name, "sig": base64.b64encode(value).decode()} for name, value in self.signatures
            ],
        }
        return json.dumps(content, separators=(",", ":")).encode()


def pae(type_: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: what is signed."""
    name = type_.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def key_id(public_key: bytes) -> str:
    """The key id of a key, from its form (keys.py)."""
    return sha256(public_key).hexdigest()


def sign_envelope(type_: str, payload: bytes, signer: Signer) -> Envelope:
    """An envelope with one signature."""
    return Envelope(type_, payload, ((key_id(signer.public_key), signer.sign(pae(type_, payload))),))


def parse_envelope(raw: bytes) -> Envelope:
    """Split an envelope.

    Raises:
        FormatError: not JSON of exactly its keys and types, or without a signature.
    """
    try:
        content: Any = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise FormatError("envelope: not JSON") from error
    if not isinstance(content, dict) or set(content) != {"payload", "payloadType", "signatures"}:
        raise FormatError("envelope: not exactly payload, payloadType and signatures")
    type_, signatures = content["payloadType"], content["signatures"]
    if not isinstance(type_, str) or not isinstance(signatures, list) or not signatures:
        raise FormatError("envelope: no type, or no signatures")
    return Envelope(
        type_, _bytes(content["payload"], "envelope: payload"), tuple(map(_signature, signatures))
    )


def verify_envelope(envelope: Envelope, public_key: bytes) -> None:
    """Check that the key signed it. Other keys' signatures are passed over.

    Raises:
        NotProved: it did not, or its signature does not hold.
    """
    wanted = key_id(public_key)
    value = next((value for name, value in envelope.signatures if name == wanted), None)
    if value is None:
        raise NotProved(f"envelope: not signed by the key {wanted}")
    if not holds(public_key, value, pae(envelope.type, envelope.payload)):
        raise NotProved(f"envelope: the signature of the key {wanted} does not hold")


def _bytes(value: object, what: str) -> bytes:
    if not isinstance(value, str):
        raise FormatError(f"{what}: not base64")
    return decode_base64(value, what)


def _signature(content: object) -> tuple[str, bytes]:
    if (
        not isinstance(content, dict)
        or set(content) != {"keyid", "sig"}
        or not isinstance(content["keyid"], str)
    ):
        raise FormatError("envelope: a signature is not exactly keyid and sig")
    return content["keyid"], _bytes(content["sig"], "envelope: a signature")
