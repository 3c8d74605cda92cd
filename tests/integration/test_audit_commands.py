"""`affiant audit show`, `search`, `prove`, `trace` and `completeness`: a real gateway's answers, really sealed."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.archive import Archiver
from audit.config import load
from audit.log import configured_log
from audit.notary.seal import Seal
from audit.proof.receipt import parse_receipt, verify_receipt
from audit.proof.record import split_record
from audit.show import walk
from cli.main import guarded, run
from service.auth import add_key, list_keys
from tests.components.gateway import JSON, Site, ask, open_gateway
from tests.components.packages import number_package
from tests.components.replays import ship
from tests.components.sealer import NAME, Sealer
from tests.components.sworn import two_epochs

ANSWERED, REFUSED = 9, 2
CALLERS = ("alice-batch", "bob-web")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, list[str], str, Sealer]:
    """Answers and refusals of a gateway, shipped, sealed and archived; and what its /metrics said at the end."""
    site = Site(tmp_path_factory.mktemp("recorded") / "site", tables={"notary": {"name": NAME}})
    site.directory.mkdir()
    site.gateway["keys_file"] = "keys.json"
    callers = [{"x-api-key": add_key(site.directory / "keys.json", name)} for name in CALLERS]
    site.serve("numbers", number_package())
    site.serve("numbers", number_package("other", 3), slot="shadow")
    records: list[str] = []

    async def epoch() -> str:
        async with open_gateway(site) as front:
            for number in range(ANSWERED):
                body = json.dumps({"instances": [[float(number), 2.0, 3.0]]}).encode()
                headers = JSON | {"x-request-id": f"mine-{number}"} | callers[number % 2]
                answer = await ask(front, "/v1/models/numbers:predict", body, headers=headers)
                assert answer.status == 200
                records.append(answer.headers["affiant-record"])
            for _ in range(REFUSED):
                refused = await ask(
                    front, "/v1/models/numbers:predict", b'{"instances":"no"}', headers=JSON | callers[0]
                )
                assert refused.status == 400
            return (await ask(front, "/metrics", method="GET")).body.decode()

    metrics = asyncio.run(epoch())
    ship(site)
    config = load(site.config)
    sealer = Sealer(configured_log(config), config.data)
    (site.directory / "notary.pub").write_text(sealer.public_key.read_text())
    end = sealer.seal()
    archive(sealer, end - 2)
    return site, records, metrics, sealer


def archive(sealer: Sealer, end: int) -> None:
    """The archive of all but the newest records."""
    seal, reader = Seal(sealer.objects, sealer.tree(), sealer.key), sealer.log.reader()
    archiver = Archiver(sealer.objects, sealer.tree().topic, 0, 0, 0)
    for entry in walk(reader, 0, 0, end):
        archiver.add(entry.offset, entry.timestamp, *split_record(entry.value or b""))
    archiver.archive(seal, 0.0, flush=True)
    reader.close()
    seal.close()


@pytest.fixture
def affiant(recorded, tmp_path: Path, capsys, monkeypatch):
    """Runs a command with a copy of the site; exit code, output."""
    site = recorded[0]
    shutil.copytree(site.directory, tmp_path / "site")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        given = ["audit", *arguments, "--config", str(tmp_path / "site" / "affiant.toml")]
        code = guarded(lambda: run(given), given)
        out, err = capsys.readouterr()
        return code, out + err

    return command


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_show_decodes_and_proves_without_gateway_or_log(recorded, affiant, tmp_path: Path) -> None:
    """The archive and the trees alone are enough; nothing is made where the log was."""
    shutil.rmtree(tmp_path / "site" / "data" / "log")
    code, output = affiant("show", recorded[1][3], "--json")
    shown = json.loads(output)
    assert code == 0
    assert set(shown["holds"].values()) == {True}
    assert shown["entry"]["request_id"] == "mine-3"
    assert shown["request"]["body"] == {"instances": [[3.0, 2.0, 3.0]]}
    assert shown["payload_from"] == "archive"
    code, output = affiant("show", recorded[1][3])
    assert code == 0
    assert "signed by the notary" in output
    assert not (tmp_path / "site" / "data" / "log").exists()
    assert len(list((tmp_path / "cache" / "affiant" / "index").glob("*.duckdb"))) == 1


def test_show_says_what_does_not_hold_and_what_is_not_there(recorded, affiant) -> None:
    """Exit code 1 for both; a line that says which."""
    code, output = affiant("show", f"{'0' * 32}-7")
    assert (code, output.startswith("affiant: no sealed record")) == (1, True)


@pytest.mark.parametrize("command", ["show", "prove", "trace"])
def test_what_is_no_record_id_is_wrong_usage_and_what_is_not_there_a_finding(
    recorded, affiant, tmp_path: Path, command: str
) -> None:
    """The same in each command that takes a record; nothing is opened for a slip of the pen."""
    more = ("-o", str(tmp_path / "receipt")) if command == "prove" else ()
    for slip in ("nonsense", recorded[1][0].upper(), f"{recorded[1][0]} "):
        code, output = affiant(command, slip, *more)
        assert (code, output.startswith("affiant: RECORD is")) == (2, True)
    assert not (tmp_path / "cache").exists()
    code, output = affiant(command, f"{'0' * 32}-7", *more)
    assert (code, "no sealed record" in output) == (1, True)
    assert not (tmp_path / "receipt").exists()


def test_search_finds_by_the_clients_own_id_and_lists_what_is_proved(recorded, affiant) -> None:
    """One object a line, each proved."""
    code, output = affiant("search", "--request-id", "mine-4", "--slot", "live", "--json")
    (row,) = lines(output)
    assert (code, row["record"], row["proved"], row["status"]) == (0, recorded[1][4], True, 200)
    code, output = affiant("search", "--service", "numbers", "--slot", "live", "--status", "200")
    assert code == 0
    assert sum(record in output for record in recorded[1]) == ANSWERED
    assert "there may be more" not in output
    code, output = affiant("search", "--limit", "3")
    assert (code, "the newest 3 are listed, and there may be more" in output) == (0, True)
    code, output = affiant("search", "--service", "nobody")
    assert (code, output) == (
        0, "the index knows none that fits; what the archive hides only `affiant audit verify` finds\n",
    )  # fmt: skip
    code, output = affiant("search", "--since", "2026-01-02", "--until", "2026-01-01")
    assert (code, "no time lies between" in output) == (2, True)
    code, output = affiant("search", "--kind", "any", "--json")
    kinds = [row["kind"] for row in lines(output)]
    assert kinds.count("inference") == 2 * ANSWERED + REFUSED
    assert {"opening", "closing"} <= set(kinds)


def test_search_finds_by_the_packages_digest_or_its_first_digits(recorded, affiant) -> None:
    """Two packages answered each request: each is found with its own records, and with no other's."""
    asked = {row["record"]: row for row in lines(affiant("search", "--json")[1])}
    packages = {slot: digest for _, digest, slot, _ in recorded[0].plan}
    assert len(set(packages.values())) == 2
    for slot, digest in packages.items():
        wanted = {record for record, row in asked.items() if row["slot"] == slot and row["status"] == 200}
        assert len(wanted) == ANSWERED
        for form in (digest, digest[:15], digest.removeprefix("sha256:")[:8]):
            code, output = affiant("search", "--digest", form, "--status", "200", "--json")
            assert (code, {row["record"] for row in lines(output)}) == (0, wanted)
            assert {(row["digest"], row["proved"]) for row in lines(output)} == {(digest, True)}
    code, output = affiant("search", "--digest", packages["live"], "--status", "200", "--json")
    assert {row["record"] for row in lines(output)} == set(recorded[1])
    code, output = affiant("search", "--digest", f"{int(packages['live'][7:], 16) ^ 1:064x}")
    assert (code, output.startswith("the index knows none that fits")) == (0, True)


