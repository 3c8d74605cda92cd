"""`affiant-verify`: what it says and how it ends; the golden files stand in tests/golden/proof."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.proof.command import main
from audit.proof.receipt import Receipt
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
        ["bundle", "x", *KEY, "--witness", "no vkey"], ["log", ".", *KEY],
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a line that says why."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("affiant-verify: ")


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
    from audit.proof.checkpoint import Checkpoint, sign_checkpoint
    from audit.proof.entry import Key, Kind, encode_entry
    from audit.proof.hashing import leaf_hash

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
