"""Checkpoints: three lines in one form, of the log that the key is of, with a quorum of witnesses."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.proof.checkpoint import (
    Checkpoint,
    open_checkpoint,
    parse_checkpoint,
    parse_number,
    sign_checkpoint,
)
from audit.proof.errors import FormatError, NotProved
from audit.proof.note import COSIGNATURE, VerifierKey, sign_note, with_signatures
from tests.components.sealed import KeySigner
from tests.unit.audit.proof.cosign import cosign

ORIGIN = "example.org/log/" + "0f" * 16 + "/3"
SIGNER = KeySigner(b"\x01" * 32)
KEY = VerifierKey(ORIGIN, SIGNER.public_key)
CHECKPOINT = Checkpoint(ORIGIN, 300, b"\x07" * 32)
NOTE = sign_checkpoint(CHECKPOINT, SIGNER)
ROOT = base64.b64encode(b"\x07" * 32).decode()
WITNESSES = [
    VerifierKey(f"w{at}.example", KeySigner(bytes((at,)) * 32).public_key, COSIGNATURE) for at in (2, 3)
]


def test_a_checkpoint_is_read_as_it_was_signed() -> None:
    """By the key that is named for its origin."""
    assert open_checkpoint(NOTE, KEY).checkpoint == CHECKPOINT
    assert CHECKPOINT.text == f"{ORIGIN}\n300\n{ROOT}\n"


def test_extension_lines_are_passed_over() -> None:
    """As the specification says; they are signed all the same."""
    note = sign_note(CHECKPOINT.text + "more\nand more\n", SIGNER, ORIGIN)
    assert open_checkpoint(note, KEY).checkpoint == CHECKPOINT


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", ORIGIN, f"{ORIGIN}\n300\n", f"{ORIGIN}\n300\n{ROOT}", f"\n300\n{ROOT}\n", f"{ORIGIN}\n\n{ROOT}\n",
        f"{ORIGIN}\n300\n\n", f"{ORIGIN}\n300\n{ROOT}\n\nmore\n", f"{ORIGIN}\n0300\n{ROOT}\n",
        f"{ORIGIN}\n+300\n{ROOT}\n",
        f"{ORIGIN}\n-1\n{ROOT}\n", f"{ORIGIN}\n 300\n{ROOT}\n", f"{ORIGIN}\n3e2\n{ROOT}\n", f"{ORIGIN}\n0x12\n{ROOT}\n",
        f"{ORIGIN}\n{2**63}\n{ROOT}\n", f"{ORIGIN}\n٣\n{ROOT}\n", f"{ORIGIN}\n300\n{ROOT[:-4]}\n",
        f"{ORIGIN}\n300\n{ROOT[:-1]}\n",
        f"{ORIGIN}\n300\n{ROOT}=\n", f"{ORIGIN}\n300\n {ROOT}\n", f"a b\n300\n{ROOT}\n", f"a+b\n300\n{ROOT}\n",
        f"{ORIGIN}\n300\n{base64.b64encode(b'7' * 33).decode()}\n", f"{ORIGIN}\n{'1' * 5000}\n{ROOT}\n",
    ],
)  # fmt: skip
def test_a_text_of_another_form_is_refused(text: str) -> None:
    """Leading zeroes, signs, other digits, wrong lengths, empty lines, names that are none."""
    with pytest.raises(FormatError):
        parse_checkpoint(text)


@pytest.mark.parametrize("text", ["", "00", "01", "+1", "1 ", "1\n", "\u0661", "1_0", str(2**63), "9" * 30])
def test_a_number_has_one_form(text: str) -> None:
    """Decimal, ASCII, below 2^63."""
    with pytest.raises(FormatError):
        parse_number(text, "it")
    assert parse_number("0", "it") == 0
    assert parse_number(str(2**63 - 1), "it") == 2**63 - 1


def test_another_logs_checkpoint_is_refused() -> None:
    """The key is of one origin; its owner's other trees are other logs."""
    other = Checkpoint(ORIGIN[:-1] + "4", 300, CHECKPOINT.root)
    with pytest.raises(NotProved, match="the key is of"):
        open_checkpoint(sign_checkpoint(other, SIGNER), KEY)


def test_a_checkpoint_that_the_key_did_not_sign_is_refused() -> None:
    """By a stranger under the same name, or by nobody that is known."""
    stranger = sign_checkpoint(CHECKPOINT, KeySigner(b"\x09" * 32))
    with pytest.raises(NotProved, match="not signed by"):
        open_checkpoint(stranger, KEY)
    with pytest.raises(NotProved, match="not signed by"):
        open_checkpoint(sign_note(CHECKPOINT.text, SIGNER, "another"), KEY)


def test_a_witness_alone_does_not_make_a_checkpoint() -> None:
    """The log's own signature must be there."""
    witness = WITNESSES[0]
    note = cosign(sign_note(CHECKPOINT.text, KeySigner(b"\x09" * 32), "x"), 2)
    with pytest.raises(NotProved, match="not signed by"):
        open_checkpoint(note, KEY, [witness], 1)


def test_a_quorum_is_of_known_witnesses() -> None:
    """So many as are wanted, each counted once; strangers do not count."""
    one = cosign(NOTE, 2)
    both = cosign(one, 3)
    assert len(open_checkpoint(both, KEY, WITNESSES, 2).cosignatures) == 2
    assert len(open_checkpoint(one, KEY, WITNESSES, 1).cosignatures) == 1
    for note, known, quorum in (
        (one, WITNESSES, 2),
        (both, WITNESSES[:1], 2),
        (NOTE, WITNESSES, 1),
        (both, [], 1),
    ):
        with pytest.raises(NotProved, match="witnesses vouch"):
            open_checkpoint(note, KEY, known, quorum)
    assert with_signatures(both, []) == both


@given(st.binary(max_size=200))
def test_hostile_bytes_raise_format_errors_or_prove_nothing(raw: bytes) -> None:
    """Alone, and as the text of a note that is signed."""
    with suppress(FormatError, NotProved):
        open_checkpoint(raw, KEY)
    with suppress(FormatError, NotProved):
        parse_checkpoint(raw.decode("latin-1"))
