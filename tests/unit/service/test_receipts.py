"""The gateway hands out no receipt that does not verify, and none to another caller."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from audit.config import load
from audit.proof.entry import Key, Kind, encode_entry
from audit.proof.receipt import Receipt, parse_receipt
from audit.proof.record import frame_record
from audit.trees import Trust
from service.errors import ReceiptRefused, ReceiptUnavailable, RecordNotSealed, UnknownRecord
from service.receipts import AT_ONCE, Found, Receipts, configured_receipts
from tests.components.sealer import NAME, Sealer
from tests.fault.ship.memory import MemoryLog

JOURNAL, CALLER = b"j" * 16, b"c" * 16
RECORD = f"{JOURNAL.hex()}-7"


def entry(**more: object) -> bytes:
    """An inference entry of sequence 7."""
    fields: dict[int, object] = {
        Key.KIND: Kind.INFERENCE, Key.JOURNAL: JOURNAL, Key.EPOCH: 1, Key.SEQUENCE: 7, Key.CHAIN: bytes(32),
        Key.COMMITTING: 1, Key.ARRIVED: 1, Key.SERVICE: "m", Key.STATUS: 200, Key.CALLER: CALLER,
        Key.PAYLOAD_DIGEST: bytes(32), Key.PAYLOAD_LENGTH: 0, Key.SUITE: 0, Key.PROTOCOL: 1, Key.TICKET: 1,
        **{Key[name]: value for name, value in more.items()},
    }  # fmt: skip
    return encode_entry({key: value for key, value in fields.items() if value is not None})


def sealed(directory: Path, raw: bytes) -> tuple[Receipt, Trust]:
    """The entry's receipt in a small tree, and whom to believe."""
    log = MemoryLog(entries=[(b"", b"one"), (JOURNAL, frame_record(raw, b"")), (b"", b"another")], visible=3)
    sealer = Sealer(log, directory)
    sealer.seal()
    tree = sealer.trees.tree(log.topic().id, 0)
    return tree.receipt(1, tree.published()), sealer.trees.trust


def ask(
    trust: Trust, found: Found | Exception, *, caller: bytes | None = CALLER, anybodys: bool = False
) -> bytes:
    """Ask for RECORD, the sidecar answering so."""

    def fetch(record: str) -> Found:
        assert record == RECORD
        if isinstance(found, Exception):
            raise found
        return found

    return asyncio.run(Receipts(trust, fetch).receipt(RECORD, caller, anybodys=anybodys))


def test_the_caller_gets_the_receipt_as_it_is(tmp_path: Path) -> None:
    """Byte for byte; and with no keys anybody on this machine does."""
    receipt, trust = sealed(tmp_path, entry())
    raw = receipt.encode()
    assert ask(trust, Found(200, raw)) == raw
    assert ask(trust, Found(200, raw), caller=None, anybodys=True) == raw


@pytest.mark.parametrize("caller", [None, b"d" * 16])
def test_another_caller_is_told_that_there_is_no_such_record(tmp_path: Path, caller: bytes | None) -> None:
    """Not that it is another's."""
    receipt, trust = sealed(tmp_path, entry())
    with pytest.raises(UnknownRecord):
        ask(trust, Found(200, receipt.encode()), caller=caller)


def test_a_record_without_a_caller_is_nobodys(tmp_path: Path) -> None:
    """It was made while no keys were used, or is the journal's own."""
    receipt, trust = sealed(tmp_path, entry(CALLER=None))
    for caller in (CALLER, None):
        with pytest.raises(UnknownRecord):
            ask(trust, Found(200, receipt.encode()), caller=caller)


