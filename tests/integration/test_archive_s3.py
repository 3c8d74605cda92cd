"""The archive in real buckets: what Object Lock holds, what can be erased, and that a reader needs little of it."""

from __future__ import annotations

import sys
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from audit.archive import Archive, Archiver, Limits, Part
from audit.auditor.index import Index
from audit.auditor.records import Records
from audit.notary.seal import Seal
from audit.proof.entry import Key, Kind, encode_entry
from audit.sealed import TreeId
from audit.trees import Trees, Trust
from tests.components.s3 import S3Bucket, S3Server

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from harness.sealed import Records as Made
from harness.sealed import Signer

TOPIC = bytes(range(16))
SIZE = 700


@pytest.fixture
def bucket(s3_server: S3Server):
    """A bucket whose default rule holds each object for a day."""
    return s3_server.bucket(f"b-{uuid.uuid4().hex[:12]}", locked=True, retention_days=1)


@pytest.fixture
def world(bucket: S3Bucket, s3: S3Bucket, tmp_path: Path):
    """A sealed and archived log: all but payloads in the locked bucket, these in a free one."""
    objects, payloads = bucket.objects("a", "locked"), s3.objects("a", "free")
    tree, signer = TreeId("affiant.test", TOPIC, 0), Signer(bytes(32))
    made = Made({"backend": "local", "name": "n", "id": TOPIC, "partition": 0}, 1, 300, 1000.0, ("credit",))
    seal = Seal(objects, tree, signer)
    archiver = Archiver(objects, TOPIC, 0, 0, 0, Limits(), payloads)
    for number in range(SIZE):
        entry, payload = made.next(number)
        seal.append([entry])
        archiver.add(number, made.time(number) // 1_000_000, entry, payload)
    seal.seal()
    archiver.archive(seal, 0.0, flush=True)
    seal.append([encode_entry({Key.KIND: Kind.SHIPPER, Key.SHIPPER: bytes(16), Key.TIME: 1})])
    seal.seal()
    seal.close()
    key = tmp_path / "notary.pub"
    key.write_text(f"{TreeId.key(tree, signer.public_key)}\n")
    trees = Trees(Trust("affiant.test", key, (), 0), objects, payloads)
    return trees, Archive(objects, payloads), made


def names(bucket: S3Bucket) -> list[str]:
    with closing(bucket.client()) as client:
        listed = client.list_objects_v2(Bucket=bucket.name).get("Contents", [])
    return [item["Key"] for item in listed]


@pytest.mark.s3
def test_tiles_checkpoints_and_entries_are_held_and_payloads_can_be_erased(
    world, bucket: S3Bucket, s3: S3Bucket
) -> None:
    """Whoever has the bucket's keys cannot delete what proves; what is personal can be taken away."""
    held = names(bucket)
    assert {name.split("/")[2] for name in held if name.startswith("a/archive/")} == {
        "entries",
        "checkpoints",
    }
    assert any("/tile/entries/" in name for name in held)
    assert any(name.endswith("/checkpoint") for name in held)
    with closing(bucket.client()) as client:
        for name in held:
            versions = bucket.versions(name)
            assert versions
            for version in versions:
                with pytest.raises(ClientError, match=r"(?i)lock|AccessDenied|denied"):
                    client.delete_object(Bucket=bucket.name, Key=name, VersionId=version)
            assert bucket.versions(name) == versions
    free = names(s3)
    assert [name.split("/")[2] for name in free] == ["payloads"]
    with closing(s3.client()) as client:
        client.delete_object(Bucket=s3.name, Key=free[0])
    assert names(s3) == []


@pytest.mark.s3
def test_records_are_shown_from_a_bucket_and_after_an_erasure_without_their_payload(
    world, s3: S3Bucket, tmp_path: Path
) -> None:
    """The index is filled from the bucket; a record's payload is read out of its file's part."""
    trees, archive, made = world
    with Index(tmp_path / "index", "affiant.test") as index:
        records = Records(trees, archive, index)
        records.refresh()
        record = f"{made.journal.hex()}-321"
        shown = records.show(record)
        assert set(shown.exchange.holds.values()) == {True}
        assert shown.payload_from == "archive"
        assert len(list(archive.records(TOPIC, 0, 0, SIZE))) == SIZE
        (file,) = archive.files(Part.PAYLOADS, TOPIC, 0)
        with closing(s3.client()) as client:
            client.delete_object(Bucket=s3.name, Key=f"a/{file.name}")
        again = Records(trees, Archive(trees.objects, trees.payload_objects), index, heads=records.heads)
        erased = again.show(record)
        assert erased.payload_from is None
        assert erased.exchange.holds["it is in the sealed log, under a signed checkpoint"] is True
        assert [
            each.payload for each in Archive(trees.objects, trees.payload_objects).records(TOPIC, 0, 0, 3)
        ] == [b""] * 3


@pytest.mark.s3
def test_a_file_in_a_bucket_is_read_in_parts(s3: S3Bucket) -> None:
    """Seeking costs nothing; what is read is what was written; what is not there is None."""
    objects = s3.objects(None, "free")
    content = bytes(range(256)) * 1024
    objects.create("a/file", content)
    assert objects.open("a/none") is None
    file = objects.open("a/file")
    assert file is not None
    with file:
        assert file.seek(-5, 2) == len(content) - 5
        assert file.read() == content[-5:]
        file.seek(100_001)
        assert file.read(70_000) == content[100_001:170_001]
        assert file.read(0) == b""
