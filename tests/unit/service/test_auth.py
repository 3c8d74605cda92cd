"""API keys: hashed in a file, a pseudonym in the record."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from audit.errors import ConfigError
from service.auth import CERTIFICATE, NO_KEYS, add_key, is_loopback, list_keys, read_keys, remove_key
from service.errors import NotLoopback, Unauthenticated

SCOPE = {"server": ("10.1.2.3", 3000)}


def test_a_key_gives_its_callers_pseudonym(tmp_path: Path) -> None:
    """In either header; the file holds neither the key nor is it open to others."""
    path = tmp_path / "keys.json"
    key = add_key(path, "batch")
    other = add_key(path, "web")
    callers = dict(list_keys(path))
    keys = read_keys(path)
    for headers in ({b"authorization": b"Bearer " + key.encode()}, {b"authorization": b"bearer  " + key.encode()},
                    {b"x-api-key": key.encode()}):  # fmt: skip
        assert keys.authenticate(headers, SCOPE) == bytes.fromhex(callers["batch"])
    assert keys.authenticate({b"x-api-key": other.encode()}, SCOPE) == bytes.fromhex(callers["web"])
    content = path.read_text()
    assert key not in content
    assert sha256(key.encode()).hexdigest() in content
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"x-api-key": b""},
        {b"x-api-key": b"wrong"},
        {b"authorization": b"Basic abc"},
        {b"authorization": b"Bearer "},
    ],
)
def test_without_a_known_key_nobody_is_answered(tmp_path: Path, headers: dict[bytes, bytes]) -> None:
    """Not on the loopback either, once there are keys."""
    add_key(tmp_path / "keys.json", "one")
    with pytest.raises(Unauthenticated):
        read_keys(tmp_path / "keys.json").authenticate(headers, {"server": ("127.0.0.1", 1)})


def test_a_removed_key_is_no_longer_known(tmp_path: Path) -> None:
    """And the link to its owner is gone from the file."""
    path = tmp_path / "keys.json"
    key = add_key(path, "gone")
    remove_key(path, "gone")
    with pytest.raises(Unauthenticated):
        read_keys(path).authenticate({b"x-api-key": key.encode()}, SCOPE)
    assert list_keys(path) == []
    with pytest.raises(ConfigError, match="no key"):
        remove_key(path, "gone")


def test_without_keys_only_the_loopback_is_answered() -> None:
    """Whatever a client says in its headers: the connection's own address counts."""
    assert NO_KEYS.authenticate({}, {"server": ("127.0.0.1", 1)}) is None
    for server in (("192.168.1.1", 1), ("::", 1), None):
        with pytest.raises(NotLoopback):
            NO_KEYS.authenticate({b"x-forwarded-for": b"127.0.0.1"}, {"server": server})


def test_loopback_addresses() -> None:
    """Both families."""
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback, ("0.0.0.0", "128.0.0.1", "::", "::2", "12.7.0.1")))  # noqa: S104


@pytest.mark.parametrize(
    "content", ["", "{}x", '{"keys":[{"name":"a"}]}', '{"format":2}', '{"format":1,"keys":[],"more":1}']
)
def test_a_malformed_file_is_refused(tmp_path: Path, content: str) -> None:
    """With what is wrong in it."""
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError):
        read_keys(path)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """It says what to do."""
    path = tmp_path / "keys.json"
    add_key(path, "a")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_keys(path)


def test_names_are_said_once(tmp_path: Path) -> None:
    """And are names."""
    path = tmp_path / "keys.json"
    add_key(path, "a")
    for name in ("a", "", "a b", "ä", "x" * 200):
        with pytest.raises(ConfigError):
            add_key(path, name)


@pytest.mark.parametrize("state", [{}, {CERTIFICATE: False}, {CERTIFICATE: "yes"}, {CERTIFICATE: True}])
@pytest.mark.parametrize("keys", [True, False])
def test_where_certificates_are_wanted_a_key_is_not_enough(
    tmp_path: Path, state: dict[str, object], keys: bool
) -> None:
    """Nor is the loopback: a connection that has shown none, or of which nobody says that it has, is refused."""
    path = tmp_path / "keys.json" if keys else None
    headers = {b"x-api-key": add_key(path, "batch").encode()} if path is not None else {}
    admitted = read_keys(path, certificates=True)
    scope = {"server": ("127.0.0.1", 1), "state": state}
    if state.get(CERTIFICATE) is True:
        assert (admitted.authenticate(headers, scope) is not None) is keys
    else:
        for each in (scope, {"server": ("127.0.0.1", 1)}):
            with pytest.raises(Unauthenticated, match="show a certificate"):
                admitted.authenticate(headers, each)
