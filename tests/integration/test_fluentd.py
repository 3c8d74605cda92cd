"""The copy to Fluentd, against a real receiver of its Forward protocol: kills, hangs, and what the difference is."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit.config import Config
from audit.errors import JournalFull, SequenceGone
from audit.journal import Journal, JournalReader, JournalSettings
from audit.log import open_log
from audit.mirror.mirror import MirrorProgress
from audit.mirror.place import read_place
from audit.settings import FluentdSettings, LogSettings, SidecarSettings
from audit.ship.shipper import Progress
from audit.ship.sidecar import Sidecar
from cli.main import run
from tests.components.collector import Collector
from tests.components.journals import OPENING, exchange, write_journal
from tests.components.process import Process, wait_until

pytestmark = pytest.mark.fault


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A receiver of the test's own."""
    with Collector(tmp_path / "collector") as collector:
        yield collector


@contextmanager
def sidecar(data: Path, address: str, **settings: object) -> Iterator[Sidecar]:
    """The sidecar, shipping to a local log and copying; told to end on the way out."""
    fluentd = FluentdSettings(**{"address": address, "retry_seconds": 0.05, **settings})
    log = open_log(LogSettings(), Config(data / "affiant.toml", {}))
    running = Sidecar(data, log, SidecarSettings(scan_seconds=0.05, retry_seconds=0.05), fluentd=fluentd)
    stop = threading.Event()
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(running.run(stop)))
    thread.start()
    try:
        yield running
    finally:
        stop.set()
        thread.join(60)
        assert ended == [0]


def shipped(running: Sidecar) -> Progress:
    """What is shipped of the one journal."""
    wait_until(running.journals, what="the journal is found")
    [found] = running.journals().values()
    return found.progress


def mirror(running: Sidecar) -> MirrorProgress:
    """What is copied of it."""
    wait_until(running.journals, what="the journal is found")
    [found] = running.journals().values()
    assert found.mirrored is not None
    return found.mirrored.progress


def durable(data: Path) -> int:
    """The journal's next durable sequence."""
    mark = JournalReader(data / "journals" / "0").mark()
    assert mark is not None
    return mark.sequence


def mirrored(data: Path, running: Sidecar) -> bool:
    """Whether everything durable was acknowledged by the receiver."""
    found = running.journals()
    return bool(found) and all(
        each.mirrored is not None and each.mirrored.progress.sequence == durable(data)
        for each in found.values()
    )


def test_each_entry_is_copied_under_its_service_s_tag_and_no_payload(
    collector: Collector, tmp_path: Path
) -> None:
    """Ids, names and leaf; requests stay where they are unless they are asked for."""
    ids = write_journal(tmp_path, [b"secret-%d" % n for n in range(500)])
    with sidecar(tmp_path, collector.address) as running:
        wait_until(lambda: mirrored(tmp_path, running), what="the copy")
    events = collector.events()
    assert [each.fields["record"] for each in events if each.tag == "affiant.m"] == ids
    assert {each.fields["kind"] for each in events if each.tag == "affiant"} == {"opening", "closing"}
    assert "secret" not in collector.process.log_text()


def seen(collector: Collector) -> set[str]:
    """Record ids that the receiver has, of the service's entries."""
    return {each.fields["record"] for each in collector.events() if each.tag == "affiant.m"}


def grow(data: Path, count: int, **options: object) -> list[str]:
    """One more epoch of the journal with so many exchanges."""
    return write_journal(data, [b"%d" % n for n in range(count)], **options)


def oldest(data: Path) -> int:
    """The oldest sequence that the journal still has."""
    reader = JournalReader(data / "journals" / "0")
    try:
        return reader.read(1)[0].sequence
    except SequenceGone:  # freed in between
        return oldest(data)
    finally:
        reader.close()


async def fill(data: Path, settings: JournalSettings, *, beyond: int) -> list[str]:
    """One more epoch, which goes on until the journal has freed that sequence."""
    journal = Journal.open(data / "journals" / "0", data / "shipping" / "0", settings, OPENING)
    ids: list[str] = []
    while oldest(data) <= beyond:
        try:
            ids.append(await journal.append(*exchange(b"y" * 100_000, 0)))
        except JournalFull:
            await asyncio.sleep(0.01)  # the next segment is being made
    await journal.close()
    return ids


