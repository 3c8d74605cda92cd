"""`affiant audit replay` over a real log and a real archive."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from audit.archive import Archiver, Limits
from audit.log.local import LocalLog
from audit.notary.state import State
from audit.objects.directory import DirectoryObjects
from audit.proof.entry import Key, encode_entry, parse_entry
from audit.proof.record import Record, encode_payload, parse_payload, split_record
from audit.show import walk
from cli.main import app, guarded, run
from tests.components.gateway import Site, ask, open_gateway
from tests.components.packages import number_package
from tests.components.replays import batch_bound_package, ship

ROWS = [[number / 7, -number / 3, 0.5] for number in range(30)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Two services, 40 answers, two epochs."""
    site = Site(tmp_path_factory.mktemp("recorded"))
    site.serve("numbers", number_package())
    site.serve("bound", batch_bound_package())

    async def epoch() -> None:
        async with open_gateway(site) as front:
            await asyncio.gather(
                *(
                    ask(front, f"/v1/models/{service}:predict", json.dumps({"instances": [row]}).encode())
                    for row in ROWS[:10]
                    for service in ("numbers", "bound")
                )
            )

    for _ in range(2):
        asyncio.run(epoch())
    return site


@pytest.fixture
def site(recorded: Site, tmp_path: Path) -> Site:
    """The same, with a log of the test's own."""
    shutil.copytree(recorded.directory, tmp_path / "site")
    return Site(tmp_path / "site")


def affiant(site: Site, capsys: Any, *arguments: str) -> tuple[int, str]:
    """The command's exit code and output; what went to the error output is printed behind it."""
    capsys.readouterr()
    given = ["audit", "replay", "--config", str(site.config), *arguments]
    with pytest.raises(SystemExit) as end:
        run(given)
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out + err


def forged(record: Record, body: bytes) -> Record:
    """The record with another answer, in a payload whose digest holds."""
    from hashlib import sha256

    parts = parse_payload(record.payload)
    payload = encode_payload(parts.salt, parts.header, parts.request, body, parts.input)
    fields = {
        **record.entry.fields,
        Key.PAYLOAD_DIGEST: sha256(payload).digest(),
        Key.PAYLOAD_LENGTH: len(payload),
    }
    return Record(parse_entry(encode_entry(fields)), payload)


def test_the_whole_log_is_replayed(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Every answer identical, by service and model; exit code 0."""
    ship(site)
    code, out = affiant(site, capsys)
    assert code == 0, out
    assert "40 answers in" in out
    code, out = affiant(site, capsys, "--json")
    told = json.loads(out)
    assert told["verdicts"] == {"identical": 40, "within tolerance": 0, "different": 0, "not replayable": 0}
    assert {(one["service"], one["identical"]) for one in told["models"]} == {("numbers", 20), ("bound", 20)}
    code, out = affiant(site, capsys, "--json", "--model", number_package().digest)
    assert (code, json.loads(out)["records"]) == (0, 20)


def test_a_record_and_a_range_of_offsets(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Judged alone, with the rest of its batch and the opening of its epoch from around it."""
    ship(site)
    records = site.records()
    for record in (records[4], records[-3]):
        code, out = affiant(site, capsys, record.entry.record_id)
        assert (code, out.splitlines()[0].split()[:2]) == (0, ["IDENTICAL", record.entry.record_id])
    code, out = affiant(site, capsys, "0:3-7", "--json")
    assert (code, json.loads(out)["verdicts"]["identical"]) == (0, 5)
    code, out = affiant(
        site, capsys, "--since", "2020-01-01", "--until", "2100-01-01T00:00:00+02:00", "--json"
    )
    assert json.loads(out)["records"] == 40


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nonsense"], 2, "wanted a record id"),
        (["0" * 32 + "-7"], 1, "no record"),
        (["7:0-1"], 2, "no partition 7: the log has 1 partition"),
        (["0:90000-90001"], 2, "has offsets 0 to"),
        (["0:3-90001"], 2, "has offsets 0 to"),
        (["0:7-3"], 2, "comes before its first"),
        (["--since", "2026-01-02", "--until", "2026-01-02"], 2, "no time lies between"),
        (["--out", "/no/such/folder/x.parquet"], 2, "there is no folder /no/such/folder"),
        (["--out", "/tmp"], 2, "it is a folder"),
        (["--model", "sha256:12"], 2, "64 hex digits"),
        (["--archive"], 1, "no archive of answers"),
        (["--since", "2100-01-01"], 2, "there was no answer to replay"),
        (["--since", "2100-01-01", "--json"], 2, "there was no answer to replay"),
        (["--model", "ab" * 32], 2, "there was no answer to replay"),
        (["--since", "yesterday"], 2, "2026-01-31"),
        (["--against", "ab" * 32], 2, "model missing"),
        (["--against", "ab" * 32, "--tolerance", "1"], 2, "--tolerance"),
    ],
)
def test_wrong_usage_is_told_in_a_line(site, capsys, arguments: list[str], code: int, words: str) -> None:
    """With the exit code that the kind of failure has."""
    ship(site)
    given = ["audit", "replay", "--config", str(site.config), *arguments]
    capsys.readouterr()
    assert guarded(lambda: app(args=given, prog_name="affiant"), given) == code
    assert words in capsys.readouterr().err


