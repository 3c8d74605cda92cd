"""The S3 fixtures themselves, by two real clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, PreconditionError

from tests.components.s3 import S3Bucket, S3Server

pytestmark = pytest.mark.s3


def test_a_create_only_put_is_refused_the_second_time(s3: S3Bucket) -> None:
    """What is there stays as it was, and a folder's file holds it."""
    store = s3.store()
    obstore.put(store, "tile/0/000", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "tile/0/000", b"second", mode="create")
    assert bytes(obstore.get(store, "tile/0/000").bytes()) == b"first"
    assert (s3.folder / "tile/0/000").read_bytes() == b"first"


def test_an_update_with_a_stale_tag_is_refused(s3: S3Bucket) -> None:
    """Compare-and-swap: of two updates from one state, the second fails."""
    store = s3.store()
    tag = obstore.put(store, "state", b"0", mode="create")["e_tag"]
    obstore.put(store, "state", b"1", mode={"e_tag": tag})
    with pytest.raises(PreconditionError):
        obstore.put(store, "state", b"2", mode={"e_tag": tag})
    assert bytes(obstore.get(store, "state").bytes()) == b"1"


@pytest.fixture
def boto(s3_locked: S3Bucket) -> Iterator[Any]:
    """boto3's client of the locked bucket."""
    with closing(s3_locked.client()) as client:
        yield client


def _denied(call: Any, **arguments: Any) -> bool:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return bool(caught.value.response["Error"]["Code"] == "AccessDenied")


def test_a_retained_version_cannot_be_deleted(s3_locked: S3Bucket, boto: Any) -> None:
    """COMPLIANCE: neither deleted, nor held for a shorter time; what a plain delete hides is still there."""
    until = datetime.now(UTC) + timedelta(days=2)
    there = {"Bucket": s3_locked.name, "Key": "checkpoint"}
    obstore.put(s3_locked.store(), "checkpoint", b"kept", mode="create")
    boto.put_object_retention(**there, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until})
    (version,) = s3_locked.versions("checkpoint")
    assert _denied(boto.delete_object, **there, VersionId=version)
    assert _denied(boto.delete_object, **there, VersionId=version, BypassGovernanceRetention=True)
    sooner = {"Mode": "COMPLIANCE", "RetainUntilDate": until - timedelta(days=1)}
    assert _denied(boto.put_object_retention, **there, VersionId=version, Retention=sooner)
    obstore.delete(s3_locked.store(), "checkpoint")
    assert boto.get_object(**there, VersionId=version)["Body"].read() == b"kept"


def test_a_buckets_default_retains_what_obstore_writes(s3_server: S3Server) -> None:
    """An object put without a word about retention is held by the bucket's rule; its next version too."""
    bucket = s3_server.bucket("kept-by-default", locked=True, retention_days=1)
    obstore.put(bucket.store(), "tile/0/000", b"one", mode="create")
    obstore.put(bucket.store(), "tile/0/000", b"two")
    versions = bucket.versions("tile/0/000")
    assert len(versions) == 2
    with closing(bucket.client()) as client:
        for version in versions:
            assert _denied(client.delete_object, Bucket=bucket.name, Key="tile/0/000", VersionId=version)


def test_a_version_without_retention_is_deleted(s3_locked: S3Bucket, boto: Any) -> None:
    """What is refused is refused by the lock, and not because nothing can be deleted here."""
    obstore.put(s3_locked.store(), "payload", b"erasable")
    (version,) = s3_locked.versions("payload")
    boto.delete_object(Bucket=s3_locked.name, Key="payload", VersionId=version)
    assert s3_locked.versions("payload") == []


@pytest.mark.fault
def test_a_killed_server_comes_back_with_its_objects(own_s3: S3Server) -> None:
    """After kill and start, it has the same address, keys and objects."""
    bucket = own_s3.bucket("own")
    obstore.put(bucket.store(), "a", b"before", mode="create")
    own_s3.kill()
    own_s3.start()
    assert bytes(obstore.get(bucket.store(), "a").bytes()) == b"before"