def unread(port: int) -> int:
    """Bytes that have come to a port's connections and that its process has not read."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(
        int(line[4].partition(":")[2], 16)
        for line in lines
        if line[1].endswith(f":{port:04X}") and line[3] == "01"
    )


def test_what_a_killed_receiver_had_not_acknowledged_is_sent_again(
    collector: Collector, tmp_path: Path
) -> None:
    """Written into its socket, and taken along by its end: only an acknowledgement counts. Three times."""
    ids: list[str] = []
    with sidecar(tmp_path, collector.address, resend_records=0) as running:
        for _ in range(3):
            ids.extend(grow(tmp_path, 300))
            wait_until(lambda: mirrored(tmp_path, running), what="the copy")
            wait_until(lambda: seen(collector) == set(ids), what="the receiver has printed it")
            collector.process.pause()
            ids.extend(grow(tmp_path, 300))
            wait_until(lambda: unread(collector.port), what="a chunk lies in its socket")
            collector.kill()
            collector.start()
        wait_until(lambda: mirrored(tmp_path, running), what="the rest")
        assert mirror(running).failures >= 3
        assert (mirror(running).resent, mirror(running).mirrored) == (0, durable(tmp_path))
    wait_until(lambda: seen(collector) == set(ids), what="the receiver has printed it all")


def test_what_a_killed_receiver_had_acknowledged_and_not_kept_is_sent_again_too(
    collector: Collector, tmp_path: Path
) -> None:
    """This one acknowledges what it has only queued: so many records are sent once more, and it has them all."""
    ids = grow(tmp_path, 3000)
    with sidecar(tmp_path, collector.address, resend_records=10_000) as running:
        wait_until(lambda: mirror(running).mirrored > 0, what="part of it", interval_s=0.002)
        collector.kill()
        collector.start()
        ids += grow(tmp_path, 10)  # were it done by then, it would not look at its connection
        wait_until(lambda: mirror(running).resent > 0, what="it goes on")
        wait_until(lambda: mirrored(tmp_path, running), what="the rest")
    wait_until(lambda: seen(collector) == set(ids), what="the receiver has printed it all")


def test_a_killed_sidecar_goes_on_where_the_receiver_had_acknowledged(
    collector: Collector, tmp_path: Path
) -> None:
    """SIGKILL in the middle; the next run sends the rest, and what may be kept nowhere once more."""
    ids = grow(tmp_path, 6000)
    config = tmp_path / "affiant.toml"
    config.write_text(
        '[data]\ndirectory = "."\n[journal]\nfree_after = "acknowledged"\n[sidecar]\nmetrics_port = 0\n'
        f'[fluentd]\naddress = "{collector.address}"\nresend_records = 100\n'
    )
    argv = [sys.executable, "-P", "-m", "cli.main", "sidecar", "--config", str(config)]
    process = Process(argv, log=tmp_path / "sidecar.log", name="sidecar")
    journal = bytes.fromhex(ids[0].partition("-")[0])

    def place() -> int:
        return read_place(tmp_path / "shipping" / "0", journal) or 0

    with process:
        wait_until(place, what="part of it", interval_s=0.001, details=process.log_tail)
        process.kill()
        killed = place()
        assert killed < durable(tmp_path), "it was killed too late to show anything"
        process.start()
        process.wait_until(lambda: place() == durable(tmp_path), what="the rest")
        assert process.stop() == 0
    wait_until(lambda: seen(collector) == set(ids), what="the receiver has printed it all")
    twice = Counter(each.fields["record"] for each in collector.events())
    again = [record for record, count in twice.items() if count > 1]
    assert {killed - 100 <= int(record.rpartition("-")[2]) < killed + 3000 for record in again} == {True}


def test_a_receiver_that_hangs_delays_nothing(collector: Collector, tmp_path: Path) -> None:
    """Paused: the log has everything, an end comes in time, and the copy is whole when it goes on."""
    collector.process.pause()
    ids = grow(tmp_path, 2000)
    with sidecar(tmp_path, collector.address, timeout_seconds=300, drain_seconds=0) as running:
        wait_until(lambda: shipped(running).acknowledged == durable(tmp_path), what="shipping")
        ids += grow(tmp_path, 2000)
        wait_until(lambda: shipped(running).acknowledged == durable(tmp_path), what="shipping goes on")
        assert mirror(running).mirrored == 0
    collector.process.resume()
    with sidecar(tmp_path, collector.address) as running:
        wait_until(lambda: mirrored(tmp_path, running), what="the copy")
    wait_until(lambda: seen(collector) == set(ids), what="the receiver has printed it all")


def test_what_was_freed_before_it_was_copied_is_counted_and_told_to_the_receiver(
    collector: Collector, tmp_path: Path
) -> None:
    """The difference is known: the receiver has each record, or is told that it will not get it."""
    small = JournalSettings(segment_bytes=1 << 20, free_after="acknowledged")
    before = write_journal(tmp_path, [b"x"] * 100, settings=small)
    with sidecar(tmp_path, collector.address, resend_records=50) as running:
        wait_until(lambda: mirrored(tmp_path, running), what="the first copy")
        collector.kill()
        ids = asyncio.run(fill(tmp_path, small, beyond=durable(tmp_path)))
        first_held = oldest(tmp_path)
        collector.start()
        wait_until(lambda: mirrored(tmp_path, running), what="what is left")
        [gap] = [each.fields for each in collector.events() if each.fields["kind"] == "not_mirrored"]
        first, last = int(gap["first"]), int(gap["last"])
        assert mirror(running).dropped == last - first + 1 == first_held - first
    missing = set(before + ids) - seen(collector)
    assert {first <= int(record.rpartition("-")[2]) <= last for record in missing} == {True}
    told = {f"{gap['journal']}-{sequence}" for sequence in range(first, last + 1)}
    assert not told & seen(collector)
    assert set(before + ids) <= told | seen(collector)


def test_a_volume_that_is_drained_is_copied_first(
    collector: Collector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk may go after it: what the copy lacks by then it never gets, and that is said."""
    data = tmp_path / "data"
    ids = grow(data, 500)
    config = tmp_path / "affiant.toml"
    config.write_text(
        '[data]\ndirectory = "data"\n[journal]\nfree_after = "acknowledged"\n'
        "[sidecar]\nscan_seconds = 0.05\nretry_seconds = 0.05\n"
        f'[fluentd]\naddress = "{collector.address}"\nretry_seconds = 0.05\ntimeout_seconds = 1\ndrain_seconds = 0\n'
    )

    def drain(seconds: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            run(["drain", "--copied", seconds, "--config", str(config)])
        return int(ended.value.code or 0), *capsys.readouterr()

    collector.process.pause()
    code, out, told = drain("0.2")
    assert code == 3
    assert f"{durable(data):,} not copied to Fluentd" in out
    assert "the copy at Fluentd lacks" in told
    assert "nothing of these journals" not in out
    code, out, told = drain("0")
    assert (code, "without this disk it never gets them" in told) == (0, True)
    assert "nothing of these journals is on this disk alone" in out
    collector.process.resume()
    code, out, told = drain("60")
    assert (code, "lacks" in told, "not copied" in out) == (0, False, False)
    wait_until(lambda: seen(collector) == set(ids), what="the receiver has printed it all")


def test_payloads_go_along_when_they_are_asked_for(collector: Collector, tmp_path: Path) -> None:
    """Decoded; those over the limit stay out, and it is said how large they are."""
    write_journal(tmp_path, [b'{"instances":[[41]]}', b"x" * 5000])
    with sidecar(tmp_path, collector.address, payloads=True, payload_bytes=2000) as running:
        wait_until(lambda: mirrored(tmp_path, running), what="the copy")
    small, large = (each.map("payload") for each in collector.events() if each.tag == "affiant.m")
    assert small["request"]["body"] == {"instances": [[41]]}  # type: ignore[index]
    assert small["answer"]["body"] == {"predictions": [1]}  # type: ignore[index]
    assert list(large) == ["left_out"]
