"""Appending: durable before resolved, one group a sync, entries as the format has them."""

from __future__ import annotations

import asyncio
import errno
import math
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from structlog.testing import capture_logs

from audit.errors import JournalError, JournalFailed, JournalFull, JournalLocked
from audit.journal import Journal, JournalReader, JournalSettings, Opening
from audit.journal.disk import RealDisk
from audit.journal.syncer import AioSyncer, ThreadSyncer, make_syncer
from audit.proof.entry import Key, Kind, signing_message
from audit.proof.errors import FormatError
from audit.proof.record import parse_payload, parse_record
from tests.fault.disk.simulator import SimulatedDisk
from tests.fault.disk.world import DIRECTORY, SHIPPING, acknowledge, inference, open_on, seal, verify


def kinds(disk) -> list[int]:
    """Kinds of all durable entries."""
    return [parse_record(item.record).entry.kind for item in verify(disk)]


class SlowDisk(RealDisk):
    """A real disk whose data sync returns when the test says so."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.failure: OSError | None = None

    def sync(self, fd: int) -> None:
        self.entered.set()
        self.gate.wait()
        if self.failure is not None:
            raise self.failure
        super().sync(fd)


async def test_an_append_resolves_after_its_sync_has_returned_and_not_before(tmp_path: Path) -> None:
    """The promise itself, with the thread and a sync that takes its time."""
    disk = SlowDisk()
    journal = Journal.open(
        tmp_path / "j", tmp_path / "s", JournalSettings(segment_bytes=1 << 16, max_bytes=1 << 20, sync="thread"),
        Opening({}), disk=disk,
    )  # fmt: skip
    while journal._segments._busy:
        await asyncio.sleep(0.001)
    disk.entered.clear()
    disk.gate.clear()
    future = journal.append(inference(b"1"), b"1")
    assert await asyncio.to_thread(disk.entered.wait, 10)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not future.done()
    assert journal.stats().durable_sequence == 1
    reader = JournalReader(tmp_path / "j")
    assert [item.sequence for item in reader.read(1 << 20)] == [0]
    disk.gate.set()
    assert await future == f"{journal.journal_id.hex()}-1"
    assert [item.sequence for item in reader.read(1 << 20)] == [1]
    reader.close()
    await journal.close()


async def test_the_next_group_is_written_after_the_sync_of_the_one_before(disk, turns) -> None:
    """Two groups on the way at once could leave a hole that looks like a torn tail."""
    journal = open_on(disk)
    await turns()
    seen: list[str] = []
    disk.watch = seen.append
    waiting = []
    for number in range(30):
        waiting.append(journal.append(inference(bytes([number])), bytes([number])))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    groups = [name for name in seen if name in ("pwritev", "sync", "store")]
    assert groups == ["pwritev", "sync", "store"] * (len(groups) // 3)
    assert len(groups) >= 30
    disk.watch = None
    await journal.close()


async def test_everything_of_one_turn_rides_in_one_group(disk, turns) -> None:
    """One sync pays for all that arrived together."""
    journal = open_on(disk)
    await turns()
    before = journal.stats().durable_group
    await asyncio.gather(*(journal.append(inference(b"x"), b"x") for _ in range(64)))
    assert journal.stats().durable_group == before + 1
    await journal.close()


async def test_an_inference_entry_is_complete_and_its_payload_whole(disk) -> None:
    """What the journal puts in and what the caller gave are one valid record."""
    journal = open_on(disk)
    name = await journal.append(inference(b"payload", 7), b"payload", 7)
    record = parse_record(verify(disk)[1].record)
    assert record.entry.record_id == name
    assert record.payload == b"payload"
    assert record.entry.get(Key.TICKET) == 7
    await journal.close()


async def test_fields_are_put_into_the_order_of_the_format(disk) -> None:
    """Keys out of order would make an entry that every reader refuses."""
    journal = open_on(disk)
    await journal.append(dict(reversed(inference(b"p").items())), b"p")
    assert parse_record(verify(disk)[1].record).entry.kind == Kind.INFERENCE
    await journal.close()


@pytest.mark.parametrize("keys", [(0, 6, 5), (0, 3, 6), (6, 7), ()])
async def test_fields_that_the_journal_sets_or_that_lack_the_kind_are_refused(disk, keys) -> None:
    """A caller has no say in an entry's place."""
    journal = open_on(disk)
    with pytest.raises(FormatError):
        journal.append(dict.fromkeys(keys, 1), b"")
    assert journal.stats().sequence == 1
    await journal.close()


