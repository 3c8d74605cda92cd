"""`affiant label import`: files into the log through a journal of their own, whole or not at all."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.check import check_log
from audit.config import load
from audit.errors import JournalFull
from audit.journal import Journal, JournalReader, JournalSettings
from audit.label_import import NAME, write_labels
from audit.labels import Label, is_label, read_label, told
from audit.log import configured_log, open_log
from audit.proof.entry import Key, Kind
from audit.proof.record import parse_payload, parse_record
from audit.settings import LogSettings, SidecarSettings
from audit.ship.sidecar import Sidecar
from audit.show import walk
from cli.main import run
from tests.components.journals import OPENING
from tests.components.process import wait_until

RECORD = "00" * 16 + "-42"
CSV = f"""label,record,request_id,comment,row,time
bad,{RECORD},,seen,,2026-01-02T03:04:05Z
good,,order-7,"a, b",1,2026-01-02 04:04:05+01:00
1,,größe,,,
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings with a plan of one service."""
    path = tmp_path / "affiant.toml"
    digest = "sha256:" + "00" * 32
    path.write_text(
        '[data]\ndirectory = "data"\n[journal]\nsegment_bytes = 65536\nmax_bytes = 1048576\n'
        f'free_after = "acknowledged"\n[[plan]]\nservice = "credit"\ndigest = "{digest}"\n'
    )
    return path


def affiant(capsys: pytest.CaptureFixture[str], config: Path, *words: str) -> tuple[int, str, str]:
    """The command in this process: exit code, output, error output."""
    with pytest.raises(SystemExit) as end:
        run(["label", "import", *words, "--config", str(config)])
    said = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, said.out, said.err


def shipped(config: Path) -> list[tuple[int, Label, dict[str, Any]]]:
    """The labels that are in the local log after a sidecar has run, by kind, with their bodies; the log is checked."""
    loaded = load(config)
    stop = threading.Event()
    stop.set()
    sidecar = Sidecar(loaded.data, configured_log(loaded), SidecarSettings(scan_seconds=0.05))
    assert sidecar.run(stop) == 0
    reader = configured_log(loaded, create=False).reader()
    try:
        assert check_log(reader, 1).flaws == []
        entries = list(walk(reader, 0, 0, reader.bounds(0)[1]))
    finally:
        reader.close()
    records = [(one.timestamp, parse_record(one.value or b"")) for one in entries]
    return [
        (one.entry.kind, read_label(one, at), json.loads(parse_payload(one.payload).request))
        for at, one in records
        if is_label(one.entry)
    ]


def test_a_csv_file_is_in_the_log_row_by_row(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In order, with the digest of the file; said again it is there again, under the next sequences."""
    file = tmp_path / "outcomes.csv"
    file.write_text(CSV, encoding="utf-8-sig")
    code, out, _ = affiant(capsys, config, str(file), "--service", "credit", "--json")
    said = json.loads(out)
    assert (code, said["labels"], said["service"]) == (0, 3, "credit")
    assert said["first"] == f"{said['journal']}-1"
    assert said["last"] == f"{said['journal']}-3"
    found = shipped(config)
    assert {kind for kind, _, _ in found} == {Kind.LABELLED}
    assert [(one.target, one.by, one.value, one.row) for _, one, _ in found] == [
        (RECORD, "record", "bad", None), ("order-7", "request", "good", 1), ("größe", "request", "1", None),
    ]  # fmt: skip
    assert [one.known_ns for _, one, _ in found[:2]] == [1_767_323_045 * 10**9] * 2
    assert {body["source"] for _, _, body in found} == {said["source"]}
    with pytest.raises(SystemExit):
        run(["log", "show", f"{said['journal']}-2", "--config", str(config)])
    shown = capsys.readouterr().out
    assert re.search(r"^target +request:order-7 *$", shown, re.MULTILINE)
    assert '"label": "good"' in shown
    assert "answer" not in shown
    code, out, _ = affiant(capsys, config, str(file), "--service", "credit")
    assert code == 0
    assert f"3 labels of credit in journal {said['journal']}" in out
    assert len(shipped(config)) == 6


