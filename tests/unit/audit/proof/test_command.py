"""`affiant-verify`: what it says and how it ends; the golden files stand in tests/golden/proof."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from audit.proof.bundle import Bundle as EvidenceBundle
from audit.proof.bundle import Kept, TreePart
from audit.proof.checkpoint import UNWITNESSED, Checkpoint, sign_checkpoint
from audit.proof.command import main
from audit.proof.entry import Key, Kind, encode_entry
from audit.proof.hashing import leaf_hash
from audit.proof.note import COSIGNATURE, VerifierKey
from audit.proof.receipt import Receipt
from audit.proof.record import Header, encode_payload, frame_record, parse_record
from tests.golden.proof import make

GOLDEN = make.HERE
KEY = ["--key", str(make.VKEY)]
WITNESSED = [*KEY, "--witness", str(make.WITNESS_KEY), "--quorum", "1"]


def test_what_holds_ends_with_0_and_says_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    """For people, and for scripts."""
    assert main(["bundle", str(GOLDEN / "bundle.zip"), *WITNESSED]) == 0
    said = capsys.readouterr().out
    assert "it holds" in said
    assert "does NOT show" in said
    assert main(["receipt", str(GOLDEN / "receipt.tlog-proof"), *WITNESSED, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["holds"], told["offset"], told["kind"]) == (True, make.LABEL, "label")
    assert main(["log", str(GOLDEN), *KEY]) == 0
    assert capsys.readouterr().out.count(f"tree {make.TREE}") == len(make.SIZES)


@pytest.mark.parametrize("file", ["bundle.zip", "receipt.tlog-proof", "size-257"])
def test_a_trees_own_key_does_as_well(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And another tree's does not."""
    what = "log" if "size" in file else file.partition(".")[0]
    own = make.expected()["tree vkey"]
    assert main([what, str(GOLDEN / file), "--key", own]) == 0
    other = str(type(make.VKEY)(make.NAME + "/" + "0f" * 16 + "/4", make.VKEY.public_key))
    assert main([what, str(GOLDEN / file), "--key", other]) == 1
    assert "is no tree of" in capsys.readouterr().out