def test_search_finds_by_the_callers_pseudonym(recorded, affiant) -> None:
    """Two callers asked by turns, in both slots; the first was refused, too. A third has asked nothing."""
    pseudonyms = dict(list_keys(recorded[0].directory / "keys.json"))
    for number, name in enumerate(CALLERS):
        code, output = affiant("search", "--caller", pseudonyms[name], "--slot", "live", "--json")
        found = {row["record"] for row in lines(output) if row["status"] == 200}
        assert (code, found) == (0, set(recorded[1][number::2]))
        assert {(row["caller"], row["proved"]) for row in lines(output)} == {(pseudonyms[name], True)}
        code, output = affiant("search", "--caller", pseudonyms[name], "--json")
        assert len(lines(output)) == 2 * len(recorded[1][number::2]) + (REFUSED if number == 0 else 0)
    code, output = affiant("search", "--caller", "0aff" * 8)
    assert (code, output.startswith("the index knows none that fits")) == (0, True)


def test_what_an_edited_archive_says_is_told_and_forgotten_once_it_is_put_right(
    recorded, affiant, tmp_path: Path
) -> None:
    """With what to do when the index alone is wrong; nobody has to do it."""
    (path,) = (tmp_path / "site").rglob("archive/entries/**/*.parquet")
    content, table = path.read_bytes(), pq.read_table(path, partitioning=None)
    at = table.schema.get_field_index("service")
    forged = [service and "forged" for service in table.column("service").to_pylist()]
    pq.write_table(
        table.set_column(at, table.field(at), pa.array(forged, table.field(at).type)),
        path,
        store_schema=False,
    )
    code, output = affiant("search", "--service", "forged", "--slot", "live")
    said = "the archive says service forged, the sealed entry numbers: the archive was changed, or the index"
    assert (code, output.count(said) >= ANSWERED) == (1, True)
    assert re.search(
        r"^if `affiant audit verify` finds nothing wrong, delete the index /.*: it is made again$",
        output,
        re.MULTILINE,
    )
    path.write_bytes(content)
    code, output = affiant("search", "--service", "forged")
    assert (code, output.startswith("the index knows none that fits")) == (0, True)
    code, output = affiant("search", "--service", "numbers", "--slot", "live", "--status", "200")
    assert (code, sum(record in output for record in recorded[1])) == (0, ANSWERED)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--slot", "purple"), ("--kind", "foo"), ("--digest", "zzz"), ("--digest", "sha256:" + "0" * 65),
        ("--caller", "Mary"), ("--subject", "0AFF" * 8), ("--subject", "0"), ("--subject", ""),
        ("--caller", "abcd"), ("--subject", "0a" * 17), ("--status", "99"), ("--status", "600"),
    ],
)  # fmt: skip
def test_search_refuses_what_no_entry_can_have(affiant, wrong: tuple[str, str]) -> None:
    """Else "nothing was found" would be the answer to a slip of the pen."""
    code, output = affiant("search", *wrong)
    assert (code, f"{wrong[0][2:]} is '{wrong[1]}'" in output) == (2, True)
    assert affiant("search", "--kind", "heartbeat", "--digest", "sha256:0f", "--caller", "0aff" * 8)[0] == 0


