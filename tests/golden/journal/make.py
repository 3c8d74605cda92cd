"""Writes the golden files beside it (`python -m tests.golden.journal.make`); they change with the format, never else.

- `NAME.bin` is one record of each kind of entry, with every key that the kind may have, and `NAME.json` what went
  into it (written from the values themselves, not from reading the record back);
- `mark.bin` and `mark.json` are a durable mark;
- `whole/` is a journal of two epochs in two segments by the real writer, and `whole.json` what its reader finds.

Clock, random numbers and key are fixed. Bytes stand in JSON as `hex:…`, long ones as `sha256:HASH:LENGTH`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.journal import Journal, JournalReader, JournalSettings, Mark, Opening
from audit.journal.identity import Identity
from audit.journal.layout import SegmentHeader, align, read_frames, read_group
from audit.proof.entry import SIGNED_KINDS, Key, Kind, encode_entry, parse_entry
from audit.proof.hashing import leaf_hash
from audit.proof.record import Header, encode_payload, frame_record, parse_payload, parse_record

HERE: Final = Path(__file__).parent
JOURNAL_ID: Final = bytes(range(16))
KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW: Final = 1_767_323_045_000_000_000  # 2026-01-02T03:04:05Z
LONG: Final = 512
# Key 64 and above are free: readers keep them.
FREE_KEY: Final = 70_000
WITH_IDS: Final = (Kind.INFERENCE, Kind.ABORTED, Kind.LABELLED)
TOPIC: Final = {"backend": "kafka", "name": "affiant.records", "id": b"\x11" * 16, "partition": 3}


def plain(value: Any) -> Any:
    """A value of the format as JSON has it."""
    if isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
        return "hex:" + raw.hex() if len(raw) <= LONG else f"sha256:{sha256(raw).hexdigest()}:{len(raw)}"
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def name_of(key: int) -> str:
    """The page's name of an entry's key."""
    return Key(key).name.lower().replace("_", " ") if key in list(Key) else str(key)


def named(fields: Mapping[int, Any]) -> dict[str, Any]:
    """An entry's fields by the page's names."""
    return {name_of(key): plain(value) for key, value in fields.items()}


# ---------------------------------------------------------------- one record of each kind
@dataclass(frozen=True)
class Parts:
    """What a payload is made of."""

    salt: bytes
    header: Mapping[int, object]
    request: bytes
    response: bytes = b""
    input: bytes = b""

    def encode(self) -> bytes:
        """By the product's encoder."""
        return encode_payload(self.salt, self.header, self.request, self.response, self.input)


@dataclass(frozen=True)
class Sample:
    """An entry's fields and payload before they are encoded."""

    fields: Mapping[int, Any]
    payload: Parts | None = None

    @property
    def kind(self) -> Kind:
        """The entry's."""
        return Kind(self.fields[Key.KIND])

    def encode(self) -> tuple[dict[int, Any], bytes, bytes]:
        """All fields as they stand in the entry, the entry, and the record."""
        stored = b"" if self.payload is None else self.payload.encode()
        fields = dict(self.fields)
        if self.payload is not None:
            fields[Key.PAYLOAD_DIGEST] = sha256(stored).digest()
            fields[Key.PAYLOAD_LENGTH] = len(stored)
        fields = {int(key): fields[key] for key in sorted(fields)}
        if self.kind in SIGNED_KINDS:
            entry = Identity(JOURNAL_ID, KEY).sign(fields)
            fields[int(Key.SIGNATURE)] = parse_entry(entry).fields[Key.SIGNATURE]
        else:
            entry = encode_entry(fields)
        return fields, entry, frame_record(entry, stored)


def _journal(kind: Kind, sequence: int, **more: Any) -> dict[int, Any]:
    common: dict[int, Any] = {
        Key.KIND: int(kind), Key.JOURNAL: JOURNAL_ID, Key.EPOCH: 2, Key.SEQUENCE: sequence,
        Key.CHAIN: sha256(b"chain").digest(), Key.COMMITTING: NOW + 5_000_000,
    }  # fmt: skip
    return common | {int(Key[name.upper()]): value for name, value in more.items()}


