"""Statements of the governance log: appended whole, read back with whether their author's signature holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.errors import LogUnavailable
from audit.governance import ALARM, SUCCESSION, Governance, alarms, parse_statement, statements
from audit.log.base import LogEntry
from audit.log.local import LocalLog
from audit.proof.entry import Key as Field
from audit.proof.entry import Kind, encode_entry
from audit.proof.record import frame_record, parse_record, payload_holds
from tests.components.sworn import two_epochs

TIME = 1_700_000_000_000_000_000


class Key:
    """A signer."""

    def __init__(self, seed: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


OURS, THEIRS = Key(1), Key(2)


@pytest.fixture
def log(tmp_path: Path) -> LocalLog:
    """An empty governance log."""
    return LocalLog(tmp_path / "governance", "affiant-governance", 1)


def author(log: LocalLog, key: Key) -> Governance:
    """Who appends."""
    return Governance(log, key, clock=lambda: TIME)


def test_statements_come_back_in_order_with_who_said_them(log: LocalLog) -> None:
    """Ours hold; those of a key that was not asked for are undecided; alarms are the notary's alone."""
    author(log, OURS).append([(ALARM, b'{"what":"missing"}'), (SUCCESSION, b'{"topic":"t"}')])
    author(log, THEIRS).append([(ALARM, b'{"what":"forged"}')])
    reader = log.reader()
    found = list(statements(reader, 0, 3, [OURS.public_key]))
    assert [(each.offset, each.type, each.body, each.holds) for each in found] == [
        (0, ALARM, {"what": "missing"}, True),
        (1, SUCCESSION, {"topic": "t"}, True),
        (2, ALARM, {"what": "forged"}, None),
    ]
    assert {each.time for each in found} == {TIME}
    assert found[2].author == sha256(THEIRS.public_key).digest()
    assert [each.body["what"] for each in alarms(reader, 0, 3, OURS.public_key)] == ["missing"]
    assert [each.body["what"] for each in author(log, OURS).newest(10)] == ["missing"]
    assert author(log, OURS).newest(1) == []
    reader.close()


def test_a_statement_is_a_record_of_the_format_with_a_salted_payload(log: LocalLog) -> None:
    """The same words twice are two payloads: nobody can guess them from a digest."""
    ours = author(log, OURS)
    first, second = (parse_record(ours.record(ALARM, b"{}")) for _ in range(2))
    assert payload_holds(first)
    assert payload_holds(second)
    assert first.entry.get(Field.PAYLOAD_DIGEST) != second.entry.get(Field.PAYLOAD_DIGEST)
    assert first.entry.get(Field.BODY_TYPE) == ALARM


def spoilt(change: Callable[[bytes], bytes]) -> bytes:
    """A record whose payload is changed, with the digest made right again."""
    record = parse_record(Governance(None, OURS).record(ALARM, b'{"what":"missing"}'))  # type: ignore[arg-type]
    payload = change(record.payload)
    fields = {**record.entry.fields, 15: sha256(payload).digest(), 16: len(payload)}
    return frame_record(encode_entry(fields), payload)


def undigested() -> bytes:
    """A record whose payload is whole, and another than its entry says."""
    ours = Governance(None, OURS)  # type: ignore[arg-type]
    record, other = (parse_record(ours.record(ALARM, b'{"what":"missing"}')) for _ in range(2))
    return frame_record(record.entry.raw, other.payload)


def test_a_statement_under_our_name_that_we_did_not_sign_does_not_hold() -> None:
    """The entry's author is a claim; the envelope's signature is the proof."""
    value = spoilt(lambda raw: raw.replace(b'"sig":"', b'"sig":"AAAA', 1)[: len(raw)])
    assert parse_statement(LogEntry(0, 0, b"", value), {}) is None  # not even an envelope
    other = parse_record(Governance(None, THEIRS).record(ALARM, b'{"what":"missing"}'))  # type: ignore[arg-type]
    fields = {**other.entry.fields, 53: sha256(OURS.public_key).digest()}
    forged = frame_record(encode_entry(fields), other.payload)
    keys = {sha256(OURS.public_key).digest(): OURS.public_key}
    found = parse_statement(LogEntry(0, 0, b"", forged), keys)
    assert found is not None
    assert found.holds is False


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"junk",
        two_epochs().values[1][1],
        frame_record(
            encode_entry({0: Kind.GOVERNANCE, 15: bytes(32), 16: 4, 17: 0, 52: ALARM, 53: bytes(32), 55: 1}),
            b"abcd",
        ),
        spoilt(lambda _: bytes(36)),
        undigested(),
        Governance(None, OURS).record(ALARM, b"[1]"),  # type: ignore[arg-type]
        Governance(None, OURS).record(ALARM, b"no JSON"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_statement_is_passed_over(value: bytes | None) -> None:
    """Anybody may be able to write there."""
    assert parse_statement(LogEntry(0, 0, b"", value), {}) is None


def test_a_type_that_the_envelope_does_not_have_is_no_statement() -> None:
    """The entry alone, which is sealed, must not say something else than what was signed."""
    record = parse_record(Governance(None, OURS).record(ALARM, b"{}"))  # type: ignore[arg-type]
    fields = {**record.entry.fields, 52: SUCCESSION}
    value = frame_record(encode_entry(fields), record.payload)
    assert parse_statement(LogEntry(0, 0, b"", value), {}) is None


def test_a_governance_log_that_another_writes_is_unavailable(log: LocalLog) -> None:
    """It is tried again: nothing is lost, and nothing waits for it."""
    writer = log.writer(0)
    with pytest.raises(LogUnavailable):
        author(log, OURS).append([(ALARM, json.dumps({}).encode())])
    writer.close()
    author(log, OURS).append([(ALARM, b"{}")])
