"""Predict, and get the receipt: a real gateway, a real sidecar with its server, a real tree, an auditor's check."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from audit.config import load
from audit.log import configured_log
from audit.proof.entry import Key, parse_entry
from audit.proof.receipt import parse_receipt, verify_receipt
from audit.settings import SidecarSettings
from audit.ship.reached import SEALED, read_reached
from audit.ship.sidecar import Sidecar, metrics_server
from audit.trees import configured_trees
from service.auth import add_key
from tests.components.gateway import JSON, Answer, Site, ask, open_gateway, until
from tests.components.packages import number_package
from tests.components.sealer import NAME, Sealer

PREDICT = "/v1/models/numbers:predict"
ROW = b'{"instances":[[1.0,2.0,3.0]]}'
HOST = "127.0.0.1"


class Line:
    """Gateway, sidecar and a notary that seals when it is told to, around one directory."""

    def __init__(self, directory: Path) -> None:
        self.site = Site(directory, tables={"notary": {"name": NAME}})
        self.site.journal["free_after"] = "sealed"
        self.site.serve("numbers", number_package())
        self.front: Any = None
        self.sidecar: Sidecar | None = None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Sealer]:
        """All of it; the sidecar is told to end at last."""
        settings = SidecarSettings(scan_seconds=0.05, metrics_port=0)
        self.site.write()
        config = load(self.site.config)
        sealer = Sealer(configured_log(config), config.data, public_key=None)
        (self.site.directory / "notary.pub").write_text(sealer.public_key.read_text())
        sidecar = self.sidecar = Sidecar(
            config.data, configured_log(config), settings, configured_trees(config)
        )
        stop = threading.Event()
        with metrics_server(HOST, 0, sidecar) as server:
            self.site.gateway["receipts_url"] = f"http://{HOST}:{server.port}"
            async with open_gateway(self.site) as self.front:
                shipping = threading.Thread(target=sidecar.run, args=(stop,))
                shipping.start()
                try:
                    yield sealer
                finally:
                    stop.set()
                    await asyncio.to_thread(shipping.join, 60)

    async def predict(self, key: str | None = None, body: bytes = ROW) -> str:
        """An answer's record id."""
        answer = await ask(self.front, PREDICT, body, headers=JSON | bearer(key))
        assert answer.status == 200, answer
        return answer.headers["affiant-record"]

    async def receipt(self, record: str, key: str | None = None, **more: Any) -> Answer:
        """What a client is told."""
        path = f"/v1/records/{record}/receipt"
        return await ask(self.front, path, method="GET", headers=bearer(key), **more)

    async def sealed(self, sealer: Sealer, record: str) -> None:
        """Seal what is shipped until the sidecar has proved that this record is sealed."""
        shipping = self.site.directory / "data" / "shipping" / "0"
        wanted = int(record.rpartition("-")[2])

        def proved() -> bool:
            reached = read_reached(shipping, SEALED)
            return reached is not None and reached.sequence > wanted

        for _ in range(600):
            await asyncio.to_thread(sealer.seal)
            if proved():
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{record} was not proved to be sealed")


def bearer(key: str | None) -> dict[str, str]:
    """The header with a key."""
    return {} if key is None else {"authorization": f"Bearer {key}"}


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


async def test_a_client_gets_the_proof_of_its_own_answer(line: Line) -> None:
    """Not yet, with when to come again; then a file that holds by the notary's key alone."""
    async with line.run() as sealer:
        record = await line.predict()
        early = await line.receipt(record)
        assert (early.status, early.json["type"]) == (404, "urn:affiant:problem:not-sealed")
        assert int(early.headers["retry-after"]) >= 1
        await line.sealed(sealer, record)
        answer = await line.receipt(record)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-store"
        head = await ask(line.front, f"/v1/records/{record}/receipt", method="HEAD", headers={})
        assert (head.status, head.body) == (200, b"")
        receipt = parse_receipt(answer.body)
        verify_receipt(receipt, sealer.tree().key(sealer.key.public_key))
        assert parse_entry(receipt.entry).record_id == record
        metrics = (await ask(line.front, "/metrics", method="GET")).body.decode()
        journal = record.rpartition("-")[0]
        assert f'affiant_recorded_answers_total{{journal="{journal}",status="200"}} 1.0' in metrics