async def test_an_entry_over_the_limit_is_refused_and_takes_no_sequence(disk) -> None:
    """The record's length field has 16 bits."""
    journal = open_on(disk)
    with pytest.raises(FormatError, match="65535"):
        journal.append({**inference(b""), 64: "x" * 65_535}, b"")
    assert (await journal.append(inference(b""), b"")).endswith("-1")
    await journal.close()


async def test_counts_stand_in_the_next_signed_entry_and_begin_anew(disk) -> None:
    """Heartbeat and closing carry what was only counted since the signed entry before."""
    journal = open_on(disk)
    journal.count("full")
    journal.count("full")
    journal.count("stranger")
    journal._beat()
    journal.count("full")
    for number in range(100):
        journal.count(f"made up {number}")
    await journal.close()
    records = [parse_record(item.record).entry for item in verify(disk)]
    assert [entry.kind for entry in records] == [Kind.OPENING, Kind.HEARTBEAT, Kind.CLOSING]
    assert records[1].get(Key.COUNTED) == {"full": 2, "stranger": 1}
    last = records[2].get(Key.COUNTED)
    assert last["full"] == 1
    assert sum(last.values()) == 101
    assert len(last) <= 65
    assert records[2].get(Key.COUNTED_SINCE) > records[1].get(Key.COUNTED_SINCE)


async def test_opening_heartbeat_and_closing_are_signed_with_the_journals_key(disk) -> None:
    """The signature covers journal, epoch, sequence, chain and the entry."""
    journal = open_on(disk)
    journal._beat()
    await journal.close()
    records = [parse_record(item.record).entry for item in verify(disk)]
    key = Ed25519PublicKey.from_public_bytes(records[0].get(Key.PUBLIC_KEY))
    for entry in records:
        key.verify(entry.get(Key.SIGNATURE), signing_message(entry.fields))


async def test_heartbeats_come_by_themselves(disk) -> None:
    """Nobody has to ask for one, and they come within the time that the opening names."""
    journal = open_on(disk, heartbeat_seconds=1)
    while Kind.HEARTBEAT not in kinds(disk):
        await asyncio.sleep(0.05)
    await journal.close()
    assert kinds(disk) == [Kind.OPENING, Kind.HEARTBEAT, Kind.CLOSING]


