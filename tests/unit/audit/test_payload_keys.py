"""Where payload keys are had from."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.config import load
from audit.errors import ConfigError, LogUnavailable
from audit.payload_keys import (
    LiveKeys,
    add_key,
    ask_keyring,
    configured_keyring,
    configured_keys,
    read_keyring,
    read_lines,
)
from tests.components.process import wait_until

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAME, OTHER = bytes(16), bytes(15) + b"x"
"""Of keys that were destroyed."""


def test_the_newest_is_written_with_and_all_open(tmp_path: Path) -> None:
    """The file is its owner's alone."""
    path = tmp_path / "keys" / "payload-keys.json"
    first = add_key(path, now=lambda: NOW)
    second = add_key(path, now=lambda: NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    found = read_keyring(path)
    assert found.newest.id.hex() == second
    assert {each.hex() for each in found.all.keys} == {first, second}
    assert [line.created for line in read_lines(path)] == [NOW, NOW]


def test_of_two_that_add_a_key_at_once_neither_is_lost(tmp_path: Path) -> None:
    """A lost key would open nothing ever again."""
    path = tmp_path / "payload-keys.json"
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: add_key(path), range(16)))
    assert {line.id for line in read_lines(path)} == set(ids)


def test_what_others_may_read_is_refused(tmp_path: Path) -> None:
    """With what to do."""
    path = tmp_path / "payload-keys.json"
    add_key(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=r"mode 0640\): chmod 600"):
        read_keyring(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "Invalid JSON"),
        ('{"format": 2, "keys": []}', "format: "),
        ('{"format": 1, "keys": []}', "keys: List should have at least 1 item"),
        (
            '{"format": 1, "keys": [{"id": "00", "key": "SECRET", "created": "2026-01-02T03:04:05Z"}]}',
            "keys.0.id: ",
        ),
        ('{"format": 1, "keys": [], "more": 1}', "keys: "),
    ],
)
def test_what_is_no_file_of_keys_is_named_and_not_repeated(tmp_path: Path, content: str, said: str) -> None:
    """A key that was mistyped is one all the same."""
    path = tmp_path / "payload-keys.json"
    path.touch(0o600)
    path.write_text(content)
    with pytest.raises(ConfigError, match=said) as found:
        read_keyring(path)
    assert "SECRET" not in str(found.value)


def test_two_keys_of_one_id_are_refused(tmp_path: Path) -> None:
    """Which of them would open what was written?"""
    path = tmp_path / "payload-keys.json"
    add_key(path)
    content = json.loads(path.read_text())
    content["keys"] *= 2
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="two keys have one id"):
        read_keyring(path)


def test_a_command_gives_them_too(tmp_path: Path) -> None:
    """Whatever asks a key service, and prints."""
    path = tmp_path / "payload-keys.json"
    name = add_key(path)
    assert ask_keyring(["cat", str(path)]).newest.id.hex() == name


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["/nowhere/at/all"], r"keys_command \(/nowhere/at/all\): No such file"),
        (
            [sys.executable, "-c", "import sys; sys.exit('no grant for this key')"],
            "ended with 1: no grant for this key",
        ),
        ([sys.executable, "-c", "print('SECRET')"], "Invalid JSON"),
        ([sys.executable, "-c", "print('SECRET'); raise SystemExit(2)"], "ended with 2$"),
    ],
)
def test_a_command_that_gives_none_says_why_and_no_key(command: list[str], said: str) -> None:
    """What it printed may be a key."""
    with pytest.raises(ConfigError, match=said) as found:
        ask_keyring(command)
    assert "SECRET" not in str(found.value)


def test_the_settings_name_one_place(tmp_path: Path) -> None:
    """Or none: then payloads are in the clear."""
    settings = tmp_path / "affiant.toml"
    settings.write_text("")
    assert configured_keyring(load(settings)) is None
    assert not configured_keys(load(settings)).keys
    settings.write_text('[encryption]\nkeys_file = "a.json"\n')
    with pytest.raises(ConfigError, match="`affiant payload-keys new` makes it"):
        configured_keyring(load(settings))
    name = add_key(tmp_path / "a.json")
    found = configured_keyring(load(settings))
    assert found is not None
    assert found.newest.id.hex() == name
    settings.write_text('[encryption]\nkeys_command = ["cat", "{}"]\n'.format(tmp_path / "a.json"))
    assert name in {each.hex() for each in configured_keys(load(settings)).keys}
    settings.write_text('[encryption]\nkeys_file = "a.json"\nkeys_command = ["cat", "a.json"]\n')
    with pytest.raises(ConfigError, match="one of them says where the keys are"):
        configured_keyring(load(settings))


