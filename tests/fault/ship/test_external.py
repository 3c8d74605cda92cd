"""Payloads beside the log: durable before their record is sent, and believed only after they were hashed."""

from __future__ import annotations

import errno
import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import structlog

from audit.errors import ConfigError, LogUnavailable
from audit.log.local import LocalLog
from audit.proof.entry import Key, encode_entry
from audit.proof.record import frame_record, split_record
from audit.ship.external import ExternalStore
from tests.components.journals import exchange, write_journal
from tests.components.process import find_program
from tests.components.s3 import S3Bucket
from tests.components.trace import calls_of
from tests.fault.ship.disk import FaultyOs
from tests.fault.ship.world import assert_complete, drain, shipper_of

pytestmark = pytest.mark.fault

ROOT = Path(__file__).parents[3]
LARGE = b"z" * (1 << 20)
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "nothing is left": lambda _: b"",
    "cut": lambda content: content[: len(content) // 2],
    "another byte": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "zeros": lambda content: bytes(len(content)),
}


@pytest.fixture(scope="module")
def record() -> bytes:
    """A record whose payload is to go to the object store."""
    fields, payload = exchange(LARGE, 1)
    common = {
        Key.JOURNAL: bytes(16), Key.EPOCH: 1, Key.SEQUENCE: 1, Key.CHAIN: bytes(32), Key.COMMITTING: 2,
        Key.EXTERNAL: True,
    }  # fmt: skip
    return frame_record(
        encode_entry({**fields, **{int(key): value for key, value in common.items()}}), payload
    )


@pytest.fixture(params=["directory", pytest.param("bucket", marks=pytest.mark.s3)])
def external(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ExternalStore:
    """An empty store of each kind."""
    if request.param == "directory":
        return ExternalStore(f"file://{tmp_path}/objects")
    bucket: S3Bucket = request.getfixturevalue("s3")
    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)
    return ExternalStore(f"s3://{bucket.name}/some/place")


def test_a_payload_is_moved_whole_and_only_once(external: ExternalStore, record: bytes) -> None:
    """The record loses it, the store has it, and moving it again changes nothing."""
    raw, payload = split_record(record)
    digest = sha256(payload).digest()
    assert external.get(digest) is None
    for _ in range(2):
        with structlog.testing.capture_logs() as told:
            assert external.move(record) == frame_record(raw, b"")
        assert told == []
        assert external.get(digest) == payload


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_a_crash_left_of_a_payload_is_replaced_and_told(
    external: ExternalStore, record: bytes, damage: str
) -> None:
    """Under its name stands something else: trusted, the segment would be freed and the payload lost."""
    payload = split_record(record)[1]
    digest = sha256(payload).digest()
    name = digest.hex()
    broken = DAMAGE[damage](payload)
    external._objects.create(f"payloads/{name[:2]}/{name}", broken)
    assert external.get(digest) == broken, "who asks is given what is there, and tells"
    with structlog.testing.capture_logs() as told:
        external.move(record)
    assert external.get(digest) == payload
    (event,) = told
    assert event["log_level"] == "error"
    assert event["size"] == len(broken)


def test_each_failing_syscall_leaves_a_payload_that_is_durable_or_a_record_that_is_not_sent(
    record: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails: when the record is given back without its payload, a power failure cannot take that."""
    payload = split_record(record)[1]
    name = sha256(payload).hexdigest()

    def attempt(root: Path, place: int | None) -> FaultyOs:
        disk = FaultyOs()
        for module in ("audit.files", "audit.objects.directory"):
            monkeypatch.setattr(importlib.import_module(module), "os", disk)
        external = ExternalStore(root)
        if place is not None:
            disk.faults[place] = errno.EIO
        for _ in range(2):
            try:
                external.move(record)
            except LogUnavailable:
                continue
            assert disk.at_risk(root / "payloads" / name[:2] / name, len(payload)) is None
            return disk
        raise AssertionError("one failure, and it is not taken at the second try")

    whole = attempt(tmp_path / "whole", None)
    assert {"open", "write", "fsync", "link"} <= set(whole.calls)
    for place in range(len(whole.calls)):
        assert len(attempt(tmp_path / str(place), place).failed) == 1


def test_a_payload_is_synced_with_all_its_directories_before_its_record_is_written(tmp_path: Path) -> None:
    """As the kernel saw it: payload, its name, each new directory's name; then the log, then its sync."""
    write_journal(tmp_path, [b"z" * (2 << 20)])
    trace = tmp_path / "trace"
    script = (
        "import sys; from pathlib import Path; from audit.log.local import LocalLog; "
        "from tests.fault.ship.world import drain, shipper_of; data = Path(sys.argv[1]); "
        "drain(shipper_of(data, LocalLog(data / 'log', 't'), data / 's'))"
    )
    calls = "trace=openat,write,link,linkat,mkdir,fsync,fdatasync"
    subprocess.run(
        [find_program("strace", "strace"), "-f", "-y", "-o", trace, "-s", "4", "-e", calls,
         sys.executable, "-c", script, tmp_path],
        cwd=ROOT, check=True, timeout=100,
    )  # fmt: skip
    assert_complete(tmp_path, LocalLog(tmp_path / "log", "t"))
    lines = calls_of(trace)
    (stored,) = (tmp_path / "objects").glob("payloads/*/*")

    def first(pattern: str, after: int = -1) -> int:
        found = [at for at, line in enumerate(lines) if at > after and re.search(pattern, line)]
        assert found, pattern
        return found[0]

    written = first(rf"write\(\d+<[^>]*/\.{stored.name}")
    synced = first(rf"fsync\(\d+<[^>]*/\.{stored.name}[^>]*>\) += 0", written)
    linked = first(rf'link.*"{stored}".* = 0', synced)
    named = first(rf"fsync\(\d+<{stored.parent}>\) += 0", linked)
    for made in (stored.parent, stored.parents[1], stored.parents[2]):
        assert first(rf"fsync\(\d+<{made.parent}>\) += 0", first(rf'mkdir\("{made}"')) < written
    opening = first(r"write\(\d+<[^>]*/log/0/0+\.log>")
    # The opening entry goes ahead; the large one's record is written after all of this.
    records = [
        at for at in range(opening, len(lines)) if re.search(r"write\(\d+<[^>]*/log/0/0+\.log>", lines[at])
    ]
    assert named < records[-1]
    assert first(r"fdatasync\(\d+<[^>]*/log/0/0+\.log", records[-1])


def test_a_damaged_payload_is_made_good_when_its_record_is_shipped_again(tmp_path: Path) -> None:
    """The machine died after the object's name and before its bytes: the next run has the journal still."""
    write_journal(tmp_path, [b"z" * (2 << 20)])
    drain(shipper_of(tmp_path, LocalLog(tmp_path / "log", "t"), tmp_path / "s"))
    (stored,) = (tmp_path / "objects").glob("payloads/*/*")
    whole = stored.read_bytes()
    stored.write_bytes(b"")
    drain(shipper_of(tmp_path, LocalLog(tmp_path / "log2", "t"), tmp_path / "s2"))
    assert stored.read_bytes() == whole


@pytest.mark.parametrize("url", ["objects", "ftp://host/x", "file://host/x"])
def test_a_store_that_cannot_be_one_is_refused_at_once(url: str) -> None:
    """At the start, and not when the first large payload comes."""
    with pytest.raises(ConfigError):
        ExternalStore(url)
