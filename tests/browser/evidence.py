"""A bundle by the product whose report has all that a report can have, and texts that would break a careless page."""

from __future__ import annotations

import json
import zipfile
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from audit.log.local import LocalLog
from audit.proof.entry import Key, Kind, Protocol, Slot
from audit.proof.record import Header, encode_payload
from cli.main import run
from registry.stores import LayoutStore
from tests.components.packages import number_package
from tests.components.sealed import SealedLog, seal_log
from tests.components.sworn import TIME, Journal

EXCHANGES: Final = 90
_HOURS: Final = 30
"""Long enough for the longest labels of an axis: day and minute."""
_STATUSES: Final = (200, 200, 200, 422, 200, 200, 503, 200, 429)
_SLOTS: Final = (Slot.LIVE, Slot.LIVE, Slot.CANARY)
_LONG: Final = "a-service-whose-name-has-no-place-to-break-" * 2
_IDS: Final = (
    "order-4711", None, "<script>document.title='owned'</script>", "z" * 128, "\u202etxt.evil", "<img src=//evil.test>",
)  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """A sealed log and the settings that name it."""

    settings: Path
    last: int
    """Offset."""
    record: str
    """Of an exchange."""

    def report(self, *selection: str) -> Path:
        """The report of a bundle that `affiant audit bundle` made of a selection."""
        bundle = self.settings.with_name(f"{selection[0].strip('-')}.zip")
        with pytest.raises(SystemExit) as end:
            run(["audit", "bundle", "-c", str(self.settings), "-o", str(bundle), *selection])
        assert end.value.code == 0
        report = bundle.with_suffix(".html")
        with zipfile.ZipFile(bundle) as archive:
            report.write_bytes(archive.read("report.html"))
        return report


def evidence(root: Path) -> Evidence:
    """A log of all kinds of exchanges below `root`, with the package of one of its two models."""
    root.mkdir(parents=True)
    package = number_package()
    LayoutStore(root / "data" / "store").push(package)
    journal = _journal(bytes.fromhex(package.digest.removeprefix("sha256:")))
    settings = _sealed(root, journal).settings()
    return Evidence(settings, len(journal.values) - 1, f"{journal.name.hex()}-3")


def _journal(digest: bytes) -> Journal:
    journal = Journal()
    journal.opening()
    for number in range(EXCHANGES):
        _exchange(journal, number, digest)
    journal.signed(Kind.CLOSING)
    return journal


def _exchange(journal: Journal, number: int, digest: bytes) -> None:
    status = _STATUSES[number % len(_STATUSES)]
    committing = TIME + number * _HOURS * 3600 * 10**9 // EXCHANGES
    request = json.dumps(
        {"instances": [[number / 7, -1.5, None]] * (1 + number % 3), "note": "x" * (number * 9)}
    )
    rows = [[0.5 + 0.49 * (-1) ** at * number / EXCHANGES] for at in range(1 + number % 3)]
    answer = {"predictions": rows} if status == 200 else {"title": "<b>refused</b>", "status": status}
    head = {
        Header.METHOD: "POST", Header.TARGET: "/v1/models/numbers:predict", Header.CONTENT_TYPE: "application/json",
        Header.RESPONSE_TYPE: "application/json",
    }  # fmt: skip
    payload = encode_payload(bytes(32), head, request.encode(), json.dumps(answer).encode())
    fields: dict[int, object] = {
        Key.COMMITTING: committing, Key.ARRIVED: committing - (1 + number) ** 2 * 70_000,
        Key.SERVICE: _LONG if number % 17 == 5 else "numbers", Key.STATUS: status,
        Key.DIGEST: digest if number % 3 else b"\xd1" * 32, Key.SLOT: int(_SLOTS[number % 3]),
        Key.CALLER: bytes([number % 4 + 1]) * 16, Key.SUBJECT: bytes([number % 5 + 1]) * 16,
        Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: 0,
        Key.PROTOCOL: int(Protocol.V1_PREDICT), Key.TICKET: journal.sequence,
    }  # fmt: skip
    if (mine := _IDS[number % len(_IDS)]) is not None:
        fields[Key.REQUEST_ID] = mine
    journal.add(Kind.INFERENCE, {int(key): value for key, value in fields.items()}, payload)


def _sealed(root: Path, journal: Journal) -> SealedLog:
    log = LocalLog(root / "log", "entries", 1)
    with closing(log.writer(0)) as writer:
        for name, record in journal.values:
            writer.send(record, name)
        while writer.delivered().sends < len(journal.values):
            writer.wait(1.0)
    made = SealedLog(root, log.topic(), ())
    seal_log(made, (EXCHANGES // 2,))
    return made