def test_what_does_not_hold_ends_with_1_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tile's byte, and a file that was swapped."""
    log = shutil.copytree(GOLDEN / "size-257", tmp_path / "log")
    tile = log / "tile/0/000"
    raw = tile.read_bytes()
    tile.write_bytes(raw[:77] + bytes((raw[77] ^ 1,)) + raw[78:])
    assert main(["log", str(log), *KEY, "--json"]) == 1
    (flaw,) = json.loads(capsys.readouterr().out)["flaws"]
    assert (flaw["path"], flaw["byte"]) == (str(tile), 77)
    assert main(["receipt", str(GOLDEN / "bundle.zip"), *KEY]) == 1
    assert main(["bundle", str(GOLDEN / "receipt.tlog-proof"), *KEY]) == 1
    assert main(["receipt", str(GOLDEN / "receipt.tlog-proof"), *KEY, "--witness", str(make.WITNESS_KEY),
                 "--quorum", "1"]) == 0  # fmt: skip
    assert main(["log", str(GOLDEN / "size-1"), *WITNESSED]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["bundle", "not-there.zip", *KEY], ["log", "not-there", *KEY], ["bundle", "x", "--key", "no vkey"],
        ["bundle", "x", *KEY, "--quorum", "1"], ["bundle", "x", *KEY, "--quorum", "-1"],
        ["bundle", "x", *KEY, "--witness", "no vkey"],
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a line that says why."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("affiant-verify: ")


def test_a_witness_that_is_named_must_vouch_unless_it_is_said_otherwise(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Else its key would be asked for and prove nothing; where none vouches that is said, for people and scripts."""
    witness = ["--witness", str(make.WITNESS_KEY)]
    unknown = ["--witness", str(VerifierKey("another.example", bytes(range(32)), COSIGNATURE))]
    for what, file in (("receipt", "receipt.tlog-proof"), ("bundle", "bundle.zip")):
        assert main([what, str(GOLDEN / file), *KEY, *witness, *witness]) == 0
        assert "no witness that was named" not in capsys.readouterr().out
        for more, code in (([], 1), (["--quorum", "1"], 0)):
            assert main([what, str(GOLDEN / file), *KEY, *witness, *unknown, *more]) == code
        capsys.readouterr()
    for what, file in (("receipt", "receipt.tlog-proof"), ("log", "size-1")):
        assert main([what, str(GOLDEN / file), *KEY, *unknown]) == 1
        assert "vouch" in capsys.readouterr().out
        for arguments in (KEY, [*KEY, *unknown, "--quorum", "0"]):
            assert main([what, str(GOLDEN / file), *arguments]) == 0
            assert f"  - {UNWITNESSED}\n" in capsys.readouterr().out
            assert main([what, str(GOLDEN / file), *arguments, "--json"]) == 0
            assert json.loads(capsys.readouterr().out)["not_shown"] == [UNWITNESSED]


@pytest.mark.parametrize("arguments", [[], ["bundle"], ["bundle", "x"], ["other", "x"]])
def test_argparse_ends_with_2_too(arguments: list[str]) -> None:
    """The same code for all wrong usage."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2


def test_what_others_wrote_does_not_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escape sequences in an entry's texts are shown as what they are: nothing."""
    entry = encode_entry(
        {
            Key.KIND: Kind.SHIPPER,
            Key.SHIPPER: bytes(16),
            Key.TIME: 1,
            Key.REASON: "\x1b[2J\x1b]0;owned\x07\u202e\nit holds",
        }
    )
    note = sign_checkpoint(Checkpoint(make.TREE, 1, leaf_hash(entry)), make.NOTARY)
    file = tmp_path / "receipt"
    file.write_bytes(Receipt(entry, 0, (), note).encode())
    assert main(["receipt", str(file), *KEY]) == 0
    said = capsys.readouterr().out
    assert "owned" in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert said.splitlines().count("it holds") == 1


def odd_files() -> dict[str, Callable[[Path], None]]:
    """What may lie where a file of a tree belongs, in a copy that somebody else made."""

    def sparse(path: Path) -> None:
        path.touch()
        os.truncate(path, 5 << 30)

    return {
        "a pipe": os.mkfifo,
        "a folder": Path.mkdir,
        "a device without an end": lambda path: path.symlink_to("/dev/zero"),
        "a link to itself": lambda path: path.symlink_to(path.name),
        "a file of five gigabytes": sparse,
    }


@pytest.mark.parametrize("odd", odd_files())
@pytest.mark.parametrize("name", ["tile/0/000", "tile/entries/000", "tile/0/001.p/1", "tile/entries/001.p/1"])
def test_what_is_no_file_is_a_flaw_with_its_place_and_the_rest_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, odd: str
) -> None:
    """It is not waited for, and not read into memory; another tree beside it is verified."""
    log = shutil.copytree(GOLDEN / "size-257", tmp_path / "log")
    shutil.copytree(GOLDEN / "size-1", tmp_path / "other")
    (log / name).unlink()
    odd_files()[odd](log / name)
    other = log / "tile/entries/001.p/1" if name == "tile/0/000" else log / "tile/0/000"
    raw = other.read_bytes()
    other.write_bytes(raw[:-1] + bytes((raw[-1] ^ 1,)))
    assert main(["log", str(tmp_path), *KEY, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert {flaw["path"] for flaw in told["flaws"]} >= {str(log / name), str(other)}
    assert {tree["size"] for tree in told["trees"]} == {1, 257}
    (said,) = (flaw["message"] for flaw in told["flaws"] if flaw["path"] == str(log / name))
    assert "not a regular file" in said or "at most" in said


@pytest.mark.parametrize("odd", sorted({*odd_files()} - {"a folder"}))
def test_an_older_file_that_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], odd: str
) -> None:
    """A partial file of a smaller size is looked at, too."""
    log = shutil.copytree(GOLDEN / "size-257", tmp_path / "log")
    older = log / "tile/0/000.p/9"
    older.parent.mkdir()
    odd_files()[odd](older)
    assert main(["log", str(log), *KEY, "--json"]) == 1
    (flaw,) = json.loads(capsys.readouterr().out)["flaws"]
    assert flaw["path"] == str(older)


@pytest.mark.parametrize("kept", ["tile", "state"])
def test_a_tree_whose_checkpoint_was_removed_is_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: str
) -> None:
    """Beside another that is whole, its tiles or its state still name it; how many were checked is said."""
    shutil.copytree(GOLDEN / "size-1", tmp_path / "store" / "whole")
    gone = shutil.copytree(GOLDEN / "size-257", tmp_path / "store" / "gone")
    (gone / "checkpoint").unlink()
    if kept == "state":
        shutil.rmtree(gone / "tile")
        (gone / "state").write_bytes(b"")
    assert main(["log", str(tmp_path / "store"), *KEY]) == 1
    told = capsys.readouterr().out
    assert f"{gone / 'checkpoint'}" in told
    assert "trees checked: 1" in told
    shutil.rmtree(gone)
    assert main(["log", str(tmp_path / "store"), *KEY]) == 0


