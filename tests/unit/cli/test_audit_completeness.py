"""What `affiant audit completeness` prints: strangers' words as words, and what was not looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.auditor.complete import MOST_WORKERS
from cli.main import run
from service.settings import GatewaySettings
from tests.components.sealed import SealedLog, sealed_log
from tests.components.webhook import Exporter

HOSTILE = "\x1b]0;all is well\x07" + "x" * 5_000
NOT_COMPARED = "answers were not compared: no --gateway; a cut tail would not show"
ID = "5e" * 16


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SealedLog:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = sealed_log(tmp_path)
    made.settings()
    return made


@pytest.fixture
def hostile(sealed: SealedLog) -> SealedLog:
    """Who has the archive's keys names a journal as he likes."""
    (path,) = (sealed.store / "archive" / "entries").rglob("*.parquet")
    table = pq.read_table(path, partitioning=None)
    at = table.schema.get_field_index("journal")
    names = pa.array([HOSTILE] * len(table), table.schema.field(at).type)
    pq.write_table(table.set_column(at, table.schema.field(at), names), path, store_schema=False)
    return sealed


def completeness(sealed: SealedLog, *arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        run(["audit", "completeness", "-c", str(sealed.root / "affiant.toml"), *arguments])
    assert isinstance(end.value.code, int)
    return end.value.code


def page(journal: str = ID, workers: str = "1") -> str:
    """What a gateway's worker says that has answered nothing."""
    return (
        f"affiant_journal_epoch 1\naffiant_journal_sequence 0\n"
        f'affiant_workers{{journal="{journal}"}} {workers}\n'
    )


def seen(text: str) -> bool:
    """Nothing of it steers a terminal."""
    return all(each == "\n" or each.isprintable() for each in text)


def test_a_journals_name_steers_no_terminal_and_fills_none(
    hostile: SealedLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the table, and in the line about journals that no gateway has, which is as long as an id and a mark."""
    with Exporter(page()) as gateway:
        assert completeness(hostile, "--gateway", f"http://{gateway.address}") == 0
    said = capsys.readouterr()
    assert seen(said.out + said.err)
    (stranger,) = (line for line in said.out.splitlines() if "no gateway that was asked has it" in line)
    assert stranger.startswith("journal \ufffd]0;all is well\ufffd" + "x" * 16 + "…: no gateway")
    (row,) = (line for line in said.out.splitlines() if line.startswith("20"))
    assert row.split("  ")[1] == "\ufffd]0;all is w…"


def test_in_json_a_journals_name_is_whole_and_escaped(
    hostile: SealedLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that reads it gets what the archive says."""
    assert completeness(hostile, "--json") == 0
    said = capsys.readouterr().out
    assert seen(said)
    assert {json.loads(line)["journal"] for line in said.splitlines()} == {HOSTILE}


@pytest.mark.parametrize(
    "text", [page("\x1b]0;x\x07"), page(workers="1e9"), page(workers="+Inf"), page(workers="NaN")]
)
def test_a_gateway_that_says_what_none_can_is_named(
    text: str, sealed: SealedLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 after one look: it is not asked for each worker that it claims to have."""
    with Exporter(text) as gateway:
        assert completeness(sealed, "--gateway", f"http://{gateway.address}") == 2
        assert gateway.scrapes < 16
    said = capsys.readouterr()
    assert seen(said.err)
    assert f"--gateway: http://{gateway.address}/metrics: affiant_workers" in said.err
    assert said.out == ""


def test_the_most_workers_that_are_believed_are_the_most_that_can_be_set() -> None:
    """Else a gateway that is as large as it may be could not be audited."""
    (most,) = (each.le for each in GatewaySettings.model_fields["workers"].metadata if hasattr(each, "le"))
    assert most == MOST_WORKERS


def test_without_a_gateway_it_is_said_that_no_answers_were_compared(
    sealed: SealedLog, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the numbers are read: under the table, and in each object. With one it is not said."""
    assert completeness(sealed) == 0
    assert capsys.readouterr().out.splitlines()[-1] == NOT_COMPARED
    assert completeness(sealed, "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["answers_compared"] for row in rows] == [False] * len(rows) != []
    with Exporter(page()) as gateway:
        asked = ("--gateway", f"http://{gateway.address}")
        assert completeness(sealed, *asked) == 0
        assert NOT_COMPARED not in capsys.readouterr().out
        assert completeness(sealed, *asked, "--json") == 0
    minutes = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["answers_compared"] for row in minutes if row["type"] == "minute"} == {True}
