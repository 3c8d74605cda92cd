"""`affiant audit verify` misses a tree whose files are gone, by whoever still names it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.auditor.which import trees_to_verify
from audit.errors import ConfigError
from audit.proof.checkpoint import Checkpoint, sign_checkpoint
from audit.sealed import TreeId
from audit.trees import Trees, Trust
from cli.main import guarded, run
from tests.components.sealed import NAME, KeySigner, SealedLog, sealed_log

WRONG, USAGE = 1, 2
OTHER = bytes([7]) * 16
Verify = Callable[..., tuple[int, str]]


@pytest.fixture
def log(tmp_path: Path) -> SealedLog:
    """Sealed and archived, with its log beside it."""
    return sealed_log(tmp_path / "log")


@pytest.fixture
def verify(log: SealedLog, capsys: pytest.CaptureFixture[str]) -> Verify:
    """The command on its store, with its log or without; exit code, output."""
    settings = log.settings()

    def command(*arguments: str, live: bool = True) -> tuple[int, str]:
        given = [
            "audit",
            "verify",
            *arguments,
            *(["--config", str(settings)] if live else ["--store", str(log.store)]),
        ]
        if not live:
            given += ["--key", str(log.vkey)]
        capsys.readouterr()
        code = guarded(lambda: run(given), given)
        out, err = capsys.readouterr()
        return code, out + err

    return command


def test_a_tree_without_checkpoint_and_state_is_missed(log: SealedLog, verify: Verify) -> None:
    """The archive and its own tiles name it; with the log, without it."""
    assert verify()[0] == 0
    (log.folder / "checkpoint").unlink()
    (log.folder / "state").unlink()
    for live in (True, False):
        code, told = verify(live=live)
        assert (code, "WRONG  checkpoint" in told) == (WRONG, True)
    shutil.rmtree(log.store / "archive")
    assert verify(live=False)[0] == WRONG


@pytest.mark.parametrize("named", ["archive", "log", "topics"])
def test_a_tree_that_was_removed_whole_is_missed(log: SealedLog, verify: Verify, named: str) -> None:
    """Each of those that name it is enough."""
    shutil.rmtree(log.folder)
    if named != "archive":
        shutil.rmtree(log.store / "archive")
    if named != "topics":
        shutil.rmtree(log.store / "topics")
    code, told = verify(live=named == "log")
    assert (code, f"{log.tree_id.origin}: nothing is sealed yet" in told) == (WRONG, True)


def test_a_head_that_somebody_kept_misses_its_tree(log: SealedLog, verify: Verify, tmp_path: Path) -> None:
    """Nothing else may be left of it. One of another log is a mistake of whoever gave it."""
    kept = tmp_path / "kept"
    shutil.copy(log.folder / "checkpoint", kept)
    shutil.rmtree(log.store)
    log.store.mkdir()
    assert verify(live=False)[0] == WRONG
    assert verify("--checkpoint", str(kept), live=False)[0] == WRONG
    kept.write_bytes(
        sign_checkpoint(Checkpoint("elsewhere.test/log/" + "00" * 16 + "/0", 0, bytes(32)), KeySigner())
    )
    code, told = verify("--checkpoint", str(kept), live=False)
    assert (code, "is of another log" in told) == (USAGE, True)


def test_every_tree_of_a_store_is_looked_at(log: SealedLog, tmp_path: Path) -> None:
    """Also one that is neither in the log nor in the archive, beside one that is; and no more than there are."""
    trees = Trees(Trust(NAME, Path(), (), 0, log.vkey), log.objects)
    shutil.copytree(log.folder, log.store / OTHER.hex() / "3")
    found = trees_to_verify(trees, [(log.topic.id, 0)], [])
    assert found == sorted([log.tree_id, TreeId(NAME, OTHER, 3)], key=lambda tree: tree.prefix)
    for number, told in enumerate(
        ("no json", '{"id":"zz","partitions":1}', '{"id":"00","partitions":1}', "[]")
    ):
        (log.store / "topics" / f"topic={number}").write_text(told)
    assert trees_to_verify(trees, [], []) == found
    with pytest.raises(ConfigError, match="another log"):
        trees_to_verify(trees, [], [("kept", sign_checkpoint(Checkpoint("x", 0, bytes(32)), KeySigner()))])
