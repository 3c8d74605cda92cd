"""Signed notes: one form, checked strictly; signatures of journals' notary, witnesses, and strangers."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.proof.errors import FormatError, NotProved
from audit.proof.note import (
    COSIGNATURE,
    MAX_NOTE,
    MAX_SIGNATURES,
    Signature,
    VerifierKey,
    decode_base64,
    parse_note,
    sign_note,
    signature_line,
    verify_note,
    with_signatures,
)
from tests.components.notes import NoteKey
from tests.components.sealed import KeySigner
from tests.components.tlog import TlogCheck

NAME = "example.org/log"
SIGNER = KeySigner(b"\x01" * 32)
KEY = VerifierKey(NAME, SIGNER.public_key)
TEXT = "example.org/log\n3\nAAAA\n"
NOTE = sign_note(TEXT, SIGNER, NAME)
LINE = NOTE.partition(b"\n\n")[2]


def cosigned(time: int, *, text: str = TEXT, size: int = 64) -> Signature:
    """By a witness."""
    witness = KeySigner(b"\x02" * 32)
    value = witness.sign(b"cosignature/v1\ntime %d\n%b" % (time, text.encode()))[:size]
    key = VerifierKey("w.example", witness.public_key, COSIGNATURE)
    return Signature(key.name, key.key_id, time.to_bytes(8, "big") + value)


WITNESS = VerifierKey("w.example", KeySigner(b"\x02" * 32).public_key, COSIGNATURE)


def test_a_note_is_what_an_independent_writer_makes() -> None:
    """Key, key id, signature, vkey: written a second time in the tests."""
    other = NoteKey(NAME, b"\x01" * 32)
    assert other.sign(TEXT) == NOTE
    assert other.vkey == str(KEY)
    assert other.key_id == KEY.key_id


@pytest.mark.tlog
def test_go_opens_our_notes_and_reads_our_vkeys() -> None:
    """golang.org/x/mod/sumdb/note."""
    assert TlogCheck.note(NOTE, str(KEY)).verified == (NAME,)
    assert TlogCheck.note(with_signatures(NOTE, [cosigned(7)]), str(KEY)).verified == (NAME,)
    assert not TlogCheck.note(NOTE.replace(b"\n3\n", b"\n4\n"), str(KEY))


def test_a_signature_holds_for_exactly_its_text() -> None:
    """Who signed is told; a stranger's signature is passed over, a wrong one of a known key is not."""
    note = parse_note(NOTE)
    assert [each.key for each in verify_note(note, [KEY])] == [KEY]
    assert verify_note(note, []) == []
    changed = parse_note(NOTE.replace(b"\n3\n", b"\n4\n"))
    with pytest.raises(NotProved, match="does not hold"):
        verify_note(changed, [KEY])


def test_a_key_of_the_same_name_and_another_id_is_a_stranger() -> None:
    """Wrong key ids are not looked up."""
    other = VerifierKey(NAME, b"\x05" * 32)
    assert verify_note(parse_note(NOTE), [other]) == []


def test_cosignatures_say_when() -> None:
    """C2SP tlog-cosignature: eight bytes of time, then the signature over time and text."""
    note = parse_note(with_signatures(NOTE, [cosigned(1_767_323_045)]))
    assert [(each.key, each.time) for each in verify_note(note, [KEY, WITNESS])] == [
        (KEY, None),
        (WITNESS, 1_767_323_045),
    ]


@pytest.mark.parametrize(
    "signature",
    [
        cosigned(7)._replace(value=(8).to_bytes(8, "big") + cosigned(7).value[8:]),
        cosigned(7, text="another\n1\nAAAA\n"),
        cosigned(7, size=63),
        cosigned(7)._replace(value=b"\0" * 7),
    ],
    ids=["another time", "another text", "short", "shorter than a time"],
)
def test_a_cosignature_that_does_not_hold_is_refused(signature: Signature) -> None:
    """A known witness's line is right, or the note is none."""
    with pytest.raises(NotProved):
        verify_note(parse_note(with_signatures(NOTE, [signature])), [KEY, WITNESS])


def test_a_signature_of_a_key_that_is_there_is_not_added_again() -> None:
    """Two lines of one key are refused by every reader."""
    twice = with_signatures(with_signatures(NOTE, [cosigned(7)]), [cosigned(8)])
    assert twice == with_signatures(NOTE, [cosigned(7)])


