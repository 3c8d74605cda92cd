"""Real journals, written by the real writer, for tests of what reads them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from audit.journal import Journal, JournalSettings, Opening
from audit.proof.entry import Key, Kind, Protocol
from audit.proof.record import Header, encode_payload

OPENING = Opening(versions={"test": "1"}, device="cpu", threads=1)


def exchange(request: bytes, ticket: int) -> tuple[dict[int, object], bytes]:
    """The fields and the payload of an inference entry."""
    header = {
        Header.METHOD: "POST",
        Header.TARGET: "/v1/models/m:predict",
        Header.CONTENT_TYPE: "application/json",
    }
    payload = encode_payload(os.urandom(32), header, request, b'{"predictions":[1.0]}')
    fields: dict[int, object] = {
        Key.KIND: int(Kind.INFERENCE), Key.ARRIVED: 1, Key.SERVICE: "m", Key.STATUS: 200,
        Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: 0,
        Key.PROTOCOL: int(Protocol.V1_PREDICT), Key.TICKET: ticket,
    }  # fmt: skip
    return {int(key): value for key, value in fields.items()}, payload


async def write(
    data: Path,
    requests: Sequence[bytes],
    *,
    name: str = "0",
    settings: JournalSettings | None = None,
) -> list[str]:
    """One epoch of a journal under `data` with these requests; the record ids, all durable."""
    directory, shipping = data / "journals" / name, data / "shipping" / name
    directory.mkdir(parents=True, exist_ok=True)
    shipping.mkdir(parents=True, exist_ok=True)
    journal = Journal.open(directory, shipping, settings or JournalSettings(), OPENING)
    try:
        pending = []
        for request in requests:
            ticket = journal.accept({Header.COMPRESSION: 0, Header.LENGTHS: [len(request), 0, 0]}, request, 1)
            pending.append(journal.append(*exchange(request, ticket), ticket))
        return list(await asyncio.gather(*pending))
    finally:
        await journal.close()


def write_journal(data: Path, requests: Sequence[bytes], **options: object) -> list[str]:
    """`write` in a loop of its own."""
    return asyncio.run(write(data, requests, **options))  # type: ignore[arg-type]
