"""The report of a bundle: what it draws, and that nothing that others wrote gets out of its place."""

from __future__ import annotations

import json
import re
import struct
import xml.etree.ElementTree as ET
from hashlib import sha256
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.auditor.plots import Series, bin_of, columns, nice, rows, share
from audit.auditor.report import Exchange, Report
from audit.proof.bundle import PackagePart
from audit.proof.entry import Entry, Key, Kind, Protocol, encode_entry, parse_entry
from audit.proof.record import Header, encode_payload

NOW = 1_767_323_045_000_000_000
NASTY = "<script>alert('x')</script>\"&"


def exchange(number: int, *, answer: object = None, status: int = 200, service: str = "credit") -> Exchange:
    """An inference entry with its payload, as the gateway writes them."""
    body = json.dumps({"predictions": [0.25, 0.75]} if answer is None else answer).encode()
    header = {Header.METHOD: "POST", Header.TARGET: "/", Header.CONTENT_TYPE: "application/json"}
    payload = encode_payload(bytes(32), header, b"{}", body)
    fields = {
        Key.KIND: Kind.INFERENCE, Key.JOURNAL: bytes(16), Key.EPOCH: 1, Key.SEQUENCE: number, Key.CHAIN: bytes(32),
        Key.COMMITTING: NOW + number * 10**9, Key.ARRIVED: NOW + number * 10**9 - (number % 7 + 1) * 300_000,
        Key.SERVICE: service, Key.DIGEST: bytes((number % 2 + 1,)) * 32, Key.SLOT: 0, Key.STATUS: status,
        Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: 0,
        Key.PROTOCOL: Protocol.V1_PREDICT, Key.TICKET: number,
    }  # fmt: skip
    return Exchange.of(3, number, parse_entry(encode_entry(fields)), payload)


def page(*exchanges: Exchange, kind: str = "range", value: str = "3:0-9", **more: object) -> str:
    report = Report(kind, {"by": "affiant <0>", "time": "2026-01-02T03:04:05Z"}, list(exchanges))
    for name, each in more.items():
        setattr(report, name, each)
    return report.html(value)


def plots(text: str) -> dict[str, ET.Element]:
    """Each SVG by its label: they are well-formed XML."""
    found = [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314 — our own
    return {svg.attrib["aria-label"]: svg for svg in found}


def test_it_draws_what_people_would_rather_see() -> None:
    """Records over time by status, status, models, time from arrival to commit, scores."""
    text = page(*(exchange(number, status=422 if number % 5 == 0 else 200) for number in range(40)))
    drawn = plots(text)
    assert set(drawn) == {
        "records over time, by status", "records by status", "records by model", "time from arrival to commit",
        "distribution of scores",
    }  # fmt: skip
    titles = "".join(drawn["records by status"].itertext())
    assert "32" in titles
    assert "80.0 %" in titles
    assert "answered" in text
    assert "refused" in text
    assert "64 rows" in text


def test_it_lists_some_hundred_records_and_says_how_many_there_are() -> None:
    """A bundle of ten thousand still opens."""
    text = page(*(exchange(number) for number in range(600)))
    assert "The first 500 of 600 records" in text
    assert text.count("<tr>") == 501


def told(
    request: bytes, response: bytes = b"{}", number: int = 0, **more: object
) -> tuple[int, int, Entry, bytes]:
    """What a report is told of an exchange with these bodies; `payload=False`: it was erased."""
    header = {Header.METHOD: "POST", Header.TARGET: "/v2/models/m/infer", **more.pop("header", {})}  # type: ignore[dict-item]
    payload = encode_payload(bytes(32), header, request, response)
    fields = {
        Key.KIND: Kind.INFERENCE, Key.JOURNAL: bytes(16), Key.EPOCH: 1, Key.SEQUENCE: number, Key.CHAIN: bytes(32),
        Key.COMMITTING: NOW, Key.ARRIVED: NOW - 9, Key.SERVICE: "credit", Key.STATUS: 200,
        Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: 0,
        Key.PROTOCOL: Protocol.V2_INFER, Key.TICKET: number, Key.REQUEST_ID: more.pop("request_id", "mine-1"),
        Key.SUBJECT: b"\x5e" * 16,
    }  # fmt: skip
    return 3, number, parse_entry(encode_entry(fields)), payload if more.pop("payload", True) else b""


def telling(*records: tuple[int, int, Entry, bytes]) -> str:
    report = Report("record", {"by": "affiant", "time": "2026-01-02T03:04:05Z"})
    for record in records:
        report.add(*record)
    return report.html("r")


def test_it_prints_what_was_asked_and_answered() -> None:
    """Bodies as text, the client's id, the subject; rows of numbers in a line."""
    text = telling(told(b'{"instances":[[3.5,2],[1,0]]}', b'{"predictions":[0.125]}'))
    assert "What was asked and answered</h2>" in text
    assert "[3.5, 2]" in text
    assert "[0.125]" in text
    assert "POST /v2/models/m/infer" in text
    assert "<dd>mine-1</dd>" in text
    assert f"<dd>{'5e' * 16}</dd>" in text


def test_binary_tensors_are_printed_as_values() -> None:
    """As `affiant audit show` has them."""
    about = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}}]
    }
    head = json.dumps(about).encode()
    body = head + struct.pack("<ff", 1.5, -2.25)
    assert "[1.5, -2.25]" in telling(told(body, header={Header.INFERENCE_LENGTH: len(head)}))