@pytest.mark.parametrize(
    "filters", [("--status", "200"), ("--limit", "7"), ("--kind", "any"), ("--slot", "live")]
)
def test_search_by_sql_goes_without_filters(affiant, filters: tuple[str, str]) -> None:
    """They would be left out without a word."""
    code, output = affiant("search", "--sql", "SELECT 1", *filters)
    assert (code, "--sql goes without filters" in output) == (2, True)


def test_search_by_sql_answers_in_json_whatever_the_values_are(affiant) -> None:
    """As texts, what JSON has no numbers for."""
    sql = "SELECT 'nan'::DOUBLE AS a, ['-inf'::DOUBLE, 1.5] AS b, {'c': 'inf'::FLOAT} AS c, MAP {1: 'nan'::DOUBLE} AS d"
    code, output = affiant("search", "--sql", sql, "--json")

    def no_json(constant: str) -> None:
        raise AssertionError(constant)

    told = json.loads(output, parse_constant=no_json)
    assert (code, told) == (0, {"a": "nan", "b": ["-inf", 1.5], "c": {"c": "inf"}, "d": {"1": "nan"}})


def test_search_takes_sql_and_refuses_what_is_no_question(recorded, affiant) -> None:
    """Payloads can be joined; the exit code of a refused statement is that of wrong usage."""
    sql = 'SELECT status, count(*) AS n FROM entries LEFT JOIN payloads USING ("offset") GROUP BY status ORDER BY n'
    code, output = affiant("search", "--sql", sql, "--json")
    assert code == 0
    assert {row["status"]: row["n"] for row in lines(output)}[200] == 2 * ANSWERED
    code, output = affiant("search", "--sql", "DROP TABLE entries")
    assert (code, "only SELECT" in output) == (2, True)


