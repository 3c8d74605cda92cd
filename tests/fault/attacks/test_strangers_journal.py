"""A journal that somebody has invented, under a key of his own: nothing in the log tells it from a gateway's."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.auditor.verified import TreeVerified
from audit.log.base import LogEntry
from audit.proof.entry import Kind, parse_entry
from audit.proof.record import frame_record, split_record
from cli.audit_verify import _tell
from tests.components.sealed import seal_log, write_log
from tests.fault.attacks.hands import verified

UNKNOWN = "so its key is not known and no signature of it was checked"


def told(found: TreeVerified, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What people read of journals."""
    _tell([found], as_json=False)
    said = capsys.readouterr().out.splitlines()
    return [line.strip() for line in said if line.strip().startswith("journal ") or " more: --json" in line]


def test_an_invented_journal_is_shown_with_its_key(tmp_path: Path, capsys) -> None:
    """Both are whole, and signed by the key that each has brought: whose they are, people compare."""
    made = write_log(tmp_path, [[b"{}"], [b"{}"]])
    write_log(tmp_path, [[b"{}"] * 3], journal="invented")
    seal_log(made)
    found = verified(made)
    assert found.flaws == []
    assert (found.journals, len({each["key"] for each in found.signers})) == (2, 2)
    assert sorted(str(each["opened"]) for each in found.signers) == ["0", "6"]
    assert told(found, capsys) == [
        f"journal {each['journal']}: opened at offset {each['opened']}, last signed at {last}, by the key {each['key']}"
        for each in found.signers
        for last in [{0: 5, 6: 10}[each["opened"]]]
    ]


def test_of_a_range_without_the_opening_no_key_is_told(tmp_path: Path, capsys) -> None:
    """Nobody has seen it, nor where the journal was opened, if ever; and no signature was checked."""
    made = write_log(tmp_path, [[b"{}"] * 3])
    seal_log(made)
    found = verified(made, start=1)
    (signer,) = found.signers
    assert (signer["key"], signer["opened"], signer["last_signed"]) == (None, None, None)
    assert (found.flaws, found.unchecked_signatures) == ([], 1)
    (line,) = told(found, capsys)
    assert line == f"journal {signer['journal']}: not opened at these offsets, {UNKNOWN}"


def test_an_opening_that_its_own_key_has_not_signed_names_no_key(tmp_path: Path, capsys) -> None:
    """Whoever wrote it may have written another's key into it."""
    made = write_log(tmp_path, [[b"{}"]])

    def change(entries: list[LogEntry]) -> list[LogEntry]:
        entry, payload = split_record(entries[0].value or b"")
        assert parse_entry(entry).kind == Kind.OPENING
        changed = entry[:-1] + bytes((entry[-1] ^ 1,))  # the signature's last byte
        return [entries[0]._replace(value=frame_record(changed, payload)), *entries[1:]]

    seal_log(made, change=change)
    found = verified(made)
    (line,) = told(found, capsys)
    assert "signature" in {flaw.what for flaw in found.flaws}
    assert line.endswith(": opened at offset 0, and no signature of it holds: its key is not known")


@pytest.mark.parametrize(
    ("journals", "kept", "said"),
    [(16, 16, None), (17, 17, "1 journal more: --json has them"), (40, 40, "24 journals more: --json has them"),
     (1040, 1000, "1024 journals more: --json has 984 of them")],
)  # fmt: skip
def test_a_flood_of_journals_is_counted(journals: int, kept: int, said: str | None, capsys) -> None:
    """Some are shown, all are counted, and what the JSON leaves out is not promised."""
    signers = [{"journal": f"{at:032x}", "key": "k", "opened": at, "last_signed": at} for at in range(kept)]
    lines = told(TreeVerified("o", size=1, journals=journals, signers=signers), capsys)
    assert len([line for line in lines if line.startswith("journal ")]) == 16
    assert lines[16:] == ([] if said is None else [said])