def _own(kind: Kind, **more: Any) -> dict[int, Any]:
    return {int(Key.KIND): int(kind)} | {int(Key[name.upper()]): value for name, value in more.items()}


REQUEST: Final = {
    Header.METHOD: "POST",
    Header.TARGET: "/v2/models/credit/infer?größe=1",
    Header.CONTENT_TYPE: "application/octet-stream",
    Header.CONTENT_ENCODING: "gzip",
    Header.INFERENCE_LENGTH: 17,
    Header.RESPONSE_TYPE: "application/json",
    Header.RESPONSE_INFERENCE_LENGTH: 300,
}
WHO: Final = {"caller": b"\x21" * 16, "subject": b"\x22" * 16, "request_id": "größe-1"}
BODY: Final = Parts(b"\x44" * 32, {}, b'{"outcome":1}')
LABEL: Final = Parts(
    b"\x45" * 32, {}, '{"label":"größer","row":1,"time":"2026-01-02T03:04:05.000000006Z"}'.encode()
)


def samples() -> list[Sample]:
    """One of each kind, in the order of the kinds."""
    input_rows = b"".join(bytes([0, 0, 0x80, 0x3F + at]) for at in range(6))
    answered = Parts(
        b"\x42" * 32, REQUEST | {Header.INPUT: [b"\x31" * 32, 2, 3]}, b"asked", b"said", input_rows
    )
    oversize = REQUEST | {Header.OVERSIZE: [b"\x32" * 32, 2**33], Header.NONCE: b"\x33" * 12}
    counts = {"counted": {"health": 12, "other": 2**40}, "counted_since": NOW - 60_000_000_000}
    payload = {"suite": 0, "key_id": b"\x23" * 16, "external": True}
    written = {"body_type": "application/json", "author": b"\x51" * 32, "time": NOW}
    return [
        Sample(_journal(Kind.INFERENCE, 2**32, arrived=NOW, service="credit", digest=b"\x24" * 32, slot=1,
                        status=200, batch=[9, 64, 63], protocol=4, unknown=1, ticket=255,
                        reason="policy", **WHO, **payload) | {FREE_KEY: {"later": [True, False, 24]}},
               answered),
        Sample(_journal(Kind.ABORTED, 65_535, arrived=NOW, service="credit", protocol=1, ticket=65_536,
                        reason="the gateway stopped before it answered", **WHO, **payload),
               Parts(b"\x43" * 32, oversize, b"")),
        Sample(_journal(Kind.NOT_RELEASED, 24, reason="not acknowledged in 10 s", released=23)),
        Sample(_journal(Kind.OPENING, 0, public_key=KEY.public_key().public_bytes_raw(), topic=TOPIC,
                        versions={"xgboost": "3.1.0", "onnxruntime": "1.22"}, device="cuda:0", threads=4,
                        release="log", heartbeat=60, recovered={"groups": 7, "torn": 19, "aborted": 1},
                        **counts)),
        Sample(_journal(Kind.CLOSING, 2**64 - 1, **counts)),
        Sample(_journal(Kind.HEARTBEAT, 23, counted={}, counted_since=0)),
        Sample(_own(Kind.HOLE, topic=TOPIC, partition=3, offset=2**40, value_hash=b"\x52" * 32,
                    reason="not a record")),
        Sample(_own(Kind.SHIPPER, shipper=b"\x53" * 16, time=NOW, reason="start")),
        Sample(_own(Kind.LABEL, target=f"{JOURNAL_ID.hex()}-42", service="credit", **written, **payload), BODY),
        Sample(_own(Kind.GOVERNANCE, service="credit", digest=b"\x24" * 32, **written, **payload), BODY),
        Sample(_own(Kind.ERASURE, target="key " + "23" * 16, reason="asked for", suite=0, **written), BODY),
        Sample(_journal(Kind.LABELLED, 2**16, arrived=NOW, service="credit", caller=b"\x21" * 16,
                        subject=b"\x22" * 16, body_type="application/vnd.affiant.label+json",
                        author=b"\x51" * 32, target="request:größe-1", **payload), LABEL),
    ]  # fmt: skip


