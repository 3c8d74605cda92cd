"""Pseudonyms of those whom requests are about, and the file of their keys."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.errors import ConfigError
from audit.subjects import (
    NO_SUBJECTS,
    NoSubject,
    SubjectKeys,
    add_subject_key,
    read_subject_keys,
    read_subject_lines,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_pseudonym_is_the_beginning_of_an_hmac() -> None:
    """By the newest key; all keys give all that a person ever had."""
    old, new = b"\1" * 32, b"\2" * 32
    keys = SubjectKeys((old, new))
    made = [hmac.new(key, b"customer-7", hashlib.sha256).digest()[:16] for key in (new, old)]
    assert keys.pseudonym(b"customer-7") == made[0]
    assert keys.pseudonyms(b"customer-7") == made
    assert keys.pseudonym(b"customer-8") != made[0]


@pytest.mark.parametrize(
    "person", [b"", b"x" * 129, b"a b", b" a", b"a\n", b"a\x00", b"a\x7f", "ä".encode(), b"\xe4"]
)
def test_what_is_no_id_is_refused_and_not_repeated(person: bytes) -> None:
    """What is told of it is answered and recorded."""
    with pytest.raises(NoSubject) as told:
        SubjectKeys((b"\1" * 32,)).pseudonym(person)
    assert str(told.value) == "a subject is 1 to 128 visible ASCII characters, without spaces"


def test_the_longest_id_is_one() -> None:
    """128 characters."""
    assert len(SubjectKeys((b"\1" * 32,)).pseudonym(b"~" * 128)) == 16


def test_a_key_is_added_and_the_earlier_ones_stay(tmp_path: Path) -> None:
    """The file is its owner's; the newest comes last. A gateway without a file has none."""
    path = tmp_path / "new" / "subjects.json"
    assert add_subject_key(path, random=lambda size: b"\1" * size, now=lambda: NOW) == 1
    assert add_subject_key(path, random=lambda size: b"\2" * size, now=lambda: NOW) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_subject_keys(path) == SubjectKeys((b"\1" * 32, b"\2" * 32))
    assert [line.created for line in read_subject_lines(path)] == [NOW, NOW]
    assert read_subject_keys(None) == NO_SUBJECTS


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}x", b'{"format":1,"keys":[]}',
        b'{"format":2,"keys":[{"key":"%s","created":"2026-01-02T00:00:00Z"}]}' % (b"ab" * 32),
        b'{"format":1,"keys":[{"key":"abcd","created":"2026-01-02T00:00:00Z"}]}', b" " * (1 << 21),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_without_its_keys(tmp_path: Path, content: bytes) -> None:
    """What is said of it goes into logs."""
    path = tmp_path / "subjects.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"subjects\.json") as told:
        read_subject_keys(path)
    assert "abcd" not in str(told.value)
    with pytest.raises(ConfigError):
        add_subject_key(path)
    assert path.read_bytes() == content


def test_a_file_for_others_and_one_that_is_not_there_are_refused(tmp_path: Path) -> None:
    """Both say what to do."""
    path = tmp_path / "subjects.json"
    with pytest.raises(ConfigError, match="`affiant subjects new-key` makes it"):
        read_subject_keys(path)
    add_subject_key(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_subject_keys(path)


def test_a_link_keeps_leading_to_the_file(tmp_path: Path) -> None:
    """Its target is what the gateways have."""
    target, link = tmp_path / "elsewhere.json", tmp_path / "subjects.json"
    add_subject_key(target)
    link.symlink_to(target)
    add_subject_key(link)
    assert link.is_symlink()
    assert len(json.loads(target.read_text())["keys"]) == 2
