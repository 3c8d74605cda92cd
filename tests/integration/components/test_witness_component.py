"""The witness fixture itself: it cosigns, and refuses rollbacks, forks and strangers."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.components.notes import NoteKey
from tests.components.witness import Litewitness

pytestmark = pytest.mark.tlog

ORIGIN = "log.example/0"


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


ONE = leaf(b"one")
TWO = node(ONE, leaf(b"two"))
OTHER_TWO = node(leaf(b"another"), leaf(b"two"))


@pytest.fixture
def key(litewitness: Litewitness) -> NoteKey:
    """The key of a log that the witness knows."""
    key = NoteKey(ORIGIN)
    litewitness.add_log(ORIGIN, key.vkey)
    return key


def test_the_first_checkpoint_is_cosigned(litewitness: Litewitness, key: NoteKey) -> None:
    """The answer is one line, signed by the witness's key over the time and the checkpoint's text."""
    checkpoint = key.checkpoint(1, ONE)
    answer = litewitness.add_checkpoint(0, [], checkpoint)
    assert answer.status == 200
    mark, name, encoded = answer.body.decode().removesuffix("\n").split(" ")
    assert (mark, name) == ("—", litewitness.name)
    signature = base64.b64decode(encoded)
    assert signature[:4].hex() == litewitness.vkey.split("+")[1]
    time = int.from_bytes(signature[4:12], "big")
    text = checkpoint.partition(b"\n\n")[0] + b"\n"
    Ed25519PublicKey.from_public_bytes(litewitness.public_key).verify(
        signature[12:], b"cosignature/v1\ntime %d\n%b" % (time, text)
    )
    assert litewitness.head(ORIGIN) == (1, ONE)
    assert litewitness.vkey in litewitness.process.log_text()


def test_a_rollback_is_refused(litewitness: Litewitness, key: NoteKey) -> None:
    """A log that says it was smaller than the witness saw it gets 409 and the witness's size."""
    assert litewitness.add_checkpoint(0, [], key.checkpoint(2, TWO)).status == 200
    assert litewitness.add_checkpoint(0, [], key.checkpoint(1, ONE)) == (409, b"2\n")
    assert litewitness.head(ORIGIN) == (2, TWO)


def test_a_fork_is_refused(litewitness: Litewitness, key: NoteKey) -> None:
    """Neither another head of the same size nor a larger one that is no continuation is cosigned."""
    assert litewitness.add_checkpoint(0, [], key.checkpoint(1, ONE)).status == 200
    assert litewitness.add_checkpoint(1, [], key.checkpoint(1, leaf(b"another"))).status == 422
    assert litewitness.add_checkpoint(1, [leaf(b"two")], key.checkpoint(2, OTHER_TWO)).status == 422
    assert litewitness.add_checkpoint(1, [leaf(b"two")], key.checkpoint(2, TWO)).status == 200


def test_strangers_are_refused(litewitness: Litewitness, key: NoteKey) -> None:
    """A log that it does not know gets 404, a known one's checkpoint by another key 403."""
    assert litewitness.add_checkpoint(0, [], NoteKey("other.example").checkpoint(1, ONE)).status == 404
    assert litewitness.add_checkpoint(0, [], NoteKey(ORIGIN).checkpoint(1, ONE)).status == 403
    assert litewitness.head(ORIGIN) == (0, hashlib.sha256(b"").digest())


@pytest.mark.fault
def test_a_killed_witness_comes_back_with_its_memory(litewitness: Litewitness, key: NoteKey) -> None:
    """After kill and start, it has the same key and refuses the same."""
    assert litewitness.add_checkpoint(0, [], key.checkpoint(2, TWO)).status == 200
    litewitness.kill()
    litewitness.start()
    assert litewitness.add_checkpoint(0, [], key.checkpoint(1, ONE)).status == 409
    assert litewitness.add_checkpoint(2, [], key.checkpoint(2, TWO)).status == 200