def test_a_different_answer_is_exit_code_1_and_stands_in_the_file(site, capsys, tmp_path: Path) -> None:
    """One row for each number, with both values; the record is told on the screen."""
    records = site.records()
    place = next(at for at, record in enumerate(records) if record.entry.get(Key.SERVICE) == "numbers")
    records[place] = forged(records[place], b'{"predictions":[0.25]}')
    ship(site, records)
    out_file = tmp_path / "differences.parquet"
    code, out = affiant(site, capsys, "--out", str(out_file))
    assert code == 1
    assert f"DIFFERENT  {records[place].entry.record_id}  numbers by up to" in out
    assert "1 different: no reason is known" in out
    assert [path.name for path in tmp_path.glob("differences*")] == ["differences.parquet"]
    (row,) = pq.read_table(out_file).to_pylist()
    assert row["record"] == records[place].entry.record_id
    assert (row["service"], row["digest"], row["row"], row["output"], row["offset"]) == (
        "numbers", number_package().digest, 0, "prediction", place,
    )  # fmt: skip
    assert row["difference"] == abs(row["recorded"] - row["replayed"]) > 0
    assert row["recorded"] == 0.25
    code, out = affiant(site, capsys, "--json")
    (first,) = json.loads(out)["different"]
    assert (first["record"], first["offset"], first["difference"]) == (
        row["record"],
        place,
        row["difference"],
    )
    code, out = affiant(site, capsys, "--tolerance", "1", "--json")
    told = json.loads(out)
    assert (code, told["verdicts"]["within tolerance"]) == (0, 1)
    assert told["worst"]["record"] == records[place].entry.record_id


def test_a_file_that_is_there_is_replaced_only_by_force(site, capsys, tmp_path: Path) -> None:
    """It may be the evidence of another day; said before anything is replayed."""
    ship(site)
    out_file = tmp_path / "differences.parquet"
    out_file.write_bytes(b"mine")
    code, out = affiant(site, capsys, "--out", str(out_file))
    assert (code, "is there already" in out, "--force" in out, "answers" in out) == (2, True, True, False)
    assert out_file.read_bytes() == b"mine"
    assert affiant(site, capsys, "0:3-7", "--out", str(out_file), "--force")[0] == 0
    assert pq.read_table(out_file).num_rows == 0


def test_another_model_is_asked(site, capsys, tmp_path: Path) -> None:
    """How much it differs, how many decisions it would turn, and every number in the file; exit code 0."""
    ship(site)
    out_file = tmp_path / "other.parquet"
    other = batch_bound_package().digest
    arguments = ("--against", other, "--model", number_package().digest, "--out", str(out_file), "--force")
    code, out = affiant(site, capsys, *arguments)
    assert code == 0, out
    assert "20 recorded requests" in " ".join(out.split())
    assert "of 20 decisions would have been another one" in out
    code, out = affiant(site, capsys, *arguments, "--json")
    told = json.loads(out)
    assert (told["against"], told["records"], told["changed"], told["decided"]) == (other, 20, 20, 20)
    rows = pq.read_table(out_file).to_pylist()
    assert len(rows) == 20
    flips = sum((row["recorded"] >= 0.5) != (row["replayed"] >= 0.5) for row in rows)
    assert sum(flip["rows"] for flip in told["flips"]) == flips
    assert told["largest_difference"] == max(row["difference"] for row in rows)


