"""`affiant audit verify` and `affiant audit bundle`, and the bundle in its receiver's hands."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from audit.proof.command import main as affiant_verify
from audit.proof.entry import Key
from audit.proof.record import parse_record
from cli.main import run
from tests.components.sealed import SealedLog, sealed_log

SIZE = 13


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    made = sealed_log(tmp_path_factory.mktemp("sealed"), archive_records=8)
    made.settings()
    return made


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def affiant(sealed: SealedLog, *arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        run(["audit", arguments[0], "-c", str(sealed.root / "affiant.toml"), *arguments[1:]])
    assert isinstance(end.value.code, int)
    return end.value.code


def made(sealed: SealedLog, output: Path, *arguments: str) -> Path:
    assert affiant(sealed, "bundle", "-o", str(output), *arguments) == 0
    return output


def checked(file: Path, sealed: SealedLog, capsys: pytest.CaptureFixture[str]) -> dict:
    capsys.readouterr()
    assert affiant_verify(["bundle", str(file), "--key", str(sealed.vkey), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_range_is_whole(sealed: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every offset is there, and the receiver is told so."""
    told = checked(made(sealed, tmp_path / "e.zip", "--range", f"0:0-{SIZE - 1}"), sealed, capsys)
    assert told["complete"] is True
    (tree,) = told["trees"]
    assert (tree["records"], tree["others"], tree["ranges"]) == (SIZE, 0, [f"0-{SIZE - 1}"])
    assert (told["payloads"], told["journal_signatures"], told["sworn_by_their_journal"]) == (9, 4, SIZE)


