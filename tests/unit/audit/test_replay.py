"""What replay reads, sums up and writes, without a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from audit.log.base import LogEntry
from audit.proof.entry import Key, Kind, encode_entry, parse_entry
from audit.proof.record import frame_record
from audit.replay import Difference, Judged, Number, Part, Source, Summary, Verdict
from audit.replay.parquet import COLUMNS, DifferenceFile
from audit.replay.verdict import REASONS, compare

JOURNALS = bytes(16), bytes([1]) * 16


class Lines:
    """A log of one partition, in memory; it begins at `first`."""

    def __init__(self, values: list[bytes | None], first: int = 0) -> None:
        self.values, self.first, self.reads = values, first, 0

    def bounds(self, partition: int) -> tuple[int, int]:
        return self.first, len(self.values)

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[LogEntry]:
        self.reads += 1
        return [LogEntry(at, 1000 + at, None, self.values[at]) for at in range(offset, len(self.values))][:2]

    def close(self) -> None:
        """Nothing is open."""


def opening(journal: bytes, epoch: int, sequence: int) -> bytes:
    return frame_record(
        encode_entry(
            {
                Key.KIND: Kind.OPENING, Key.JOURNAL: journal, Key.EPOCH: epoch, Key.SEQUENCE: sequence,
                Key.CHAIN: bytes(32), Key.COMMITTING: 1, Key.PUBLIC_KEY: bytes(32), Key.VERSIONS: {"a": "1"},
                Key.DEVICE: "cpu", Key.THREADS: epoch, Key.RELEASE: "disk", Key.HEARTBEAT: 1,
                Key.RECOVERED: {"groups": 0, "torn": 0, "aborted": 0}, Key.SIGNATURE: bytes(64),
            }
        ),
        b"",
    )  # fmt: skip


def heartbeat(journal: bytes, epoch: int, sequence: int) -> bytes:
    return frame_record(
        encode_entry(
            {
                Key.KIND: Kind.HEARTBEAT, Key.JOURNAL: journal, Key.EPOCH: epoch, Key.SEQUENCE: sequence,
                Key.CHAIN: bytes(32), Key.COMMITTING: 1, Key.COUNTED: {}, Key.COUNTED_SINCE: 1,
                Key.SIGNATURE: bytes(64),
            }
        ),
        b"",
    )  # fmt: skip


def test_the_opening_of_a_records_epoch_is_looked_for_backwards_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Block by block; other journals' openings, other epochs' and what is no record are passed over."""
    monkeypatch.setattr("audit.replay.source._BACK", 3)
    one, two = JOURNALS
    values: list[bytes | None] = [
        opening(one, 1, 0),
        opening(two, 2, 0),
        opening(one, 2, 1),
        None,
        b"",
        b"junk",
    ]
    values += [heartbeat(one, 2, number) for number in range(2, 12)]
    log = Lines(values)
    source = Source(log)
    last = list(source.records([Part(0, 15, 16)]))[-1]
    found = source.opening(last)
    assert found is not None
    assert (found.fields[Key.JOURNAL], found.fields[Key.EPOCH]) == (one, 2)
    reads = log.reads
    assert source.opening(last) is found
    assert log.reads == reads
    gone = Source(Lines(values, first=3))
    assert gone.opening(last) is None


def test_what_stands_around_is_read_and_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as a batch may reach, within what there is; times are the log's."""
    monkeypatch.setattr("audit.replay.source.REACH", 2)
    source = Source(Lines([heartbeat(JOURNALS[0], 1, number) for number in range(9)] + [None], first=1))

    def read(part: Part, *bounds: int | None) -> list[tuple[int, bool]]:
        return [(one.offset, one.wanted) for one in source.records([part], *bounds)]

    assert read(Part(0, 4, 5)) == [(2, False), (3, False), (4, True), (5, False), (6, False)]
    assert [offset for offset, wanted in read(Part(0, 1, 10)) if wanted] == list(range(1, 10))
    assert [offset for offset, wanted in read(Part(0, 1, 10), 1003, 1006) if wanted] == [3, 4, 5]
    assert [one.entry is None for one in source.records([Part(0, 8, 10)])][-1]