def test_what_is_cut_or_not_there_is_said() -> None:
    """The first fifty, a few KiB of a body, nothing of what was erased, nothing of a body that is too large."""
    long = json.dumps({"text": "x" * 20_000}).encode()
    text = telling(*(told(long if number == 0 else b"{}", number=number) for number in range(60)))
    assert "the first 50 of 60" in text
    assert text.count("<details class=exchange>") == 50
    assert "… cut: 8,192 of 20,015 characters" in text
    assert "x" * 8_193 not in text
    gone = telling(told(b"{}", payload=False))
    assert "it was erased" in gone
    assert "asked and answered in 1 records" in gone
    assert "2,000,000 bytes: too many" in telling(told(b"y" * 2_000_000))


@pytest.mark.parametrize(
    "body", [NASTY.encode(), json.dumps({NASTY: [NASTY]}).encode(), NASTY.encode() + b"\xff"]
)
def test_bodies_are_not_markup_and_do_not_turn_the_text(body: bytes) -> None:
    """Nor are the client's id and its content type; what cannot be seen is replaced."""
    header = {Header.CONTENT_TYPE: NASTY, Header.RESPONSE_TYPE: NASTY + "\u202e"}
    text = telling(told(body, body, header=header, request_id="<script>"))
    assert "<script" not in text
    assert "\u202e" not in text + telling(told("\u202eevil \x1b[2J".encode()))
    assert "\x1b" not in telling(told(b'"\x7f \\u001b"'))


def test_texts_within_json_are_left_as_they_are() -> None:
    """Only rows of numbers are drawn together; a text that looks like one is none."""
    assert escape(json.dumps("[\n 1,\n 2\n]")) in telling(told(json.dumps(["[\n 1,\n 2\n]"]).encode()))


def test_it_says_little_about_little() -> None:
    """One record, or none of an exchange, draws no distribution."""
    assert set(plots(page(exchange(1, answer=[])))) == {"records by status", "records by model"}
    opening = Exchange(0, 0, "opening", None, None, NOW, None, None, None, None, None)
    assert set(plots(page(opening))) == {"records by status"}
    assert plots(page()) == {}


def test_nothing_that_others_wrote_is_markup() -> None:
    """Service, request id, selection, maker, manifest and lineage."""
    part = json.dumps({"format": 1, "note": NASTY}).encode()
    manifest = json.dumps({"annotations": {"org.affiant.model.name": NASTY}}).encode()
    held = {"01" * 32: PackagePart(manifest, {"aa": part}), "02" * 32: None}
    text = page(
        exchange(1, service=NASTY), exchange(2, service=NASTY), kind=NASTY, value=NASTY, packages=held
    )
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "affiant &lt;0&gt;" in text
    assert "not in this bundle" in text
    plots(text)