def test_rows_without_a_decision_are_told_with_the_reason(site, capsys) -> None:
    """The recorded model is not in the store any more: its threshold is not to be had."""
    ship(site)
    shutil.rmtree(site.directory / "data" / "store")
    other = site.push(batch_bound_package())
    code, out = affiant(site, capsys, "--against", other)
    said = " ".join(out.split())
    assert code == 0, out
    assert "of 20 decisions would have been another one that is of 20 of 40 rows" in said
    assert "20 of 40 rows without a decision: the recorded model's rule is not known: model missing" in said


def test_a_forged_record_in_front_is_told_and_hides_nothing(site, capsys) -> None:
    """Whoever puts it there takes the verdict from none of the others; exit code 1."""
    opening, *records = site.records()
    genuine = next(record for record in records if record.entry.get(Key.SERVICE) == "numbers")
    fields = {**genuine.entry.fields, Key.SEQUENCE: 10**9}
    ship(site, [opening, Record(parse_entry(encode_entry(fields)), genuine.payload), *records])
    code, out = affiant(site, capsys)
    assert code == 1
    assert "41 answers in" in out
    assert "OUT OF ORDER: 40 of the records, the first at partition 0, offset 2:" in out
    code, out = affiant(site, capsys, "--json")
    told = json.loads(out)
    assert (code, told["verdicts"]["identical"], told["duplicates"], told["out_of_order"]) == (1, 41, 0, 40)
    assert told["first_out_of_order"][0] == {
        "record": records[0].entry.record_id, "partition": 0, "offset": 2,
    }  # fmt: skip
    assert len(told["first_out_of_order"]) == 20
    code, out = affiant(
        site, capsys, "--against", number_package().digest, "--model", number_package().digest
    )
    assert (code, "OUT OF ORDER: 40 of the records" in out) == (0, True)


def test_of_a_record_each_entry_under_its_id_is_judged(site, capsys) -> None:
    """A forged answer in front of the true one does not take its verdict; the same entry twice has one."""
    opening, *records = site.records()
    at = next(at for at, record in enumerate(records) if record.entry.get(Key.SERVICE) == "numbers")
    fake, name = forged(records[at], b'{"predictions":[0.25]}'), records[at].entry.record_id
    ship(site, [opening, *records[:at], fake, *records[at:]])
    code, out = affiant(site, capsys, name)
    assert code == 1
    assert [line.split()[:2] for line in out.splitlines()[:2]] == [["DIFFERENT", name], ["IDENTICAL", name]]
    assert f"OUT OF ORDER: 1 of the records, the first at partition 0, offset {at + 2}:" in out
    code, out = affiant(site, capsys, name, "--json")
    told = json.loads(out)
    assert (told["verdicts"]["different"], told["verdicts"]["identical"], told["out_of_order"]) == (1, 1, 1)
    assert told["first_out_of_order"] == [{"record": name, "partition": 0, "offset": at + 2}]
    shutil.rmtree(site.directory / "data" / "log")
    ship(site, [opening, *records[: at + 1], *records[at:]])
    code, out = affiant(site, capsys, name, "--json")
    told = json.loads(out)
    assert (code, told["records"], told["duplicates"], told["out_of_order"]) == (0, 1, 1, 0)


class Seal:
    """The notary's state, in memory: all of a log is sealed."""

    def __init__(self, size: int) -> None:
        self.state = State("o/1", size=size)

    def begin_archive(self, end: int) -> None:
        self.state = self.state.archive_begun(end)

    def finish_archive(self) -> None:
        self.state = self.state.archive_finished()


