"""A small sealed log by the real parts: a journal's records in a local log, sealed in steps, and archived."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.archive import Archiver, Limits
from audit.journal import JournalReader
from audit.log.base import LogEntry, Topic
from audit.log.local import LocalLog
from audit.notary.holes import entry_of
from audit.notary.noted import Noted, note_name
from audit.notary.seal import Seal
from audit.objects.directory import DirectoryObjects
from audit.proof.note import VerifierKey
from audit.sealed import SealedTree, TreeId
from tests.components.journals import write_journal

NAME = "example.test/log"
SEED = bytes(range(32))


class KeySigner:
    """An Ed25519 key in memory."""

    def __init__(self, seed: bytes = SEED) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """See `proof.note.Signer.sign`."""
        return self._key.sign(message)


@dataclass(frozen=True)
class SealedLog:
    """Where it is, and what is needed to look at it."""

    root: Path
    topic: Topic
    records: tuple[str, ...]
    """Record ids of the exchanges."""

    @property
    def store(self) -> Path:
        """The notary's store."""
        return self.root / "sealed"

    @property
    def log_directory(self) -> Path:
        """The local log."""
        return self.root / "log"

    @property
    def objects(self) -> DirectoryObjects:
        """The store, as everybody opens it."""
        return DirectoryObjects(self.store)

    @property
    def tree_id(self) -> TreeId:
        """The one tree."""
        return TreeId(NAME, self.topic.id, 0)

    @property
    def vkey(self) -> VerifierKey:
        """The notary's, under the log's name."""
        return VerifierKey(NAME, KeySigner().public_key)

    @property
    def tree(self) -> SealedTree:
        """The tree in its store."""
        return SealedTree(self.objects, self.tree_id, self.vkey.public_key)

    @property
    def folder(self) -> Path:
        """The tree's folder in the store."""
        return self.store / self.tree_id.prefix

    def log(self) -> LocalLog:
        """The log, opened."""
        return LocalLog(self.log_directory, self.topic.name, 1)

    def entries(self) -> list[LogEntry]:
        """All that the log has."""
        with closing(self.log().reader()) as reader:
            first, end = reader.bounds(0)
            found: list[LogEntry] = []
            while first + len(found) < end:
                found += reader.read(0, first + len(found), 1 << 20, 1.0)
        return found

    def settings(self) -> Path:
        """An affiant.toml that names all of it."""
        path = self.root / "affiant.toml"
        (self.root / "notary.pub").write_text(f"{self.vkey}\n")
        path.write_text(
            f'[data]\ndirectory = "data"\n[log]\ndirectory = {json.dumps(str(self.log_directory))}\n'
            f'topic = "{self.topic.name}"\n[notary]\nname = "{NAME}"\nstore = {json.dumps(str(self.store))}\n'
        )
        return path


def write_log(root: Path, epochs: Sequence[Sequence[bytes]], journal: str = "0") -> SealedLog:
    """A journal with these requests in each epoch, shipped to a local log; nothing is sealed yet."""
    log = LocalLog(root / "log", "entries", 1)
    topic, home = log.topic(), root / "gateway"
    records: list[str] = []
    name = b""
    for requests in epochs:
        records += write_journal(home, requests, name=journal)
        about = json.loads((home / "journals" / journal / "journal.json").read_text())
        name = bytes.fromhex(about["journal"])
        # As the sidecar leaves it: the next opening says where the journal goes.
        (home / "shipping" / journal / "route.json").write_text(
            json.dumps(
                {
                    "format": 1, "journal": name.hex(), "backend": topic.backend, "topic": topic.name,
                    "topic_id": topic.id.hex(), "partition": 0,
                }
            )
        )  # fmt: skip
    reader = JournalReader(home / "journals" / journal)
    writer = log.writer(0)
    sent = 0
    while found := reader.read(1 << 20):
        for each in found:
            writer.send(each.record, name)
            sent += 1
    reader.close()
    while writer.delivered().sends < sent:
        writer.wait(1.0)
    writer.close()
    return SealedLog(root, log.topic(), tuple(records))


def seal_log(
    made: SealedLog,
    sizes: Sequence[int] = (),
    *,
    seed: bytes = SEED,
    archive_records: int = 65_536,
    archive: bool = True,
    change: Callable[[list[LogEntry]], list[LogEntry]] = lambda entries: entries,
) -> None:
    """Seal what the log has, with a checkpoint at each of `sizes` and at the end; then archive it.

    `change`: what a sidecar or a broker did to the entries before the notary read them.
    """
    entries = change(made.entries())
    made.objects.create(
        note_name(made.topic.name), Noted(made.topic.id, 1).encode()
    )  # as the notary does, first
    seal = Seal(made.objects, made.tree_id, KeySigner(seed))
    archiver = Archiver(
        made.objects,
        made.topic.id,
        0,
        seal.state.archived,
        seal.state.archiving,
        Limits(records=archive_records),
    )
    start = seal.size
    try:
        for offset, entry in enumerate(entries):
            leaf = entry_of(entry.value, made.topic, 0, offset)
            if offset >= start:
                seal.append([leaf.entry])
            if offset >= archiver.next:
                archiver.add(offset, entry.timestamp, leaf.entry, leaf.record.payload if leaf.record else b"")
            if offset + 1 in sizes and offset + 1 > start:
                seal.seal()
        seal.seal()
        while archive and archiver.archive(seal, time.monotonic(), flush=True):
            pass
    finally:
        seal.close()


def sealed_log(root: Path, exchanges: int = 9, sizes: Sequence[int] = (4, 7), **options: object) -> SealedLog:
    """Two epochs with so many exchanges together, sealed and archived."""
    half = exchanges // 2
    requests = [b'{"instances":[[%d]]}' % at for at in range(exchanges)]
    made = write_log(root, [requests[:half], requests[half:]])
    seal_log(made, sizes, **options)  # type: ignore[arg-type]
    return made


def snapshot(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file below a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
