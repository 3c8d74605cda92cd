"""`affiant log` over a local log: what is not there, what is damaged, and what it says of both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit.check import Checked
from audit.follow import Flaw
from audit.log.local import LocalLog
from audit.settings import LogSettings
from cli.main import run
from tests.components.journals import write_journal
from tests.fault.ship.world import drain, shipper_of


@dataclass
class Affiant:
    """A project's directory, and its command run in this process."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def data(self) -> Path:
        """The shared volume."""
        return self.root / "affiant-data"

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and error output."""
        with pytest.raises(SystemExit) as end:
            run([*arguments, "--config", str(self.root / "affiant.toml")])
        out, err = self.capsys.readouterr()
        return int(end.value.code or 0), out, " ".join(err.split())

    def json(self, *arguments: str) -> Any:
        """What it printed as JSON."""
        return json.loads(self(*arguments, "--json")[1])

    def ship(self, *requests: bytes) -> list[str]:
        """Requests that were answered, in the log; their record ids."""
        records = write_journal(self.data, requests)
        drain(
            shipper_of(self.data, LocalLog(self.data / "log", LogSettings().topic), self.data / "shipping/0")
        )
        return records


@pytest.fixture
def affiant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Affiant:
    """A fresh project, with the settings that it begins with."""
    (tmp_path / "affiant.toml").write_text("")
    return Affiant(tmp_path, capsys)


@pytest.mark.parametrize(
    "words",
    ["log verify", "log tail", "log stats", f"log show {'0' * 32}-1"],
)
def test_reading_a_log_that_is_not_there_says_so_and_makes_none(affiant: Affiant, words: str) -> None:
    """An empty log that a reader made would be without a flaw."""
    code, out, err = affiant(*words.split())
    assert code == 3, out + err
    assert "there is no log yet" in err
    assert "affiant up" in err
    assert not affiant.data.exists()


def test_topics_that_are_not_there_are_findings(affiant: Affiant) -> None:
    """Both are named, neither is made; afterwards one command makes them."""
    findings = affiant.json("topics", "check")
    assert {(found["topic"], found["found"]) for found in findings} == {
        ("affiant-entries", "absent"),
        ("affiant-governance", "absent"),
    }
    code, out, _ = affiant("topics", "check")
    assert (code, out.count("`affiant topics create` makes it")) == (1, 2)
    assert not affiant.data.exists()
    assert affiant("topics", "create")[0] == 0
    assert affiant("topics", "check")[0] == 0


def test_an_empty_log_is_not_called_right(affiant: Affiant) -> None:
    """There was nothing that could be wrong."""
    LocalLog(affiant.data / "log", LogSettings().topic)
    code, out, _ = affiant("log", "verify")
    assert (code, "nothing to check" in out, "nothing is wrong" in out) == (0, True, False)


def test_payloads_in_the_object_store_are_verified_too(affiant: Affiant) -> None:
    """Whole, they count as payloads; and who does not want to wait leaves them out."""
    (record,) = affiant.ship(b"z" * (2 << 20))
    code, out, _ = affiant("log", "verify")
    assert code == 0
    assert "1 payload whose digest holds, 2 signatures" in out
    assert "1 of these payloads is in the object store" in out
    assert (
        "1 payload is not in the log (in the object store and not looked at; or erased, or removed"
        in " ".join(affiant("log", "verify", "--no-payloads")[1].split())
    )
    assert affiant("log", "show", record)[0] == 0


@pytest.mark.parametrize("left", [0, 1000, -1])
def test_a_damaged_payload_in_the_object_store_is_wrong(affiant: Affiant, left: int) -> None:
    """Emptied, cut or changed in a byte: it does not hold, and is not called absent."""
    (record,) = affiant.ship(b"z" * (2 << 20))
    (stored,) = (affiant.data / "objects").glob("payloads/*/*")
    content = stored.read_bytes()
    stored.write_bytes(content[:left] if left >= 0 else content[:-1] + b"!")
    code, out, _ = affiant("log", "verify")
    assert code == 1
    assert "payload in the object store is not the bytes" in out
    assert record.split("-")[0] in out
    shown = affiant.json("log", "show", record)
    assert shown["holds"]["the payload is what the entry's digest covers"] is False
    assert affiant("log", "show", record)[0] == 1


def test_an_absent_payload_is_not_wrong_and_not_called_right(affiant: Affiant) -> None:
    """Erasure leaves this; nobody can tell it from a loss by the log alone."""
    (record,) = affiant.ship(b"z" * (2 << 20))
    (stored,) = (affiant.data / "objects").glob("payloads/*/*")
    stored.unlink()
    code, out, _ = affiant("log", "verify")
    assert code == 0
    assert "1 payload is not in the object store any more (erased, or removed: `affiant erase show`" in out
    checked = affiant.json("log", "verify")
    assert (checked["payloads"], checked["without_payload"], checked["absent"]) == (0, 1, 1)
    code, out, _ = affiant("log", "show", record)
    assert code == 0
    assert "cannot be told from here" in out


def test_a_record_that_is_not_there_is_a_finding_and_what_is_no_record_id_is_wrong_usage(
    affiant: Affiant,
) -> None:
    """And a log that is not there is neither: the same question may be answered later."""
    (record,) = affiant.ship(b"{}")
    journal = record.partition("-")[0]
    code, _, err = affiant("log", "show", f"{journal}-4711")
    assert (code, f"no record {journal}-4711" in err) == (1, True)
    for slip in (journal, record[:-2], record.upper(), "\x1b[2J"):
        code, _, err = affiant("log", "show", slip)
        assert (code, "RECORD is" in err, "\x1b" in err) == (2, True, False)


def test_what_a_record_says_forges_no_line_of_a_verification(affiant: Affiant, monkeypatch) -> None:
    """The word of a hostile journal stands in its flaw, and steers nothing."""
    affiant.ship(b"{}")
    forged = Flaw("chain", "reason \x1b[2J\u202e\nnothing is wrong", 0, 1, "ab" * 16, 7)
    monkeypatch.setattr("cli.verify.check_log", lambda *_, **__: Checked(records=1, flaws=[forged]))
    code, out, _ = affiant("log", "verify")
    assert code == 1
    assert not set("\x1b\u202e") & set(out)
    assert "nothing is wrong" not in out.splitlines()
    assert out.splitlines()[-1] == "1 thing is wrong"
    assert "1 record of 0 journals: 0 exchanges" in out
