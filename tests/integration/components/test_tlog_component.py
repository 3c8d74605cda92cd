"""Others' checkers themselves: what another's program wrote is accepted, and what was changed is refused."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.components.notes import NoteKey
from tests.components.process import ComponentError
from tests.components.tlog import (
    SpicyLog,
    TlogCheck,
    fsck,
    posix_oneshot,
    spicy_proof,
    spicy_verify,
    tile_paths,
)

pytestmark = pytest.mark.tlog

ORIGIN = "log.example/0"


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


# ---------------------------------------------------------------- Tessera


def entries(first: int, end: int) -> list[bytes]:
    return [b"entry %d" % index for index in range(first, end)]


@pytest.mark.parametrize("size", [1, 256, 257])
def test_fsck_accepts_what_posix_oneshot_wrote(
    size: int, tmp_path: Path, served: Callable[[Path], str]
) -> None:
    """From the folder and over HTTP, and it says the size."""
    key = NoteKey(ORIGIN)
    files = posix_oneshot(entries(0, size), key, tmp_path / "log")
    assert files["checkpoint"].startswith(f"{ORIGIN}\n{size}\n".encode())
    for place in (tmp_path / "log", served(tmp_path / "log")):
        verdict = fsck(place, key.vkey)
        assert verdict, verdict.said
        assert verdict.size == size


def test_posix_oneshot_goes_on_with_a_log(tmp_path: Path) -> None:
    """Entries added by a second run stand after the first's, and the files are those of one run."""
    key = NoteKey(ORIGIN)
    posix_oneshot(entries(0, 200), key, tmp_path / "twice")
    twice = posix_oneshot(entries(200, 600), key, tmp_path / "twice")
    assert twice == posix_oneshot(entries(0, 600), key, tmp_path / "once")
    assert set(twice) == {"checkpoint", *tile_paths(600)}


@pytest.mark.parametrize("file", ["checkpoint", "tile/0/000", "tile/1/000.p/2", "tile/entries/001"])
def test_fsck_refuses_a_changed_byte(file: str, tmp_path: Path) -> None:
    """In the checkpoint, in a tile of either level and in an entry."""
    key = NoteKey(ORIGIN)
    posix_oneshot(entries(0, 600), key, tmp_path / "log")
    path = tmp_path / "log" / file
    changed = bytearray(path.read_bytes())
    changed[len(ORIGIN) + 8] ^= 1
    path.write_bytes(changed)
    verdict = fsck(tmp_path / "log", key.vkey)
    assert not verdict
    assert "fsck failed" in verdict.said


def test_fsck_refuses_another_key(tmp_path: Path) -> None:
    """A log is another's when its checkpoint is signed by another key of the same name."""
    posix_oneshot(entries(0, 3), NoteKey(ORIGIN), tmp_path / "log")
    assert "fsck failed" in fsck(tmp_path / "log", NoteKey(ORIGIN).vkey).said


def test_fsck_that_does_not_end_is_a_refusal(tmp_path: Path) -> None:
    """With more wrong tiles than it has workers it waits for ever; it is stopped, and that is no success."""
    key = NoteKey(ORIGIN)
    posix_oneshot(entries(0, 256 * 48), key, tmp_path / "log")
    for path in (tmp_path / "log" / "tile" / "0").glob("[0-9][0-9][0-9]"):
        path.write_bytes(bytes(256 * 32))
    verdict = fsck(tmp_path / "log", key.vkey, timeout_s=5)
    assert not verdict
    assert "stopped after 5 s" in verdict.said


def test_paths_of_tiles_are_those_of_the_specification() -> None:
    """Three digits a part, x before all but the last, and the width of what is not full."""
    assert tile_paths(0) == []
    assert tile_paths(255) == ["tile/0/000.p/255", "tile/entries/000.p/255"]
    assert tile_paths(256) == ["tile/0/000", "tile/entries/000", "tile/1/000.p/1"]
    large = tile_paths(1_234_067 * 256 + 1)
    assert "tile/entries/x001/x234/067.p/1" in large
    assert "tile/3/000.p/18" in large


