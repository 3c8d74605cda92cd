"""`affiant notary run` as it is run: over a bucket of a real S3 server, and with a real witness in its settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from audit.archive import Archive
from audit.errors import NotSealed
from audit.log.local import LocalLog
from audit.notary.holes import entry_of
from audit.notary.keys import FileKey
from audit.objects.base import Objects
from audit.objects.directory import DirectoryObjects
from audit.proof.note import VerifierKey
from audit.proof.receipt import verify_receipt
from audit.sealed import SealedTree, TreeId
from tests.components.ports import free_port
from tests.components.process import Process, wait_until
from tests.components.s3 import S3Bucket
from tests.components.sworn import OTHER, two_epochs
from tests.components.witness import Litewitness

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-P", "-m", "cli.main")


class House:
    """A settings file, a key and a log, and the notary's process over them."""

    def __init__(self, directory: Path, settings: str, environment: Mapping[str, str]) -> None:
        self.config = directory / "affiant.toml"
        self.port = free_port()
        self.settings(f"metrics_port = {self.port}\nseal_seconds = 0.1\n{settings}")
        self.environment = environment
        self.affiant("notary", "keygen")
        data = directory / "affiant-data"
        self.log = LocalLog(data / "log", "affiant-entries", 1)
        self.governance = LocalLog(data / "log-governance", "affiant-governance", 1)
        self.key = FileKey(directory / "notary.key").public_key
        self.process = Process(
            [*COMMAND, "notary", "run", "--config", self.config], log=directory / "notary.txt", cwd=ROOT,
            env=environment,
        )  # fmt: skip

    def settings(self, notary: str) -> None:
        """Write [notary]."""
        self.config.write_text(f"[notary]\n{notary}")

    def affiant(self, *arguments: str) -> str:
        """What a command prints; it must be content."""
        done = subprocess.run(
            [*COMMAND, *arguments, "--config", str(self.config)],
            capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **self.environment},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def put(self, values: Sequence[tuple[bytes, bytes]]) -> int:
        """Append records; how many the log has then."""
        writer = self.log.writer(0)
        for key, value in values:
            writer.send(value, key)
        wait_until(lambda: writer.delivered().sends == len(values), what="records in the log")
        end = writer.delivered().offset + 1
        writer.close()
        return end

    def tree(self, objects: Objects, witnesses: Sequence[VerifierKey] = ()) -> SealedTree:
        """What is sealed; each of the witnesses must vouch for it."""
        tree = TreeId("affiant.local", self.log.topic().id, 0)
        return SealedTree(objects, tree, self.key, witnesses, len(witnesses))

    def wait_for(self, size: int, tree: SealedTree) -> None:
        """Until so many leaves are published."""

        def published() -> bool:
            try:
                return tree.published().size >= size
            except NotSealed:
                return False

        self.process.wait_until(published, what=f"{size} sealed leaves")

    def check(self, tree: SealedTree) -> None:
        """Every leaf is what anybody makes of the log."""
        published, reader = tree.published(), self.log.reader()
        assert published.size == reader.bounds(0)[1]
        for read in reader.read(0, 0, 1 << 30, 5):
            receipt = tree.receipt(read.offset, published)
            assert receipt.entry == entry_of(read.value, self.log.topic(), 0, read.offset).entry
            verify_receipt(receipt, tree.tree.key(self.key))
        reader.close()

    def metric(self, name: str) -> float:
        """Of the log's one partition."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            text = answer.read().decode()
        (value,) = re.findall(
            rf'^{name}\{{partition="0",topic="affiant-entries"\}} (\S+)$', text, re.MULTILINE
        )
        return float(value)


@pytest.mark.s3
def test_a_bucket_is_sealed_into_over_a_kill_and_verified_from(s3: S3Bucket, tmp_path: Path) -> None:
    """Trees and archive lie in the bucket alone; the auditor reads them there."""
    house = House(tmp_path, f'store = "s3://{s3.name}/house"\narchive_seconds = 1\n', s3.environment())
    objects = s3.objects("house", s3.name)
    tree = house.tree(objects)
    house.process.start()
    house.wait_for(house.put(two_epochs(300).values), tree)
    house.process.kill()
    end = house.put(two_epochs(40, OTHER).values)
    house.process.start()
    house.wait_for(end, tree)
    assert house.process.stop() == 0, house.process.log_tail()
    house.check(tree)
    archived = list(Archive(objects).records(house.log.topic().id, 0, 0, end))
    assert [each.entry for each in archived] == [tree.entry(offset, end) for offset in range(end)]
    assert not (tmp_path / "affiant-data" / "sealed").exists()
    house.affiant("audit", "verify")
    house.affiant("notary", "alarms")


@pytest.mark.tlog
def test_a_configured_witness_vouches_for_what_is_published_and_is_waited_for(
    litewitness: Litewitness, tmp_path: Path
) -> None:
    """With a quorum of one nothing is published without it: killed, sealing goes on; back, all of it is published."""
    witness = litewitness
    said = f'quorum = 1\n[[notary.witnesses]]\nurl = "{witness.url}"\nkey = "{witness.vkey}"\n'
    house = House(tmp_path, said, {})
    origins = {}
    for line in house.affiant("notary", "vkey").splitlines()[1:]:
        origins[line] = VerifierKey.parse(line).name
        witness.add_log(origins[line], line)
    tree = house.tree(
        DirectoryObjects(tmp_path / "affiant-data" / "sealed"), [VerifierKey.parse(witness.vkey)]
    )
    assert tree.tree.origin in origins.values()
    house.process.start()
    first = house.put(two_epochs(30).values)
    house.wait_for(first, tree)
    published = tree.published().opened
    assert [each.key.name for each in published.cosignatures] == [witness.name]
    assert witness.head(tree.tree.origin) == (first, published.checkpoint.root)
    witness.kill()
    end = house.put(two_epochs(30, OTHER).values)
    house.process.wait_until(lambda: house.metric("affiant_notary_tree_size") == end, what="it is sealed")
    house.process.wait_until(
        lambda: house.metric("affiant_notary_witnesses_missing") == 1, what="it is missed"
    )
    assert house.metric("affiant_notary_published_size") == first == tree.published().size
    witness.start()
    house.wait_for(end, tree)
    assert witness.head(tree.tree.origin) == (end, tree.published().opened.checkpoint.root)
    assert house.process.stop() == 0, house.process.log_tail()
    house.check(tree)
    house.affiant("audit", "verify")
    house.affiant("notary", "alarms")
