"""A notary without its process: seals what a log holds when a test says so, by the real writer of trees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.log.base import Log
from audit.notary.holes import entry_of
from audit.notary.seal import Seal
from audit.objects.directory import DirectoryObjects
from audit.proof.note import VerifierKey
from audit.sealed import TreeId
from audit.trees import Trees, Trust

NAME = "log.example"


class Key:
    """A signer."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class Sealer:
    """Seals partitions of a log into a directory; `trees` is how others look at it."""

    def __init__(
        self, log: Log, directory: Path, *, key: Key | None = None, public_key: Path | None = None
    ) -> None:
        """`directory` gets `sealed` and `notary.pub`; another store's public key is given."""
        directory.mkdir(parents=True, exist_ok=True)
        self.log = log
        self.key = key or Key()
        self.store = directory / "sealed"
        self.objects = DirectoryObjects(self.store)
        self.public_key = public_key or directory / "notary.pub"
        if public_key is None:
            self.public_key.write_text(f"{VerifierKey(NAME, self.key.public_key)}\n")
        self.trees = Trees(Trust(NAME, self.public_key, (), 0), self.objects)

    def tree(self, partition: int = 0) -> TreeId:
        """Whose tree."""
        return TreeId(NAME, self.log.topic().id, partition)

    def seal(
        self,
        end: int | None = None,
        *,
        partition: int = 0,
        change: Callable[[int, bytes | None], bytes | None] = lambda _, value: value,
    ) -> int:
        """Seal the offsets below `end` (all there are); how many are sealed then.

        `change` gives the value that the notary reads at an offset, in place of the log's.
        """
        seal = Seal(self.objects, self.tree(partition), self.key)
        reader = self.log.reader()
        try:
            offset, last = seal.size, reader.bounds(partition)[1] if end is None else end
            while offset < last:
                for read in reader.read(partition, offset, 1 << 20, 5.0):
                    if read.offset < last:
                        value = change(read.offset, read.value)
                        seal.append([entry_of(value, self.log.topic(), partition, read.offset).entry])
                        offset = read.offset + 1
            return seal.seal().published
        finally:
            reader.close()
            seal.close()