async def test_a_heartbeat_that_fails_is_not_the_last(disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal without heartbeats looks like one that has lost its end."""
    journal = open_on(disk, heartbeat_seconds=1)
    failed = []

    def fails(*_: object) -> bytes:
        failed.append(1)
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(journal._own, "counts", fails)
        while not failed:
            await asyncio.sleep(0.05)
    async with asyncio.timeout(20):
        while Kind.HEARTBEAT not in kinds(disk):
            await asyncio.sleep(0.05)
    await journal.close()


async def test_the_opening_names_the_route_that_the_sidecar_has_chosen(disk) -> None:
    """Absent until it is known; another journal's route is refused."""
    journal = open_on(disk)
    await journal.close()
    route = '{"format":1,"journal":"%s","backend":"local","topic":"t","topic_id":"%s","partition":3}'
    disk.put(SHIPPING / "route.json", (route % (journal.journal_id.hex(), "ab" * 16)).encode())
    await open_on(disk).close()
    records = [parse_record(item.record).entry for item in verify(disk)]
    topic = {"backend": "local", "name": "t", "id": b"\xab" * 16, "partition": 3}
    assert [entry.get(Key.TOPIC) for entry in records if entry.kind == Kind.OPENING] == [None, topic]
    disk.put(SHIPPING / "route.json", (route % ("00" * 16, "ab" * 16)).encode())
    with pytest.raises(JournalError, match="route"):
        open_on(disk)


async def test_a_request_whose_record_rides_along_has_no_frame_of_its_own(disk) -> None:
    """Beside its record it would say nothing; it costs no bytes."""
    journal = open_on(disk)
    ticket = journal.accept({1: "POST"}, b"Z" * 1000, 1)
    await journal.append(inference(b"", ticket), b"", ticket)
    assert b"Z" * 1000 not in disk.get(DIRECTORY / f"{journal._segments.current.number:016x}.seg")
    assert journal.stats().open_requests == 0
    await journal.close()


async def test_a_request_without_an_answer_goes_to_disk_and_is_told_of_as_aborted(disk) -> None:
    """A crash between accepting and answering leaves a trace: the request, in the next epoch."""
    journal = open_on(disk)
    ticket = journal.accept({1: "POST", 2: "/p"}, b"[[1,2]]", 55)
    while not journal._committer.open_requests:
        await asyncio.sleep(0.01)
    assert journal.stats().open_requests == 1
    journal._shut()
    for epoch in (2, 3):
        journal = open_on(disk, epoch)
        await journal.close()
    records = [parse_record(item.record) for item in verify(disk)]
    aborted = [record for record in records if record.entry.kind == Kind.ABORTED]
    assert len(aborted) == 1, "once, however often it is opened"
    assert aborted[0].entry.get(Key.TICKET) == ticket
    assert aborted[0].entry.get(Key.ARRIVED) == 55
    payload = parse_payload(aborted[0].payload)
    assert (payload.request, payload.header[1], payload.header[2]) == (b"[[1,2]]", "POST", "/p")
    openings = [record.entry.get(Key.RECOVERED)["aborted"] for record in records if record.entry.kind == 4]
    assert openings == [0, 1, 0]
    journal = open_on(disk, 9)
    assert journal.accept({1: "POST"}, b"", 1) > ticket, "tickets go on through all epochs"
    await journal.close()


async def test_a_frame_larger_than_a_segment_gets_one_of_its_own_size(disk, turns) -> None:
    """Nothing is too large for the journal but its bound; others go on after it."""
    journal = open_on(disk)
    await turns()
    payload = b"L" * 200_000
    await journal.append(inference(payload), payload)
    await turns()
    await journal.append(inference(b"s"), b"s")
    huge = bytes(2 << 20)
    with pytest.raises(JournalFull, match="bound"):
        journal.append(inference(huge), huge)
    await journal.close()
    payloads = [parse_record(item.record).payload for item in verify(disk)]
    assert payloads[1:3] == [payload, b"s"]


async def test_at_the_bound_appends_are_refused_until_the_log_has_what_is_there(disk, turns) -> None:
    """503 and not an unbounded disk; slower before it; freeing opens the door again."""
    from tests.fault.disk.world import World

    world = World(disk)
    journal = open_on(disk, max_bytes=256 << 10, slow_at=0.3)
    doors = []
    while journal.admission().door.value != "full":
        payload = bytes([len(doors)]) * 8000
        with suppress(JournalFull):
            world.answered.append((journal.append(inference(payload), payload), payload))
        await turns()
        journal._keep_house()
        doors.append(journal.admission())
    with pytest.raises(JournalFull):
        journal.append(inference(bytes(30_000)), bytes(30_000))
    assert [door.value for door in dict.fromkeys(one.door for one in doors)][:2] == ["open", "slow"]
    delays = [one.delay for one in doors if one.door.value == "slow"]
    assert delays == sorted(delays)
    assert 0 < delays[0] < delays[-1] <= 0.5
    assert journal.stats().held_bytes <= 256 << 10
    reader = JournalReader(DIRECTORY, disk=disk)
    world.ship(reader)
    world.acknowledge(journal.stats().durable_sequence)
    for _ in range(6):
        journal._keep_house()
        await turns()
    assert journal.admission().door.value == "open"
    await journal.append(inference(b"again"), b"again")
    await journal.close()
    reader.close()


async def test_while_the_notary_stands_still_the_journal_fills_and_says_so(disk, turns) -> None:
    """What is only acknowledged stays: requests are slowed, then refused until it is sealed, with no hours left."""
    journal = open_on(disk, max_bytes=256 << 10, slow_at=0.3, free_after="sealed")
    doors, hours = [], []
    for _ in range(100):
        if journal.admission().door.value == "full":
            break
        with suppress(JournalFull):
            journal.append(inference(bytes(8000)), bytes(8000))
        await turns()
        acknowledge(disk, journal.stats().durable_sequence)
        journal._keep_house()
        doors.append(journal.admission())
        hours.append(journal.stats().hours_to_full)
    stats = journal.stats()
    assert (stats.acknowledged, stats.sealed) == (stats.durable_sequence, 0)
    assert [door.value for door in dict.fromkeys(one.door for one in doors)] == ["open", "slow", "full"]
    assert (hours[-1], min(hours[:-1])) == (0, math.inf)
    assert "the notary's seal" in doors[-1].reason
    with pytest.raises(JournalFull, match="the notary's seal"):
        journal.append(inference(bytes(30_000)), bytes(30_000))
    seal(disk, stats.durable_sequence + 1)
    journal._keep_house()
    await turns()
    assert journal.stats().sealed == 0, "beyond what is durable here is not believed"
    seal(disk, stats.durable_sequence)
    for _ in range(6):
        journal._keep_house()
        await turns()
    assert journal.admission().door.value == "open"
    assert journal.stats().held_bytes < stats.held_bytes / 2
    await journal.append(inference(b"again"), b"again")
    await journal.close()


class MarksAway(SimulatedDisk):
    """A disk that raises `error` for the sidecar's marks; `refused` counts how often."""

    error: BaseException | None = None
    refused = 0

    def open(self, path: Path, flags: int, mode: int = 0o600) -> int:
        if self.error is not None and path.parent == SHIPPING:
            self.refused += 1
            raise self.error
        return super().open(path, flags, mode)


AWAY = pytest.mark.parametrize(
    "error",
    [OSError(errno.EMFILE, "Too many open files"), OSError(errno.ESTALE, "Stale file handle"), MemoryError()],
    ids=["no-descriptor", "stale", "no-memory"],
)


@AWAY
async def test_a_mark_that_cannot_be_read_for_a_while_stops_no_freeing(error: BaseException) -> None:
    """Else nobody looks again, and the journal fills although the log has everything."""
    disk = MarksAway()
    journal = open_on(disk)
    disk.error = error
    for _ in range(10):
        await journal.append(inference(bytes(20_000)), bytes(20_000))
    async with asyncio.timeout(20):
        while disk.refused < 3:
            await asyncio.sleep(0.01)
        held = journal.stats().held_bytes
        disk.error = None
        acknowledge(disk, journal.stats().durable_sequence)
        while journal.stats().held_bytes == held:
            await asyncio.sleep(0.01)
    assert journal.stats().acknowledged == 11
    await journal.close()


@AWAY
async def test_a_mark_that_cannot_be_read_for_a_while_releases_what_waited(error: BaseException) -> None:
    """With release = "log" its looks go on, too."""
    disk = MarksAway()
    journal = open_on(disk, release="log")
    disk.error = error
    future = journal.append(inference(b"a"), b"a")
    async with asyncio.timeout(20):
        while disk.refused < 3:
            await asyncio.sleep(0.001)
        assert not future.done()
        disk.error = None
        acknowledge(disk, 2)
        assert (await future).endswith("-1")
    await journal.close()


async def test_a_mark_that_cannot_be_read_is_told_once_and_in_the_refusal(turns) -> None:
    """Looks are many a second; and "waits for the log" alone would send people to the log."""
    disk = MarksAway()
    journal = open_on(disk, max_bytes=256 << 10)
    disk.error = OSError(errno.EACCES, "Permission denied")
    with capture_logs() as told:
        while journal.admission().door.value != "full":
            with suppress(JournalFull):
                journal.append(inference(bytes(20_000)), bytes(20_000))
            await turns()
            journal._keep_house()
        with pytest.raises(
            JournalFull, match=r"waits for the log, whose mark cannot be read: .*Permission denied"
        ):
            journal.append(inference(bytes(30_000)), bytes(30_000))
        disk.error = None
        journal._keep_house()
    lines = [
        (line["log_level"], line.get("reason", "")[:10]) for line in told if line["mark"] == "acknowledged"
    ]
    assert lines == [("error", "[Errno 13]"), ("info", "")]
    await journal.close()


async def test_only_what_is_sealed_is_freed(disk, turns) -> None:
    """The oldest segment that is left holds the first entry that is not sealed."""
    journal = open_on(disk, free_after="sealed")
    for _ in range(20):
        await journal.append(inference(bytes(20_000)), bytes(20_000))
        await turns()
    acknowledge(disk, journal.stats().durable_sequence)
    seal(disk, 10)
    for _ in range(20):
        journal._keep_house()
        await turns()
    reader = JournalReader(DIRECTORY, disk=disk)
    first = reader.read(1)[0].sequence
    assert 0 < first <= 10
    reader.close()
    await journal.close()


async def test_with_release_log_an_answer_waits_for_the_log_and_not_for_the_notary(disk, turns) -> None:
    """The notary seals once a second: nobody waits for that."""
    journal = open_on(disk, release="log", free_after="sealed")
    future = journal.append(inference(b"a"), b"a")
    await turns(50)
    assert not future.done()
    acknowledge(disk, 2)
    assert (await future).endswith("-1")
    await journal.close()


async def test_a_segment_with_an_unanswered_request_is_kept(disk, turns) -> None:
    """Freed, a crash could no longer tell of that request."""
    from tests.fault.disk.world import World

    world = World(disk)
    journal = open_on(disk)
    ticket = journal.accept({1: "POST"}, b"slow one", 1)
    reader = JournalReader(DIRECTORY, disk=disk)

    async def fill() -> set[str]:
        for _ in range(6):
            await journal.append(inference(bytes(20_000)), bytes(20_000))
            world.ship(reader)
            world.acknowledge(journal.stats().durable_sequence)
            await turns()
            journal._keep_house()
            await turns()
        return {name for name in disk.list(DIRECTORY) if name.endswith(".seg")}

    names = await fill()
    assert len(names) > 1
    await journal.append(inference(b"", ticket), b"", ticket)
    left = await fill()
    assert not names & left - {max(names)}
    await journal.close()
    reader.close()


async def test_with_release_log_an_append_waits_for_the_acknowledged_mark(disk, turns) -> None:
    """On this disk is not enough then."""
    journal = open_on(disk, release="log")
    future = journal.append(inference(b"a"), b"a")
    await turns(50)
    assert journal.stats().durable_sequence == 2
    assert not future.done()
    acknowledge(disk, 1)
    await asyncio.sleep(0.01)
    assert not future.done(), "sequence 1 is not below 1"
    acknowledge(disk, 2)
    assert (await future).endswith("-1")
    await journal.close()


async def test_an_answer_that_the_log_does_not_acknowledge_in_time_is_not_released(disk) -> None:
    """The waiting append fails, and an entry says that its answer did not go out."""
    from audit.errors import NotReleased

    journal = open_on(disk, release="log", release_timeout_seconds=0.02)
    with pytest.raises(NotReleased):
        await journal.append(inference(b"a"), b"a")
    await journal.close()
    entries = [parse_record(item.record).entry for item in verify(disk)]
    assert [entry.kind for entry in entries] == [4, 1, 3, 5]
    assert entries[2].get(Key.RELEASED) == 1


async def test_an_acknowledgement_beyond_what_is_durable_is_not_believed(disk, turns) -> None:
    """The sidecar cannot know of what it was never given."""
    journal = open_on(disk, release="log")
    acknowledge(disk, 1000)
    future = journal.append(inference(b"a"), b"a")
    await asyncio.sleep(0.02)
    assert not future.done()
    journal._shut()
    future.cancel()


async def test_only_one_process_writes_a_journal(tmp_path: Path) -> None:
    """The second opening is refused, and the first goes on."""
    settings = JournalSettings(segment_bytes=1 << 16, max_bytes=1 << 20)
    first = Journal.open(tmp_path / "j", tmp_path / "s", settings, Opening({}))
    with pytest.raises(JournalLocked):
        Journal.open(tmp_path / "j", tmp_path / "s", settings, Opening({}))
    await first.append(inference(b"a"), b"a")
    await first.close()
    await Journal.open(tmp_path / "j", tmp_path / "s", settings, Opening({})).close()


async def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """It is made with mode 0600 and must stay so."""
    settings = JournalSettings(segment_bytes=1 << 16, max_bytes=1 << 20)
    await Journal.open(tmp_path / "j", tmp_path / "s", settings, Opening({})).close()
    key = tmp_path / "j" / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o640)
    with pytest.raises(JournalError, match="chmod 600"):
        Journal.open(tmp_path / "j", tmp_path / "s", settings, Opening({}))