async def test_another_callers_receipt_is_not_given(line: Line) -> None:
    """With keys: the caller's own; another's and made-up ones are unknown; without a key nothing."""
    keys = line.site.directory / "keys.json"
    mine, other = add_key(keys, "mine"), add_key(keys, "other")
    line.site.gateway["keys_file"] = "keys.json"
    async with line.run() as sealer:
        record = await line.predict(mine)
        theirs = await line.predict(other)
        await line.sealed(sealer, theirs)
        assert (await line.receipt(record, mine)).status == 200
        for wrong in (theirs, f"{record[:32]}-9999", f"{record[:32]}-0", f"{'0' * 32}-1", "x"):
            told = await line.receipt(wrong, mine)
            assert (told.status, told.json["type"]) == (404, "urn:affiant:problem:unknown-record"), wrong
        for key in (None, "wrong"):
            told = await line.receipt(record, key)
            assert (told.status, told.headers["www-authenticate"]) == (401, "Bearer")


async def test_without_keys_only_this_machine_is_given_receipts(line: Line) -> None:
    """A connection that came to another address is refused, as a prediction is."""
    async with line.run() as sealer:
        record = await line.predict()
        await line.sealed(sealer, record)
        assert (await line.receipt(record)).status == 200
        assert (await line.receipt(record, server="10.0.0.1")).status == 403


async def test_a_store_that_lies_is_found_out_and_nothing_is_given(line: Line) -> None:
    """An entry bundle that was changed: 502 at the sidecar, and at the gateway."""
    async with line.run() as sealer:
        record = await line.predict()
        await line.sealed(sealer, record)
        for path in sorted((sealer.store / sealer.tree().prefix / "tile" / "entries").rglob("*")):
            if path.is_file():
                path.chmod(0o644)
                path.write_bytes(path.read_bytes()[:-1] + b"\x00")
        answer = await line.receipt(record)
        assert (answer.status, answer.json["type"]) == (502, "urn:affiant:problem:receipt-refused")


async def test_without_a_sidecar_receipts_wait_and_predictions_do_not(line: Line) -> None:
    """503 with when to come again."""
    async with line.run():
        record = await line.predict()
    line.site.gateway["receipts_url"] = f"http://{HOST}:9"
    async with open_gateway(line.site) as line.front:
        told = await line.receipt(record)
        assert (told.status, told.json["type"]) == (503, "urn:affiant:problem:receipt-unavailable")
        assert told.headers["retry-after"] == "5"
        assert await line.predict()


async def test_what_was_sealed_is_freed_and_still_has_its_receipt(line: Line) -> None:
    """The journal keeps a record until it is proved to be sealed; its place outlives it."""
    line.site.journal |= {"segment_bytes": 64 << 10, "max_bytes": 4 << 20}
    segments = line.site.directory / "data" / "journals" / "0"
    async with line.run() as sealer:
        large = b'{"instances":[' + b",".join([b"[1.0,2.0,3.0]"] * 200) + b"]}"
        first = last = await line.predict()
        for _ in range(40):
            last = await line.predict(body=large)
        assert len(list(segments.glob("*.seg"))) > 2
        assert (segments / f"{1:016x}.seg").exists(), "only shipped: nothing is freed"
        await line.sealed(sealer, last)
        await until(lambda: not (segments / f"{1:016x}.seg").exists(), "the first segment is freed")
        answer = await line.receipt(first)
        assert answer.status == 200
        entry = parse_entry(parse_receipt(answer.body).entry)
        assert (entry.record_id, entry.fields[Key.STATUS]) == (first, 200)