def test_a_packages_lineage_is_what_its_manifest_says_is_one() -> None:
    """Not its signature, whatever the order; without a layer of that type, or with one that is no JSON, none."""
    signature, lineage = b'{"features":["age"],"format":1}', '{"actor":"mary\u202e","format":1}'.encode()
    layers = [
        {"mediaType": "application/vnd.affiant.signature.v1+json", "digest": "sha256:aa"},
        {"mediaType": "application/vnd.affiant.lineage.v1+json", "digest": "sha256:bb"},
    ]
    whole = json.dumps({"layers": layers}).encode()
    blobs = {"aa": signature, "bb": lineage}
    text = page(packages={"01" * 32: PackagePart(whole, blobs)})
    assert "mary" in text
    assert "\u202e" not in text
    assert "features" not in text
    without = json.dumps({"layers": layers[:1]}).encode()
    assert "<details" not in page(packages={"01" * 32: PackagePart(without, blobs)})
    for odd in (b"[]", b'{"layers":[1]}', b'{"layers":5}', b'{"layers":[{"mediaType":3}]}', b"\xff"):
        assert "<details" not in page(packages={"01" * 32: PackagePart(odd, blobs)})
    damaged = page(packages={"01" * 32: PackagePart(whole, {"bb": b"\xff"})})
    assert "unreadable" in damaged


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_stays_text(service: str, value: str) -> None:
    """Tags are ours alone, whatever stands in a name."""
    one = Exchange(0, 0, "inference", "r", NOW, NOW + 1, service, "ab" * 32, "live", 200, "cd" * 16, (0.5,))
    clean = page(
        Exchange(0, 0, "inference", "r", NOW, NOW + 1, "s", "ab" * 32, "live", 200, "cd" * 16, (0.5,))
    )
    tags = re.compile(r"<(/?[a-zA-Z!]+)")
    assert tags.findall(page(one, value=value)) == tags.findall(clean)


@pytest.mark.parametrize(
    ("answer", "scores"),
    [
        ({"predictions": [0.1, 2]}, (0.1, 2.0)),
        ({"predictions": [[0.9, 0.1], [0.2, 0.8]]}, (0.9, 0.2)),
        ({"outputs": [{"name": "p", "data": [1.5]}]}, (1.5,)),
        ({"predictions": ["yes", True, None]}, ()),
        ({"predictions": {"a": 1}}, ()),
        ({"outputs": []}, ()),
        ([1, 2], ()),
        ("text", ()),
    ],
)
def test_scores_are_the_numbers_that_were_answered(answer: object, scores: tuple[float, ...]) -> None:
    """The first of each row, where the answer is JSON of V1 or V2; nothing else is taken for one."""
    assert exchange(1, answer=answer).scores == scores


def test_refusals_have_no_scores() -> None:
    """Their body is a problem, not an answer."""
    assert exchange(1, status=422).scores == ()


@pytest.mark.parametrize("time", [0, 1, 2**63, 2**64 - 1])
def test_times_that_no_calendar_has_are_shown_as_none(time: int) -> None:
    """A forger's entry does not keep the report from being made."""
    one = Exchange(0, 0, "inference", "r", time, time, "s", None, None, 200, None)
    two = Exchange(0, 1, "inference", "r", 1, 2**64 - 1, "s", None, None, 200, None)
    assert "Records" in page(one, two)


@given(st.integers(0, 10**12))
def test_an_axis_ends_at_four_times_a_round_number(largest: int) -> None:
    """At least as far as the largest column, and not much farther."""
    top = nice(largest)
    assert top >= largest
    assert top % 4 == 0
    assert top <= max(4, 2 * largest)


def test_shares_do_not_round_something_to_nothing() -> None:
    """What is there is not 0 %, what is missing not 100 %."""
    assert [share(*each) for each in ((0, 5), (5, 5), (1, 10**6), (10**6 - 1, 10**6), (1, 3))] == [
        "0 %", "100 %", "< 0.1 %", "> 99.9 %", "33.3 %",
    ]  # fmt: skip


def test_columns_add_up() -> None:
    """Each bin's series stand on each other and say their numbers."""
    series = [Series("one", "good", [1, 0]), Series("two", "bad", [3, 0])]
    svg = ET.fromstring(columns(series, ["a", "b"], [(0, "left")], "it"))  # noqa: S314 — our own
    heights = [float(each.attrib["height"]) for each in svg.iter("{http://www.w3.org/2000/svg}rect")]
    assert len(heights) == 2
    assert heights[1] == pytest.approx(3 * heights[0], rel=0.01)
    assert "a: one 1, two 3" in "".join(svg.itertext())
    assert "100 %" in rows([("all", 4, "good")], "it")
    assert [bin_of(value, 0, 10, 5) for value in (-1, 0, 1.9, 2, 10, 99)] == [0, 0, 0, 1, 4, 4]
    assert bin_of(3, 3, 3, 5) == 0