SPOILED = {
    "nothing": b"",
    "text alone": TEXT.encode(),
    "no empty line": NOTE.replace(b"\n\n", b"\n"),
    "no final newline": NOTE[:-1],
    "an empty line at the end": NOTE + b"\n",
    "a line that is no signature": NOTE + b"hello\n",
    "a hyphen for the dash": NOTE.replace("— ".encode(), b"- "),
    "no name": NOTE.replace(f"— {NAME} ".encode(), "—  ".encode()),
    "a plus in the name": NOTE.replace(f"— {NAME} ".encode(), "— a+b ".encode()),
    "a space in the name": NOTE.replace(f"— {NAME} ".encode(), f"— {NAME} x ".encode()),
    "the line twice": NOTE + LINE,
    "another line of the key": NOTE + signature_line(NAME, KEY.key_id, b"\0" * 64).encode(),
    "CR": NOTE.replace(b"\n", b"\r\n"),
    "NUL": NOTE.replace(b"3", b"\0"),
    "a tab": NOTE.replace(b"3", b"\t"),
    "not UTF-8": NOTE.replace(b"3", b"\xff"),
    "no padding": NOTE.rstrip(b"=\n") + b"\n",
    "a stray character in the base64": NOTE[:-6] + b"*" + NOTE[-5:],
    "a space at the end": NOTE[:-1] + b" \n",
    "url-safe base64": NOTE.partition(b"\n\n")[0] + f"\n\n— {NAME} {'_' * 88}\n".encode(),
    "shorter than a key id": NOTE.partition(b"\n\n")[0] + b"\n\n" + f"— {NAME} AAAA\n".encode(),
    "too many signatures": NOTE
    + "".join(signature_line(f"s{at}", b"\0\0\0\1", b"x" * 64) for at in range(MAX_SIGNATURES)).encode(),
    "too long": b"a" * MAX_NOTE + NOTE,
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_no_note_is_refused(name: str) -> None:
    """One form: another spelling of the same is refused too."""
    with pytest.raises(FormatError):
        parse_note(SPOILED[name])


@pytest.mark.parametrize("text", ["", "no newline", "tab\tx\n", "cr\r\n", "nul\0\n"])
def test_a_text_that_no_reader_takes_is_not_signed(text: str) -> None:
    """The signer is not asked."""
    with pytest.raises(FormatError):
        sign_note(text, SIGNER, NAME)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\x01b"])
def test_a_name_that_no_reader_takes_is_not_signed_under(name: str) -> None:
    """Empty, spaces of any kind, a plus, control characters."""
    with pytest.raises(FormatError):
        sign_note(TEXT, SIGNER, name)


@pytest.mark.parametrize(
    "text",
    [
        "", NAME, f"{NAME}+", f"{NAME}+{KEY.key_id.hex()}", str(KEY).replace("+", "-"), str(KEY)[:-4], str(KEY) + "=",
        str(KEY).replace(KEY.key_id.hex(), "00000000"), str(KEY).replace(KEY.key_id.hex(), KEY.key_id.hex().upper()),
        str(KEY) + "\n", " " + str(KEY), f"+{KEY.key_id.hex()}+{str(KEY).rpartition('+')[2]}",
        str(VerifierKey(NAME, SIGNER.public_key, 2)), str(VerifierKey(NAME, SIGNER.public_key[:-1])),
        str(VerifierKey(NAME, SIGNER.public_key + b"\0")),
    ],
)  # fmt: skip
def test_what_is_no_vkey_is_refused(text: str) -> None:
    """Wrong key ids, other algorithms, another length, another spelling."""
    with pytest.raises(FormatError):
        VerifierKey.parse(text)


def test_a_vkey_is_read_as_it_is_written() -> None:
    """Of the log and of a witness."""
    for key in (KEY, WITNESS):
        assert VerifierKey.parse(str(key)) == key


@pytest.mark.parametrize(
    "text", ["A", "AA", "AA=", "AB==", "AAA", "AAB=", "AAAA====", "AAAA\n", "AA AA", "ÄAAA", "-_-_"]
)
def test_base64_has_one_form(text: str) -> None:
    """Padded, without stray bits or characters."""
    with pytest.raises(FormatError):
        decode_base64(text, "it")


@given(st.binary(max_size=300))
def test_hostile_bytes_raise_a_format_error_and_nothing_else(raw: bytes) -> None:
    """As notes, and as what stands under one."""
    for each in (raw, TEXT.encode() + b"\n" + raw, NOTE + raw):
        with suppress(FormatError, NotProved):
            verify_note(parse_note(each), [KEY])


@given(st.data())
def test_no_note_with_a_changed_byte_is_signed_by_the_key(data: st.DataObject) -> None:
    """Each byte of text, name, id and signature counts."""
    at = data.draw(st.integers(0, len(NOTE) - 1))
    changed = NOTE[:at] + bytes((NOTE[at] ^ data.draw(st.integers(1, 255)),)) + NOTE[at + 1 :]
    with suppress(FormatError, NotProved):
        assert verify_note(parse_note(changed), [KEY]) == []  # another name, or key id: a stranger's line
