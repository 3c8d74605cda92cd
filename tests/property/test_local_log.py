"""The local log's files and a journal's route under arbitrary bytes: the domain's errors, and never another record."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audit.check import check_log
from audit.errors import JournalError, LogError, LogUnavailable
from audit.journal.disk import REAL_DISK
from audit.journal.identity import load_topic
from audit.log.base import LogEntry
from audit.log.frames import decode_frame, encode_frame
from audit.log.local import LocalLog
from audit.mark import Mark
from audit.ship.route import FILE, RouteBroken, choose_route, read_route

KEY = bytes(range(16))
VALUES = [b"%d" % number * (number + 1) for number in range(6)]
FILES = ("topic.json", "0/end", f"0/{0:020d}.log", f"0/{4:020d}.log")
FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)

uints = st.integers(0, 2**64 - 1)
deep = st.just(b"[" * 100_000)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(st.binary(max_size=120), st.integers(0, 130), st.integers(0, 130))
def test_any_bytes_are_a_frame_or_none(data: bytes, start: int, end: int) -> None:
    """What is taken for a frame is one: encoded again, it gives the same bytes."""
    found = decode_frame(data, start, min(end, len(data)))
    if found is not None:
        entry, following = found
        assert (
            encode_frame(entry.offset, entry.timestamp, entry.key or b"", entry.value)
            == data[start:following]
        )


@given(
    uints,
    st.integers(0, 2**63 - 1),  # Kafka's times have no more; the bit above says that there is no value
    st.binary(max_size=300),
    st.none() | st.binary(max_size=300),
    st.integers(0, 700),
    st.integers(0, 7),
)
def test_a_frame_comes_back_and_with_one_bit_changed_does_not(
    offset: int, timestamp: int, key: bytes, value: bytes | None, place: int, bit: int
) -> None:
    """The checksum covers everything but itself and the length, and both are held against the rest."""
    frame = encode_frame(offset, timestamp, key, value)
    assert decode_frame(frame, 0, len(frame)) == (LogEntry(offset, timestamp, key, value), len(frame))
    changed = bytearray(frame)
    changed[place % len(frame)] ^= 1 << bit
    assert decode_frame(bytes(changed), 0, len(frame)) is None
    assert decode_frame(frame, 0, len(frame) - 1) is None


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of two segments."""
    directory = tmp_path_factory.mktemp("sound") / "log"
    log = LocalLog(directory, "t")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audit.log.local.SEGMENT_BYTES", 1)
        for half in (VALUES[:3], VALUES[3:]):
            writer = log.writer(0)
            writer._waiting += [(value, KEY, None) for value in half]  # as one batch: a segment each
            writer.send(b"", KEY)
            while writer.delivered().sends <= len(half):
                writer.wait(1.0)
            writer.close()
    reader = log.reader()
    offset = 0
    while batch := reader.read(0, offset, 1 << 20, 0.0):
        sound_entries.update({entry.offset: (entry.key, entry.value) for entry in batch})
        offset = batch[-1].offset + 1
    reader.close()
    assert len(sound_entries) == len(VALUES) + 2
    assert {path.name for path in (directory / "0").glob("*.log")} == {f"{at:020d}.log" for at in (0, 4)}
    return directory


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark that is never whole is looked at often; here without pauses."""
    monkeypatch.setattr("audit.mark._PAUSE", 0)


sound_entries: dict[int, tuple[bytes | None, bytes | None]] = {}
"""What the sound log holds, by offset."""


def everything(directory: Path) -> Iterator[Callable[[], Any]]:
    """All that reads and writes a log."""
    log = LocalLog(directory, "t", create=False)

    def read(offset: int, max_bytes: int) -> None:
        reader = log.reader()
        try:
            for entry in reader.read(0, offset, max_bytes, 0.0):
                known = sound_entries.get(entry.offset)
                assert known is None or known == (entry.key, entry.value), "another record"
        finally:
            reader.close()

    def check() -> None:
        reader = log.reader()
        try:
            check_log(reader, 1, pause=lambda _: None)
        finally:
            reader.close()

    def write() -> None:
        writer = log.writer(0)
        try:
            writer.send(b"more", KEY)
            while not writer.delivered().sends:
                writer.wait(1.0)
        finally:
            writer.close()

    yield log.topic
    yield log.check
    yield lambda: log.reader().bounds(0)
    for offset in (0, 1, 3, 5, 7, 2**63):
        yield lambda offset=offset: read(offset, 1)
        yield lambda offset=offset: read(offset, 1 << 20)
    yield check
    yield write
    yield check


@FUZZ
@given(
    name=st.sampled_from(FILES),
    cut=st.integers(0, 400),
    splice=st.binary(max_size=80) | st.builds(Mark.encode, st.builds(Mark, uints, uints, uints), st.just(2)),
    at=st.integers(0, 400),
    more=st.sampled_from(["", "0/x.log", "0/-1.log", f"0/{2**64:020d}.log", f"0/{9:020d}.log", "0/٣.log"]),
)
def test_a_damaged_log_is_told_and_never_gives_another_record(
    sound: Path, tmp_path: Path, name: str, cut: int, splice: bytes, at: int, more: str
) -> None:
    """Cut, overwritten, and with files beside it that nobody expects."""
    directory = tmp_path / "log"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(sound, directory)
    content = (directory / name).read_bytes()
    (directory / name).write_bytes(
        (content[:at] + splice + content[at + len(splice) :])[:cut] if cut else splice
    )
    if more:
        (directory / more).write_bytes(splice)
    for act in everything(directory):
        with suppress(LogError):
            act()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("local log")]


@FUZZ
@given(st.binary(max_size=200) | deep | any_json.map(lambda value: json.dumps(value).encode()))
@example(b'{"format": 1, "name": "t", "id": "00", "partitions": 1}')
@example(b'{"format": 1, "name": "t", "id": "' + b"00" * 16 + b'", "partitions": Infinity}')
@example(b'{"format": 1, "name": "t", "id": "' + b"00" * 16 + b'", "partitions": true}')
@example(b'{"format": 1, "name": "t", "id": "' + b"00" * 16 + b'", "partitions": -1}')
def test_any_description_of_a_topic_is_refused_or_right(tmp_path: Path, content: bytes) -> None:
    """topic.json."""
    (tmp_path / "topic.json").write_bytes(content)
    with pytest.raises(LogUnavailable, match=r"topic\.json"):
        LocalLog(tmp_path, "t").topic()


ROUTE = {
    "format": 1, "journal": KEY.hex(), "backend": "local", "topic": "t", "topic_id": bytes(16).hex(),
    "partition": 0, "start": 0,
}  # fmt: skip


@FUZZ
@given(
    st.binary(max_size=200)
    | deep
    | st.builds(
        lambda key, value: json.dumps({**ROUTE, key: value}).encode(),
        st.sampled_from(sorted(ROUTE)),
        any_json,
    )
)
@example(json.dumps({**ROUTE, "partition": float("inf")}).encode())
@example(json.dumps({**ROUTE, "partition": -1}).encode())
@example(json.dumps({**ROUTE, "start": -1}).encode())
@example(json.dumps({**ROUTE, "partition": 1}).encode())
@example(json.dumps({**ROUTE, "topic_id": "00"}).encode())
def test_any_route_is_refused_or_right(tmp_path: Path, content: bytes) -> None:
    """route.json, read by the sidecar and by the gateway."""
    (tmp_path / FILE).write_bytes(content)
    log = LocalLog(tmp_path / "log", "t")
    with suppress(RouteBroken):
        route = read_route(tmp_path)
        assert route is not None
        assert min(route.partition, route.start) >= 0
        assert len(route.journal) == len(route.topic_id) == 16
    with suppress(JournalError):
        load_topic(tmp_path, KEY, REAL_DISK)
    with pytest.raises(RouteBroken):  # no example can name this topic's id
        choose_route(tmp_path, KEY, log)


def test_a_route_to_a_partition_that_is_not_there_is_broken(tmp_path: Path) -> None:
    """Trying again would never help."""
    log = LocalLog(tmp_path / "log", "t", 2)
    route = {**ROUTE, "topic_id": log.topic().id.hex(), "partition": 2}
    (tmp_path / FILE).write_text(json.dumps(route))
    with pytest.raises(RouteBroken, match="partition 2; the topic has 2"):
        choose_route(tmp_path, KEY, log)