def expected(sample: Sample) -> dict[str, Any]:
    """What a reader of the sample's record must find."""
    fields, entry, _ = sample.encode()
    out = {
        "entry": plain(entry),
        "leaf": plain(leaf_hash(entry)),
        "record id": f"{JOURNAL_ID.hex()}-{fields[3]}" if sample.kind in WITH_IDS else None,
        "fields": named(fields),
        "payload": None,
    }
    if (parts := sample.payload) is not None:
        lengths = [len(parts.request), len(parts.response), len(parts.input)]
        out["payload"] = {
            "salt": plain(parts.salt),
            "header": plain({**parts.header, Header.COMPRESSION: 0, Header.LENGTHS: lengths}),
            "request": plain(parts.request),
            "response": plain(parts.response),
            "input": plain(parts.input),
        }
    return out


# ---------------------------------------------------------------- a whole journal
class Steps:
    """A clock that goes on by a microsecond with each look, and numbers that are random to nobody."""

    def __init__(self) -> None:
        self.looks = 0
        self.draws = 0

    def clock(self) -> int:
        """Ns since 1970 UTC."""
        self.looks += 1
        return NOW + 1000 * self.looks

    def random(self, size: int) -> bytes:
        """`size` bytes."""
        self.draws += 1
        return sha256(b"golden %d" % self.draws).digest()[:size]


SETTINGS: Final = JournalSettings(segment_bytes=64 << 10, heartbeat_seconds=86_400, sync="thread")
OPENING: Final = Opening(versions={"golden": "1"}, device="cpu", threads=1)


class Script:
    """Drives the real writer so that the same groups come about on every machine.

    What is given in one turn of the loop rides in one group, and each group is waited for.
    """

    def __init__(self, journal: Journal, steps: Steps) -> None:
        self.journal = journal
        self.steps = steps

    def accept(self, request: bytes) -> int:
        """A request; its ticket."""
        header = {
            Header.METHOD: "POST",
            Header.TARGET: "/v1/models/m:predict",
            Header.CONTENT_TYPE: "text/plain",
        }
        return self.journal.accept(header, request, self.steps.clock())

    def answer(
        self, request: bytes, response: bytes, status: int = 200, ticket: int = 0
    ) -> asyncio.Future[str]:
        """An inference entry for a request that was accepted with that ticket, or is now."""
        ticket = ticket or self.accept(request)
        predicted = status == 200
        header: dict[int, object] = {
            Header.METHOD: "POST", Header.TARGET: "/v1/models/m:predict", Header.CONTENT_TYPE: "text/plain",
            Header.RESPONSE_TYPE: "application/json",
        }  # fmt: skip
        model_input = b"\x00\x00\x80\x3f" * 3 if predicted else b""
        if predicted:
            header[Header.INPUT] = [b"\x31" * 32, 1, 3]
        payload = encode_payload(self.steps.random(32), header, request, response, model_input)
        fields: dict[int, object] = {
            Key.KIND: int(Kind.INFERENCE), Key.ARRIVED: NOW, Key.SERVICE: "m", Key.STATUS: status,
            Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: 0,
            Key.PROTOCOL: 1, Key.TICKET: ticket, Key.CALLER: b"\x21" * 16,
        }  # fmt: skip
        fields |= {Key.DIGEST: b"\x24" * 32, Key.SLOT: 0, Key.BATCH: [1, 1, 0]} if predicted else {}
        return self.journal.append({int(key): value for key, value in fields.items()}, payload, ticket)

    async def own(self, make: Callable[[], None]) -> None:
        """Have the journal write an entry of its own now, and wait until it is on disk."""
        make()
        await self.journal._committer.drained()


async def _first_epoch(script: Script) -> None:
    """Groups with one and three records; a request answered two groups later; one never answered; no closing."""
    await script.answer(b"one", b"1")
    await asyncio.gather(*(script.answer(b"many %d" % at, b"%d" % at) for at in range(3)))
    late = script.accept(b"late")
    await script.answer(b"between", b"2")
    script.accept(b"never answered")
    await script.answer(b"refused", b"no", status=400)
    await script.answer(b"late", b"3", ticket=late)
    script.journal._shut()  # the process is killed here