async def test_a_closed_journal_takes_nothing(disk) -> None:
    """After close there is a closing entry, and nothing after it."""
    journal = open_on(disk)
    await journal.close()
    await journal.close()
    for action in (lambda: journal.append(inference(b""), b""), lambda: journal.accept({}, b"", 1)):
        with pytest.raises(JournalFailed):
            action()
    assert kinds(disk) == [Kind.OPENING, Kind.CLOSING]


async def test_closing_waits_for_what_is_waiting(disk) -> None:
    """No accepted request loses its record."""
    journal = open_on(disk)
    futures = [journal.append(inference(b"x"), b"x") for _ in range(5)]
    await journal.close()
    assert [future.result().rpartition("-")[2] for future in futures] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("kind", ["thread", "aio"])
async def test_both_syncers_tell_of_success_and_of_failure(tmp_path: Path, kind: str) -> None:
    """A sync of a good descriptor succeeds; of a bad one the error comes through, on the loop's thread."""
    loop = asyncio.get_running_loop()
    syncer = make_syncer(kind, loop, RealDisk())
    assert isinstance(syncer, AioSyncer if kind == "aio" else ThreadSyncer)
    with (tmp_path / "f").open("wb") as file:
        file.write(b"x")
        file.flush()
        results: list[BaseException | None] = []
        for fd in (file.fileno(), 1 << 20):
            done = asyncio.Event()

            def finished(error: BaseException | None, done: asyncio.Event = done) -> None:
                results.append(error)
                assert threading.current_thread() is threading.main_thread()
                done.set()

            syncer.sync(fd, finished)
            assert not done.is_set()
            await done.wait()
    syncer.close()
    assert results[0] is None
    assert isinstance(results[1], OSError)


