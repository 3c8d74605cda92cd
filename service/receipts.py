"""Receipts for clients: the sidecar finds them, the gateway believes none that does not verify.

The gateway never speaks to the log, nor to the store of what is sealed.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from audit.config import Config
from audit.errors import KeyRefused
from audit.hosts import reachable
from audit.proof.checkpoint import parse_checkpoint
from audit.proof.entry import Key, parse_entry, parse_record_id
from audit.proof.errors import FormatError, NotProved
from audit.proof.note import VerifierKey, parse_note
from audit.proof.receipt import MAX_RECEIPT, parse_receipt, verify_receipt
from audit.settings import SidecarSettings
from audit.trees import Trust, configured_trust

from .errors import ReceiptRefused, ReceiptUnavailable, RecordNotSealed, UnknownRecord
from .settings import GatewaySettings

AT_ONCE: Final = 8
"""Receipts that are asked for at the same time: each takes a thread while it waits."""
SECONDS: Final = 5.0
"""How long the sidecar may take."""
_NOT_SEALED: Final = "urn:affiant:problem:not-sealed"


@dataclass(frozen=True, slots=True)
class Found:
    """What the sidecar answered: its status, and its body; seconds to wait where it said so."""

    status: int
    body: bytes
    retry_after: int | None = None


class Receipts:
    """Asks, verifies, hands out."""

    def __init__(self, trust: Trust, fetch: Callable[[str], Found], *, known: bool = True) -> None:
        """`fetch` asks for a record's receipt, blocking. It raises OSError or HTTPException when nobody answers.

        `known`: whether the settings say where the sidecar answers; it does not where any free port is its.
        """
        self._trust = trust
        self._fetch = fetch
        self._known = known
        self._asked = 0

    async def receipt(self, record: str, caller: bytes | None, *, anybodys: bool) -> bytes:
        """The `.tlog-proof` of a record whose request `caller` made; of any, where `anybodys`.

        Raises:
            UnknownRecord: no such record here, or another caller's: who may not know is told the same.
            RecordNotSealed: not yet; it says when to come again.
            ReceiptRefused: what was found does not prove it.
            ReceiptUnavailable: the sidecar, or the store behind it, does not answer.
        """
        try:
            parse_record_id(record)
        except FormatError as error:
            raise UnknownRecord(str(error)) from error
        if not self._known:
            raise ReceiptUnavailable(
                "the settings do not say where the sidecar answers: set [gateway] receipts_url, or a [sidecar] "
                "metrics_port that is not 0", 60,
            )  # fmt: skip
        if self._asked >= AT_ONCE:
            raise ReceiptUnavailable(f"{AT_ONCE} receipts are being asked for", 1)
        self._asked += 1
        try:
            return await asyncio.to_thread(self._get, record, caller, anybodys)
        finally:
            self._asked -= 1

    def _get(self, record: str, caller: bytes | None, anybodys: bool) -> bytes:
        try:
            found = self._fetch(record)
        except (OSError, http.client.HTTPException) as error:
            raise ReceiptUnavailable("the sidecar does not answer", 5) from error
        if found.status == 404:
            if _type(found.body) == _NOT_SEALED:
                raise RecordNotSealed("the record is not sealed yet: come again", found.retry_after or 1)
            raise UnknownRecord("this machine knows no such record of yours, or not any more")
        if found.status == 502:
            raise ReceiptRefused("what is sealed does not prove the record: its operator must look")
        if found.status != 200:
            raise ReceiptUnavailable("the sidecar has no receipt now", found.retry_after or 5)
        try:
            theirs = self._verify(found.body, record)
        except (FormatError, NotProved) as error:
            raise ReceiptRefused(
                "the receipt that was found does not hold: its operator must look"
            ) from error
        except KeyRefused as error:
            raise ReceiptUnavailable("the notary's public key is not to be had", 5) from error
        if not anybodys and (theirs is None or theirs != caller):
            raise UnknownRecord("this machine knows no such record of yours, or not any more")
        return found.body

    def _verify(self, raw: bytes, record: str) -> bytes | None:
        """Whose request it was. The sidecar is not trusted: whatever it gave must hold under the notary's key.

        Raises:
            FormatError, NotProved: it does not, or is of another record or log.
        """
        receipt, trust = parse_receipt(raw), self._trust
        origin = parse_checkpoint(parse_note(receipt.checkpoint).text).origin
        if not re.fullmatch(rf"{re.escape(trust.name)}/[0-9a-f]{{32}}/[0-9]{{1,10}}", origin):
            raise NotProved(f"receipt: of {origin}, which is no tree of {trust.name}")
        verify_receipt(receipt, VerifierKey(origin, trust.public_key()), trust.witnesses, trust.quorum)
        entry = parse_entry(receipt.entry)
        if Key.SEQUENCE not in entry.fields or entry.record_id != record:
            raise NotProved(f"receipt: not of record {record}")
        caller: bytes | None = entry.get(Key.CALLER)
        return caller


def configured_receipts(config: Config) -> Receipts:
    """Receipts from the sidecar of the settings.

    Raises:
        ConfigError: a witness's key is none.
    """
    url = config.section("gateway", GatewaySettings).receipts_url
    if url is not None:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    else:
        sidecar = config.section("sidecar", SidecarSettings)
        host, port = reachable(sidecar.metrics_host), sidecar.metrics_port
    return Receipts(configured_trust(config), lambda record: fetch(host, port, record), known=port != 0)


def fetch(host: str, port: int, record: str) -> Found:
    """Ask the sidecar. `record` MUST be a record id.

    Raises:
        OSError, HTTPException: nobody answers there.
    """
    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", f"/receipts/{record}")
        answer = connection.getresponse()
        body = answer.read(MAX_RECEIPT + 1)
        after = answer.headers.get("retry-after", "")
        return Found(answer.status, body, int(after) if after.isdecimal() else None)
    finally:
        connection.close()


def _type(body: bytes) -> object:
    """The problem's type."""
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content.get("type") if isinstance(content, dict) else None
