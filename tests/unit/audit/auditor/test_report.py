"""The report of a bundle: what it draws, and that nothing that others wrote gets out of its place."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import struct
import xml.etree.ElementTree as ET
from hashlib import sha256
from html import escape

import pytest
from hypothesis import given as given_values
from hypothesis import strategies as st

from audit.auditor.plots import Series, bin_of, columns, nice, rows, share
from audit.auditor.report import Exchange, Report
from audit.auditor.report.given import shortest
from audit.auditor.report.texts import exact, tick
from audit.proof.bundle import PackagePart
from audit.proof.entry import Entry, Key, Kind, Protocol, encode_entry, parse_entry
from audit.proof.journals import Sworn
from audit.proof.record import Header, encode_payload
from tests.golden.proof import make

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
    listed = text[text.index("The first 500 of 600 records") :]
    assert listed[: listed.index("</table>")].count("<tr>") == 501


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
    assert "asked and answered in 1 record: their payload is not here" in gone
    assert "are here of 0 of 1 exchange" in gone
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
    """Records of one time, or none of an exchange, draw no distribution; of a handful the list says more."""
    same = [exchange(7, answer=[])] * 5
    assert set(plots(page(*same))) == {"records by status", "records by model", "time from arrival to commit"}
    opening = Exchange(0, 0, "opening", None, None, NOW, None, None, None, None, None)
    assert set(plots(page(*[opening] * 5))) == {"records by status"}
    assert plots(page(*same[:4])) == plots(page()) == {}


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


@given_values(st.text(max_size=40), st.text(max_size=40))
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


@given_values(st.integers(0, 10**12))
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


# ---------------------------------------------------------------- what an expert asks

FEATURES = [
    {"name": "purpose", "type": "category", "categories": ["car (new)", "<b>"]},
    {"name": "amount", "type": "number", "categories": []},
]
SIGNATURE = json.dumps(
    {"classes": ["good", "bad"], "features": FEATURES, "format": 1, "positive_class": "bad", "threshold": 0.5}
).encode()
MODEL = PackagePart(b"{}", {sha256(SIGNATURE).hexdigest(): SIGNATURE})


def given(
    *rows: tuple[float, float], schema: bytes | None = None, columns: int = 2
) -> tuple[int, int, Entry, bytes]:
    """An exchange whose model was given these rows."""
    packed = b"".join(struct.pack("<ff", *row) for row in rows)
    header = {Header.METHOD: "POST", Header.TARGET: "/", Header.CONTENT_TYPE: "application/json",
              Header.INPUT: [schema or sha256(SIGNATURE).digest(), len(rows), columns]}  # fmt: skip
    payload = encode_payload(bytes(32), header, b"{}", b"{}", packed)
    place, number, entry, _ = told(b"{}")
    fields = {**entry.fields, Key.PAYLOAD_DIGEST: sha256(payload).digest(), Key.PAYLOAD_LENGTH: len(payload)}
    return place, number, parse_entry(encode_entry(fields)), payload


def reading(*records: tuple[int, int, Entry, bytes], **more: object) -> str:
    """The text of a page with these records and the model, as a person reads it."""
    report = Report("record", {"by": "affiant", "time": "2026-01-02T03:04:05Z"})
    for record in records:
        report.add(*record)
    report.packages = {"24" * 32: MODEL}
    for name, each in more.items():
        setattr(report, name, each)
    return report.html("r")


def test_what_the_model_was_given_has_names_and_categories() -> None:
    """By the signature whose hash the record has; missing is missing, a code that is no category stays a number."""
    text = reading(given((0.0, 0.1), (1.0, math.nan), (7.0, -2.5)))
    assert "What the model was given</h3>" in text
    assert "<td>purpose</td><td>car (new)</td><td>&lt;b&gt;</td><td>7</td>" in text
    assert "<td>amount</td><td>0.1</td><td>missing</td><td>-2.5</td>" in text
    many = reading(given(*[(0.0, 1.0)] * 6))
    assert "The first 4 of 6 rows" in many
    assert many.count("<td>car (new)</td>") == 4


def test_without_the_signature_no_meaning_is_made_up() -> None:
    """Another signature, another number of columns, a header that does not fit: the bytes are in the records."""
    for one in (
        given((0.0, 0.1), schema=bytes(32)),
        given((0.0, 0.1), columns=3),
        given((0.0, 0.1), columns=1),
    ):
        assert "What the model was given" not in reading(one)
    for blob in (b"[]", b'{"features":[{"name":1}]}', b'{"features":[]}', b"\xff"):
        assert "What the model was given" not in reading(
            given((0.0, 0.1)), packages={"24" * 32: PackagePart(b"{}", {"x": blob})}
        )


def test_what_an_answer_means_is_said_by_the_package() -> None:
    """The threshold and the class."""
    assert "bad when the score is at least 0.5" in reading(given((0.0, 0.1)))


@given_values(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_is_its_shortest_text(value: float) -> None:
    """And no shorter: it is read back as the same float32."""
    text = shortest(value)
    assert struct.pack("<f", float(text)) == struct.pack("<f", value)
    assert len(text.partition("e")[0].strip("-0.").replace(".", "")) <= 9


def test_floats_are_told_as_people_write_them() -> None:
    """Neither with more digits than they have, nor with an exponent before it is needed."""
    told_as = {
        0.1: "0.1",
        150.0: "150",
        -2.5: "-2.5",
        16_777_216.0: "16777216",
        1e30: "1e+30",
        1 / 3: "0.33333334",
    }
    assert {value: shortest(struct.unpack("<f", struct.pack("<f", value))[0]) for value in told_as} == told_as


def test_it_says_what_it_shows_and_what_it_does_not() -> None:
    """For who knows none of the words: the records, whether they are all, whose signatures, what is missing."""
    sworn = Sworn(asked=3, asked_sworn=1, left_out=2)
    text = reading(told(b"{}"), told(b"{}", number=1, payload=False), sworn=sworn)
    shows, _, rest = text.partition("What this does not show")
    assert "2 records stood in the log" in shows
    assert "Each record that was asked for is here." in shows
    assert "gateways have signed over 1 of 3 entries" in shows
    assert "Request and answer are here of 1 of 2 exchanges" in shows
    assert "signed over 2 of these 3 entries of journals" in rest
    assert "2: the entries from them" in rest
    assert "asked and answered in 1 record:" in rest
    assert "none is missing" not in text
    for kind, claim in (("range", "none is missing"), ("caller", "may have left some out")):
        assert claim in page(exchange(1), kind=kind)
    assert "gateways have signed" not in page(exchange(1))


def test_witnesses_and_earlier_checkpoints_are_named_with_their_times() -> None:
    """As they stand under the checkpoint: whose they are shows only their key."""
    (tree,) = make.evidence().trees
    text = page(exchange(1), trees=[tree])
    assert "witness.example at 2026-01-02 03:04:05 UTC" in text
    assert "Partition 3 had 5 records when an earlier checkpoint was signed" in text
    assert "Of the log golden.example/log." in text
    broken = dataclasses.replace(tree, checkpoint=b"none", earlier={})
    assert "Witnesses have" not in page(exchange(1), trees=[broken])


def test_the_words_of_the_page_are_explained() -> None:
    """And the kinds of records that it has, and no others."""
    text = page(exchange(1))
    words = text[text.index("<h2>Words</h2>") :]
    assert "A request and its answer." in words
    assert "kind: opening" not in words
    assert "<td>checkpoint</td>" in words


def test_each_record_that_was_asked_for_is_named_in_a_line() -> None:
    """Some of many."""
    text = page(kind="record", value=",".join(f"{number:032x}-1" for number in range(30)))
    head = text[: text.index("</h1>")]
    assert head.count("<br>") == 21
    assert "and 10 more" in head


def test_times_that_lie_close_together_are_told_apart() -> None:
    """To the millisecond, where a plot spans seconds."""
    assert tick(NOW, 10**9) == "03:04:05.000"
    assert tick(NOW, 10**12) == "03:04:05"
    assert exact(NOW + 7 * 10**6) == "2026-01-02 03:04:05.007"
    assert exact(2**200) == "–"


def test_scores_are_those_of_every_protocol() -> None:
    """Of a binary answer too; of several columns the first."""
    about = {
        "outputs": [
            {"name": "p", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": 16}}
        ]
    }
    head = json.dumps(about).encode()
    binary = told(
        b"{}",
        head + struct.pack("<4f", 0.25, 9, 0.5, 9),
        header={Header.RESPONSE_INFERENCE_LENGTH: len(head)},
    )
    assert Exchange.of(*binary).scores == (0.25, 0.5)
    flat = told(b"{}", b'{"outputs":[{"data":[1,2],"shape":[2]}]}')
    assert Exchange.of(*flat).scores == (1.0, 2.0)
    for odd in (
        b'{"outputs":[]}',
        b'{"outputs":{}}',
        b'{"outputs":[1]}',
        b'{"predictions":{"a":1}}',
        b"[]",
        b"\xff",
    ):
        assert Exchange.of(*told(b"{}", odd)).scores == ()