def test_what_an_addition_left_that_was_killed_is_removed(tmp_path: Path) -> None:
    """It has all keys in it; another file's is left alone."""
    path = tmp_path / "payload-keys.json"
    add_key(path)
    left, other = tmp_path / ".payload-keys.json.7.abcd", tmp_path / ".other.json.7.abcd"
    left.write_bytes(path.read_bytes())
    other.write_text("")
    add_key(path)
    assert not left.exists()
    assert other.exists()


def test_a_link_is_followed_and_one_to_nowhere_refused(tmp_path: Path) -> None:
    """What it leads to is what readers have; a volume that is not mounted is no new file."""
    target, link = tmp_path / "elsewhere.json", tmp_path / "payload-keys.json"
    first = add_key(target)
    link.symlink_to(target)
    second = add_key(link)
    assert link.is_symlink()
    assert [line.id for line in read_lines(target)] == [first, second]
    target.unlink()
    with pytest.raises(ConfigError, match="leads nowhere"):
        add_key(link)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    """A pipe waits for a writer that never comes."""
    os.mkfifo(tmp_path / "payload-keys.json", 0o600)
    with pytest.raises(ConfigError, match="is not a regular file"):
        read_keyring(tmp_path / "payload-keys.json")


def test_a_command_that_hangs_ends_with_what_it_started(tmp_path: Path) -> None:
    """No process of it is left."""
    said = tmp_path / "pid"
    with pytest.raises(ConfigError, match="no answer within 1 s"):
        ask_keyring(["sh", "-c", f"sleep 600 & echo $! > {said}; wait"], 1.0)
    wait_until(lambda: not alive(int(said.read_text())), what="the end of what the command has started")


def alive(pid: int) -> bool:
    """Whether it runs: what has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_newer_keys_are_looked_for_and_what_cannot_be_had_is_waited_for(tmp_path: Path) -> None:
    """What is counted without a key stays so: a key that cannot be read now is no key that is not there."""
    settings, path = tmp_path / "affiant.toml", tmp_path / "a.json"
    settings.write_text('[encryption]\nkeys_file = "a.json"\n')
    first = add_key(path)
    live = LiveKeys(load(settings))
    assert live.newer(NAME) is live.keys
    path.chmod(0o644)
    second = add_key_beside(path)
    for _ in range(2):
        with pytest.raises(LogUnavailable, match=r"payload keys are not to be had: .* can be read by others"):
            live.newer(NAME)
    path.chmod(0o600)
    assert {each.hex() for each in live.newer(NAME).keys} == {first, second}
    path.unlink()
    with pytest.raises(LogUnavailable):
        live.newer(NAME)


def test_a_command_is_not_asked_again_and_again_for_a_key_that_it_has_not(tmp_path: Path) -> None:
    """Whoever reads over what was erased; of a key that it was not asked for it is, and of each after a while."""
    settings, path, runs = tmp_path / "affiant.toml", tmp_path / "a.json", tmp_path / "runs"
    first = bytes.fromhex(add_key(path))
    script = tmp_path / "keys"
    script.write_text(f"#!/bin/sh\necho >> {runs}\ncat {path}\n")
    script.chmod(0o700)
    settings.write_text(f'[encryption]\nkeys_command = ["{script}"]\nkeys_seconds = 60\n')
    now = [0.0]
    live = LiveKeys(load(settings), lambda: now[0])

    def asked(name: bytes) -> int:
        before = runs.stat().st_size
        live.newer(name)
        return runs.stat().st_size - before

    assert [asked(name) for name in (NAME, NAME, OTHER, NAME, OTHER)] == [1, 0, 1, 0, 0]
    second = bytes.fromhex(add_key(path))
    assert asked(second) == 1
    assert live.keys.keys.keys() == {first, second}
    now[0] = 61.0
    assert [asked(name) for name in (NAME, NAME)] == [1, 0]


def add_key_beside(path: Path) -> str:
    """A key more, whatever the file's mode is."""
    mode = path.stat().st_mode & 0o777
    path.chmod(0o600)
    name = add_key(path)
    path.chmod(mode)
    return name


def test_without_keys_there_are_none_to_look_for(tmp_path: Path) -> None:
    """Of settings that name none; and a table that only looks as if it encrypted is refused."""
    settings = tmp_path / "affiant.toml"
    settings.write_text("[encryption]\n")
    assert not LiveKeys(load(settings)).newer(NAME).keys
    settings.write_text("[encryption]\nkeys_seconds = 60\n")
    with pytest.raises(ConfigError, match="neither keys_file nor keys_command says where the keys are"):
        LiveKeys(load(settings))


def test_a_file_that_no_reader_would_take_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the key that is lost is the newest."""
    path = tmp_path / "payload-keys.json"
    name = add_key(path)
    monkeypatch.setattr("audit.payload_keys._MAX_TEXT", path.stat().st_size + 10)
    with pytest.raises(ConfigError, match="with one more key"):
        add_key(path)
    assert read_keyring(path).newest.id.hex() == name
