"""Statements come back from the governance log as they were said, with whether their signature holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.governance import ALARM, Governance
from audit.log.local import LocalLog
from audit.proof.dsse import key_id
from audit.proof.errors import FormatError
from registry.statement import APPROVAL, GATES, PAYLOAD_TYPE, STATEMENT, append, encode, read

DIGEST = "sha256:" + "ab" * 32


class Key:
    def __init__(self, seed: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def test_a_statement_comes_back_with_who_said_it(tmp_path: Path) -> None:
    """Subject, predicate and author; a key that was not asked for is undecided; types are chosen."""
    log, key = LocalLog(tmp_path / "log", "governance"), Key(1)
    ours = Governance(log, key)
    append(ours, [encode(DIGEST, GATES, {"passed": True}), encode(DIGEST, APPROVAL, {"role": "legal"})])
    reader = log.reader()
    first, second = read(reader, [key.public_key])
    assert (first.type, first.subjects, first.predicate) == (GATES, (DIGEST,), {"passed": True})
    assert (second.offset, second.author, second.holds) == (1, key_id(key.public_key), True)
    assert json.loads(first.raw)["_type"] == STATEMENT
    assert [each.offset for each in read(reader, types={APPROVAL})] == [1]
    assert [each.holds for each in read(reader, [Key(2).public_key])] == [None, None]
    assert [each.offset for each in read(reader, start=1)] == [1]
    assert [each.offset for each in read(reader, end=1)] == [0]
    reader.close()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("subject", []),
        ("subject", [{"name": "x", "digest": {"sha256": "AB" * 32}}]),
        ("subject", [7]),
        ("predicate", "yes"),
        ("predicateType", 7),
    ],
)
def test_what_is_no_statement_is_passed_over(tmp_path: Path, part: str, value: object) -> None:
    """Anybody may write into the log; so are alarms."""
    log = LocalLog(tmp_path / "log", "governance")
    body = json.loads(encode(DIGEST, GATES, {})) | {part: value}
    Governance(log, Key(1)).append(
        [(PAYLOAD_TYPE, json.dumps(body).encode()), (ALARM, encode(DIGEST, GATES, {}))]
    )
    reader = log.reader()
    assert list(read(reader)) == []
    reader.close()


@pytest.mark.parametrize("subjects", ["ab" * 32, [], [DIGEST, "sha256:12"]])
def test_a_subject_that_is_no_digest_is_refused(subjects: str | list[str]) -> None:
    """As is what is not JSON."""
    with pytest.raises(FormatError, match="subjects"):
        encode(subjects, GATES, {})
    with pytest.raises(FormatError, match="not JSON"):
        encode(DIGEST, GATES, {"value": float("nan")})
