"""A key that a command signs with: what it may print, and what is made of one that fails."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.config import load
from audit.errors import KeyRefused
from audit.notary.keys import FileKey
from audit.notary.signers import CommandKey, configured_signer, make_key
from audit.proof.note import SignerUnavailable

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()


def shell(line: str, *arguments: str, seconds: float = 30) -> CommandKey:
    """A command that does what the line says; $1 is what it is asked, after its own arguments."""
    return CommandKey(["sh", "-c", line, *arguments], PUBLIC, seconds)


@pytest.mark.parametrize("form", ["raw", "base64", "base64 without an end of line"])
def test_a_signature_is_taken_as_bytes_or_as_base64(form: str, tmp_path: Path) -> None:
    """As a tool prints it."""
    signature = KEY.sign(b"message")
    raw = {"raw": signature, "base64": base64.b64encode(signature) + b"\n"}.get(
        form, base64.b64encode(signature)
    )
    (tmp_path / "signature").write_bytes(raw)
    key = shell('test "$1" = sign && test "$(cat)" = message && cat "$0"', str(tmp_path / "signature"))
    assert key.sign(b"message") == signature
    with pytest.raises(SignerUnavailable, match="ended with 1"):
        key.sign(b"another")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("echo quota exceeded >&2; exit 3", r"ended with 3: quota exceeded"),
        ("printf 'a\\033[2Jb' >&2; exit 1", "ended with 1: a\ufffd\\[2Jb"),
        ("exit 1", "ended with 1$"),
        ("", "neither 64 bytes nor the base64"),
        ("head -c 63 /dev/zero", "neither 64 bytes"),
        ("echo ä", "neither 64 bytes"),
        ("echo AAAA", "neither 64 bytes"),
    ],
)
def test_a_command_that_gives_no_signature_does_not_answer_now(line: str, told: str) -> None:
    """It may later: the message says what it was that did not."""
    with pytest.raises(SignerUnavailable, match=told) as raised:
        shell(line).sign(b"message")
    assert str(raised.value).startswith("[notary] signer_command (sh) sign: ")


def test_a_command_that_takes_too_long_is_ended_with_what_it_started() -> None:
    """It is asked again; what hangs would be one more each time."""
    with pytest.raises(SignerUnavailable, match=r"no answer within 0\.2 s"):
        shell("sleep 60 & wait", seconds=0.2).sign(b"message")


def test_a_signature_by_another_key_is_refused() -> None:
    """The vkey that auditors believe is not that of the command's key: asking again would not help."""
    with pytest.raises(KeyRefused, match="no signature by the key of"):
        shell("head -c 64 /dev/zero").sign(b"message")


def test_a_command_that_is_not_there_is_refused_at_the_start() -> None:
    """And not tried again for ever."""
    with pytest.raises(KeyRefused, match=r"signer_command \(/nowhere/kms\): there is no such command"):
        CommandKey(["/nowhere/kms"], PUBLIC)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings whose key a command has."""
    path = tmp_path / "affiant.toml"
    public = base64.b64encode(PUBLIC).decode()
    path.write_text(f'[notary]\nsigner_command = ["sh", "-c", "test $0 = public && echo {public}"]\n')
    return path


def test_the_vkey_of_another_key_is_left_as_it_is(config: Path) -> None:
    """Auditors have it; and a file is the key where no command is named."""
    (config.parent / "notary.pub").write_text("affiant.local+00000000+AAAA\n")
    with pytest.raises(KeyRefused):
        make_key(load(config))
    (config.parent / "notary.pub").unlink()
    config.write_text("")
    made = make_key(load(config))
    with pytest.raises(KeyRefused, match="left as it is"):
        make_key(load(config))
    signer = configured_signer(load(config))
    assert isinstance(signer, FileKey)
    assert signer.public_key == made.public_key
