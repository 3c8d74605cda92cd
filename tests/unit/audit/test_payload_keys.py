"""Where payload keys are had from."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.config import load
from audit.errors import ConfigError
from audit.payload_keys import (
    add_key,
    ask_keyring,
    configured_keyring,
    configured_keys,
    read_keyring,
    read_lines,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


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
