"""An answer forged under another record's id, put into the log before it is sealed: what the auditor's commands say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit.log.base import LogEntry
from audit.proof.entry import Key
from audit.proof.receipt import parse_receipt
from cli.main import guarded, run
from registry.stores import LayoutStore
from tests.components import journals
from tests.components.packages import number_package
from tests.components.sealed import SealedLog, seal_log, write_log
from tests.fault.attacks.hands import changed_entry, copy

REQUESTS = [[b'{"instances":[[1]]}'] * 4, [b'{"instances":[[2]]}'] * 5]
AT = 3
"""The offset of the record that is forged."""
FORGED = b'{"predictions":[9]}'
Change = Callable[[list[LogEntry]], list[LogEntry]]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    """A log whose answers name a package, and the store that has it; nothing is sealed yet."""
    package, exchange = number_package(), journals.exchange

    def of_the_package(request: bytes, ticket: int) -> tuple[dict[int, object], bytes]:
        fields, payload = exchange(request, ticket)
        return {**fields, int(Key.DIGEST): bytes.fromhex(package.digest.removeprefix("sha256:"))}, payload

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journals, "exchange", of_the_package)
        made = write_log(tmp_path_factory.mktemp("shipped"), REQUESTS)
    LayoutStore(made.root / "data" / "store").push(package)
    return made


@dataclass(frozen=True)
class Auditor:
    """Runs `affiant audit …` on a log."""

    log: SealedLog
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and all that it said, in one line."""
        self.capsys.readouterr()
        given = ["audit", *arguments, "--config", str(self.log.root / "affiant.toml")]
        code = guarded(lambda: run(given), given)
        out, err = self.capsys.readouterr()
        return code, " ".join((out + err).split())

    @property
    def record(self) -> str:
        """The id under which there are two."""
        return self.log.records[AT - 1]


@pytest.fixture
def sealed(
    shipped: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Change], Auditor]:
    """Seals a copy of the log after it was changed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def seal(change: Change) -> Auditor:
        made = copy(shipped, tmp_path / "log")
        seal_log(made, (5,), change=change)
        made.settings()
        return Auditor(made, capsys)

    return seal


def in_front(entries: list[LogEntry]) -> list[LogEntry]:
    """The forged answer, then the true one."""
    forged = entries[AT]._replace(value=changed_entry(entries[AT].value, answer=FORGED))
    return [*entries[:AT], forged, *entries[AT:]]


def in_front_unchained(entries: list[LogEntry]) -> list[LogEntry]:
    """The same, and the forged one follows nothing."""
    forged = entries[AT]._replace(value=changed_entry(entries[AT].value, answer=FORGED, chain=bytes(32)))
    return [*entries[:AT], forged, *entries[AT:]]


def twice(entries: list[LogEntry]) -> list[LogEntry]:
    """The record was shipped once more, as it is: nobody has forged anything."""
    return [*entries[: AT + 1], entries[AT], *entries[AT + 1 :]]


@pytest.mark.parametrize("command", ["prove", "trace"])
def test_a_forged_record_beside_the_true_one_gets_no_receipt(
    sealed: Callable[[Change], Auditor], tmp_path: Path, command: str
) -> None:
    """Which of the two a gateway wrote is not for these commands to choose: both places are named."""
    affiant, file = sealed(in_front), tmp_path / "record.tlog-proof"
    code, said = affiant(command, affiant.record, *(["-o", str(file)] if command == "prove" else []))
    assert (code, file.exists()) == (1, False), said
    for word in (
        f"at offset {AT} of partition 0",
        f"at offset {AT + 1} of partition 0",
        "affiant audit verify",
    ):
        assert word in said
    other = affiant.log.records[AT]
    assert affiant(command, other, *(["-o", str(file)] if command == "prove" else []))[0] == 0


def test_a_record_that_was_shipped_twice_has_its_receipt(
    sealed: Callable[[Change], Auditor], tmp_path: Path
) -> None:
    """Shipping is at least once: equal entries are one record."""
    affiant, file = sealed(twice), tmp_path / "record.tlog-proof"
    code, said = affiant("prove", affiant.record, "-o", str(file))
    assert (code, parse_receipt(file.read_bytes()).index) == (0, AT), said
    code, said = affiant("show", affiant.record, "--json")
    assert (code, json.loads(said)["others"]) == (0, []), said
    assert affiant("trace", affiant.record)[0] == 0


def test_show_names_the_other_entry_and_blames_no_neighbour(sealed: Callable[[Change], Auditor]) -> None:
    """The first is shown, with what does not hold; the records before and after it are chained to the true one."""
    affiant = sealed(in_front_unchained)
    code, said = affiant("show", affiant.record, "--json")
    shown = json.loads(said)
    assert (code, shown["offset"], shown["others"]) == (1, AT, [{"partition": 0, "offset": AT + 1}])
    assert shown["holds"]["no other entry there has its id"] is False
    assert shown["holds"]["the next entry is chained to it"] is False
    code, said = affiant("show", affiant.record)
    assert (code, f"another entry has its id, at 0:{AT + 1}" in said) == (1, True), said
    for neighbour in (affiant.log.records[AT - 2], affiant.log.records[AT]):
        code, said = affiant("show", neighbour, "--json")
        assert (code, False in json.loads(said)["holds"].values()) == (0, False), said
