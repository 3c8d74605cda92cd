"""Large sealed logs, fast: what a gateway, a sidecar and a notary would have left, without running them.

Everything is valid: chains, payload digests, signatures of the journal, tiles, checkpoint, state, archive. Only
what promises to survive a crash (syncs) is left out. The same arguments give the same bytes.

    python -m harness.sealed DIRECTORY --records 1000000        (in bench/)
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

from audit.archive import Archiver, Limits  # noqa: E402
from audit.log.local import LocalLog  # noqa: E402
from audit.notary.noted import Noted, note_name  # noqa: E402
from audit.notary.state import State  # noqa: E402
from audit.objects.base import Stored  # noqa: E402
from audit.proof import cbor  # noqa: E402
from audit.proof.checkpoint import Checkpoint, sign_checkpoint  # noqa: E402
from audit.proof.entry import Key, Kind, Protocol, Slot, encode_entry, record_id, signing_message  # noqa: E402
from audit.proof.hashing import ZERO_HASH, leaf_hash  # noqa: E402
from audit.proof.note import VerifierKey  # noqa: E402
from audit.proof.record import Header, encode_payload, frame_record  # noqa: E402
from audit.proof.tiles import WIDTH, Bundle, Edge, encode_bundle  # noqa: E402
from audit.sealed import CHECKPOINT, TreeId  # noqa: E402

START = 1_767_225_600_000  # ms: 2026-01-01
PIECE = WIDTH * 16
HEARTBEAT = 5_000
"""Records between two heartbeats."""


@dataclass(frozen=True)
class SealedLog:
    """What was written, and what is needed to look at it."""

    store: Path
    """The notary's store: `[notary] store`."""
    tree: TreeId
    key: Path
    """The notary's private key."""
    vkey: VerifierKey
    """Under the log's name, as `[notary] public_key_file` has it."""
    size: int
    archived: int
    journal: bytes
    log: Path | None = None
    """A local log of the same records, when it was asked for."""

    def record(self, number: int) -> str:
        """The record id at an offset: there is one journal, so offsets are sequences."""
        return record_id(self.journal, number)


class Signer:
    """The notary's key."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """See `proof.note.Signer.sign`."""
        return self._key.sign(message)


class PlainFiles:
    """The part of `Objects` that is needed, without syncs."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: set[Path] = set()

    def create(self, name: str, content: bytes) -> bool:
        """Write the file."""
        path = self._root / name
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        path.write_bytes(content)
        return True

    def get(self, name: str) -> Stored | None:
        """Nothing is there before."""
        return None

    def swap(self, name: str, content: bytes, version: str | None) -> str:
        """As `create`."""
        self.create(name, content)
        return ""

    def list(self, prefix: str) -> Iterator[str]:
        """Nothing is there before."""
        return iter(())


