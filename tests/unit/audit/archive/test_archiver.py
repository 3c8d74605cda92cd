from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from audit.archive import Archive, ArchiveFile, Archiver, Limits, Part
from audit.archive.archiver import _FULL
from audit.archive.bounds import MAX_BYTES
from audit.config import validate
from audit.errors import ArchiveGap, ConfigError, NotaryRefuses, ObjectsUnavailable
from audit.notary.state import State
from audit.objects.directory import DirectoryObjects
from audit.objects.limits import MAX_OBJECT
from audit.proof.checkpoint import Checkpoint, sign_checkpoint
from audit.proof.entry import MAX_ENTRY, Key, Kind, encode_entry
from audit.proof.errors import FormatError
from audit.settings import NotarySettings

TOPIC = bytes(range(16))
DAY = 86_400_000
NONE = range(0)
NOON = 20_000 * DAY + DAY // 2
PREFIX = f"topic={TOPIC.hex()}"


def record(number: int, size: int = 10) -> tuple[bytes, bytes]:
    payload = bytes([number % 256]) * size
    entry = encode_entry(
        {
            Key.KIND: Kind.LABEL, Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: size,
            Key.SUITE: 0, Key.BODY_TYPE: "text/plain", Key.AUTHOR: bytes(32), Key.TARGET: str(number), Key.TIME: 1,
        }
    )  # fmt: skip
    return entry, payload


class Signer:
    public_key = bytes(32)

    def sign(self, message: bytes) -> bytes:
        return bytes(64)


def head(size: int) -> bytes:
    return sign_checkpoint(Checkpoint("o/1", size, bytes(32)), Signer())


@dataclass
class Seal:
    """The state of the notary alone, in memory."""

    state: State = field(default_factory=lambda: State("o/1"))

    def seal(self, size: int) -> None:
        self.state = self.state.grown(size, bytes(32), head(size))

    def begin_archive(self, end: int) -> None:
        self.state = self.state.archive_begun(end)

    def finish_archive(self) -> None:
        self.state = self.state.archive_finished()


class Failing:
    """A store that loses, or takes and reports lost, the nth creation."""

    def __init__(self, objects: DirectoryObjects, at: int, *, kept: bool) -> None:
        self.objects, self.at, self.kept, self.creations = objects, at, kept, 0

    def create(self, name: str, content: bytes) -> bool:
        self.creations += 1
        if self.creations - 1 == self.at:
            if self.kept:
                self.objects.create(name, content)
            raise ObjectsUnavailable("lost")
        return self.objects.create(name, content)

    def __getattr__(self, name: str):
        return getattr(self.objects, name)


def filled(
    objects, seal: Seal, count: int = 20, limits: Limits | None = None, lost: range = NONE
) -> Archiver:
    """An archiver that goes on where the state says, fed from a log of `count` records."""
    archiver = Archiver(objects, TOPIC, 3, seal.state.archived, seal.state.archiving, limits or Limits())
    for offset in range(seal.state.archived, count):
        entry, payload = record(offset)
        gone = offset in lost
        archiver.add(offset, None if gone else NOON + offset, entry, b"" if gone else payload)
    return archiver


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    return DirectoryObjects(tmp_path)


def names(objects: DirectoryObjects, part: str = "entries") -> list[str]:
    return [name.removeprefix(f"archive/{part}/{PREFIX}/") for name in objects.list(f"archive/{part}/")]


def test_a_file_waits_for_the_seal_and_for_its_time(objects) -> None:
    """Nothing unsealed is archived; a sealed record waits no longer than `seconds`."""
    seal = Seal()
    archiver = filled(objects, seal)
    assert archiver.archive(seal, 0.0) is None
    seal.seal(15)
    assert archiver.archive(seal, 10.0) is None
    assert archiver.archive(seal, 309.0) is None
    written = archiver.archive(seal, 310.0)
    assert written is not None
    assert (written.first, written.end, written.files) == (0, 15, 3)
    assert (seal.state.archived, seal.state.archiving, seal.state.heads) == (15, 15, ())
    stem = f"date={date.fromordinal(date(1970, 1, 1).toordinal() + 20_000)}/partition=3/{0:020d}-{14:020d}"
    assert names(objects) == [f"{stem}.parquet"]
    assert names(objects, "payloads") == names(objects, "checkpoints") == names(objects)
    seal.seal(20)
    assert archiver.archive(seal, 311.0) is None
    assert archiver.archive(seal, 311.0, flush=True) is not None
    assert archiver.archive(seal, 999.0, flush=True) is None


