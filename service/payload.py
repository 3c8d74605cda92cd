"""The payload of an inference entry (docs/record-format.md, section 6), written without a general encoder.

`audit.proof.record.encode_payload` says what is right; this gives the same bytes four times as fast, from
parts that hardly change between requests. tests/unit/service/test_payload.py holds the two to each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, NamedTuple

from audit.proof.cbor import data, head, text, uint
from audit.proof.encryption import PayloadKey

_CACHE: Final = 1024
_SALT: Final = 32
_SALTS: Final = 128


class Head(NamedTuple):
    """Keys 1 to 4 of a header: how many, as CBOR, and as they are."""

    keys: int
    cbor: bytes
    fields: dict[int, object]


class Heads:
    """The heads that were seen, remembered: clients repeat themselves."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes, bytes, bytes, bytes], Head] = {}

    def get(self, method: str, path: bytes, query: bytes, content_type: bytes, encoding: bytes) -> Head:
        """Content type and encoding are read as Latin-1, as HTTP has them; no encoding: no key 4."""
        key = (method, path, query, content_type, encoding)
        found = self._known.get(key)
        if found is None:
            found = _head_of(method, path, query, content_type, encoding)
            if len(self._known) >= _CACHE:  # made-up targets must not fill the memory
                self._known.clear()
            self._known[key] = found
        return found


def _head_of(method: str, path: bytes, query: bytes, content_type: bytes, encoding: bytes) -> Head:
    target = (path + b"?" + query if query else path).decode("latin-1")
    fields: dict[int, object] = {1: method, 2: target, 3: content_type.decode("latin-1")}
    raw = b"\x01" + text(method) + b"\x02" + text(target) + b"\x03" + text(content_type.decode("latin-1"))
    if not encoding:
        return Head(3, raw, fields)
    fields[4] = encoding.decode("latin-1")
    return Head(4, raw + b"\x04" + text(encoding.decode("latin-1")), fields)


class Salts:
    """32 random bytes at a time (or another number), fetched from the system many at once."""

    def __init__(
        self, random: Callable[[int], bytes] = os.urandom, size: int = _SALT, ahead: int = _SALTS
    ) -> None:
        self._random = random
        self._size = size
        self._ahead = ahead
        self._stock: list[bytes] = []

    def next(self) -> bytes:
        """Bytes that were never given before."""
        if not self._stock:
            size = self._size
            raw = self._random(size * self._ahead)
            self._stock = [raw[at : at + size] for at in range(0, len(raw), size)]
        return self._stock.pop()


def request_frame(
    known: Head, request: bytes, inference_length: int | None, key: PayloadKey | None, nonces: Salts
) -> tuple[bytes, bytes]:
    """Header and body of a request frame: a request that has no answer yet. `key`: what it is encrypted with."""
    length = uint(len(request))
    if key is not None:
        nonce = nonces.next()
        inference = b"" if inference_length is None else b"\x05" + uint(inference_length)
        header = b"%c%b%b\x06\x00\x07\x58\x18%b\x08\x83%b\x00\x00\x0d\x50%b" % (
            0xA4 + known.keys + bool(inference), known.cbor, inference, nonce, length, key.id,
        )  # fmt: skip
        return header, key.encrypt(header, nonce, request)
    if inference_length is None:
        return b"%c%b\x06\x00\x08\x83%b\x00\x00" % (0xA2 + known.keys, known.cbor, length), request
    return b"%c%b\x05%b\x06\x00\x08\x83%b\x00\x00" % (
        0xA3 + known.keys, known.cbor, uint(inference_length), length,
    ), request  # fmt: skip


def encode(
    salt: bytes,
    known: Head,
    *,
    request: bytes,
    response: bytes,
    response_type: bytes,
    model_input: bytes = b"",
    schema: bytes = b"",
    rows: int = 0,
    columns: int = 0,
    inference_length: int | None = None,
    response_inference_length: int | None = None,
    oversize: tuple[bytes, int] | None = None,
    key: PayloadKey | None = None,
    nonces: Salts | None = None,
) -> bytes:
    """The whole payload.

    Args:
        salt: 32 random bytes.
        known: from `Heads.get`.
        request: the body as received; empty when `oversize` stands for it.
        response: the body as sent.
        response_type: key 10 and its text, as CBOR (`response_type_of`).
        model_input: rows × columns float32; empty when the model was not asked.
        schema: key 9's schema hash as CBOR (`data`).
        rows: of the model's input.
        columns: of the model's input.
        inference_length: Inference-Header-Content-Length of the request.
        response_inference_length: and of the response.
        oversize: SHA-256 and length of a body that is not recorded itself.
        key: what it is encrypted with; None: it stands in the clear.
        nonces: of 24 bytes, where there is a key.
    """
    count = known.keys + 3
    parts = [b"", known.cbor]
    if inference_length is not None:
        count += 1
        parts.append(b"\x05" + uint(inference_length))
    lengths = uint(len(request)), uint(len(response)), uint(len(model_input))
    nonce = b""
    if key is None:
        parts.append(b"\x06\x00\x08\x83%b%b%b" % lengths)
    else:
        assert nonces is not None
        count += 2
        nonce = nonces.next()
        parts.append(b"\x06\x00\x07\x58\x18%b\x08\x83%b%b%b" % (nonce, *lengths))
    if model_input:
        count += 1
        parts.append(b"\x09\x83%b%b%b" % (schema, uint(rows), uint(columns)))
    parts.append(response_type)
    if response_inference_length is not None:
        count += 1
        parts.append(b"\x0b" + uint(response_inference_length))
    if oversize is not None:
        count += 1
        parts.append(b"\x0c\x82" + data(oversize[0]) + uint(oversize[1]))
    parts[0] = head(5, count)
    if key is not None:
        parts.append(b"\x0d\x50" + key.id)
        header = b"".join(parts)
        hidden = key.encrypt(header, nonce, request, response, model_input)
        return b"".join((salt, len(header).to_bytes(4, "big"), header, hidden))
    header = b"".join(parts)
    return b"".join((salt, len(header).to_bytes(4, "big"), header, request, response, model_input))


def response_type_of(content_type: str) -> bytes:
    """Key 10 of the header."""
    return b"\x0a" + text(content_type)