def test_the_archive_has_what_the_log_lost(site, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log begins later; records, the rest of their batches and the openings come from the archive."""
    monkeypatch.setattr("audit.log.local.SEGMENT_BYTES", 4096)
    directory = ship(site, at_once=4)
    log = LocalLog(directory, "affiant-entries", 1)
    entries = list(walk(log.reader(), 0, *log.reader().bounds(0)))
    archiver = Archiver(
        DirectoryObjects(site.directory / "data" / "sealed"), log.topic().id, 0, 0, 0, Limits(16)
    )
    for entry in entries:
        archiver.add(entry.offset, entry.timestamp, *split_record(entry.value))
    while archiver.archive(Seal(len(entries)), 0.0, flush=True):
        pass
    for segment in sorted((directory / "0").glob("*.log"))[:3]:
        segment.unlink()
    (lost, _), records = log.reader().bounds(0), site.records()
    assert 5 < lost < len(records)
    code, out = affiant(site, capsys, "--json")
    assert (code, json.loads(out)["verdicts"]["identical"]) == (0, 40)
    code, out = affiant(site, capsys, f"0:{lost - 2}-{lost + 1}", "--json")
    assert (code, json.loads(out)["records"]) == (0, 4)
    shutil.rmtree(directory)
    code, out = affiant(site, capsys, "--archive", "--json")
    assert (code, json.loads(out)["verdicts"]["identical"]) == (0, 40)
    code, out = affiant(site, capsys, "--archive", records[-3].entry.record_id)
    assert (code, out.split()[0]) == (0, "IDENTICAL")
    for folder in list((site.directory / "data" / "sealed").rglob("payloads")):
        shutil.rmtree(folder)
    code, out = affiant(site, capsys, "--archive")
    assert code == 1
    assert (
        "not replayable: payload: not there, and no signed statement tells of its erasure (over its time, or removed)"
        in out
    )
    assert "0 of 40 replayed" in out
    given = ("--archive", "--against", records[-3].entry.fields[Key.DIGEST].hex())
    assert affiant(site, capsys, *given)[0] == 1


def test_a_damaged_log_is_wrong_and_no_outage(site, capsys) -> None:
    """Asking again would give the same: exit code 1, as `affiant log verify` has it."""
    (segment,) = (ship(site) / "0").glob("*.log")
    raw = bytearray(segment.read_bytes())
    raw[len(raw) // 2] ^= 1
    segment.write_bytes(raw)
    given = ["audit", "replay", "--config", str(site.config)]
    assert guarded(lambda: app(args=given, prog_name="affiant"), given) == 1
    assert "damaged at byte" in capsys.readouterr().err
    given = ["log", "verify", "--config", str(site.config)]
    assert guarded(lambda: app(args=given, prog_name="affiant"), given) == 1


async def large(site: Site) -> None:
    """One answer whose payload is too large for the log."""
    rows = [[number / 7, -number / 3, number / 11] for number in range(4096)]
    async with open_gateway(site) as front:
        answer = await ask(front, "/v1/models/numbers:predict", json.dumps({"instances": rows}).encode())
    assert answer.status == 200


def test_a_payload_in_the_object_store_is_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And told as erased, or as other bytes, when it is."""
    site = Site(tmp_path, journal={"external_bytes": 256 << 10})
    site.serve("numbers", number_package())
    asyncio.run(large(site))
    ship(site)
    (record,) = [record for record in site.records() if record.entry.get(Key.EXTERNAL)]
    code, out = affiant(site, capsys, "--json")
    assert (code, json.loads(out)["verdicts"]["identical"]) == (0, 1)
    (stored,) = [path for path in (site.directory / "data" / "objects").rglob("*") if path.is_file()]
    stored.write_bytes(record.payload[:-1])
    code, out = affiant(site, capsys)
    assert code == 1
    assert "payload: not the bytes that the entry's digest covers" in out
    stored.unlink()
    code, out = affiant(site, capsys)
    assert code == 1  # nothing at all could be replayed
    assert "tells of its erasure (over its time, or removed from the object store)" in out
    assert "0 of 1 replayed" in out


def test_a_machine_without_the_runtime_is_told_what_to_install(
    site, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay asks the models themselves."""
    ship(site)
    monkeypatch.setitem(sys.modules, "xgboost", None)
    given = ["audit", "replay", "--config", str(site.config)]
    assert guarded(lambda: app(args=given, prog_name="affiant"), given) == 2
    assert "install affiant[auditor,gateway-cpu]" in capsys.readouterr().err