def test_files_are_cut_at_a_number_of_records_at_bytes_and_at_a_days_end(objects) -> None:
    """The reader's folders are days, and a file stays one that is handled at once."""
    seal = Seal()
    archiver = Archiver(objects, TOPIC, 0, 0, 0, Limits(records=5, bytes=1000))
    times = [NOON] * 7 + [NOON + DAY] * 4 + [NOON + 2 * DAY] * 3
    for offset, time in enumerate(times):
        entry, payload = record(offset, 600 if offset in (11, 12) else 10)
        archiver.add(offset, time, entry, payload)
    seal.seal(len(times))
    ends = []
    while (written := archiver.archive(seal, 0.0)) is not None:
        ends.append(written.end)
    assert ends == [5, 7, 11, 13]
    assert archiver.archive(seal, 1e9).end == 14
    assert [name[5:15] for name in names(objects)] == [
        "2024-10-04", "2024-10-04", "2024-10-05", "2024-10-06", "2024-10-06",
    ]  # fmt: skip


def test_a_file_is_cut_at_the_bytes_of_its_entries(objects) -> None:
    """Statements may have entries of 64 KiB: a file of too many of them would be refused by each reader."""
    seal, size = Seal(), len(record(0)[0])
    archiver = filled(objects, seal, limits=Limits(entries=5 * size))
    seal.seal(20)
    while archiver.archive(seal, 0.0):
        pass
    ranges = [name.rpartition("/")[2] for name in names(objects)]
    assert ranges == [f"{first:020d}-{first + 4:020d}.parquet" for first in (0, 5, 10, 15)]


def test_what_the_settings_allow_is_far_from_what_readers_refuse() -> None:
    """A notary's own file is never one that its auditor will not take."""
    with pytest.raises(ConfigError, match="archive_bytes"):
        validate("affiant.toml", "notary", {"archive_bytes": (512 << 20) + 1}, NotarySettings)
    most = validate("affiant.toml", "notary", {"archive_bytes": 512 << 20}, NotarySettings).archive_bytes
    assert most + (64 << 20) < min(MAX_BYTES, MAX_OBJECT)  # one record more, and the file's own bytes
    assert 4 * (Limits().entries + MAX_ENTRY) < min(MAX_BYTES, MAX_OBJECT)


def test_what_waits_is_bounded(objects) -> None:
    """When nothing can be written, the log is not read on."""
    archiver = Archiver(objects, TOPIC, 0, 0, 0, Limits(records=4, bytes=1000))
    for offset in range(4 * _FULL):
        assert not archiver.full
        archiver.add(offset, NOON, *record(offset))
    assert archiver.full
    archiver = Archiver(objects, TOPIC, 0, 0, 0, Limits(records=400, bytes=1000))
    archiver.add(0, NOON, *record(0, 2000))
    assert archiver.full
    with pytest.raises(ValueError, match="wanted"):
        archiver.add(2, NOON, *record(2))


def test_heads_stand_in_the_file_of_the_offsets_that_they_added(objects) -> None:
    """A head that comes while a file is written goes into the next one, so a file is the same whenever it is made."""
    seal = Seal()
    archiver = filled(objects, seal, limits=Limits(records=8))
    for size in (3, 8, 12):
        seal.seal(size)
    archiver.archive(seal, 0.0)
    assert seal.state.heads == (head(12),)
    seal.seal(20)
    while archiver.archive(seal, 1e9) or archiver.archive(seal, 1e9 + 400):
        pass
    sizes = [
        pq.read_table(path).column("size").to_pylist()
        for path in sorted(Path(objects._root).glob("archive/checkpoints/*/*/*/*.parquet"))
    ]
    assert sizes == [[3, 8], [12], [20]]


@pytest.mark.parametrize(
    "step", ["begun", *(f"{kind} {at}" for kind in ("lost", "kept") for at in range(3)), "written"]
)
def test_whatever_step_a_run_dies_after_each_offset_is_in_one_file_once(objects, step: str) -> None:
    """The next run writes the range that was decided, even if records and heads have come since."""
    seal = Seal()
    seal.seal(12)
    first = filled(objects, seal)
    seal.begin_archive(12)
    if step != "begun":
        kind, _, at = step.partition(" ")
        store = Failing(objects, int(at) if at else 99, kept=kind == "kept")
        first._objects = first._payload_objects = store
        try:
            first.write(12, seal.state.archive_heads())
        except ObjectsUnavailable:
            assert kind != "written"
    # Another run: the log and the tree have grown, and time has passed.
    seal.seal(20)
    again = filled(objects, seal)
    assert again.archive(seal, 0.0).end == 12
    again.archive(seal, 0.0, flush=True)
    assert seal.state.archived == 20
    found = list(Archive(objects).records(TOPIC, 3, 0, 20))
    assert [each.offset for each in found] == list(range(20))
    assert [(each.entry, each.payload) for each in found] == [record(offset) for offset in range(20)]
    assert len(names(objects)) == 2