def test_parts_that_reach_into_each_other_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read twice, a record would pass for its own duplicate."""
    monkeypatch.setattr("audit.replay.source.REACH", 2)
    source = Source(Lines([heartbeat(JOURNALS[0], 1, number) for number in range(20)]))
    parts = [Part(0, 3, 4), Part(0, 6, 7), Part(0, 15, 16)]
    read = [(one.offset, one.wanted) for one in source.records(parts)]
    assert [offset for offset, _ in read] == [*range(1, 9), *range(13, 18)]
    assert [offset for offset, wanted in read if wanted] == [3, 6, 15]
    assert source.walks(parts) == [(Part(0, 1, 9), parts[:2]), (Part(0, 13, 18), parts[2:])]


def test_a_record_is_found_by_its_name() -> None:
    """Whatever else has the journal's bytes in it; wherever it stands, for one of the places may be a forger's."""
    one, two = JOURNALS
    source = Source(
        Lines(
            [
                b"junk" + two,
                None,
                heartbeat(one, 1, 5),
                heartbeat(two, 1, 4),
                heartbeat(two, 1, 5),
                heartbeat(two, 2, 5),
            ]
        )
    )
    assert source.find(f"{two.hex()}-5", 1) == [Part(0, 4, 5), Part(0, 5, 6)]
    assert source.find(f"{two.hex()}-6", 1) == []


def judged(verdict: Verdict, reason: str | None = None, *gaps: float) -> Judged:
    entry = parse_entry(heartbeat(JOURNALS[0], 1, 1)[4:])
    differences = tuple(Difference(row, "prediction", 0.0, gap, gap) for row, gap in enumerate(gaps))
    return Judged(0, 7, entry, verdict, reason, max(gaps, default=0.0), 0.0, differences)


def test_a_summary_is_bounded_whatever_the_reasons_say() -> None:
    """A million refused requests have a million messages."""
    summary = Summary()
    for number in range(REASONS + 50):
        summary.add(judged(Verdict.DIFFERENT, f"input: row {number}"))
    summary.add(judged(Verdict.IDENTICAL))
    assert len(summary.reasons) == REASONS + 1
    assert summary.reasons[Verdict.DIFFERENT, "input: …"] == 50
    assert (summary.records, summary.wrong, len(summary.first)) == (REASONS + 51, True, 100)


def test_the_worst_is_told_and_an_infinite_difference_is_no_json() -> None:
    """NaN is no number of JSON, nor is infinity."""
    summary = Summary()
    for gap in (0.25, 0.5, 0.125):
        summary.add(judged(Verdict.WITHIN, "why", gap))
    assert summary.as_json()["worst"]["difference"] == 0.5
    assert not summary.wrong
    summary.add(judged(Verdict.DIFFERENT, "why", math.inf))
    told = summary.as_json()
    assert told["worst"]["difference"] is None
    assert told["different"][0]["difference"] is None


@pytest.mark.parametrize(
    ("recorded", "replayed", "gaps"),
    [
        ([0.5], [0.5], []),
        ([0.5, 1.0], [0.5, 0.75], [0.25]),
        ([0.0], [-0.0], [0.0]),
        ([math.nan], [math.nan], [math.inf]),
        ([0.5], [math.inf], [math.inf]),
        ([0.5], [], None),
        ([], [0.5], None),
    ],
)
def test_numbers_are_compared_by_their_bits(recorded, replayed, gaps: list[float] | None) -> None:
    """A zero of another sign is another answer, by nothing; what is no number is infinitely far."""

    def numbers(values: list[float]) -> list[Number]:
        return [Number(row, "prediction", value) for row, value in enumerate(values)]

    found = compare(numbers(recorded), numbers(replayed))
    assert (None if found is None else [one.difference for one in found]) == gaps


def test_other_outputs_are_not_compared() -> None:
    """A number of one thing beside a number of another says nothing."""
    assert compare([Number(0, "bias", 1.0)], [Number(0, "prediction", 1.0)]) is None
    assert compare([Number(0, "bias", 1.0)], [Number(1, "bias", 1.0)]) is None


def add(file: DifferenceFile) -> None:
    file.add(
        "r-1",
        "s",
        "sha256:1",
        [Difference(0, "prediction", 1.0, 2.0, 1.0)],
        place=(0, 7),
        verdict="different",
    )
    file.add("r-2", "s", "sha256:1", [], place=(0, 8), verdict="different", reason="model missing")


def test_a_file_of_differences_is_whole_or_not_there(tmp_path: Path) -> None:
    """Under its name there is never half of one; what is there is replaced by a whole one, when that is wanted."""
    path = tmp_path / "differences.parquet"

    def stop(file: DifferenceFile) -> None:
        add(file)
        raise KeyboardInterrupt

    def write(action: Callable[[DifferenceFile], None]) -> None:
        with DifferenceFile(path, replace=path.exists()) as file:
            action(file)

    with pytest.raises(KeyboardInterrupt):
        write(stop)
    assert list(tmp_path.iterdir()) == []
    write(lambda _: None)
    assert pq.read_table(path).num_rows == 0
    write(add)
    assert list(tmp_path.iterdir()) == [path]
    table = pq.read_table(path)
    assert tuple(table.column_names) == COLUMNS
    first, second = table.to_pylist()
    assert (first["recorded"], first["replayed"], first["difference"]) == (1.0, 2.0, 1.0)
    assert (second["row"], second["output"], second["reason"]) == (None, None, "model missing")


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    """Also one that came while the differences were looked for; nothing is left beside it."""
    path = tmp_path / "differences.parquet"

    def meanwhile() -> None:
        with DifferenceFile(path) as file:
            path.write_bytes(b"mine")
            add(file)

    with pytest.raises(FileExistsError):
        meanwhile()
    with pytest.raises(FileExistsError):
        DifferenceFile(path)
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_large_file_of_differences_is_written_in_pieces(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with it."""
    monkeypatch.setattr("audit.replay.parquet._ROWS", 3)
    path = tmp_path / "differences.parquet"
    with DifferenceFile(path) as file:
        for _ in range(5):
            add(file)
        assert len(file._waiting) < 4
    assert (pq.read_table(path).num_rows, pq.ParquetFile(path).num_row_groups) == (10, 4)