async def test_where_kernel_aio_is_not_to_be_had_the_thread_does_it(tmp_path: Path, monkeypatch) -> None:
    """A container's filter that refuses io_setup must not stop the gateway."""

    def refused(self, loop) -> None:
        raise OSError(38, "refused")

    monkeypatch.setattr(AioSyncer, "__init__", refused)
    syncer = make_syncer("aio", asyncio.get_running_loop(), RealDisk())
    assert isinstance(syncer, ThreadSyncer)
    syncer.close()


@pytest.mark.parametrize("sync", ["thread", "aio"])
async def test_a_real_journal_survives_rotation_and_reopening(tmp_path: Path, sync: str) -> None:
    """The same on a real disk with real threads: many appenders, several segments, two epochs."""
    settings = JournalSettings(segment_bytes=1 << 17, max_bytes=64 << 20, sync=sync)
    observed: list[float] = []
    names: list[str] = []
    for _ in range(2):
        journal = Journal.open(
            tmp_path / "j", tmp_path / "s", settings, Opening({"x": "1"}), observe=observed.extend
        )

        async def client(journal: Journal = journal) -> None:
            for _ in range(20):
                ticket = 0
                while True:
                    try:
                        # Once: a ticket without its append would be an aborted entry of the next epoch.
                        ticket = ticket or journal.accept({1: "POST"}, b"r" * 500, 1)
                        names.append(await journal.append(inference(b"p" * 900, ticket), b"p" * 900, ticket))
                        break
                    except JournalFull:
                        await asyncio.sleep(0.001)

        await asyncio.gather(*(client() for _ in range(32)))
        await journal.close()
    assert len(set(names)) == len(names) == 2 * 20 * 32 == len(observed)
    reader = JournalReader(tmp_path / "j")
    records = []
    while batch := reader.read(100_000):
        records += batch
    reader.close()
    assert [item.sequence for item in records] == list(range(len(names) + 4))
    assert len([name for name in (tmp_path / "j").iterdir() if name.suffix == ".seg"]) > 5


async def test_a_payload_too_large_for_the_log_is_marked_for_the_object_store(disk) -> None:
    """Over the bound, not at it; wherever key 20 falls among the others."""
    journal = open_on(disk, external_bytes=256 << 10, max_bytes=8 << 20)
    for size in (256 << 10, (256 << 10) + 1):
        await journal.append(inference(bytes(size)), bytes(size))
    await journal.close()
    entries = [parse_record(item.record).entry for item in verify(disk)]
    assert [entry.get(Key.EXTERNAL) for entry in entries if entry.kind == Kind.INFERENCE] == [None, True]


async def test_a_large_request_without_an_answer_is_marked_too(disk) -> None:
    """Its aborted entry carries the request, which is too large for the log all the same."""
    journal = open_on(disk, external_bytes=256 << 10, max_bytes=8 << 20)
    journal.accept({}, bytes(300_000), 1)
    while not journal._committer.open_requests:
        await asyncio.sleep(0.01)
    journal._shut()
    await open_on(disk, 2, external_bytes=256 << 10, max_bytes=8 << 20).close()
    entries = [parse_record(item.record).entry for item in verify(disk)]
    assert [entry.get(Key.EXTERNAL) for entry in entries if entry.kind == Kind.ABORTED] == [True]