@pytest.mark.parametrize("at", range(3))
def test_a_failed_write_is_tried_again_by_the_same_run(objects, at: int) -> None:
    """The store did not answer: nothing is let go of, and the same file is written next time."""
    seal = Seal()
    seal.seal(20)
    archiver = filled(Failing(objects, at, kept=True), seal)
    with pytest.raises(ObjectsUnavailable):
        archiver.archive(seal, 0.0, flush=True)
    assert archiver.archive(seal, 1.0).end == 20
    assert len(list(Archive(objects).records(TOPIC, 3, 0, 20))) == 20


def test_what_the_log_lost_after_a_run_died_does_not_stop_the_archive(objects) -> None:
    """The dead run's files know times and payloads that nobody else has any more; they are found to be right."""
    seal = Seal()
    seal.seal(20)
    filled(objects, seal)
    seal.begin_archive(20)
    filled(objects, seal).write(20, seal.state.archive_heads())
    assert filled(objects, seal, lost=range(20)).archive(seal, 0.0).end == 20
    found = list(Archive(objects).records(TOPIC, 3, 0, 20))
    assert [each.logged for each in found] == [NOON + offset for offset in range(20)]


def test_what_the_log_lost_is_archived_without_its_time_and_payload(objects) -> None:
    """A notary that was down beyond retention goes on: entries are in the tree's bundles."""
    seal = Seal()
    seal.seal(20)
    filled(objects, seal, lost=range(5)).archive(seal, 0.0, flush=True)
    found = list(Archive(objects).records(TOPIC, 3, 0, 20))
    assert [each.logged for each in found] == [None] * 5 + [NOON + offset for offset in range(5, 20)]
    assert [each.payload for each in found[:6]] == [b""] * 5 + [record(5)[1]]


def change(objects: DirectoryObjects, part: Part, edit) -> None:
    (name,) = objects.list(f"archive/{part}/")
    path = Path(objects._root) / name
    table = pq.read_table(path, partitioning=None)
    pq.write_table(edit(table), path, store_schema=False)


@pytest.mark.parametrize("part", list(Part))
def test_other_rows_where_the_range_should_be_written_are_refused(objects, part: Part) -> None:
    """Somebody else's file is never taken for ours, and never replaced."""
    seal = Seal()
    seal.seal(20)
    seal.begin_archive(20)
    filled(objects, seal).write(20, seal.state.archive_heads())
    change(objects, part, lambda table: table.slice(1))
    before = [path.read_bytes() for path in Path(objects._root).rglob("*.parquet")]
    with pytest.raises(NotaryRefuses, match=f"archive/{part}/.*other rows"):
        filled(objects, seal).archive(seal, 0.0)
    assert [path.read_bytes() for path in Path(objects._root).rglob("*.parquet")] == before
    assert seal.state.archived == 0


def test_a_payload_that_is_not_its_digests_is_refused_where_the_log_lost_it(objects) -> None:
    """What cannot be compared with the log has to prove itself."""
    seal = Seal()
    seal.seal(20)
    seal.begin_archive(20)
    filled(objects, seal).write(20, seal.state.archive_heads())

    def edit(table):
        payloads = table.column("payload").to_pylist()
        return table.set_column(2, table.schema.field(2), [[b"forged", *payloads[1:]]])

    change(objects, Part.PAYLOADS, edit)
    with pytest.raises(NotaryRefuses, match="other rows"):
        filled(objects, seal, lost=range(20)).archive(seal, 0.0)


def test_the_same_rows_in_other_bytes_are_the_same(objects) -> None:
    """A file of a dead run may be of another version of the library."""
    seal = Seal()
    seal.seal(20)
    seal.begin_archive(20)
    filled(objects, seal).write(20, seal.state.archive_heads())
    for part in Part:
        change(objects, part, lambda table: table)
    assert filled(objects, seal).archive(seal, 0.0).end == 20


def test_no_parquet_where_a_file_should_be_is_refused(objects) -> None:
    """Garbage under the name of a file of the range stops the notary, with the file's name."""
    seal = Seal()
    seal.seal(20)
    file = ArchiveFile(Part.ENTRIES, TOPIC, date(2024, 10, 4), 3, 0, 20)
    objects.create(file.name, b"garbage")
    with pytest.raises(NotaryRefuses, match="no archive file"):
        filled(objects, seal).archive(seal, 0.0, flush=True)