FORGERIES: dict[str, Callable[[Receipt], bytes]] = {
    "another entry": lambda receipt: replace(receipt, entry=entry(STATUS=201)).encode(),
    "another index": lambda receipt: replace(receipt, index=0).encode(),
    "a hash": lambda receipt: replace(receipt, proof=(bytes(32), *receipt.proof[1:])).encode(),
    "the checkpoint's size": lambda receipt: replace(
        receipt, checkpoint=receipt.checkpoint.replace(b"\n3\n", b"\n4\n")
    ).encode(),
    "another log's": lambda receipt: replace(
        receipt, checkpoint=receipt.checkpoint.replace(NAME.encode(), b"elsewhere.example")
    ).encode(),
    "surplus": lambda receipt: receipt.encode() + b"\n",
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_does_not_verify_is_not_handed_out(tmp_path: Path, forgery: str) -> None:
    """Whatever the sidecar says of it."""
    receipt, trust = sealed(tmp_path, entry())
    with pytest.raises(ReceiptRefused):
        ask(trust, Found(200, FORGERIES[forgery](receipt)), anybodys=True)


def test_a_receipt_of_another_record_or_under_another_key_is_refused(tmp_path: Path) -> None:
    """Genuine, and not what was asked for."""
    other, trust = sealed(tmp_path / "a", entry(SEQUENCE=8))
    with pytest.raises(ReceiptRefused):
        ask(trust, Found(200, other.encode()))
    receipt, _ = sealed(tmp_path / "b", entry())
    with pytest.raises(ReceiptRefused):
        ask(trust, Found(200, receipt.encode()))
    parse_receipt(receipt.encode())


def test_a_receipt_of_another_log_of_the_same_key_is_refused(tmp_path: Path) -> None:
    """Its name says whose log it is; one key may seal several."""
    receipt, trust = sealed(tmp_path, entry())
    for name in ("elsewhere.example", NAME.removesuffix("e"), f"{NAME}/{bytes(16).hex()}"):
        with pytest.raises(ReceiptRefused):
            ask(replace(trust, name=name), Found(200, receipt.encode()))


def problem(slug: str) -> bytes:
    """The sidecar's problem details."""
    return json.dumps({"type": f"urn:affiant:problem:{slug}", "detail": "a path of this machine"}).encode()


@pytest.mark.parametrize(
    ("found", "error", "after"),
    [
        (Found(404, problem("not-sealed"), 2), RecordNotSealed, 2),
        (Found(404, problem("unknown-record")), UnknownRecord, None),
        (Found(404, b"<html>"), UnknownRecord, None),
        (Found(404, b"[]"), UnknownRecord, None),
        (Found(502, problem("receipt-refused")), ReceiptRefused, None),
        (Found(503, problem("receipt-unavailable"), 7), ReceiptUnavailable, 7),
        (Found(500, b""), ReceiptUnavailable, 5),
        (ConnectionRefusedError("refused"), ReceiptUnavailable, 5),
        (TimeoutError("slow"), ReceiptUnavailable, 5),
    ],
)
def test_what_the_sidecar_says_is_told_in_our_words(
    tmp_path: Path, found: Found | Exception, error: type[Exception], after: int | None
) -> None:
    """With when to come again, and without what is inside of this machine."""
    _, trust = sealed(tmp_path, entry())
    with pytest.raises(error) as caught:
        ask(trust, found)
    assert caught.value.retry_after == after  # type: ignore[attr-defined]
    assert "this machine." not in str(caught.value)


def test_without_the_notarys_key_nothing_is_verified_and_nothing_handed_out(tmp_path: Path) -> None:
    """The key may be made later: come again."""
    receipt, trust = sealed(tmp_path, entry())
    trust.public_key_file.unlink()
    with pytest.raises(ReceiptUnavailable):
        ask(trust, Found(200, receipt.encode()))


@pytest.mark.parametrize(
    "record", ["", "x-1", "../metrics", f"{JOURNAL.hex()}-7?x", f"{JOURNAL.hex()}-7 HTTP/1.1\r\nA: b"]
)
def test_what_is_no_record_id_is_never_sent_anywhere(tmp_path: Path, record: str) -> None:
    """The sidecar's other paths are not a client's business."""
    _, trust = sealed(tmp_path, entry())

    def fetch(record: str) -> Found:
        raise AssertionError(record)

    with pytest.raises(UnknownRecord):
        asyncio.run(Receipts(trust, fetch).receipt(record, CALLER, anybodys=True))


def test_a_sidecar_at_any_free_port_is_asked_for_nothing(tmp_path: Path) -> None:
    """`metrics_port = 0` says nowhere where it answers: what to set is told, in place of "it does not answer"."""
    file = tmp_path / "affiant.toml"
    file.write_text("[sidecar]\nmetrics_port = 0\n")
    receipts = configured_receipts(load(file))
    with pytest.raises(ReceiptUnavailable, match="receipts_url"):
        asyncio.run(receipts.receipt(RECORD, CALLER, anybodys=True))


def test_only_so_many_wait_at_a_time(tmp_path: Path) -> None:
    """Each takes a thread: the next is told to come again, and predictions go on."""
    receipt, trust = sealed(tmp_path, entry())
    gate = threading.Event()

    def fetch(_: str) -> Found:
        gate.wait(60)
        return Found(200, receipt.encode())

    async def all_at_once() -> None:
        receipts = Receipts(trust, fetch)
        waiting = [
            asyncio.create_task(receipts.receipt(RECORD, CALLER, anybodys=False)) for _ in range(AT_ONCE)
        ]
        await asyncio.sleep(0)
        with pytest.raises(ReceiptUnavailable):
            await receipts.receipt(RECORD, CALLER, anybodys=False)
        gate.set()
        assert set(await asyncio.gather(*waiting)) == {receipt.encode()}
        assert await receipts.receipt(RECORD, CALLER, anybodys=False)

    asyncio.run(all_at_once())
