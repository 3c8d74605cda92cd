"""Whom a bucket's client believes, when that changes while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from audit.errors import ObjectsUnavailable
from audit.objects.bucket import open_bucket
from tests.components.certificates import Authority
from tests.components.https import https_server

EMPTY = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"""


def test_authorities_that_are_renewed_are_believed_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the last good ones, while what is in their place is none; each change is told once."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    ours, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other")
    believed = tmp_path / "ca.crt"
    believed.write_bytes(other.certificate.read_bytes())
    with https_server(ours.issue("server"), EMPTY) as server, capture_logs() as told:
        bucket = open_bucket(f"s3://bucket?region=eu-1&endpoint={server.address}&ca_file={believed}")
        with pytest.raises(ObjectsUnavailable, match="bucket"):
            list(bucket.list(""))
        assert server.heard == []
        (tmp_path / "new").write_bytes(ours.certificate.read_bytes())
        (tmp_path / "new").replace(believed)
        assert list(bucket.list("")) == []
        believed.write_text("no certificate")
        assert list(bucket.list("")) == list(bucket.list("")) == []
        believed.unlink()
        assert list(bucket.list("")) == []
        assert server.heard == ["GET /bucket"] * 4
    assert [each["log_level"] for each in told] == ["info", "warning", "warning"]
    assert "ca.crt" in told[1]["reason"]