# ---------------------------------------------------------------- records out of a bundle


def golden_records() -> list[str]:
    """The ids in the golden bundle."""
    (tree,) = make.evidence().trees
    return [parse_record(kept.record).entry.record_id for kept in tree.records]


BUNDLE = ["bundle", str(GOLDEN / "bundle.zip"), *KEY]


def test_a_record_is_printed_with_what_was_asked_and_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """After what the bundle shows, and before the verdict; one or several."""
    names = golden_records()
    assert main([*BUNDLE, "--record", names[1]]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "it holds"
    assert said.index(f"record {names[1]}, offset 1 of {make.TREE}") > said.index("this does NOT show")
    assert "  request: POST /v1/models/m:predict text/plain" in said
    assert "    | one" in said
    assert main([*BUNDLE, "--record", names[3], "--record", names[1], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["exchanges"]
    assert [each["record"] for each in told] == [names[1], names[3]]
    assert told[0]["request"]["body"] == "one"


def test_records_are_written_into_a_directory_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that were asked for, or those that are named; a new directory or an empty one; for its owner's eyes."""
    out, one = tmp_path / "out", tmp_path / "one"
    assert main([*BUNDLE, "--extract", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["extracted"]
    files = sorted(path.name for path in out.iterdir())
    assert told == {"directory": str(out), "records": 17, "files": len(files)}
    assert sum(name.endswith(".json") for name in files) == 17
    place = "0f" * 16 + "-3-1"
    assert (out / f"{place}.request").read_bytes() == b"one"
    assert (out / f"{place}.answer").read_bytes() == b"1"
    assert json.loads((out / f"{place}.json").read_text())["record"] == golden_records()[1]
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}
    one.mkdir()
    assert main([*BUNDLE, "--extract", str(one), "--record", golden_records()[1]]) == 0
    assert {path.name.partition(".")[0] for path in one.iterdir()} == {place}
    assert "files: 4" in capsys.readouterr().out


def test_how_far_it_is_is_said_on_a_terminal_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On one line, which is cleared."""
    assert main([*BUNDLE, "--extract", str(tmp_path / "one")]) == 0
    assert capsys.readouterr().err == ""
    said = io.StringIO()
    monkeypatch.setattr(said, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", said)
    assert main([*BUNDLE, "--extract", str(tmp_path / "two")]) == 0
    assert said.getvalue() == "\rverifying 17 of 17\r\x1b[K\rwriting 17 of 17\r\x1b[K"
    said.truncate(0)
    said.seek(0)
    assert main(["log", str(GOLDEN / "size-257"), *KEY]) == 0
    assert said.getvalue().endswith("\rverifying 257 of 257\r\x1b[K")


def test_nothing_is_printed_or_written_of_a_bundle_with_flaws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 and the flaws, as without."""
    (tree,) = make.evidence().trees
    wrong = tree.records[4]._replace(proof=tree.records[3].proof)
    records = (*tree.records[:4], wrong, *tree.records[5:])
    changed = dataclasses.replace(make.evidence(), trees=(dataclasses.replace(tree, records=records),))
    file, out = tmp_path / "wrong.zip", tmp_path / "out"
    file.write_bytes(changed.encode())
    asked = ["--record", golden_records()[1], "--extract", str(out)]
    assert main(["bundle", str(file), *KEY, *asked]) == 1
    said = capsys.readouterr().out
    assert "WRONG  proof" in said
    assert "| one" not in said
    assert main(["bundle", str(file), *KEY, *asked, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not {"exchanges", "extracted"} & set(told)
    assert not out.exists()
    file.write_bytes(b"nothing")
    assert main(["bundle", str(file), *KEY, *asked]) == 1
    assert not out.exists()


def test_what_cannot_be_printed_or_written_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No record id, a record that is not there, a directory with something in it, a file, no parent."""
    full, file = tmp_path / "full", tmp_path / "file"
    full.mkdir()
    file.touch()
    (full / "mine").touch()
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    for asked, said in (
        (["--record", "x"], "record id: want"),
        (["--record", f"{'0' * 32}-1"], "has no such record"),
        (["--extract", str(full)], "is not empty"),
        (["--extract", str(file)], "is not a directory"),
        (["--extract", str(tmp_path / "lost")], "is not a directory"),
        (["--extract", str(tmp_path / "a" / "b")], "is not there"),
        (["--extract", str(tmp_path / "new"), "--record", f"{'0' * 32}-1"], "has no such record"),
    ):
        assert main([*BUNDLE, *asked]) == 2, asked
        found = capsys.readouterr()
        assert said in found.err
        assert found.err.startswith("affiant-verify: ")
        assert found.out == ""
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "lost", "mine"]


def test_what_a_record_says_forges_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a text body with line ends, nor a name with an escape."""
    header = {Header.METHOD: "POST\nit holds", Header.TARGET: "/\x1b[2J", Header.CONTENT_TYPE: "text/plain"}
    payload = encode_payload(bytes(32), header, b"a\nit holds\n\x1b[2J\r\nit holds")
    name, file = f"{'07' * 16}-0", tmp_path / "e.zip"
    entry = encode_entry(
        {
            Key.KIND: Kind.INFERENCE, Key.JOURNAL: b"\x07" * 16, Key.EPOCH: 1, Key.SEQUENCE: 0, Key.CHAIN: bytes(32),
            Key.COMMITTING: 1, Key.ARRIVED: 1, Key.SERVICE: "it holds\nit holds", Key.STATUS: 200, Key.TICKET: 0,
            Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: 0,
        }
    )  # fmt: skip
    note = sign_checkpoint(Checkpoint(make.TREE, 1, leaf_hash(entry)), make.NOTARY)
    part = TreePart(make.TREE, note, (Kept(0, frame_record(entry, payload), ()),), ((0, 1),))
    made = EvidenceBundle({"kind": "record", "value": name}, {"by": "", "time": ""}, (part,), {}, b"")
    file.write_bytes(made.encode())
    assert main(["bundle", str(file), *KEY, "--record", name]) == 0
    said = capsys.readouterr().out
    assert said.split("\n").count("it holds") == 1
    assert said.count("it holds") > 3
    assert not {"\x1b", "\r"} & set(said)


def test_the_project_installs_the_same_command_as_the_verifiers_own_wheel() -> None:
    """README and demo name it: after `make dev` it is there, and no other than whoever has the wheel alone runs."""
    root = Path(__file__).resolve().parents[4]
    scripts = [
        tomllib.loads((root / name).read_text())["project"]["scripts"]["affiant-verify"]
        for name in ("pyproject.toml", "verifier/pyproject.toml")
    ]
    assert scripts == ["audit.proof.command:run", "affiant_verify.command:run"]
    installed = Path(sys.executable).with_name("affiant-verify")
    ran = subprocess.run(
        [installed, "log", root / "docs", "--key", "none"], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr[:16]) == (2, "affiant-verify: ")
