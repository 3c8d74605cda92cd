"""Whatever a stranger signs, or writes into a certificate: one error, or a flaw; never another exception."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.proof.certificate import Kept, parse_certificate
from audit.proof.certificate_check import verify_certificate
from audit.proof.certificate_told import certificate_json
from audit.proof.dsse import Envelope, key_id, pae
from audit.proof.errors import FormatError
from audit.proof.told import lines
from registry.approvals.root import ROOT_TYPE
from registry.statement import encode
from tests.golden.certificate import make

CERTIFICATE: Final = make.certificate(make.MIXED)
FIRST: Final = make.the_root(people=make.MIXED)
SAID: Final = make.statements(CERTIFICATE.digest, FIRST, make.MIXED)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.sampled_from(["credit", "legal", CERTIFICATE.digest, "\x1b[2J", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value of a document."""
    found = [at]
    if isinstance(value, dict):
        found += [way for key, each in value.items() for way in places(each, (*at, key))]
    if isinstance(value, list):
        found += [way for key, each in enumerate(value) for way in places(each, (*at, key))]
    return found


def put(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    """The document with another value at that place."""
    if not way:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[way[0]] = put(value[way[0]], way[1:], new)
    return changed


def looked_at(raw: bytes, root: str) -> bool:
    """Whether it holds; every way of telling it is tried."""
    try:
        found = verify_certificate(raw, root, make.VKEY)
    except FormatError:
        return False
    content = certificate_json(found, 0.0)
    json.dumps(content)
    assert all(line.isprintable() for line in lines(content, found.flaws))
    return not found.flaws


@settings(max_examples=200)
@given(st.data())
def test_any_predicate_that_somebody_of_the_root_signs(data: st.DataObject) -> None:
    """One value of one statement replaced by any JSON, signed as the others are."""
    offset = data.draw(st.integers(0, len(SAID) - 1))
    person, subject, type_, predicate = SAID[offset]
    way = data.draw(st.sampled_from([each for each in places(predicate) if each]))
    changed = put(predicate, way, data.draw(JSON))
    try:
        body = encode(subject, type_, changed)
    except FormatError:
        return
    record = make.record(make.MIXED[person], offset, body)
    kept = list(CERTIFICATE.statements)
    kept[offset] = Kept(offset, kept[offset].logged, record, kept[offset].proof)
    holds = looked_at(replace(CERTIFICATE, statements=tuple(kept)).encode(), FIRST.digest)
    assert not holds or changed == predicate or offset == len(SAID) - 1  # the last one is not sealed


@settings(max_examples=150)
@given(st.data())
def test_any_first_root_that_its_own_people_have_signed(data: st.DataObject) -> None:
    """Believed by its digest, whatever stands in it."""
    content = json.loads(FIRST.envelope.payload)
    way = data.draw(st.sampled_from(places(content)))
    payload = json.dumps(put(content, way, data.draw(JSON))).encode()
    signed = tuple(
        (key_id(make.MIXED[name].public_key), make.MIXED[name].sign(pae(ROOT_TYPE, payload)))
        for name in ("ann", "bob")
    )
    changed = Envelope(ROOT_TYPE, payload, signed)
    root = replace(FIRST, envelope=changed).digest
    looked_at(replace(CERTIFICATE, root=changed.encode()).encode(), root)


@settings(max_examples=100)
@given(st.sampled_from(["manifest.json", "lineage.json"]), st.data())
def test_any_package(name: str, data: st.DataObject) -> None:
    """The manifest and the lineage are whatever the publisher wrote."""
    content = json.loads(CERTIFICATE.package[name])
    raw = json.dumps(put(content, data.draw(st.sampled_from(places(content))), data.draw(JSON))).encode()
    changed = replace(CERTIFICATE, package={**CERTIFICATE.package, name: raw})
    assert not looked_at(changed.encode(), FIRST.digest)


@settings(max_examples=100)
@given(st.binary(max_size=200), st.integers(0, 7))
def test_any_record(raw: bytes, offset: int) -> None:
    """Bytes in a record's place."""
    kept = list(CERTIFICATE.statements)
    kept[offset] = kept[offset]._replace(record=raw or b"\0")
    assert not looked_at(replace(CERTIFICATE, statements=tuple(kept)).encode(), FIRST.digest)
    try:
        parse_certificate(raw)
    except FormatError:
        return
    raise AssertionError("a few bytes are no certificate")
