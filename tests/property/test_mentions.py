"""What an entry is said to mention is never less than what it says, however its JSON is written."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from audit.log.base import LogEntry
from audit.proof.dsse import MEDIA_TYPE
from audit.proof.entry import Key, Kind, encode_entry
from audit.proof.record import Header, encode_payload, frame_record
from registry.ledger.mentions import mentions
from registry.statement import GATES, PAYLOAD_TYPE, PREDICATES, REVOCATION, STATEMENT, said_in

DIGESTS = st.sampled_from(["ab" * 32, "0123456789abcdef" * 4, "f" * 64])
TEXTS = (
    st.text(max_size=20) | DIGESTS | st.sampled_from([*PREDICATES, '"', "\\", "\\u0061", '","payloadType":"'])
)
PREDICATE = st.dictionaries(
    st.sampled_from(["service", "at", "sha256", "predicateType"]), TEXTS | st.integers(), max_size=3
)
TYPES = st.sampled_from([*sorted(PREDICATES), "https://example.com/other/v1"])


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A statement, in any way that JSON may be written."""
    subjects = draw(st.lists(DIGESTS, min_size=1, max_size=3))
    content: dict[str, Any] = {
        "_type": STATEMENT,
        "subject": [{"name": draw(TEXTS), "digest": {"sha256": each}} for each in subjects],
        "predicateType": draw(TYPES),
        "predicate": draw(PREDICATE),
    }
    names = draw(st.permutations(list(content)))
    text = json.dumps(
        {name: content[name] for name in names},
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:")])),
        ensure_ascii=draw(st.booleans()),
    )
    digit = draw(st.sampled_from(["", "a", "b", "0", "g", "v"]))
    if digit and '"\\' not in text and "\\\\" not in text:
        text = text.replace(digit, f"\\u{ord(digit):04x}") if draw(st.booleans()) else text
    coding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"]))
    return text.encode(coding, "surrogatepass")


@st.composite
def envelopes(draw: st.DrawFn, body: st.SearchStrategy[bytes]) -> bytes:
    """Of a body: as ours are, or with other spaces, another order, a part twice, or escapes."""
    payload = base64.b64encode(draw(body)).decode()
    parts = {
        "payload": payload,
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": "ab" * 32, "sig": base64.b64encode(bytes(64)).decode()}],
    }
    names = draw(st.sampled_from([list(parts), list(parts), list(reversed(parts))]))
    spaces = draw(st.sampled_from([(",", ":"), (",", ":"), (", ", ": ")]))
    text = json.dumps({name: parts[name] for name in names}, separators=spaces)
    change = draw(st.sampled_from(["", "", "twice", "escaped", "two"]))
    if change == "twice":
        other = base64.b64encode(draw(body)).decode()
        text = text[:-1] + f',"payload":"{other}"}}'
    elif change == "escaped":
        at = draw(st.integers(0, len(payload) - 1))
        letter = payload[at]
        text = text.replace(payload, f"{payload[:at]}\\u{ord(letter):04x}{payload[at + 1 :]}", 1)
    elif change == "two":
        text = text.replace("[{", '[{"keyid":"x","sig":""},{')
    return text.encode()


@st.composite
def entries(draw: st.DrawFn) -> LogEntry:
    """Records of all that; some with another envelope where nobody looks."""
    return record(draw(envelopes(bodies())), draw(st.just(b"") | envelopes(bodies())))


BODY = json.dumps(
    {
        "_type": STATEMENT,
        "subject": [{"name": "x", "digest": {"sha256": "ab" * 32}}],
        "predicateType": REVOCATION,
        "predicate": {"policy": f"sha256:{'cd' * 32}", "rationale": f"as {GATES} says of {'ef' * 32}"},
    }
).encode()


def envelope(body: bytes, more: str = "", escaped: bytes = b"") -> bytes:
    """As ours are; with `more` at its end, or a letter of the payload written otherwise, where `escaped` stands."""
    payload = base64.b64encode(body).decode()
    if escaped:
        at = body.index(escaped) * 4 // 3 + 4
        payload = f"{payload[:at]}\\u{ord(payload[at]):04x}{payload[at + 1 :]}"
    signature = f'{{"keyid":"{"ab" * 32}","sig":"AA=="}}'
    return (
        f'{{"payload":"{payload}","payloadType":"{PAYLOAD_TYPE}","signatures":[{signature}]{more}}}'.encode()
    )


def record(request: bytes, other: bytes = b"") -> LogEntry:
    """An entry with that envelope, and something where nobody looks."""
    payload = encode_payload(bytes(32), {Header.CONTENT_TYPE: MEDIA_TYPE}, request, other)
    fields: dict[int, object] = {
        Key.KIND: Kind.GOVERNANCE, Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload),
        Key.SUITE: 0, Key.BODY_TYPE: PAYLOAD_TYPE, Key.AUTHOR: bytes(32), Key.TIME: 1,
    }  # fmt: skip
    return LogEntry(7, 1, b"", frame_record(encode_entry(fields), payload))


@given(entries())
@example(record(envelope(BODY)))
@example(record(envelope(BODY.replace(b"revocation", b"revo\\u0063ation"))))
@example(record(envelope(BODY.replace(b"abab", b"a\\u0062ab", 1))))
@example(record(envelope(BODY.decode().encode("utf-16-le"))))
@example(record(envelope(b"{}", f',"payload":"{base64.b64encode(BODY).decode()}"')))
@example(record(envelope(BODY, escaped=b"abab")))
@example(record(envelope(BODY).replace(b'":"', b'": "')))
def test_nothing_that_an_entry_says_is_missed(entry: LogEntry) -> None:
    """Whatever it is that reads it whole."""
    found = mentions(entry)
    for said in said_in([entry]):
        if said.type in PREDICATES:
            assert found is not None
            assert said.type in found.types
            assert {bytes.fromhex(each.removeprefix("sha256:")) for each in said.subjects} <= set(
                found.digests
            )


def test_what_is_ours_is_told_exactly() -> None:
    """A type and a digest that stand in other texts are not mentioned."""
    assert mentions(record(envelope(BODY))) == ((REVOCATION,), (bytes.fromhex("ab" * 32),))


@given(st.binary(max_size=200) | st.none())
def test_anything_may_stand_there(value: bytes | None) -> None:
    """Strangers write what they like."""
    assert mentions(LogEntry(0, 0, None, value)) is None
