"""Where a journal's key is: beside what it signs, or where whoever carries that cannot read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.config import load
from audit.errors import JournalDamaged, JournalError
from audit.journal import Journal, JournalReader, JournalSettings, Opening
from audit.journal.settings import journal_settings
from audit.proof.entry import Key
from audit.proof.record import parse_record

OURS = bytes(range(32))


async def opened(tmp_path: Path) -> None:
    """One epoch of the journal `j`, its keys in `keys`."""
    settings = JournalSettings(segment_bytes=1 << 16, max_bytes=1 << 20, key_directory=tmp_path / "keys")
    await Journal.open(tmp_path / "j", tmp_path / "s", settings, Opening({})).close()


def signed_by(tmp_path: Path) -> set[bytes]:
    """Public keys of its openings."""
    entries = [parse_record(item.record).entry for item in JournalReader(tmp_path / "j").read(1 << 20)]
    return {found for entry in entries if (found := entry.get(Key.PUBLIC_KEY)) is not None}


async def test_a_key_is_kept_apart_and_goes_on_signing(tmp_path: Path) -> None:
    """In a folder and a file of its owner alone, by the journal's name; nothing of it is beside the journal."""
    for _ in range(2):
        await opened(tmp_path)
    assert [each.name for each in (tmp_path / "keys").iterdir()] == ["j"]
    assert (tmp_path / "keys" / "j").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "j" / "key").exists()
    assert len(signed_by(tmp_path)) == 1


async def test_a_key_beside_a_journal_is_nobodys(tmp_path: Path) -> None:
    """Whoever carries journals may have put it there: a new journal has one of its own, and one that has lost its own
    does not take it.
    """
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / "key").write_bytes(OURS)
    (tmp_path / "j" / "key").chmod(0o600)
    await opened(tmp_path)
    key = tmp_path / "keys" / "j"
    assert key.read_bytes() != OURS
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(JournalError, match="move it, if it is the gateway's own"):
        await opened(tmp_path)
    assert not key.exists()
    (tmp_path / "j" / "key").unlink()
    with pytest.raises(JournalDamaged, match="can sign nothing any more"):
        await opened(tmp_path)
    key.touch(0o600)
    key.write_bytes(kept)
    await opened(tmp_path)
    assert len(signed_by(tmp_path)) == 1


async def test_another_journals_key_of_that_name_is_refused(tmp_path: Path) -> None:
    """Of a second gateway with the same place of keys, when it begins; and one in the place of its own, later.
    The first one goes on.
    """
    await opened(tmp_path)
    settings = JournalSettings(segment_bytes=1 << 16, max_bytes=1 << 20, key_directory=tmp_path / "keys")
    other = tmp_path / "other" / "j"
    other.parent.mkdir()
    for _ in range(2):
        with pytest.raises(
            JournalError, match=r"not the key of the journal .*other/j.* key_directory of its own"
        ):
            Journal.open(other, tmp_path / "os", settings, Opening({}))
    assert not (other / "journal.json").exists()
    await opened(tmp_path)
    assert len(signed_by(tmp_path)) == 1
    key = tmp_path / "keys" / "j"
    key.write_bytes(OURS)
    with pytest.raises(JournalError, match="key_directory of its own"):
        await opened(tmp_path)


@pytest.mark.parametrize("left", ["nothing", "key.pub", "its key"])
async def test_a_creation_that_a_crash_has_ended_is_taken_up(tmp_path: Path, left: str) -> None:
    """Wherever it was: before the key, after it, and before the journal's description."""
    await opened(tmp_path)
    for file in (tmp_path / "j").iterdir():
        if file.name != "key.pub":
            file.unlink()
    if left == "nothing":
        (tmp_path / "j" / "key.pub").unlink()
    if left != "its key":
        (tmp_path / "keys" / "j").unlink()
    kept = [each.read_bytes() for each in (tmp_path / "keys").iterdir()]
    await opened(tmp_path)
    assert len(signed_by(tmp_path)) == 1
    if left == "its key":
        assert [each.read_bytes() for each in (tmp_path / "keys").iterdir()] == kept


async def test_a_key_that_was_moved_there_signs_on(tmp_path: Path) -> None:
    """As a chart does it: nothing beside the journal says whose it is, and the journal has been there."""
    beside = JournalSettings(segment_bytes=1 << 16, max_bytes=1 << 20)
    await Journal.open(tmp_path / "j", tmp_path / "s", beside, Opening({})).close()
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "j" / "key").rename(tmp_path / "keys" / "j")
    await opened(tmp_path)
    assert len(signed_by(tmp_path)) == 1


def test_the_place_is_of_the_settings_file(tmp_path: Path) -> None:
    """A path that is not absolute begins there, and not where a process runs."""
    (tmp_path / "affiant.toml").write_text('[journal]\nkey_directory = "keys"\n')
    config = load(tmp_path / "affiant.toml")
    assert journal_settings(config).key_directory == tmp_path / "keys"
    (tmp_path / "affiant.toml").write_text("")
    assert journal_settings(load(tmp_path / "affiant.toml")).key_directory is None