def test_prove_writes_a_receipt_that_holds(recorded, affiant, tmp_path: Path) -> None:
    """By the notary's key alone; and it says what was proved, under what, and where that lies now."""
    sealer, written = recorded[3], tmp_path / "mine.tlog-proof"
    code, output = affiant("prove", recorded[1][0], "-o", str(written))
    receipt = parse_receipt(written.read_bytes())
    assert code == 0
    opened = verify_receipt(receipt, sealer.tree().key(sealer.key.public_key))
    told = dict(line.split("  ", 1) for line in output.splitlines())
    told = {name: value.strip() for name, value in told.items()}
    assert told["proved"] == f"record {recorded[1][0]} is in the sealed log"
    assert told["tree"] == opened.checkpoint.origin
    assert told["offset"].startswith(f"{receipt.index}, of {opened.checkpoint.size} entries")
    assert (
        told["checkpoint"]
        == f"root {opened.checkpoint.root.hex()}, signed by the notary; no witness vouches for it"
    )
    assert told["receipt"].startswith(f"{written}, {written.stat().st_size} bytes")
    code, output = affiant("prove", recorded[1][0], "-o", str(tmp_path / "other"), "--json")
    assert (code, json.loads(output)["root"]) == (0, opened.checkpoint.root.hex())


def test_prove_overwrites_nothing_unless_it_is_told_to(recorded, affiant, tmp_path: Path) -> None:
    """A receipt of another day may be the only one that a rolled back log cannot explain."""
    written = tmp_path / "mine.tlog-proof"
    written.write_bytes(b"of last year")
    code, output = affiant("prove", recorded[1][0], "-o", str(written))
    assert (code, "is there already" in output, "--force" in output) == (2, True, True)
    assert written.read_bytes() == b"of last year"
    assert not (tmp_path / "cache").exists()
    assert affiant("prove", recorded[1][0], "-o", str(written), "--force")[0] == 0
    assert parse_receipt(written.read_bytes()).index >= 0
    for place, words in ((tmp_path / "none" / "x", "there is no folder"), (tmp_path, "it is a folder")):
        code, output = affiant("prove", recorded[1][0], "-o", str(place))
        assert (code, words in output) == (2, True)


def test_trace_leads_from_an_answer_to_what_its_model_was_made_of(recorded, affiant, tmp_path: Path) -> None:
    """The package is verified byte by byte; its lineage is shown as it is."""
    package = number_package()
    code, output = affiant("trace", recorded[1][5], "--json")
    told = json.loads(output)
    assert code == 0
    assert told["package"]["digest"] == package.digest
    assert told["lineage"] == dict(package.lineage)
    assert "training_table" in told["lineage"]
    code, output = affiant("trace", recorded[1][5])
    assert code == 0
    assert package.lineage["training_table"]["sha256"] in output
    shutil.rmtree(tmp_path / "site" / "data" / "store")
    assert affiant("trace", recorded[1][5])[0] in (1, 3)


class Metrics:
    """A page that says what a gateway said."""

    def __init__(self, text: str) -> None:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 64  # so that none of those who ask together waits for a second try

        self.server = Server(("127.0.0.1", 0), Page)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.url

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_completeness_holds_a_gateways_own_count_against_what_is_sealed(
    recorded, affiant, tmp_path: Path
) -> None:
    """Answers, recorded entries and sealed ones agree, by status; Prometheus gets the same."""
    textfile = tmp_path / "affiant.prom"
    with Metrics(recorded[2]) as url:
        code, output = affiant("completeness", "--gateway", url, "--textfile", str(textfile), "--json")
    told = {row["type"]: row for row in lines(output)}
    assert code == 0
    assert told["gateway"]["answered"] == told["gateway"]["answers"] == ANSWERED + REFUSED
    assert (told["gateway"]["unrecorded"], told["gateway"]["behind"]) == (0, 0)
    minutes = [row for row in lines(output) if row["type"] == "minute"]
    assert sum(row["missing"] for row in minutes) == 0
    assert sum(row["shadows"] for row in minutes) == ANSWERED
    journal = recorded[1][0].rpartition("-")[0]
    exported = textfile.read_text().splitlines()
    assert f'affiant_audit_answered{{journal="{journal}"}} {float(ANSWERED + REFUSED)}' in exported
    assert f'affiant_audit_unrecorded{{journal="{journal}"}} 0.0' in exported


