"""So much that is wrong, or remarkable, that nobody would see the rest: it is bounded, and what is left out is said."""

from __future__ import annotations

import pytest

from audit.auditor.verified import MAX_FLAWS, TreeVerified
from audit.notary.holes import Hole, hole_at
from audit.notary.seal import Seal
from tests.components.sealed import KeySigner, SealedLog, seal_log, write_log
from tests.fault.attacks.hands import verified

MANY, TOGETHER = 5000, 1024
"""Entries, and how many are looked at together: fewer than usual, so that the tree is small."""


@pytest.fixture(scope="module")
def holes(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    """A tree of which the log had nothing, but for its first records."""
    made = write_log(tmp_path_factory.mktemp("holes"), [[b"{}"]])
    seal_log(made, archive=False)
    seal = Seal(made.objects, made.tree_id, KeySigner())
    at = seal.size
    seal.append([hole_at(Hole.GONE, made.topic, 0, offset).entry for offset in range(at, MANY)])
    seal.seal()
    seal.close()
    return made


def test_holes_that_follow_each_other_are_one_remark(holes: SealedLog) -> None:
    """A notary that was down for longer than the log keeps makes millions."""
    found = verified(holes, log=False)
    assert (found.holes, found.more_remarks, found.stopped_at) == (MANY - 3, 0, None)
    (said,) = [each for each in found.remarks if each.what == "hole"]
    assert said.offset == 3
    assert f"3 to {MANY - 1}: gone" in said.message


def test_a_flood_of_wrong_entries_is_bounded_and_where_it_stopped_is_said(
    holes: SealedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand are named, and nothing beyond is said to have been looked at."""
    for bundle in sorted((holes.folder / "tile" / "entries").glob("???"))[5:10]:
        raw, at = bytearray(bundle.read_bytes()), 0
        while at < len(raw):
            length = int.from_bytes(raw[at : at + 2], "big")
            raw[at + 1 + length] ^= 1
            at += 2 + length
        bundle.write_bytes(raw)
    monkeypatch.setattr("audit.auditor.verify._CHUNK", TOGETHER)
    found = verified(holes, log=False)
    assert (len(found.flaws), found.more_flaws) == (MAX_FLAWS, 5 * 256 - MAX_FLAWS)
    assert found.stopped_at == 3 * TOGETHER < MANY
    assert found.entries == 3 * TOGETHER - 5 * 256


def test_what_is_found_beyond_the_bound_is_counted() -> None:
    """Whoever finds it: the archive is compared by a thread of its own."""
    found, part = TreeVerified("log/1"), TreeVerified("log/1")
    for each in (found, part):
        for offset in range(700):
            each.flaw("entry", "is not what was sealed", offset=offset)
            each.remark("hole", "the log had no record here", offset=offset)
    found.take(part)
    assert (
        (len(found.flaws), found.more_flaws) == (len(found.remarks), found.more_remarks) == (MAX_FLAWS, 400)
    )
