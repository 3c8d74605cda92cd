"""An answer forged under another record's id, put into the log before it is sealed: what the auditor's commands say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from audit.log.base import LogEntry
from audit.proof.bundle import parse_bundle_file
from audit.proof.command import main as affiant_verify
from audit.proof.entry import Key, encode_entry, signing_message
from audit.proof.receipt import parse_receipt
from audit.proof.record import frame_record, parse_record
from cli.main import guarded, run
from registry.stores import LayoutStore
from tests.components import journals
from tests.components.packages import number_package
from tests.components.sealed import KeySigner, SealedLog, seal_log, write_log
from tests.fault.attacks.hands import changed_entry, copy, rewritten

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


# ---------------------------------------------------------------- evidence

LAST = 13
"""The last offset, with the forged record."""


def bundled(affiant: Auditor, *arguments: str) -> tuple[int, str, Path]:
    """What `affiant audit bundle` says, and the file that it may have written."""
    file = affiant.log.root / "evidence.zip"
    file.unlink(missing_ok=True)
    return *affiant("bundle", "-o", str(file), *arguments), file


def received(affiant: Auditor, file: Path) -> tuple[int, dict[str, Any], str]:
    """What `affiant-verify bundle` says of it: exit code, JSON, and the words for people."""
    given = ["bundle", str(file), "--key", str(affiant.log.vkey)]
    affiant.capsys.readouterr()
    code = affiant_verify([*given, "--json"])
    told = json.loads(affiant.capsys.readouterr().out)
    assert affiant_verify(given) == code
    return code, told, affiant.capsys.readouterr().out


@pytest.mark.parametrize("where", [("--range", "0:0-1"), ("--range", "0:5-8"), ("--record",)])
def test_a_forged_record_takes_no_neighbour_its_evidence(
    sealed: Callable[[Change], Auditor], where: tuple[str, ...]
) -> None:
    """What leads to the gateway's signature is the true entry, wherever the forged one stands."""
    affiant = sealed(in_front)
    arguments = where if len(where) > 1 else (*where, affiant.log.records[AT - 2])
    code, said, file = bundled(affiant, *arguments)
    assert (code, "WARNING" in said) == (0, False), said
    code, told, words = received(affiant, file)
    assert (code, told["flaws"], told["gateway_signature"]["without"]) == (0, [], 0), words
    (tree,) = parse_bundle_file(file.read_bytes())[0].trees
    assert AT not in {kept.offset for kept in tree.records}


def forged_opening(entries: list[LogEntry]) -> list[LogEntry]:
    """An opening of the same epoch in front of all, under another key."""
    fields = dict(parse_record(entries[0].value).entry.fields)
    signer = KeySigner(bytes(32))
    fields[Key.PUBLIC_KEY] = signer.public_key
    fields[Key.SIGNATURE] = signer.sign(signing_message(fields))
    return [entries[0]._replace(value=frame_record(encode_entry(fields), b"")), *entries]


def forged_heartbeat(entries: list[LogEntry]) -> list[LogEntry]:
    """The closing of the first epoch once more, in the place of a record that comes before it."""
    fields = {**parse_record(entries[5].value).entry.fields, Key.SEQUENCE: 4}
    return [*entries[:4], entries[5]._replace(value=frame_record(encode_entry(fields), b"")), *entries[4:]]


def dropped(entries: list[LogEntry]) -> list[LogEntry]:
    """The record is not there at all."""
    return [*entries[:AT], *entries[AT + 1 :]]


def in_place(entries: list[LogEntry]) -> list[LogEntry]:
    """The forged answer alone."""
    return [*in_front(entries)[: AT + 1], *entries[AT + 1 :]]


@pytest.mark.parametrize(
    ("change", "where", "without", "why"),
    [
        (forged_opening, "0:2-3", 2, "its openings name 2 keys"),
        (forged_heartbeat, "0:1-2", 0, "entry 4 should be signed"),
        (rewritten(2, FORGED), "0:1-1", 1, "entry 5 should be signed"),
        (dropped, "0:1-1", 1, "entry 3, which is not in the sealed log"),
        (in_place, "0:1-1", 1, "not what the next one is chained to"),
    ],
    ids=["opening", "heartbeat", "rewritten", "dropped", "in place"],
)
def test_a_broken_way_to_the_signature_is_left_out_and_said(
    sealed: Callable[[Change], Auditor], change: Change, where: str, without: int, why: str
) -> None:
    """The records hold, as the notary's; those that no gateway has signed over are counted, and the report says why."""
    affiant = sealed(change)
    code, said, file = bundled(affiant, "--range", where)
    assert (code, f"{why}" in said, "WARNING" in said) == (0, True, True), said
    assert "leaves none out" not in said
    code, told, words = received(affiant, file)
    assert (code, told["flaws"], told["gateway_signature"]["without"]) == (0, [], without), words
    report = parse_bundle_file(file.read_bytes())[0].report.decode()
    assert why in report
    code, said, _ = bundled(affiant, "--range", where, "--json")
    told, _ = json.JSONDecoder().raw_decode(said)
    assert why in " ".join(told["left_out"])


@pytest.mark.parametrize("where", [("--record",), ("--range", f"0:0-{LAST}")])
def test_evidence_of_a_forged_record_is_written_when_that_is_asked_for(
    sealed: Callable[[Change], Auditor], where: tuple[str, ...]
) -> None:
    """With what is wrong in its report; who gets it is told the same, and that a gateway has sworn to the true one."""
    affiant = sealed(in_front)
    arguments = where if len(where) > 1 else (*where, affiant.record)
    code, said, file = bundled(affiant, *arguments)
    assert (code, file.exists(), "--with-flaws writes it" in said) == (1, False, True), said
    code, said, file = bundled(affiant, *arguments, "--with-flaws")
    assert (code, "it verifies" in said) == (1, False), said
    flaw = f"another entry than at offset {AT + 1} has sequence {AT}"
    code, told, words = received(affiant, file)
    assert (code, told["holds"], told["complete"]) == (1, False, False)
    assert [(each["what"], each["offset"], each["message"]) for each in told["flaws"]] == [
        ("journal", AT, flaw)
    ]
    signature = told["gateway_signature"]
    assert (signature["without"], signature["without_displaced"]) == (1, 1)
    assert signature["signed_over"] == signature["records"] - 1
    assert "it holds" not in words
    assert f"WRONG journal: {flaw}" in " ".join(words.split())
    assert any("that a gateway has written what is named WRONG" in line for line in told["not_shown"])
    report = parse_bundle_file(file.read_bytes())[0].report.decode()
    assert flaw in report
    assert "These records do not hold" in report


def test_a_forged_record_alone_is_held_to_the_true_chain(sealed: Callable[[Change], Auditor]) -> None:
    """Asked for by its offset, it does not pass: the next entry, which the gateway has signed over, follows another."""
    affiant = sealed(in_front)
    code, said, file = bundled(affiant, "--range", f"0:{AT}-{AT}")
    assert (code, file.exists()) == (1, False), said
    code, said, file = bundled(affiant, "--range", f"0:{AT}-{AT}", "--with-flaws")
    code, told, words = received(affiant, file)
    assert (code, told["gateway_signature"]["signed_over"], len(told["flaws"])) == (1, 0, 1), words
    assert "does not follow" in told["flaws"][0]["message"]