def test_completeness_followed_tells_what_each_minute_added(
    recorded, affiant, monkeypatch, tmp_path: Path
) -> None:
    """Until it is stopped; what was added is counted from one look to the next. In between others have the index."""
    slept: list[float] = []
    elsewhere: list[str] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        (index,) = (tmp_path / "cache" / "affiant" / "index").glob("*.duckdb")
        code = f"import duckdb; duckdb.connect({str(index)!r}).close(); print('free')"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        elsewhere.append(done.stdout.strip() or done.stderr)
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("cli.audit_completeness.time.sleep", sleep)
    textfile = tmp_path / "affiant.prom"
    with Metrics(recorded[2]) as url:
        code, output = affiant(
            "completeness", "--gateway", url, "--follow", "--textfile", str(textfile), "--json"
        )
    looks = [row for row in lines(output) if row["type"] == "gateway"]
    assert (code, len(looks)) == (130, 2)
    assert elsewhere == ["free", "free"]
    assert "minute_answered" not in looks[0]
    assert looks[1]["minute_answered"] == looks[1]["minute_answers"] == 0
    assert all(50 < seconds <= 60 for seconds in slept)
    assert "affiant_audit_minute_answered" in textfile.read_text()


def test_completeness_followed_outlives_a_gateway_that_is_away(affiant, monkeypatch) -> None:
    """It says so and asks again; asked once, it is an outage."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("cli.audit_completeness.time.sleep", sleep)
    code, output = affiant("completeness", "--gateway", "http://127.0.0.1:1", "--follow")
    assert (code, output.count("not looked this time: http://127.0.0.1:1")) == (130, 3)
    assert affiant("completeness", "--gateway", "http://127.0.0.1:1")[0] == 3
    with Metrics("up 1\n") as url:
        code, output = affiant("completeness", "--gateway", url)
    assert (code, f"--gateway: {url}/metrics" in output) == (2, True)
    code, output = affiant("completeness", "--since", "2100-01-01")
    assert (code, "no sealed entry of a journal is of that time" in output) == (2, True)


def test_completeness_finds_an_answer_that_nobody_recorded(recorded, affiant) -> None:
    """A gateway that has answered more than the log holds, or recorded more than is sealed, shows."""
    journal = recorded[1][0].rpartition("-")[0]
    more = recorded[2].replace(
        f'affiant_recorded_answers_total{{journal="{journal}",status="200"}} {float(ANSWERED)}',
        f'affiant_recorded_answers_total{{journal="{journal}",status="200"}} {float(ANSWERED + 1)}',
    )
    assert more != recorded[2]
    with Metrics(more) as url:
        code, output = affiant("completeness", "--gateway", url, "--wait", "0")
    assert (code, "1 not" in output) == (1, True)
    (sequence,) = (line for line in recorded[2].splitlines() if line.startswith("affiant_journal_sequence"))
    later = recorded[2].replace(sequence, f"affiant_journal_sequence{sequence[24:].split(' ')[0]} 1000.0")
    with Metrics(later) as url:
        code, output = affiant("completeness", "--gateway", url, "--wait", "0")
    assert (code, "entries behind" in output) == (1, True)
    assert affiant("completeness", "--gateway", "http://127.0.0.1:1")[0] == 3
    assert affiant("completeness", "--gateway", "127.0.0.1:1")[0] == 2


@pytest.fixture
def invented(recorded, tmp_path: Path) -> list[str]:
    """Two journals that somebody has invented, of a day long ago, sealed in the copy; the gateway's id is between."""
    names = [bytes(16), b"\xff" * 16]
    log = configured_log(load(tmp_path / "site" / "affiant.toml"))
    writer = log.writer(0)
    for name in names:
        for key, value in two_epochs(2, name).values:
            writer.send(value, key)
    writer.close()
    Sealer(log, tmp_path / "site" / "data", key=recorded[3].key).seal()
    return [name.hex() for name in names]


