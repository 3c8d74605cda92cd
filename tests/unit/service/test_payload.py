"""The fast payload is byte for byte what the format's own encoder writes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audit.proof.encryption import PayloadKey, PayloadKeys, decrypted, encrypt_payload
from audit.proof.record import Header, encode_payload, parse_payload
from service import payload

KEY = PayloadKey.of(b"k" * 16, b"K" * 32)
NONCE = bytes(range(24))
NONCES = payload.Salts(lambda count: NONCE * (count // 24), size=24)
latin = st.text(st.characters(max_codepoint=255), max_size=300).map(lambda text: text.encode("latin-1"))
lengths = st.none() | st.integers(0, 2**40)


@given(
    path=latin,
    query=latin,
    content_type=latin,
    encoding=latin,
    request=st.binary(max_size=5000),
    response=st.binary(max_size=300),
    rows=st.integers(0, 70000),
    inference=lengths,
    answered=lengths,
    oversize=st.none() | st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 2**40)),
    encrypted=st.booleans(),
)
def test_the_same_bytes_as_the_formats_encoder(  # noqa: PLR0917 — hypothesis passes names
    path: bytes, query: bytes, content_type: bytes, encoding: bytes, request: bytes, response: bytes,
    rows: int, inference: int | None, answered: int | None, oversize: tuple[bytes, int] | None,
    encrypted: bool,
) -> None:  # fmt: skip
    """For every combination of what may be there."""
    head = payload.Heads().get("POST", path, query, content_type, encoding)
    schema, model_input = bytes(range(32)), b"\x01\x02\x03\x04" * (rows % 50)
    salt = b"s" * 32
    written = payload.encode(
        salt,
        head,
        request=request,
        response=response,
        response_type=payload.response_type_of("application/json"),
        model_input=model_input,
        schema=payload.data(schema),
        rows=rows,
        columns=30,
        inference_length=inference,
        response_inference_length=answered,
        oversize=oversize,
        key=KEY if encrypted else None,
        nonces=NONCES,
    )
    fields: dict[int, object] = {**head.fields, Header.RESPONSE_TYPE: "application/json"}
    if inference is not None:
        fields[Header.INFERENCE_LENGTH] = inference
    if answered is not None:
        fields[Header.RESPONSE_INFERENCE_LENGTH] = answered
    if oversize is not None:
        fields[Header.OVERSIZE] = list(oversize)
    if model_input:
        fields[Header.INPUT] = [schema, rows, 30]
    if encrypted:
        assert written == encrypt_payload(salt, fields, KEY, NONCE, request, response, model_input)
        written = decrypted(written, PayloadKeys.of([KEY]))
    else:
        assert written == encode_payload(salt, fields, request, response, model_input)
    target = path + b"?" + query if query else path
    assert parse_payload(written).header[Header.TARGET] == target.decode("latin-1")
    assert (Header.CONTENT_ENCODING in parse_payload(written).header) == bool(encoding)


@given(st.integers(0, 2**64 - 1))
def test_integers_are_the_shortest(number: int) -> None:
    """As RFC 8949, section 4.2.1 wants them."""
    from audit.proof import cbor

    assert payload.uint(number) == cbor.encode(number)


def test_heads_are_remembered_and_forgotten() -> None:
    """Made-up targets do not fill the memory."""
    heads = payload.Heads()
    first = heads.get("POST", b"/a", b"", b"", b"")
    assert heads.get("POST", b"/a", b"", b"", b"") is first
    for number in range(3000):
        heads.get("POST", b"/%d" % number, b"", b"", b"")
    assert len(heads._known) <= 1024


def test_salts_never_repeat() -> None:
    """Many are fetched at once; each is given once."""
    salts = payload.Salts()
    given_out = [salts.next() for _ in range(1000)]
    assert len(set(given_out)) == 1000
    assert {len(salt) for salt in given_out} == {32}


@given(latin, st.binary(max_size=300), lengths, st.booleans())
def test_a_request_frame_is_what_an_aborted_payload_is_made_of(
    path: bytes, request: bytes, inference: int | None, encrypted: bool
) -> None:
    """Behind a salt of its own: so its encryption hangs on no salt."""
    head = payload.Heads().get("POST", path, b"", b"application/json", b"")
    header, body = payload.request_frame(head, request, inference, KEY if encrypted else None, NONCES)
    fields = {**head.fields, **({} if inference is None else {Header.INFERENCE_LENGTH: inference})}
    for salt in (b"a" * 32, b"b" * 32):
        stored = salt + len(header).to_bytes(4, "big") + header + body
        if encrypted:
            assert stored == encrypt_payload(salt, fields, KEY, NONCE, request)
        else:
            assert stored == encode_payload(salt, fields, request)
