"""The notary's note of a topic, and logs that are gone: what `affiant audit verify` tells of either.

Nobody signs the note. What can be decided is a flaw; what only a notary could decide is a remark, and is said.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit.auditor.notes import check_notes
from audit.auditor.survey import Survey, survey
from audit.log.local import LocalLog
from audit.notary.notary import Notary
from audit.notary.noted import Noted, note_name
from audit.objects.directory import DirectoryObjects
from audit.proof.flaws import Flaw
from audit.settings import NotarySettings
from cli.main import guarded, run
from tests.components.sealed import KeySigner, SealedLog, write_log
from tests.fault.attacks.hands import copy
from tests.fault.attacks.test_every_byte import flips
from tests.fault.attacks.test_odd_files import ODD

WRONG = 1
NAME = "example.test/log"
OTHER = bytes([7]) * 16
Verify = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    """A log and its governance log, sealed by a notary, which writes a note of each."""
    made = write_log(tmp_path_factory.mktemp("sound"), [[b'{"instances":[[1]]}'] * 3])
    governance = LocalLog(made.root / "log-governance", "affiant-governance", 1)
    with closing(governance.writer(0)) as writer:
        writer.send(b"no record", b"")
        while writer.delivered().sends < 1:
            writer.wait(1.0)
    notary = Notary(made.log(), governance, made.objects, KeySigner(), NotarySettings(name=NAME))
    notary.look()
    for watched in notary.logs:
        assert watched.tended is not None
        watched.tended.stop()
        watched.tended.join()
    return made


@pytest.fixture
def log(sound: SealedLog, tmp_path: Path) -> SealedLog:
    """A copy, to be attacked."""
    return copy(sound, tmp_path / "log")


@pytest.fixture
def verify(log: SealedLog, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Exit code, JSON and error output, with the settings."""
    settings = str(log.settings())

    def command(*more: str) -> tuple[int, dict[str, Any], str]:
        given = ["audit", "verify", "--config", settings, "--json", *more]
        capsys.readouterr()
        code = guarded(lambda: run(given), given)
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return command


def note(log: SealedLog) -> Path:
    return log.store / note_name(log.topic.name)


def test_what_a_notary_has_sealed_is_without_a_flaw_or_a_remark(log: SealedLog, verify: Verify) -> None:
    """What is told below is told because of the attack."""
    code, told, err = verify()
    assert (code, told["flaws"], told["remarks"], err) == (0, [], [], "")
    assert len(told["trees"]) == 2
    assert all(tree["entries"] for tree in told["trees"])


def told_of(files: Path, log: SealedLog, live: bool) -> list[Flaw]:
    found = survey(DirectoryObjects(files))
    check_notes(found, [log.topic] if live else [])
    return [flaw for flaw in (*found.flaws, *found.remarks) if flaw.path == note_name(log.topic.name)]


@pytest.mark.parametrize("live", [True, False])
def test_each_flipped_byte_of_a_note_is_told_of_the_note(log: SealedLog, live: bool) -> None:
    """Each bit of each byte, with the log and without it: the store's other objects say what it should be."""
    path = note(log)
    raw = path.read_bytes()
    assert told_of(log.store, log, live) == []
    missed = []
    for bit in (1 << at for at in range(8)):
        for at, changed in flips(raw, 1, bit):
            path.write_bytes(changed)
            if not told_of(log.store, log, live):
                missed.append((at, bit, changed))
    assert missed == []


def test_a_note_that_nobody_can_read_is_a_flaw(log: SealedLog, verify: Verify) -> None:
    """Whatever is in it, the command ends as it does for each flaw."""
    for raw in (
        b'{"id":"%s","partitions":1e999}' % log.topic.id.hex().encode(),
        b"[" * 100_000,
        b"",
        b"\xff",
        b"[]",
    ):
        note(log).write_bytes(raw)
        code, told, _ = verify()
        assert code == WRONG
        assert [(flaw["what"], flaw["path"]) for flaw in told["flaws"]] == [
            ("topic", note_name(log.topic.name))
        ]


@pytest.mark.parametrize("odd", sorted(ODD.keys() - {"folder"}))  # that is as if there were none
def test_what_lies_in_a_notes_place_is_a_flaw(log: SealedLog, verify: Verify, odd: str) -> None:
    """It is never waited for, nor read whole."""
    note(log).unlink()
    ODD[odd](note(log))
    code, told, _ = verify()
    assert (code, [flaw["path"] for flaw in told["flaws"]]) == (WRONG, [note_name(log.topic.name)])


@pytest.mark.parametrize("live", [True, False])
def test_a_note_that_was_removed_is_told(log: SealedLog, verify: Verify, live: bool) -> None:
    """A remark where the topic may have been made again: no log says otherwise, and another topic has a note."""
    note(log).unlink()
    code, told, _ = verify() if live else verify("--no-log")
    assert (code, len(told["flaws"]), len(told["remarks"])) == ((WRONG, 1, 0) if live else (0, 0, 1))
    (found,) = told["flaws"] or told["remarks"]
    assert found["what"] == "topic"
    assert log.topic.id.hex() in found["message"]
    assert found["message"].endswith("the note was removed")