# ---------------------------------------------------------------- spicy


@pytest.fixture
def spicy(tmp_path: Path) -> SpicyLog:
    """An empty log of spicy's own."""
    return SpicyLog(tmp_path / "spicy", ORIGIN)


def test_spicy_accepts_its_own_proofs(spicy: SpicyLog) -> None:
    """Each entry's proof proves that entry, and no other."""
    spicy.add(b"zero", b"one")
    proofs = spicy.add(b"two", b"three", b"four")
    assert re.match(rb"index 3\n[A-Za-z0-9+/=]{44}\n", proofs[1])
    verdict = spicy_verify(b"three", proofs[1], spicy.vkey)
    assert verdict, verdict.said
    assert "could not verify inclusion" in spicy_verify(b"two", proofs[1], spicy.vkey).said
    assert "could not verify checkpoint" in spicy_verify(b"three", proofs[1], NoteKey(ORIGIN).vkey).said


def test_spicy_reads_the_older_form_only(spicy: SpicyLog) -> None:
    """A tlog-proof of C2SP is refused as it is, and accepted without its header and extra line."""
    (older,) = spicy.add(b"zero")
    receipt = b"c2sp.org/tlog-proof@v1\nextra emVybw==\n" + older
    assert "malformed spicy signature" in spicy_verify(b"zero", receipt, spicy.vkey).said
    assert spicy_proof(receipt) == older
    assert spicy_verify(b"zero", spicy_proof(receipt), spicy.vkey)


# ---------------------------------------------------------------- golang.org/x/mod/sumdb


def test_go_opens_a_note(tmp_path: Path) -> None:
    """A note signed by hand is opened with its key, and refused with another, or when it was changed."""
    key = NoteKey(ORIGIN)
    note = key.checkpoint(1, leaf(b"one"))
    opened = TlogCheck.note(note, key.vkey)
    assert opened, opened.said
    assert opened.text.encode() == note.partition(b"\n\n")[0] + b"\n"
    assert opened.verified == (ORIGIN,)
    assert "no verifiable signatures" in TlogCheck.note(note, NoteKey(ORIGIN).vkey).said
    assert "invalid signature" in TlogCheck.note(note.replace(b"\n1\n", b"\n2\n"), key.vkey).said
    assert "malformed note" in TlogCheck.note(note + b"\n", key.vkey).said
    assert "verifier" in TlogCheck.note(note, "no key").said


def test_go_checks_proofs() -> None:
    """Inclusion and consistency in a tree of three, and each refused when one thing is wrong."""
    a, b, c = leaf(b"a"), leaf(b"b"), leaf(b"c")
    two, three = node(a, b), node(node(a, b), c)
    checks = TlogCheck()
    checks.record([a, c], 3, three, 1, b)
    checks.record([a, c], 3, three, 0, b)
    checks.record([a, c], 3, two, 1, b)
    checks.record([a, c], 3, three, 1, a)
    checks.tree([c], 3, three, 2, two)
    checks.tree([c], 3, three, 2, three)
    checks.tree([], 3, three, 3, three)
    checks.tree([], 3, three, 3, two)
    answers = checks.answers()
    assert [answer.ok for answer in answers] == [True, False, False, False, True, False, True, False]
    assert all(answer.ok or answer.said for answer in answers)
    assert checks.answers() == []


def test_go_answers_thousands_in_one_process() -> None:
    """Ten thousand questions have ten thousand answers, each to its own question."""
    a, b = leaf(b"a"), leaf(b"b")
    checks = TlogCheck()
    for index in range(10_000):
        checks.record([b], 2, node(a, b), index % 2, a)
    assert [answer.ok for answer in checks.answers()] == [index % 2 == 0 for index in range(10_000)]


def test_a_question_that_is_none_is_an_error_of_the_test() -> None:
    """A hash of another length is not a proof refused: it has no answer."""
    checks = TlogCheck()
    checks.record([b"short"], 2, leaf(b"a"), 0, leaf(b"a"))
    with pytest.raises(ComponentError, match="proof has 5 bytes"):
        checks.answers()
