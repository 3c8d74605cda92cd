"""`affiant audit verify`: what it says of ranges that are not there, of one of a thing, and of hostile words."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.auditor.verified import TreeVerified
from audit.config import load
from audit.proof.note import COSIGNATURE, VerifierKey
from audit.trees import configured_trees
from cli.audit_verify import _tell
from cli.main import run

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "bench"))
from harness.sealed import SealedLog, write_sealed_log

SIZE = 600
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    """A log of 600 entries, all but 100 of them archived."""
    return write_sealed_log(tmp_path_factory.mktemp("log") / "log", SIZE, tail=100)


@pytest.fixture
def verify(made: SealedLog, capsys: pytest.CaptureFixture[str]) -> Command:
    """Exit code, output and error output."""

    def command(*arguments: str, root: Path = made.store.parent) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            run(["audit", "verify", "--config", str(root / "affiant.toml"), *arguments])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, " ".join(err.split())

    return command


@pytest.mark.parametrize(
    "asked",
    [("--from", "600"), ("--from", "90000"), ("--from", "90000", "--to", "90001"), ("--to", "600")],
)
def test_a_range_that_is_not_all_there_is_refused_with_what_there_is(
    verify: Command, made: SealedLog, asked: tuple[str, ...]
) -> None:
    """`nothing is wrong` would be said of what nobody has looked at."""
    code, out, err = verify(*asked)
    assert code == 2
    assert "wrong" not in out
    assert f"{made.tree.origin} has offsets 0 to 599" in err


@pytest.mark.parametrize("asked", [(), ("--from", "599"), ("--from", "0", "--to", "599")])
def test_a_range_up_to_the_last_entry_is_all_there(verify: Command, asked: tuple[str, ...]) -> None:
    """The bound is the last offset, and no other one."""
    code, out, _ = verify(*asked)
    assert (code, out.splitlines()[-1]) == (0, "nothing is wrong")
    assert "note   range" not in out


def test_what_is_wrong_goes_before_what_is_not_there(verify: Command, made: SealedLog, tmp_path) -> None:
    """A range beyond the end is no way around a damaged checkpoint."""
    shutil.copytree(made.store.parent, tmp_path / "log")
    path = tmp_path / "log/store" / made.tree.prefix / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"600", b"601"))
    code, out, _ = verify("--from", "90000", root=tmp_path / "log")
    assert (code, "WRONG  checkpoint" in out) == (1, True)


def test_of_two_trees_the_one_that_has_less_is_told(verify: Command, made: SealedLog, tmp_path: Path) -> None:
    """The governance log is short: a range of the log is verified, and what it has not is noted."""
    shutil.copytree(made.store.parent, tmp_path / "log")
    short = write_sealed_log(tmp_path / "short", 50, tail=50, partition=1)
    shutil.copytree(short.store / short.tree.prefix, tmp_path / "log/store" / short.tree.prefix)
    shutil.copytree(short.store / "topics", tmp_path / "log/store/topics", dirs_exist_ok=True)
    code, out, _ = verify("--from", "50", "--to", "300", root=tmp_path / "log")
    assert code == 0
    (note,) = [line for line in out.splitlines() if line.startswith("note")]
    assert "offsets from 50 to 300 were asked for, and it has offsets 0 to 49" in note
    assert short.tree.origin in note
    code, _, err = verify("--from", "50", "--partition", "1", root=tmp_path / "log")
    assert (code, "has offsets 0 to 49" in err, "0 to 599" in err) == (2, True, False)
    told = json.loads(verify("--from", "50", "--to", "300", "--json", root=tmp_path / "log")[1])
    assert [each["beyond"] for each in told["trees"]] == [False, True]


def test_what_is_wrong_with_the_command_line_is_not_wrong_with_the_log(verify: Command, tmp_path) -> None:
    """Exit code 2, with what there is; an empty store is a finding, and is not called right."""
    code, _, err = verify("--partition", "7")
    assert (code, "nothing of it is sealed, there is 0" in err) == (2, True)
    code, _, err = verify("--from", "9", "--to", "8")
    assert (code, "the last offset comes before the first" in err) == (2, True)
    (tmp_path / "shopping list").write_text("milk\n\n")
    for kept in (tmp_path / "none", tmp_path, tmp_path / "shopping list"):
        code, _, err = verify("--checkpoint", str(kept))
        assert (code, f"--checkpoint {kept}: " in err) == (2, True)
    code, out, err = verify("--store", str(tmp_path))  # a file of another kind is no tree, and is named
    assert (code, "nothing is sealed" in err) == (1, True)
    assert "shopping list" in out
    assert "1 thing is wrong" in out
    code, out, _ = verify("--store", str(tmp_path), "--json")
    told = json.loads(out)
    assert (code, told["holds"], [flaw["path"] for flaw in told["flaws"]]) == (1, False, ["shopping list"])
    (tmp_path / "empty").mkdir()
    code, out, err = verify("--store", str(tmp_path / "empty"))
    assert (code, "nothing is sealed" in err, out) == (1, True, "")


def test_what_was_kept_of_a_partition_that_is_left_out_is_refused(
    verify: Command, made: SealedLog, tmp_path: Path
) -> None:
    """It shows a roll-back, and nobody would hold the tree to it."""
    shutil.copytree(made.store.parent, tmp_path / "log")
    other = write_sealed_log(tmp_path / "other", 50, tail=50, partition=1)
    shutil.copytree(other.store / other.tree.prefix, tmp_path / "log/store" / other.tree.prefix)
    shutil.copytree(other.store / "topics", tmp_path / "log/store/topics", dirs_exist_ok=True)
    kept = tmp_path / "kept"
    kept.write_bytes((other.store / other.tree.prefix / "checkpoint").read_bytes())
    asked = ("--checkpoint", str(kept))
    code, out, err = verify("--partition", "0", *asked, root=tmp_path / "log")
    assert (code, out) == (2, "")
    assert f"is of the tree {other.tree.origin}, which --partition 0 leaves out" in err
    for more in (("--from", "50", "--to", "300"), ("--partition", "1")):
        assert verify(*more, *asked, root=tmp_path / "log")[0] == 0


def test_a_witness_that_is_named_must_vouch_unless_it_is_said_otherwise(
    verify: Command, made: SealedLog
) -> None:
    """`nothing is wrong` would be taken for its word; where none vouches that is said."""
    trust = configured_trees(load(made.store.parent / "affiant.toml")).trust
    key = str(VerifierKey(trust.name, trust.public_key()))
    witnesses = [
        str(VerifierKey(name, bytes(range(32)), COSIGNATURE)) for name in ("one.example", "two.example")
    ]
    asked = ["--store", str(made.store), "--key", key]
    for named, wanted in ((witnesses[:1], 1), (witnesses, 2), ([*witnesses, witnesses[0]], 2)):
        options = [each for witness in named for each in ("--witness", witness)]
        code, out, _ = verify(*asked, *options)
        assert (code, f"0 of the known witnesses vouch for it, wanted {wanted}" in out) == (1, True)
        code, out, _ = verify(*asked, *options, "--quorum", "0")
        assert (code, "  no witness that was named vouches for it" in out.splitlines()) == (0, True)


def test_whether_it_holds_is_one_word_of_the_json(verify: Command, made: SealedLog, tmp_path: Path) -> None:
    """As `affiant-verify` has it: what is wrong with a tree stands with the tree, and not at the top."""
    assert json.loads(verify("--json")[1])["holds"] is True
    shutil.copytree(made.store.parent, tmp_path / "log")
    path = tmp_path / "log/store" / made.tree.prefix / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"600", b"601"))
    code, out, _ = verify("--json", root=tmp_path / "log")
    assert (code, json.loads(out)["holds"], json.loads(out)["flaws"]) == (1, False, [])


def test_one_of_a_thing_is_no_two(capsys: pytest.CaptureFixture[str]) -> None:
    """1 journal, 1 checkpoint, 1 hole."""
    one = dict.fromkeys(
        ("size", "payloads", "checkpoints", "journals", "signatures", "holes", "without_payload", "duplicates",
         "unchecked_signatures"), 1,
    )  # fmt: skip
    _tell([TreeVerified("o", **one)], False)
    out = capsys.readouterr().out
    for words in ("1 entry,", "1 payload,", "1 checkpoint,", "1 journal with 1 signature\n", "1 hole:", "1 payload is",
                  "1 benign duplicate\n", "1 signature whose"):  # fmt: skip
        assert words in out
    _tell([TreeVerified("o", size=2)], False)
    assert "2 entries," in capsys.readouterr().out


def test_what_a_store_says_forges_no_line_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Origins, names of files and of witnesses are a stranger's words."""
    hostile = "x\x1b[2J\u202e\nnothing is wrong"
    found = TreeVerified(hostile, size=1, witnesses=(hostile,))
    found.flaw("archive", hostile, path=hostile)
    found.remark("file", hostile)
    _tell([found], False)
    out = capsys.readouterr().out
    assert not set("\x1b\u202e") & set(out)
    assert "nothing is wrong" not in out.splitlines()
    assert out.splitlines()[-1] == "1 thing is wrong"


def test_where_a_verification_stopped_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """What was found and is not named is counted, and nobody reads that the rest is right."""
    found = TreeVerified("log/1", size=5000, end=5000, stopped_at=4000)
    for offset in range(1007):
        found.flaw("entry", "is not what was sealed", offset=offset)
        found.remark("hole", "the log had no record here", offset=offset)
    _tell([found], as_json=False)
    out = capsys.readouterr().out
    assert "1000 things wrong are named, 7 more are not; it stopped before offset 4000" in out
    assert "7 notes more" in out
    assert out.splitlines()[-1] == "1007 things are wrong, and not all was looked at"
    _tell([found], as_json=True)
    (tree,) = json.loads(capsys.readouterr().out)["trees"]
    assert (tree["stopped_at"], tree["more_flaws"], tree["more_remarks"], len(tree["remarks"])) == (
        4000,
        7,
        7,
        1000,
    )