def test_the_reader_names_a_gap_an_overlap_and_a_file_that_lies(objects) -> None:
    """Who reads the archive in place of the log gets each offset once, or an error."""
    seal = Seal()
    archiver = filled(objects, seal, limits=Limits(records=8))
    seal.seal(20)
    while archiver.archive(seal, 0.0, flush=True):
        pass
    archive = Archive(objects)
    assert [each.offset for each in archive.records(TOPIC, 3, 6, 18)] == list(range(6, 18))
    assert archive.payload(TOPIC, 3, 9) == record(9)[1]
    assert archive.payload(TOPIC, 3, 20) is None
    assert archive.payload(TOPIC, 4, 9) is None
    with pytest.raises(ArchiveGap, match="offset 20"):
        list(archive.records(TOPIC, 3, 0, 21))
    middle = Path(objects._root) / f"archive/entries/{PREFIX}" / names(objects)[1]
    content = middle.read_bytes()
    middle.unlink()
    with pytest.raises(ArchiveGap, match="offset 8"):
        list(archive.records(TOPIC, 3, 0, 20))
    middle.with_name(f"{8:020d}-{16:020d}.parquet").write_bytes(content)
    with pytest.raises(FormatError, match="same offset"):
        list(archive.records(TOPIC, 3, 0, 20))
    middle.with_name(f"{8:020d}-{16:020d}.parquet").rename(middle.with_name(f"{8:020d}-{14:020d}.parquet"))
    with pytest.raises(FormatError, match="its name says"):
        list(archive.records(TOPIC, 3, 0, 15))
    middle.with_name(f"{8:020d}-{14:020d}.parquet").rename(middle)
    last = Path(objects._root) / f"archive/entries/{PREFIX}" / names(objects)[2]
    longer = last.rename(last.with_name(f"{16:020d}-{22:020d}.parquet"))
    with pytest.raises(FormatError, match="ends at offset 19, its name says 22"):
        list(archive.records(TOPIC, 3, 0, 22))
    longer.rename(last)
    middle.write_bytes(content[:-50])
    with pytest.raises(FormatError, match="Parquet"):
        list(archive.records(TOPIC, 3, 0, 20))


def test_in_the_background_sealing_goes_on_while_a_file_is_written(objects) -> None:
    """The file is begun by one call and finished by a later one; what comes meanwhile goes into the next file."""
    gate, entered = threading.Event(), threading.Event()

    class Slow:
        def create(self, name: str, content: bytes) -> bool:
            entered.set()
            assert gate.wait(30)
            return objects.create(name, content)

        def __getattr__(self, name: str):
            return getattr(objects, name)

    seal = Seal()
    seal.seal(12)
    archiver = Archiver(Slow(), TOPIC, 3, 0, 0, Limits(records=12), background=True)
    for offset in range(12):
        archiver.add(offset, NOON + offset, *record(offset))
    assert archiver.archive(seal, 0.0) is None
    assert entered.wait(30)
    assert (seal.state.archiving, seal.state.archived) == (12, 0)
    seal.seal(20)
    for offset in range(12, 20):
        archiver.add(offset, NOON + offset, *record(offset))
    assert archiver.archive(seal, 1e9) is None
    gate.set()
    assert archiver.archive(seal, 1e9, flush=True).end == 12
    assert seal.state.heads == (head(20),)
    assert archiver.archive(seal, 1e9, flush=True).end == 20
    archiver.close()
    assert [each.offset for each in Archive(objects).records(TOPIC, 3, 0, 20)] == list(range(20))


def test_in_the_background_a_failure_is_told_by_a_later_call_and_tried_again(objects) -> None:
    """As without it."""
    seal = Seal()
    seal.seal(20)
    archiver = Archiver(Failing(objects, 1, kept=False), TOPIC, 3, 0, 0, background=True)
    for offset in range(20):
        archiver.add(offset, NOON + offset, *record(offset))
    with pytest.raises(ObjectsUnavailable):
        archiver.archive(seal, 0.0, flush=True)
    assert (seal.state.archiving, seal.state.archived) == (20, 0)
    assert archiver.archive(seal, 0.0, flush=True).end == 20
    archiver.close()
    assert len(list(Archive(objects).records(TOPIC, 3, 0, 20))) == 20


def test_the_store_is_not_listed_for_a_file_that_no_run_has_begun(objects) -> None:
    """What a file costs does not grow with the archive."""

    class Deaf(Failing):
        def list(self, prefix: str):
            raise AssertionError(prefix)

    seal = Seal()
    seal.seal(20)
    assert filled(Deaf(objects, 99, kept=True), seal).archive(seal, 0.0, flush=True).end == 20