def test_a_parquet_file_keeps_the_types_of_its_columns(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers, truth values, times with a zone; what is null is not said."""
    file = tmp_path / "outcomes.parquet"
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
    table = pa.table(
        {
            "request_id": ["a", "b", "c"],
            "label": pa.array([1.5, 2.0, -3.0]),
            "time": pa.array([moment, None, moment], pa.timestamp("us", "Europe/Berlin")),
            "row": pa.array([0, None, 2], pa.int32()),
            "other": [1, 2, 3],
        }
    )
    pq.write_table(table, file)
    assert affiant(capsys, config, str(file), "--service", "credit")[0] == 0
    found = [one for _, one, _ in shipped(config)]
    assert [(one.value, one.row) for one in found] == [(1.5, 0), (2.0, None), (-3.0, 2)]
    assert found[0].known_ns == 1_767_323_045_000_006_000
    pq.write_table(table.set_column(1, "label", [pa.array([True, False, True])]), file)
    assert affiant(capsys, config, str(file), "--service", "credit")[0] == 0
    assert [one.value for _, one, _ in shipped(config)][3:] == [True, False, True]


WRONG_ROWS = f"label,record,row\nbad,{RECORD},\nbad,42,\n,{RECORD},\nbad,{RECORD},x\n"


def test_a_file_with_wrong_rows_is_not_taken(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is named by its line; the journal is not even made."""
    file = tmp_path / "wrong.csv"
    file.write_text(WRONG_ROWS)
    code, out, _ = affiant(capsys, config, str(file), "--service", "credit")
    assert code == 1
    assert [line.split(":")[0] for line in out.splitlines()[:3]] == [
        f"WRONG  wrong.csv, line {n}" for n in (3, 4, 5)
    ]
    assert "3 rows are no labels; nothing was taken" in out
    code, out, _ = affiant(capsys, config, str(file), "--service", "credit", "--check", "--json")
    assert [(one["place"], one["column"]) for one in json.loads(out)["wrong"]] == [
        ("line 3", "record"), ("line 4", "label"), ("line 5", "row"),
    ]  # fmt: skip
    file.write_text(CSV)
    assert affiant(capsys, config, str(file), "--service", "credit", "--check")[:2] == (
        0,
        "3 rows, each a label\n",
    )
    assert not (tmp_path / "data" / "journals").exists()


@pytest.mark.parametrize(
    ("name", "content", "service", "says"),
    [
        ("a.csv", b"label\nbad\n", "credit", "wanted are the columns"),
        ("a.csv", b"label,label,record\n", "credit", "there twice"),
        ("a.csv", b"label,record\nbad\n", "credit", "line 2: 1 cells"),
        ("a.csv", b"label,record\nb\xffd,x\n", "credit", "no CSV in UTF-8"),
        ("a.csv", b"", "credit", "wanted are the columns"),
        ("a.parquet", b"PAR1", "credit", "cannot be read"),
        ("a.xlsx", b"", "credit", ".csv or .parquet"),
        ("a.csv", CSV.encode(), "credti", "did you mean 'credit'"),
        ("a.csv", CSV.encode(), "a b", "no name of a service"),
    ],
)
def test_what_is_no_such_file_is_refused_with_the_reason(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, service: str,
    says: str,
) -> None:  # fmt: skip
    """One line, and exit code 2."""
    (tmp_path / name).write_bytes(content)
    code, _, error = affiant(capsys, config, str(tmp_path / name), "--service", service)
    assert code == 2
    assert says in error
    assert error.count("\n") == 1


def test_a_second_import_at_the_same_time_is_told_to_wait(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal has one writer; exit code 3."""
    (tmp_path / "a.csv").write_text(CSV)
    data = load(config).data

    async def hold() -> Journal:
        return Journal.open(
            data / "journals" / NAME,
            data / "shipping" / NAME,
            JournalSettings(segment_bytes=64 << 10),
            OPENING,
        )

    with asyncio.Runner() as loop:
        journal = loop.run(hold())
        assert affiant(capsys, config, str(tmp_path / "a.csv"), "--service", "credit")[0] == 3
        loop.run(journal.close())


def test_a_journal_at_its_bound_waits_for_the_sidecar(tmp_path: Path) -> None:
    """As long as it has patience; what was durable stays, and a sidecar that frees it lets the import go on."""
    settings = JournalSettings(segment_bytes=64 << 10, max_bytes=3 * (64 << 10), free_after="acknowledged")
    said = [told(request_id=f"order-{n}", label="x" * 200, now=1) for n in range(450)]
    durable: list[int] = []
    with pytest.raises(JournalFull, match="a sidecar ships and frees it"):
        asyncio.run(write_labels(tmp_path, settings, said, "credit", patience=0.0, progress=durable.append))
    records = JournalReader(tmp_path / "journals" / NAME)
    assert records.mark().sequence > 1  # type: ignore[union-attr]
    records.close()
    config = tmp_path / "affiant.toml"
    config.write_text('[data]\ndirectory = "."\n')
    loaded = load(config)
    stop = threading.Event()
    sidecar = Sidecar(loaded.data, configured_log(loaded), SidecarSettings(scan_seconds=0.05))
    shipping = threading.Thread(target=sidecar.run, args=(stop,))
    shipping.start()
    try:
        written = asyncio.run(write_labels(tmp_path, settings, said, "credit", progress=durable.append))
    finally:
        stop.set()
        shipping.join(60)
    assert written.labels == 450
    assert durable == [450]


def label_times(data: Path) -> list[tuple[int, int]]:
    """When each label was known, and when it arrived in the journal."""
    reader = JournalReader(data / "journals" / NAME)
    records = [parse_record(one.record) for one in reader.read(1 << 20)]
    reader.close()
    return [
        (read_label(one, 0).known_ns, one.entry.fields[Key.ARRIVED]) for one in records if is_label(one.entry)
    ]


@pytest.mark.kafka
def test_a_topic_is_imported_from_where_the_last_import_ended(
    kafka: str, kafka_topic: Any, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Messages that are no labels are told and passed over; the time of a message is when its label was known."""
    name = kafka_topic("outcomes", partitions=2)
    config.write_text(f'{config.read_text()}[log]\nbackend = "kafka"\nbootstrap = "{kafka}"\n')
    log = open_log(LogSettings(backend="kafka", bootstrap=kafka, topic=name), load(config))

    def send(partition: int, *values: bytes) -> None:
        writer = log.writer(partition)
        for value in values:
            writer.send(value, b"")
        wait_until(lambda: writer.delivered().sends == len(values), what="they are there")
        writer.close()

    def told_so_far() -> list[tuple[str, Any]]:
        reader = JournalReader(load(config).data / "journals" / NAME)
        records = [parse_record(one.record) for one in reader.read(1 << 20)]
        reader.close()
        return [
            (one.target, one.value)
            for record in records
            if is_label(record.entry)
            for one in [read_label(record, 0)]
        ]

    send(
        0,
        b'{"request_id":"a","label":"bad"}',
        b"{",
        b'[{"request_id":"b","label":1},{"request_id":"c","label":2}]',
    )
    send(1, b'{"request_id":"d","label":"good","time":"2026-01-02T03:04:05Z"}', b'[{"request_id":"e"}]', b"7")
    code, out, _ = affiant(capsys, config, "--kafka", name, "--service", "credit", "--json")
    said = json.loads(out)
    assert (code, said["labels"], said["passed_over"]) == (1, 4, 3)
    assert [(one["partition"], one["offset"]) for one in said["wrong"]] == [(0, 1), (1, 1), (1, 2)]
    first = [("a", "bad"), ("b", 1), ("c", 2), ("d", "good")]
    assert told_so_far() == first
    known = label_times(load(config).data)
    assert all(told < arrived for told, arrived in known)
    assert known[3][0] == 1_767_323_045 * 10**9
    send(0, b'{"request_id":"a","label":"good"}')
    code, out, _ = affiant(capsys, config, "--kafka", name, "--service", "credit")
    assert code == 0
    assert "1 label of credit" in out
    assert told_so_far() == [*first, ("a", "good")]
    code, out, _ = affiant(capsys, config, "--kafka", name, "--service", "credit", "--json")
    assert (code, json.loads(out)["labels"]) == (0, 0)
    (load(config).data / "label-topics" / f"{name}.json").write_text("{}")
    code, _, error = affiant(capsys, config, "--kafka", name, "--service", "credit")
    assert code == 2
    assert "is damaged" in error


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "give either a file"),
        (("a.csv", "--kafka", "x"), "give either a file"),
        (("--kafka", "x", "--check"), "give either a file"),
        (("--kafka", "x"), "backend is local"),
    ],
)
def test_what_contradicts_itself_is_refused(
    config: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    """Exit code 2."""
    code, _, error = affiant(capsys, config, *words, "--service", "credit")
    assert (code, says in error) == (2, True)