class Records:
    """One journal's records, in order: an opening, exchanges, and a heartbeat now and then."""

    def __init__(
        self,
        topic: dict[str, object],
        seed: int,
        payload: int,
        per_second: float,
        services: tuple[str, ...],
        digests: Mapping[str, bytes] | None = None,
    ) -> None:
        random = Random(seed)
        self.journal = random.randbytes(16)
        self._key = Ed25519PrivateKey.from_private_bytes(random.randbytes(32))
        self._random = random
        self._step = int(1e9 / per_second)
        self._topic = topic
        self._chain = ZERO_HASH
        self._services = [
            (cbor.text(service), cbor.data((digests or {}).get(service) or sha256(service.encode()).digest()))
            for service in services
        ]
        self._callers = [cbor.data(random.randbytes(16)) for _ in range(50)]
        self._subjects = [random.randbytes(16) for _ in range(10_000)]
        body = json.dumps({"inputs": [random.random() for _ in range(30)]}).encode()
        answer = b'{"predictions":[0.5]}'
        header = {
            Header.METHOD: "POST", Header.TARGET: "/v1/models/m:predict",
            Header.CONTENT_TYPE: "application/json", Header.RESPONSE_TYPE: "application/json",
        }  # fmt: skip
        whole = encode_payload(bytes(32), header, body, answer)
        more = max(0, payload - len(whole) - 8)
        self._tail = encode_payload(bytes(32), header, body + b" " * more, answer)[32:]

    def time(self, number: int) -> int:
        """Of a record, in ns since 1970."""
        return START * 1_000_000 + number * self._step

    def next(self, number: int) -> tuple[bytes, bytes]:
        """Entry and payload of sequence `number`; called in order."""
        if number == 0 or number % HEARTBEAT == 0:
            entry, payload = self._own(number), b""
        else:
            entry, payload = self._exchange(number)
        self._chain = leaf_hash(entry)
        return entry, payload

    def _exchange(self, number: int) -> tuple[bytes, bytes]:
        payload = self._random.randbytes(32) + self._tail
        service, digest = self._services[number % len(self._services)]
        time, uint = self.time(number), cbor.uint
        slot = Slot.CANARY if number % 20 == 0 else Slot.LIVE
        entry = b"".join(
            (
                b"\xb4\x00\x01\x01", cbor.data(self.journal), b"\x02\x01\x03", uint(number),
                b"\x04\x58\x20", self._chain,
                b"\x05", uint(time), b"\x06", uint(time - 400_000), b"\x07", service, b"\x08", digest,
                b"\x09", uint(slot), b"\x0a", uint(422 if number % 100 == 7 else 200),
                b"\x0b", self._callers[number % 50],
                b"\x0c", cbor.data(self._subjects[number * 7919 % 10_000]),
                b"\x0d", cbor.text(f"req-{number}"),
                b"\x0e\x83", uint(number // 8), b"\x08", uint(number % 8),
                b"\x0f\x58\x20", sha256(payload).digest(), b"\x10", uint(len(payload)), b"\x11\x00",
                b"\x13", uint(Protocol.V1_PREDICT), b"\x16", uint(number),
            )
        )  # fmt: skip
        return entry, payload

    def _own(self, number: int) -> bytes:
        fields: dict[int, object] = {
            Key.KIND: Kind.HEARTBEAT, Key.JOURNAL: self.journal, Key.EPOCH: 1, Key.SEQUENCE: number,
            Key.CHAIN: self._chain, Key.COMMITTING: self.time(number),
        }  # fmt: skip
        if number == 0:
            fields |= {
                Key.KIND: Kind.OPENING, Key.PUBLIC_KEY: self._key.public_key().public_bytes_raw(),
                Key.TOPIC: self._topic, Key.VERSIONS: {"bench": "1"}, Key.DEVICE: "cpu", Key.THREADS: 1,
                Key.RELEASE: "disk", Key.HEARTBEAT: 60, Key.RECOVERED: {"groups": 0, "torn": 0, "aborted": 0},
            }  # fmt: skip
        else:
            fields |= {Key.COUNTED: {}, Key.COUNTED_SINCE: self.time(number - HEARTBEAT)}
        fields = {int(key): value for key, value in fields.items()}
        fields[Key.KIND] = int(fields[Key.KIND])  # type: ignore[call-overload]
        return encode_entry({**fields, int(Key.SIGNATURE): self._key.sign(signing_message(fields))})


class _Sealing:
    """The state, in memory: what the archive's writer moves."""

    def __init__(self, state: State) -> None:
        self.state = state

    def begin_archive(self, end: int) -> None:
        self.state = self.state.archive_begun(end)

    def finish_archive(self) -> None:
        self.state = self.state.archive_finished()


def write_sealed_log(
    directory: Path,
    records: int,
    *,
    name: str = "affiant.bench",
    partition: int = 0,
    seed: int = 1,
    tail: int = 5_000,
    payload: int = 600,
    per_second: float = 1_000.0,
    services: tuple[str, ...] = ("credit", "fraud"),
    digests: Mapping[str, bytes] | None = None,
    limits: Limits = Limits(),  # noqa: B008 — frozen
    log: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> SealedLog:
    """Write a log of `records` records; `store/`, `notary.key`, `notary.pub`, and `log/` when asked for.

    Args:
        directory: made; MUST be empty.
        records: how many.
        name: [notary] name.
        partition: of the topic.
        seed: of all that is random.
        tail: records at the end that are sealed and not archived yet.
        payload: bytes of a payload, about.
        per_second: records a second, by their times.
        services: that answer by turns.
        digests: of the services' packages, 32 bytes; made up for those that are not there.
        limits: of the archive's files.
        log: write a local log of the same records too.
        progress: told how many records were written since the last call.
    """
    store = directory / "store"
    store.mkdir(parents=True)
    files, topic = PlainFiles(store), Random(seed + 1).randbytes(16)
    tree = TreeId(name, topic, partition)
    signer = Signer(Random(seed + 2).randbytes(32))
    made = Records(
        {"backend": "local", "name": "affiant-entries", "id": topic, "partition": partition},
        seed, payload, per_second, services, digests,
    )  # fmt: skip
    archived = max(0, records - tail)
    archiver = Archiver(files, topic, partition, 0, 0, limits)  # type: ignore[arg-type]
    sealing = _Sealing(State(tree.origin))
    now = [0]  # the log's clock, ns: one time for each piece, which the archive has too
    edge, writer = Edge(0, []), _writer(directory, topic, partition, lambda: now[0]) if log else None
    for start in range(0, records, PIECE):
        end = min(records, start + PIECE)
        entries = []
        now[0] = made.time(start)
        for number in range(start, end):
            entry, content = made.next(number)
            entries.append(entry)
            if number < archived:
                logged = now[0] if log else made.time(number)
                archiver.add(number, logged // 1_000_000, entry, content)
            if writer is not None:
                writer.send(frame_record(entry, content), made.journal)
        _delivered(writer, end)
        for at in range(0, len(entries), WIDTH):
            part = entries[at : at + WIDTH]
            bundle = Bundle((start + at) // WIDTH, len(part))
            files.create(f"{tree.prefix}/{bundle.path}", encode_bundle(part))
        for tile, content in edge.append([leaf_hash(entry) for entry in entries]):
            files.create(f"{tree.prefix}/{tile.path}", content)
        root = edge.root()
        head = sign_checkpoint(Checkpoint(tree.origin, end, root), signer)
        sealing.state = sealing.state.grown(end, root, head)
        while archiver.archive(sealing, 0.0, flush=end >= archived):
            pass
        progress(end - start)
    for tile, content in edge.partial():
        files.create(f"{tree.prefix}/{tile.path}", content)
    if writer is not None:
        writer.close()
    files.create(f"{tree.prefix}/{CHECKPOINT}", sealing.state.checkpoint)
    files.create(f"{tree.prefix}/state", sealing.state.encode())
    files.create(note_name("affiant-entries"), Noted(topic, partition + 1).encode())
    return _finish(directory, tree, signer, seed, records, sealing.state.archived, made.journal, log=log)


def _delivered(writer, sends: int) -> None:
    while writer is not None and writer.delivered().sends < sends:
        writer.wait(1.0)


def _writer(directory: Path, topic: bytes, partition: int, clock: Callable[[], int]):
    (directory / "log").mkdir()
    content = {
        "format": 1, "name": "affiant-entries", "id": topic.hex(), "partitions": partition + 1, "created": START,
    }  # fmt: skip
    (directory / "log" / "topic.json").write_text(json.dumps(content))
    return LocalLog(directory / "log", "affiant-entries", partition + 1, clock=clock).writer(partition)


def _finish(directory: Path, tree, signer, seed, size, archived, journal, *, log: bool) -> SealedLog:
    key = directory / "notary.key"
    key.touch(0o600)
    key.write_bytes(Random(seed + 2).randbytes(32))
    vkey = VerifierKey(tree.name, signer.public_key)
    (directory / "notary.pub").write_text(f"{vkey}\n")
    (directory / "affiant.toml").write_text(
        f'[data]\ndirectory = "data"\n[log]\ndirectory = "log"\n'
        f'[notary]\nname = "{tree.name}"\nstore = "store"\n'
    )
    return SealedLog(
        directory / "store", tree, key, vkey, size, archived, journal, directory / "log" if log else None
    )


def main() -> None:
    """Write one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--payload", type=int, default=600)
    parser.add_argument("--log", action="store_true", help="a local log of the same records too")
    chosen = parser.parse_args()
    begin = time.perf_counter()
    made = write_sealed_log(chosen.directory, chosen.records, payload=chosen.payload, log=chosen.log)
    seconds = time.perf_counter() - begin
    print(f"{made.size} records in {seconds:.1f} s ({seconds / max(1, made.size) * 1e6:.1f} µs each)")
    print(f"for example {made.record(made.size // 2)}")


if __name__ == "__main__":
    main()
