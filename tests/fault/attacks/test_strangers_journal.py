"""A journal that somebody has invented, under a key of his own: nothing in the log tells it from a gateway's."""

from __future__ import annotations

from pathlib import Path

from cli.audit_verify import _tell
from tests.components.sealed import seal_log, write_log
from tests.fault.attacks.hands import verified


def test_an_invented_journal_is_shown_with_its_key(tmp_path: Path, capsys) -> None:
    """Both are whole, and signed by the key that each has brought: whose they are, people compare."""
    made = write_log(tmp_path, [[b"{}"] * 2])
    write_log(tmp_path, [[b"{}"] * 3], journal="invented")
    seal_log(made)
    found = verified(made)
    assert found.flaws == []
    assert (found.journals, len({each["key"] for each in found.signers})) == (2, 2)
    assert sorted(str(each["opened"]) for each in found.signers) == ["0", "4"]
    _tell([found], as_json=False)
    said = capsys.readouterr().out
    for each in found.signers:
        assert f"journal {each['journal']}: opened at offset {each['opened']}" in said
        assert f"by the key {each['key']}" in said