def test_a_part_of_the_log_comes_with_its_opening_and_the_next_signature(
    sealed: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And with the checkpoint that covered it first."""
    told = checked(made(sealed, tmp_path / "e.zip", "--range", "0:2-3"), sealed, capsys)
    (tree,) = told["trees"]
    assert (tree["records"], tree["others"], tree["earlier_checkpoints"]) == (2, 3, 1)
    assert told["complete"] is True
    assert told["gateway_signature"]["without"] == 0


def test_records_that_no_gateway_has_signed_over_are_counted_wherever_one_looks(
    sealed: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command, in its JSON, in the report and by whoever gets the bundle; with the reason."""
    wanted = {
        "records": 2, "signed_over": 0, "without": 2, "without_entries_left_out": 2, "without_not_signed_yet": 0,
        "without_no_opening": 0, "without_displaced": 0,
    }  # fmt: skip
    file = made(sealed, tmp_path / "e.zip", "--range", "0:2-3", "--chain", "1")
    said = capsys.readouterr().out
    assert (
        "the keys of their journals have signed over 0 of 2 records of journals; --chain 2 leaves none out"
        in said
    )
    assert "over 2 of 2 records of journals (the notary has): 2: the entries from them" in said
    assert (
        affiant(sealed, "bundle", "-o", str(tmp_path / "2.zip"), "--range", "0:2-3", "--chain", "1", "--json")
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["gateway_signature"] == {**wanted, "chain_needed": 2}
    assert checked(file, sealed, capsys)["gateway_signature"] == wanted
    assert affiant_verify(["bundle", str(file), "--key", str(sealed.vkey)]) == 0
    assert "without entries left out: 2" in capsys.readouterr().out
    with zipfile.ZipFile(file) as archive:
        assert "2 of these 2" in archive.read("report.html").decode()


def test_a_record_comes_with_the_chain_to_its_journals_next_signature(
    sealed: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the others only the entries are in it: nobody else's payload."""
    record = sealed.records[1]
    file = made(sealed, tmp_path / "e.zip", "--record", record)
    told = checked(file, sealed, capsys)
    (tree,) = told["trees"]
    assert tree["records"] == 1
    assert told["payloads"] == 1
    assert told["journal_signatures"] == 2
    assert told["complete"] is True
    assert not any("left some out" in line for line in told["not_shown"])
    from audit.proof.bundle import parse_bundle_file

    bundle, _ = parse_bundle_file(file.read_bytes())
    with_payload = [kept.offset for kept in bundle.trees[0].records if parse_record(kept.record).payload]
    assert with_payload == [2]
    assert told["sworn_by_their_journal"] >= len(bundle.trees[0].records) - 1


def test_what_is_not_there_is_told(
    sealed: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Strangers, unknown records; nothing is written."""
    output = tmp_path / "e.zip"
    for arguments in (("--caller", "00" * 16), ("--record", f"{'0' * 32}-1")):
        assert affiant(sealed, "bundle", "-o", str(output), *arguments) == 1
        assert "Traceback" not in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize(
    "arguments",
    [(), ("--range", "0:1-2", "--record", "x"), ("--record", "x"), ("--range", "1-2"), ("--range", "0:3-2"),
     ("--caller", "Alice"), ("--range", "7:0-1"), ("--range", "0:0-1", "--topic", "00" * 16),
     ("--range", "0:0-1", "--chain", "-1"), ("--range", "0:5-99"), ("--range", f"0:0-{SIZE}"),
     ("--range", "0:0-1000000")],
)  # fmt: skip
def test_wrong_usage_is_told(arguments: tuple[str, ...], sealed: SealedLog, tmp_path: Path) -> None:
    """Exit code 2."""
    assert affiant(sealed, "bundle", "-o", str(tmp_path / "e.zip"), *arguments) == 2


def test_a_partition_that_nobody_has_sealed_is_said(
    sealed: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no topic to be named then."""
    assert affiant(sealed, "bundle", "-o", str(tmp_path / "e.zip"), "--range", "7:0-1") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "nothing of partition 7 is sealed" in said
    assert "--topic" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--range", "7:0-1", "--topic", "00" * 16),
            f"nothing of partition 7 of the topic {'00' * 16} is sealed",
        ),
        (
            ("--range", "0:0-1", "--topic", "00" * 16),
            f"nothing of partition 0 of the topic {'00' * 16} is sealed",
        ),
        (("--range", f"0:5-{SIZE}"), f"offsets 5 to {SIZE} are not all of the {SIZE} that are sealed"),
        (("--range", "0:3-2"), "want PARTITION:FIRST-LAST"),
    ],
)
def test_what_a_range_has_not_is_said(
    arguments: tuple[str, ...],
    words: str,
    sealed: SealedLog,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With what was asked for, and nothing is written."""
    assert affiant(sealed, "bundle", "-o", str(tmp_path / "e.zip"), *arguments) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "e.zip").exists()


@pytest.fixture
def governed(sealed: SealedLog, tmp_path: Path) -> tuple[SealedLog, str]:
    """A copy whose store has a governance log's tree, too; and that log's id."""
    governance = sealed_log(tmp_path / "governance", 2, (), archive_records=8)
    copy = replace(sealed, root=tmp_path / "copy")
    for name in ("log", "sealed"):
        shutil.copytree(sealed.root / name, copy.root / name)
    shutil.copytree(governance.store, copy.store, dirs_exist_ok=True)
    shutil.copytree(governance.log_directory, copy.root / "log-governance")
    about = copy.root / "log-governance" / "topic.json"
    about.write_text(about.read_text().replace(f'"{governance.topic.name}"', '"affiant-governance"'))
    copy.settings()
    return copy, governance.topic.id.hex()


def tree_of(file: Path, sealed: SealedLog, capsys: pytest.CaptureFixture[str]) -> str:
    """Whose tree is in a bundle: the topic's id."""
    (tree,) = checked(file, sealed, capsys)["trees"]
    return tree["origin"].split("/")[-2]


def test_a_range_is_of_the_log_unless_another_topic_is_named(
    governed: tuple[SealedLog, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The governance log has a partition of the same number."""
    log, other = governed
    file = made(log, tmp_path / "1.zip", "--range", "0:0-1")
    assert tree_of(file, log, capsys) == log.topic.id.hex()
    file = made(log, tmp_path / "2.zip", "--range", "0:0-1", "--topic", other)
    assert tree_of(file, log, capsys) == other


@pytest.mark.parametrize("again", [False, True])
def test_where_the_log_is_not_there_a_range_names_its_topic(
    governed: tuple[SealedLog, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], again: bool
) -> None:
    """Gone, or made again: what is sealed is not of it, and the governance log is not taken in its place."""
    log, other = governed
    shutil.rmtree(log.log_directory)
    if again:
        log.log()
    assert affiant(log, "bundle", "-o", str(tmp_path / "e.zip"), "--range", "0:0-1") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "partition 0 is sealed of 2 topics; say which with --topic" in said
    assert log.topic.id.hex() in said
    assert other in said
    file = made(log, tmp_path / "e.zip", "--range", "0:0-1", "--topic", log.topic.id.hex())
    assert tree_of(file, log, capsys) == log.topic.id.hex()


def test_what_a_bundle_does_not_show_is_said_when_it_is_made(
    sealed: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line each, the same that its JSON and its receiver are told; and over how many records journals have signed."""
    range_ = ("--range", "0:2-3", "--chain", "1")
    file = made(sealed, tmp_path / "e.zip", *range_)
    said = capsys.readouterr().out.splitlines()
    wanted = checked(file, sealed, capsys)["not_shown"]
    assert len(wanted) == 4
    assert [line for line in said if line.startswith("  it does not show ")] == [
        f"  it does not show {line}" for line in wanted
    ]
    assert affiant(sealed, "bundle", "-o", str(tmp_path / "2.zip"), *range_, "--json") == 0
    assert json.loads(capsys.readouterr().out)["not_shown"] == wanted
    made(sealed, tmp_path / "3.zip", "--range", "0:2-2")
    assert "journals have signed over 1 of 1 record of journals\n" in capsys.readouterr().out


def test_a_file_that_is_there_is_left_as_it_is(sealed: SealedLog, tmp_path: Path) -> None:
    """Evidence is not overwritten."""
    output = tmp_path / "e.zip"
    output.write_bytes(b"mine")
    assert affiant(sealed, "bundle", "-o", str(output), "--range", "0:0-1") == 2
    assert output.read_bytes() == b"mine"
    assert affiant(sealed, "bundle", "-o", str(output), "--range", "0:0-1", "--force") == 0
    assert output.read_bytes() != b"mine"
    assert output.stat().st_mode & 0o777 == 0o600


def test_a_bundle_is_its_owners_alone(sealed: SealedLog, tmp_path: Path) -> None:
    """People's requests and answers are in it, in the clear; as in the files of `affiant-verify bundle --extract`."""
    before = os.umask(0o022)
    try:
        file = made(sealed, tmp_path / "e.zip", "--range", "0:0-1")
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["none/e.zip", "folder"])
def test_a_file_that_cannot_be_written_is_told_before_the_work(
    name: str, sealed: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and the name that was given; nothing is indexed for it."""
    (tmp_path / "folder").mkdir()
    output = tmp_path / name
    assert affiant(sealed, "bundle", "-o", str(output), "--range", "0:0-1") == 2
    assert f"cannot write {output}: " in " ".join(capsys.readouterr().err.split())
    assert sorted(tmp_path.iterdir()) == [tmp_path / "folder"]


class Page(HTMLParser):
    """What a browser would fetch or run, and the headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            f"{name}={value}" for name, value in attrs if name in ("src", "href", "srcset", "style")
        ]
        self.fetched += [name for name, _ in attrs if name.startswith("on")]


def test_the_report_is_one_page_that_fetches_nothing(sealed: SealedLog, tmp_path: Path) -> None:
    """Plots as SVG, no script, no link; it names the offsets and how to verify."""
    file = made(sealed, tmp_path / "e.zip", "--range", f"0:0-{SIZE - 1}")
    with zipfile.ZipFile(file) as archive:
        text = archive.read("report.html").decode()
    page = Page(text)
    assert [each for each in page.fetched if not re.fullmatch(r"style=--drawn:\d+px", each)] == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert page.tags.count("svg") == 2
    assert "url(" not in text
    assert "affiant-verify bundle FILE --key VKEY" in text
    assert f"0:0-{SIZE - 1}" in text
    assert "What this does not show" in text
    for tag in ("section", "svg", "table", "g", "tr", "td"):
        assert len(re.findall(rf"<{tag}[ >]", text)) == text.count(f"</{tag}>"), tag


# ---------------------------------------------------------------- verify


def test_a_store_with_nothing_in_it_is_not_verified(
    sealed: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A look at nothing is no success, and as wrong as `affiant audit verify` has it; no directory is wrong usage."""
    assert affiant_verify(["log", str(tmp_path), "--key", str(sealed.vkey)]) == 1
    assert "there was nothing to verify" in capsys.readouterr().out
    assert affiant_verify(["log", str(tmp_path), "--key", str(sealed.vkey), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["holds"] is False
    with pytest.raises(SystemExit) as end:
        run(["audit", "verify", "--store", str(tmp_path), "--key", str(sealed.vkey)])
    assert end.value.code == 1
    assert affiant_verify(["log", str(tmp_path / "none"), "--key", str(sealed.vkey)]) == 2
    assert "is no directory" in capsys.readouterr().err


def test_verify_says_that_nothing_is_wrong(sealed: SealedLog, capsys: pytest.CaptureFixture[str]) -> None:
    """With the settings, in a range, and with store and key alone."""
    assert affiant(sealed, "verify") == 0
    said = capsys.readouterr().out
    assert f"{SIZE} looked at, {SIZE} in the archive, {SIZE} in the log" in said
    assert "nothing is wrong" in said
    assert affiant(sealed, "verify", "--from", "3", "--to", "5") == 0
    assert "3 looked at" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        run(["audit", "verify", "--store", str(sealed.store), "--key", str(sealed.vkey), "--json"])
    assert end.value.code == 0
    (tree,) = json.loads(capsys.readouterr().out)["trees"]
    assert (tree["entries"], tree["logged"], tree["flaws"]) == (SIZE, 0, [])


def test_verify_names_what_is_wrong(
    sealed: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its place; exit code 1."""
    tile = sealed.folder / f"tile/0/000.p/{SIZE}"
    raw = tile.read_bytes()
    tile.write_bytes(raw[:40] + bytes((raw[40] ^ 1,)) + raw[41:])
    try:
        assert affiant(sealed, "verify", "--json") == 1
        (tree,) = json.loads(capsys.readouterr().out)["trees"]
        assert [(flaw["what"], flaw["byte"]) for flaw in tree["flaws"]] == [("tile", 40)]
        assert affiant(sealed, "verify") == 1
        assert "WRONG  tile" in capsys.readouterr().out
    finally:
        tile.write_bytes(raw)


def test_verify_holds_the_log_to_what_was_kept(
    sealed: SealedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint or a receipt; one of a larger tree shows that the store was rolled back."""
    from audit.proof.checkpoint import Checkpoint, sign_checkpoint
    from tests.components.sealed import KeySigner

    kept = tmp_path / "checkpoint"
    kept.write_bytes((sealed.folder / "checkpoint").read_bytes())
    assert affiant(sealed, "verify", "--checkpoint", str(kept)) == 0
    kept.write_bytes(sign_checkpoint(Checkpoint(sealed.tree_id.origin, 99, bytes(32)), KeySigner()))
    assert affiant(sealed, "verify", "--checkpoint", str(kept)) == 1
    assert "rolled back" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [("--partition", "5"), ("--from", "5", "--to", "4"), ("--key", "x"), ("--quorum", "1"), ("--witness", "x"),
     ("--checkpoint", "/not/there")],
)  # fmt: skip
def test_wrong_usage_of_verify_is_told(arguments: tuple[str, ...], sealed: SealedLog) -> None:
    """Exit code 2, or 3 where a file is not there."""
    assert affiant(sealed, "verify", *arguments) in (2, 3)


def test_entries_of_the_sealed_log_are_of_a_journal(sealed: SealedLog) -> None:
    """What the figures above take for granted."""
    kinds = [parse_record(entry.value).entry.fields[Key.KIND] for entry in sealed.entries()]
    assert kinds == [4, 1, 1, 1, 1, 5, 4, 1, 1, 1, 1, 1, 5]