async def _second_epoch(script: Script) -> None:
    """A heartbeat with counts, an answer that was not released, a group that needs a new segment, a closing."""
    journal = script.journal
    for reason in ("health", "health", "unknown path"):
        journal.count(reason)
    await script.own(journal._beat)
    withheld = await script.answer(b"withheld", b"4")
    await script.own(lambda: journal._not_released(int(withheld.split("-")[1])))
    while not journal._segments.spare_size:
        await asyncio.sleep(0.001)
    for at in range(3):
        await script.answer(b"long %d " % at * 3000, b"5")
    journal.count("health")
    await journal.close()


async def _write(folder: Path) -> None:
    steps = Steps()
    (folder / "shipping").mkdir()
    route = {
        "journal": "",
        "backend": TOPIC["backend"],
        "topic": TOPIC["name"],
        "topic_id": "11" * 16,
        "partition": 3,
    }
    for epoch in (_first_epoch, _second_epoch):
        journal = Journal.open(
            folder / "whole", folder / "shipping", SETTINGS, OPENING, clock=steps.clock, random=steps.random
        )
        await epoch(Script(journal, steps))
        route["journal"] = journal.journal_id.hex()
        (folder / "shipping" / "route.json").write_text(json.dumps(route))


def is_golden(path: Path) -> bool:
    """Whether a file of a journal is kept: not the private key, the lock and the spare segment."""
    return path.name in ("journal.json", "mark") or path.suffix == ".seg"


def whole() -> dict[str, bytes]:
    """The files of the whole journal, by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(_write(folder))
        return {
            path.name: path.read_bytes() for path in sorted((folder / "whole").iterdir()) if is_golden(path)
        }


def read_whole(folder: Path) -> dict[str, Any]:
    """What the product's readers find in a journal's directory; `at` and `end` are offsets in the segment."""
    reader = JournalReader(folder)
    mark = reader.mark()
    assert mark is not None
    records = [parse_record(one.record) for one in reader.read(1 << 30)]
    reader.close()
    segments = []
    for path in sorted(folder.glob("*.seg")):
        raw = path.read_bytes()
        header = SegmentHeader.decode(raw)
        groups, at = [], 128
        while not isinstance(group := read_group(raw, at, header.seed), str):
            kinds = ["record" if frame.type == 2 else "request" for frame in read_frames(raw, group)]
            groups.append({"number": group.number, "at": group.start, "end": group.end, "frames": kinds})
            at = align(group.end)
        about = {name: plain(getattr(header, name)) for name in header.__slots__}
        segments.append({"file": path.name, "header": about, "groups": groups})
    return {
        "mark": {name: getattr(mark, name) for name in mark.__slots__},
        "segments": segments,
        "records": [
            {
                "leaf": plain(leaf_hash(one.entry.raw)),
                "fields": named(one.entry.fields),
                "payload": read_payload(one.payload),
            }
            for one in records
        ],
    }


def read_payload(raw: bytes) -> dict[str, Any] | None:
    """A payload as `expected` has it, read by the product."""
    if not raw:
        return None
    parts = parse_payload(raw)
    return {name: plain(getattr(parts, name)) for name in ("salt", "header", "request", "response", "input")}


# ---------------------------------------------------------------- the files
MARK: Final = Mark(version=2**40, group=258, segment=3, end=70_000, sequence=2**32 + 1)


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def make(target: Path) -> None:
    """Write all golden files below `target`."""
    for sample in samples():
        name = sample.kind.name.lower()
        (target / f"{name}.bin").write_bytes(sample.encode()[2])
        (target / f"{name}.json").write_bytes(_json(expected(sample)))
    (target / "mark.bin").write_bytes(MARK.encode())
    (target / "mark.json").write_bytes(_json({name: getattr(MARK, name) for name in MARK.__slots__}))
    (target / "whole").mkdir(exist_ok=True)
    for path in (target / "whole").iterdir():
        path.unlink()
    for name, raw in whole().items():
        (target / "whole" / name).write_bytes(raw)
    (target / "whole.json").write_bytes(_json(read_whole(target / "whole")))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
