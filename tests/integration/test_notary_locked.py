"""Object Lock as the settings say it, and as the bucket tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import Config
from audit.doctor.base import Finding
from audit.errors import ConfigError
from audit.log.local import LocalLog
from audit.notary.locked import check_lock
from audit.notary.notary import Notary
from audit.objects.directory import DirectoryObjects
from audit.objects.lock import keeps_versions
from audit.settings import NotarySettings
from cli.doctor_lock import look
from tests.components.s3 import S3Bucket
from tests.components.sealed import KeySigner


@pytest.mark.parametrize(
    ("store", "payload_store", "encrypted", "refused"),
    [
        ("s3://locked", None, False, "payload_store"),
        ("s3://locked", "s3://locked", False, "payload_store"),
        ("s3://locked/a?region=x", "s3://locked/b", False, "payload_store"),
        ("s3://locked", "s3://free", False, ""),
        ("s3://locked", "/somewhere", False, ""),
        ("s3://locked", None, True, ""),
        ("s3://locked", "s3://locked", True, ""),
        ("/somewhere", "s3://free", True, "a directory holds nothing"),
        ("file:///somewhere", "s3://free", False, "a directory holds nothing"),
        (None, "s3://free", False, "a directory holds nothing"),
    ],
)
def test_settings_that_would_lock_payloads_in_the_clear_or_lock_nothing_are_refused(
    store: str | None, payload_store: str | None, encrypted: bool, refused: str
) -> None:
    """The rule of the design: payload files are locked only when they are encrypted."""
    named = {"store": store, "payload_store": payload_store}
    table = {"object_lock": True, **{name: url for name, url in named.items() if url}}
    encryption = {"encryption": {"keys_file": "keys.json"}} if encrypted else {}
    config = Config(Path("affiant.toml"), {"notary": table, **encryption})
    if not refused:
        check_lock(config)
        return
    with pytest.raises(ConfigError, match=refused):
        check_lock(config)


def test_a_bucket_that_keeps_no_versions_is_not_said_to_be_locked(
    s3: S3Bucket, s3_locked: S3Bucket, tmp_path: Path
) -> None:
    """The setting is what somebody says; the bucket is asked before anything is sealed in it."""
    free, locked = (each.objects("a", each.name) for each in (s3, s3_locked))
    assert keeps_versions(free) is None
    assert keeps_versions(DirectoryObjects(tmp_path / "sealed")) is False
    settings = NotarySettings(store="s3://locked", object_lock=True, payload_store="s3://free")
    logs = [LocalLog(tmp_path / name, name, 1) for name in ("entries", "governance")]
    with pytest.raises(ConfigError, match="keeps no versions of topics/topic=entries: it has no Object Lock"):
        Notary(*logs, free, KeySigner(), settings).look()
    notary = Notary(*logs, locked, KeySigner(), settings)
    notary.look()
    for watched in notary.logs:
        assert watched.tended is not None
        watched.tended.stop()
        watched.tended.join()
    assert keeps_versions(locked) is True
    assert keeps_versions(locked, "not/there") is True
    assert keeps_versions(free) is False


def test_the_doctor_says_what_buckets_are(
    s3: S3Bucket, s3_locked: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that the bucket does not bear out is grave, payloads that would stay are a remark; empty says nothing."""
    assert s3.environment() == s3_locked.environment()
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)

    def found(store: S3Bucket, payloads: S3Bucket, encrypted: bool = False) -> list[tuple[str, bool]]:
        table = {
            "store": f"s3://{store.name}/a",
            "payload_store": f"s3://{payloads.name}/p",
            "object_lock": True,
        }
        encryption = {"encryption": {"keys_file": "keys.json"}} if encrypted else {}
        outcomes = look(Config(Path("/nowhere/affiant.toml"), {"notary": table, **encryption}))
        return [(each.code, each.grave) for each in outcomes if isinstance(each, Finding)]

    assert found(s3, s3) == []
    for bucket in (s3, s3_locked):
        for place in ("a", "p"):
            bucket.objects(place, bucket.name).create("x", b"1")
    assert found(s3_locked, s3) == []
    assert found(s3, s3) == [("lock-absent", True)]
    assert found(s3_locked, s3_locked) == [("payloads-versioned", False)]
    assert found(s3_locked, s3_locked, encrypted=True) == []