def test_completeness_names_journals_that_no_gateway_has_that_was_asked(recorded, affiant, invented) -> None:
    """Anybody who can write to the topic can begin one; those of the gateways that were asked are not named."""
    with Metrics(recorded[2]) as url:
        code, output = affiant("completeness", "--gateway", url)
        told = [line.split()[1] for line in output.splitlines() if "no gateway that was asked has it" in line]
        assert (code, told) == (0, [f"{journal}:" for journal in invented])
        code, output = affiant("completeness", "--gateway", url, "--json")
        assert [row["journal"] for row in lines(output) if row["type"] == "stranger"] == invented
        code, output = affiant("completeness", "--gateway", url, "--since", "2026-01-01")
        assert (code, "no gateway that was asked" in output) == (0, False)
    code, output = affiant("completeness")
    assert (code, "no gateway that was asked" in output, invented[0][:12] in output) == (0, False, True)


def test_completeness_followed_tells_the_newest_minutes_and_every_stranger(
    recorded, affiant, invented, monkeypatch
) -> None:
    """The newest of all journals, however their ids are ordered; who is strange is named however long ago it was."""

    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.audit_completeness.time.sleep", sleep)
    monkeypatch.setattr("cli.audit_completeness._SHOWN", 1)
    with Metrics(recorded[2]) as url:
        _, output = affiant("completeness", "--gateway", url, "--follow", "--json")
    rows = lines(output)
    (newest,) = [row for row in rows if row["type"] == "minute"]
    assert newest["journal"] == recorded[1][0].rpartition("-")[0]
    assert [row["journal"] for row in rows if row["type"] == "stranger"] == invented


def test_completeness_of_nothing_is_no_success(recorded, affiant, tmp_path: Path) -> None:
    """A time of which nothing is, and a log that is sealed and has no journal: exit code 2, and no file is written."""
    textfile = tmp_path / "affiant.prom"
    textfile.write_text("of before\n")
    more = ("--textfile", str(textfile))
    for option, day in (("--since", "2100-01-01"), ("--until", "2000-01-01")):
        code, output = affiant("completeness", option, day, *more)
        assert (code, "--since, --until: no sealed entry of a journal is of that time" in output) == (2, True)
    for name in ("log", "sealed"):
        shutil.rmtree(tmp_path / "site" / "data" / name)
    config = load(tmp_path / "site" / "affiant.toml")
    writer = configured_log(config).writer(0)
    writer.send(b"no record", b"")
    writer.close()
    Sealer(configured_log(config), config.data, key=recorded[3].key).seal()
    code, output = affiant("completeness", *more)
    assert (code, "nothing of a journal is sealed yet: there was nothing to count" in output) == (2, True)
    assert textfile.read_text() == "of before\n"


def test_completeness_says_nothing_of_a_gateway_of_which_a_worker_is_not_heard(
    recorded, affiant, tmp_path: Path
) -> None:
    """Exit code 3, and no numbers: those of the others would pass for all."""
    journal = recorded[1][0].rpartition("-")[0]
    one = f'affiant_workers{{journal="{journal}"}} 1.0'
    assert one in recorded[2]
    textfile = tmp_path / "affiant.prom"
    with Metrics(recorded[2].replace(one, f"{one[:-3]}2.0")) as url:
        code, output = affiant("completeness", "--gateway", url, "--textfile", str(textfile))
    assert (code, "1 of 2 workers were heard" in output, "answered" in output) == (3, True, True)
    assert "recorded and sealed" not in output
    assert not textfile.exists()


def test_completeness_finds_what_is_missing_in_the_sealed_log(recorded, affiant, tmp_path: Path) -> None:
    """A record that was dropped on its way leaves a gap in its journal's sequence."""
    store = tmp_path / "site" / "data" / "sealed"
    shutil.rmtree(store)
    shutil.rmtree(tmp_path / "site" / "data" / "log")
    copy = Site(tmp_path / "site")
    records = copy.records()
    ship(copy, [record for number, record in enumerate(records) if number != 6])
    sealer = Sealer(configured_log(load(copy.config)), tmp_path / "site" / "data")
    (tmp_path / "site" / "notary.pub").write_text(sealer.public_key.read_text())
    sealer.seal()
    code, output = affiant("completeness", "--json")
    assert (code, sum(row["missing"] for row in lines(output))) == (1, 1)


def test_every_command_has_its_help_with_an_example(affiant, capsys) -> None:
    """And the group lists them all."""
    for command in ("show", "search", "prove", "trace", "completeness", "replay"):
        given = ["audit", command, "--help"]
        assert guarded(lambda given=given: run(given), given) == 0
        assert "Example: affiant audit" in capsys.readouterr().out
