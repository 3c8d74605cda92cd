"""docs/approvals.md does what it says, command by command; docs/approvals-threats.md names tests that are there."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from audit.config import load
from registry.stores import configured_store
from tests.components.approvals import affiant
from tests.components.packages import credit_package

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "approvals.md").read_text()
THREATS = ROOT / "docs" / "approvals-threats.md"
BLOCK = re.compile(r"<!-- (run|file: (\S+)) -->\n```\w+\n(.*?)```", re.DOTALL)


def test_the_commands_of_the_page_work_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one directory, in their order; each ends with 0, or with what its comment says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AFFIANT_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert affiant("init").code == 0
    settings = Path("affiant.toml")
    settings.write_text(settings.read_text().replace("# root = …", 'root = "root.json"'))
    digest = credit_package().digest
    configured_store(load()).push(credit_package())
    commands = 0
    for kind, name, text in BLOCK.findall(PAGE):
        if name:
            Path(name).write_text(text)
        for line in text.splitlines() if kind == "run" else ():
            words = shlex.split(line.replace("$DIGEST", digest), comments=True)
            expected = re.search(r"# exit (\d)$", line)
            assert words[0] == "affiant", line
            done = affiant(*words[1:])
            assert done.code == int(expected[1] if expected else 0), (line, done)
            commands += 1
    assert commands > 30


def test_each_threat_of_the_page_has_its_test() -> None:
    """A row names tests that are there; each test of the threats is in a row."""
    named = re.findall(r"`(test_\w+)`", THREATS.read_text())
    there = {
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert [each for each in named if each not in there] == []
    done = re.findall(
        r"^def (test_\w+)\(", (ROOT / "tests/integration/approvals/test_threats.py").read_text(), re.MULTILINE
    )
    assert [each for each in done if each not in named] == []
    rows = [
        line for line in THREATS.read_text().splitlines() if line.startswith("| ") and "threat" not in line
    ]
    assert [row for row in rows if not re.search(r"`test_\w+`", row)] == []


def test_the_page_has_the_threats_that_were_asked_for() -> None:
    """In these words."""
    page = " ".join(re.findall(r"^\| ([^|]+) \|", THREATS.read_text(), re.MULTILINE))
    for word in (
        "changed bytes", "of another digest", "another service", "old policy", "lost its role", "revocation is dropped",
        "withheld", "clock is set back", "publisher", "gate results by another key", "root is rolled back",
    ):  # fmt: skip
        assert word in page, word