def test_trees_without_any_note_are_nobodys(log: SealedLog, verify: Verify) -> None:
    """A notary notes each topic before its first tree: with the log and without."""
    shutil.rmtree(note(log).parent)
    code, told, _ = verify("--no-log")
    assert (code, [flaw["what"] for flaw in told["flaws"]]) == (WRONG, ["topic", "topic"])
    assert len(verify()[1]["flaws"]) == 2


def test_a_notary_that_begins_while_the_names_are_read_has_its_note(log: SealedLog) -> None:
    """Its note comes before its first tree, and after the notes were read."""

    class Late(DirectoryObjects):
        def __init__(self) -> None:
            super().__init__(log.store)
            self.lists = 0

        def list(self, prefix: str) -> Iterator[str]:
            self.lists += 1
            return iter(()) if self.lists == 1 else super().list(prefix)

    found = survey(Late())
    check_notes(found, [log.topic])
    assert (found.flaws, found.remarks) == ([], [])


def surveyed(log: SealedLog, **notes: Noted) -> Survey:
    """With these notes beside those that there are."""
    for name, noted in notes.items():
        (log.store / note_name(name)).write_bytes(noted.encode())
    found = survey(log.objects)
    check_notes(found, [log.topic])
    return found


def test_a_note_names_trees_that_there_are_and_one_name_each(log: SealedLog) -> None:
    """Of another topic, of too many partitions, under a second name, of another id than the log's."""
    id_, name = log.topic.id, log.topic.name
    assert surveyed(log).flaws == []
    cases: list[tuple[dict[str, Noted], str]] = [
        ({"other": Noted(OTHER, 1)}, "1 of them have no tree"),
        ({name: Noted(id_, 3)}, "2 of them have no tree"),
        ({"other": Noted(id_, 1)}, "the note was moved"),
        ({name: Noted(OTHER, 1)}, "the note was changed"),
    ]
    for notes, said in cases:
        store = DirectoryObjects(log.store)
        kept = {
            each: stored.content for each in store.list("topics/") if (stored := store.get(each)) is not None
        }
        assert any(said in flaw.message for flaw in surveyed(log, **notes).flaws), said
        shutil.rmtree(log.store / "topics")
        (log.store / "topics").mkdir()
        for each, content in kept.items():
            (log.store / each).write_bytes(content)
    # A topic that was made again, and not sealed yet.
    again = LocalLog(log.root / "again", name, 1).topic()
    found = survey(log.objects)
    check_notes(found, [again])
    assert [flaw.what for flaw in found.flaws] == ["topic"]
    assert "deleted, and made again" in found.flaws[0].message


class Growing(DirectoryObjects):
    """A store in which a notary adds a partition while its trees are listed."""

    def __init__(self, log: SealedLog) -> None:
        super().__init__(log.store)
        self._log = log

    def list(self, prefix: str) -> Iterator[str]:
        names = [*super().list(prefix)]
        if not prefix:
            shutil.copytree(self._log.folder, self._log.folder.with_name("1"))
            note(self._log).write_bytes(Noted(self._log.topic.id, 2).encode())
        return iter(names)


def test_a_notary_at_work_is_no_attacker(log: SealedLog) -> None:
    """A partition that is added in the meantime is not missed."""
    found = survey(Growing(log))
    check_notes(found, [log.topic])
    assert (found.flaws, found.remarks) == ([], [])
    assert surveyed(log).noted[log.topic.name].partitions == 2


def test_partitions_that_a_note_does_not_count_are_said(log: SealedLog) -> None:
    """They may have been added while no notary ran: a remark."""
    shutil.copytree(log.folder, log.folder.with_name("2"))
    found = surveyed(log)
    assert found.flaws == []
    assert ["up to partition 2" in remark.message for remark in found.remarks] == [True]


@pytest.mark.parametrize(
    ("gone", "names"),
    [
        (["log-governance"], ["governance log"]),
        (["log"], ["log"]),
        (["log", "log-governance"], ["log", "governance log"]),
    ],
)
def test_a_log_that_is_gone_is_said(
    log: SealedLog, verify: Verify, gone: list[str], names: list[str]
) -> None:
    """Nothing that was sealed is wrong, and it was compared with less than it could be."""
    for each in gone:
        shutil.rmtree(log.root / each)
    code, told, err = verify()
    assert (code, told["flaws"]) == (0, [])
    said = [remark["message"] for remark in told["remarks"] if remark["what"] == "log"]
    assert [each.partition(":")[0] for each in said] == [f"not compared with the {name}" for name in names]
    assert [line.partition(":")[0] for line in err.splitlines() if line.startswith("without")] == [
        f"without the {name}" for name in names
    ]
    assert all("it may have been there" in each for each in said)  # nobody is told how to make one


def test_a_governance_log_that_was_made_again_is_a_flaw(log: SealedLog, verify: Verify) -> None:
    """An empty one in its place has another id than the note of its name."""
    shutil.rmtree(log.root / "log-governance")
    LocalLog(log.root / "log-governance", "affiant-governance", 1)
    code, told, _ = verify()
    assert code == WRONG
    assert [flaw["path"] for flaw in told["flaws"]] == [note_name("affiant-governance")]
