"""Every byte of a small sealed log flipped, one at a time: all found, each located.

What tells nothing that anything could be held to is named here: the state's `time`, a clock's reading; that it has
begun an archive file, and the version of the program that wrote a Parquet file, are told as remarks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.archive import Archive
from audit.auditor.verified import TreeVerified
from audit.auditor.verify import LiveLog, Wanted, verify_trees
from audit.log.base import Topic
from audit.notary.state import State
from audit.objects.base import Stored
from audit.proof import cbor
from audit.proof.flaws import Flaw
from audit.trees import Trees, Trust
from tests.components.sealed import SealedLog, sealed_log
from tests.fault.attacks.hands import HeldLog


class Held:
    """A store in memory, for reading."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def get(self, name: str) -> Stored | None:
        content = self.files.get(name)
        return None if content is None else Stored(content, "")

    def list(self, prefix: str) -> Iterator[str]:
        return iter(sorted(name for name in self.files if name.startswith(prefix)))

    def create(self, name: str, content: bytes) -> bool:
        raise AssertionError

    def swap(self, name: str, content: bytes, version: str | None) -> str:
        raise AssertionError


class Auditor:
    """Verifies a log whose files are in memory."""

    def __init__(self, made: SealedLog) -> None:
        self.files = {
            path.relative_to(made.store).as_posix(): path.read_bytes()
            for path in made.store.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }
        self.tree = made.tree_id
        self.trust = Trust(made.vkey.name, Path(), (), 0, made.vkey)
        self.log = LiveLog(HeldLog(made.entries()), made.topic)

    @property
    def topic(self) -> Topic:
        return self.log.topic

    def verified(self, files: dict[str, bytes], *, log: bool = True) -> TreeVerified:
        held = Held(files)
        logs = {self.topic.id: self.log} if log else {}
        return verify_trees(
            Trees(self.trust, held), [self.tree], Archive(held), logs, Wanted(), pause=lambda _: None
        )[0]


@pytest.fixture(scope="module")
def auditor(tmp_path_factory: pytest.TempPathFactory) -> Auditor:
    return Auditor(sealed_log(tmp_path_factory.mktemp("sealed"), archive_records=8))


@pytest.fixture(scope="module")
def unarchived(tmp_path_factory: pytest.TempPathFactory) -> Auditor:
    return Auditor(sealed_log(tmp_path_factory.mktemp("unarchived"), archive=False))


def flips(raw: bytes, step: int, bit: int) -> Iterator[tuple[int, bytes]]:
    """The file with one bit of one byte changed."""
    for at in range(0, len(raw), step):
        yield at, raw[:at] + bytes((raw[at] ^ bit,)) + raw[at + 1 :]


def missed(auditor: Auditor, names: list[str], step: int, bit: int = 1, *, log: bool = True) -> list[str]:
    """Flips that are not found, or not located; with those that the page names left out."""
    wrong = []
    for name in names:
        free = free_bytes(name, auditor.files[name])
        for at, changed in flips(auditor.files[name], step, bit):
            found = auditor.verified({**auditor.files, name: changed}, log=log)
            here = [flaw for flaw in (*found.flaws, *found.remarks) if flaw.path == name]
            if not found.flaws and at not in free and not any("is begun" in each.message for each in here):
                here = []
            if (not here and not (at in free and name.endswith("/state"))) or not located(name, at, here):
                wrong.append(f"{name} byte {at}: {[str(flaw) for flaw in found.flaws[:3]]}")
    return wrong


def located(name: str, at: int, found: list[Flaw]) -> bool:
    """A tile's byte exactly; in a bundle the byte, or the entry that begins at or before it."""
    bytes_ = [flaw.byte for flaw in found if flaw.byte is not None]
    if "/tile/entries/" in name:
        return any(byte <= at for byte in bytes_)
    return at in bytes_ if "/tile/" in name else True


def free_bytes(name: str, raw: bytes) -> range:
    if name.endswith("/state"):
        encoded = cbor.encode(State.decode(raw).time)
        at = raw.index(b"time" + encoded) + 4
        return range(at, at + len(encoded))
    at = raw.find(b"parquet-cpp-arrow version ")
    return range(at, at + 40) if at >= 0 else range(0)


def tree_files(auditor: Auditor) -> list[str]:
    return [name for name in auditor.files if not name.startswith(("archive/", "topics/"))]


def archive_files(auditor: Auditor) -> list[str]:
    return [name for name in auditor.files if name.startswith("archive/")]


def test_an_untouched_log_is_without_a_flaw(auditor: Auditor, unarchived: Auditor) -> None:
    """What is found below is found because of the byte."""
    for each in (auditor, unarchived):
        found = each.verified(each.files)
        assert found.flaws == found.remarks == []
        assert found.entries == 13
    assert len(archive_files(auditor)) == 6


@pytest.mark.slow
def test_each_flipped_byte_of_the_tree_is_found_and_located(unarchived: Auditor) -> None:
    """Tiles, entry bundles, partial ones of earlier sizes, checkpoint and state: every byte."""
    assert missed(unarchived, tree_files(unarchived), 1, log=False) == []


def test_flipped_bytes_of_the_archive_are_found_and_located(auditor: Auditor) -> None:
    """Some bytes of each file; times are held to the log."""
    assert missed(auditor, archive_files(auditor), 347) == []


def test_a_byte_that_says_nothing_of_the_rows_is_found_too(auditor: Auditor) -> None:
    """Of the first page's header, which no checksum covers and whose half no reader looks at."""
    for name in archive_files(auditor):
        for at, changed in flips(auditor.files[name], 1, 1):
            if 20 <= at < 30:
                found = auditor.verified({**auditor.files, name: changed}).flaws
                assert name in {flaw.path for flaw in found}, (name, at)


def test_the_archive_tells_which_byte_of_an_entry_is_wrong(auditor: Auditor) -> None:
    """It has what was sealed, so the wrong byte in the bundle is known."""
    name = f"{auditor.tree.prefix}/tile/entries/000.p/13"
    for at, changed in flips(auditor.files[name], 97, 0x80):
        found = auditor.verified({**auditor.files, name: changed}).flaws
        exact = [
            flaw.byte for flaw in found if flaw.path == name and "the archive has what was" in flaw.message
        ]
        assert at in exact or any(flaw.what == "entries" for flaw in found), (at, found)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_each_flipped_byte_of_the_archive_is_found_and_located(auditor: Auditor) -> None:
    """All of them."""
    assert missed(auditor, archive_files(auditor), 1) == []
