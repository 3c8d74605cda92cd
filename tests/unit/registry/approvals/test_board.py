"""Reading the governance log for people: whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.governance import Governance
from audit.log.base import LogEntry
from audit.log.local import LocalLog
from registry.approvals.board import read_board
from registry.approvals.keys import generate, read_signer
from registry.approvals.root import KeyModel, RoleModel, Root, RootModel, root_predicate, sign_root
from registry.errors import NotAdmitted
from registry.statement import APPROVAL, ROOT, append, encode

DIGEST = "sha256:" + "ab" * 32


class Lossy:
    """A log that does not give some of its entries, as after retention or a compaction."""

    def __init__(self, log: Any, without: set[int]) -> None:
        self._log, self._without = log, without
        self.topic, self.writer, self.check = log.topic, log.writer, log.check

    def reader(self) -> Any:
        reader, without = self._log.reader(), self._without

        class Reader:
            close = reader.close

            def bounds(self, partition: int) -> tuple[int, int]:
                first, end = reader.bounds(partition)
                return next(each for each in range(first, end) if each not in without), end

            def read(self, partition: int, offset: int, size: int, timeout: float) -> list[LogEntry]:
                return [
                    each
                    for each in reader.read(partition, offset, size, timeout)
                    if each.offset not in without
                ]

        return Reader()


def signer(directory: Path, name: str) -> Any:
    """Somebody's key."""
    generate(directory / name, name)
    return read_signer(directory / name, str)


def root_of(*signers: Any, **changed: Any) -> Root:
    """A root in which each has the roles root and legal."""
    keys = {each.id: KeyModel(public=each.public_key.hex(), person=each.id[:8]) for each in signers}
    role = RoleModel(keys=list(keys), threshold=1)
    content: dict[str, Any] = {"version": 1, "keys": keys, "roles": {"root": role, "legal": role}}
    return sign_root(RootModel(**(content | changed)), signers)


def test_a_log_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    """What is missing may be a revocation: at its beginning, or within."""
    ann, log = signer(tmp_path, "ann"), LocalLog(tmp_path / "log", "governance")
    append(Governance(log, ann), [encode(DIGEST, APPROVAL, {"number": number}) for number in range(4)])
    first = root_of(ann)
    assert len(read_board(log, first).about(DIGEST)) == 4
    for without, why in (({0}, "its beginning is gone"), ({2}, "has no offset 2")):
        with pytest.raises(NotAdmitted, match=why):
            read_board(Lossy(log, without), first)


def test_what_a_later_root_makes_known_holds_wherever_it_stands(tmp_path: Path) -> None:
    """A key that comes with a root has signed before it: the signature holds (whether it counts, admission says)."""
    ann, bob = signer(tmp_path, "ann"), signer(tmp_path, "bob")
    log, first = LocalLog(tmp_path / "log", "governance"), root_of(ann)
    append(Governance(log, bob), [encode(DIGEST, APPROVAL, {})])
    assert read_board(log, first).about(DIGEST) == []
    second = root_of(ann, bob, version=2, previous=first.digest)
    append(Governance(log, bob), [encode(second.digest, ROOT, root_predicate(second))])
    board = read_board(log, first)
    assert [each.holds for each in board.about(DIGEST)] == [True]
    assert (board.roots.now.version, board.speaker(board.about(DIGEST)[0])) == (
        2,
        f"the unknown key {bob.id[:16]}…",
    )


def test_the_progress_is_told(tmp_path: Path) -> None:
    """Now and then, up to how many there are."""
    ann, log, told = (
        signer(tmp_path, "ann"),
        LocalLog(tmp_path / "log", "governance"),
        list[tuple[int, int]](),
    )
    append(Governance(log, ann), [encode(DIGEST, APPROVAL, {"number": number}) for number in range(2100)])
    read_board(log, root_of(ann), lambda read, of: told.append((read, of)))
    assert told == [(1000, 2100), (2000, 2100)]
