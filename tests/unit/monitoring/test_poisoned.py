"""Records that nobody's gateway writes: each is counted by reason, and hides nothing of what stands around it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import numpy as np
import pytest

from audit.errors import LogUnavailable
from audit.proof.encryption import PayloadKey, encrypt_payload
from audit.proof.entry import Key
from audit.proof.record import Header, encode_payload, frame_record, split_record
from monitoring.panes import At, Of, Pane
from monitoring.panes.collector import Collector, State
from monitoring.panes.reached import BEHIND, MOST, Reached
from monitoring.read import BlockReader, External, HeadReader, Packages, Profile, Reason
from monitoring.read.answers import read_binary, read_v1, read_v2
from registry.errors import StoreUnavailable
from registry.package import Package
from tests.components.monitored import BINARY, EXPLAIN, V1, V2, Known, Traffic, logged, made_package, nan_bits

SIZE = 64
HUGE = {Key.PAYLOAD_LENGTH: 65 << 20, Key.EXTERNAL: True}


@pytest.fixture(scope="module")
def package() -> Package:
    return made_package()


def around(package: Package, *bad: bytes | None) -> Pane:
    """One pane with these in the middle of good ones, which are of another journal."""
    traffic = Traffic(package, journal=b"g" * 16)
    good = [traffic.value() for _ in range(SIZE - len(bad))]
    entries = logged([*good[:20], *bad, *good[20:]])
    (finished,) = Collector(0, SIZE, Known.of(package, "numbers"), State(0)).take(entries)
    return finished.pane


def live(package: Package, pane: Pane) -> int:
    """Requests of the package that were counted."""
    return pane.tallies[Of("numbers", package.digest, "live")].requests


def without_payload(value: bytes) -> bytes:
    entry, _ = split_record(value)
    return frame_record(entry, b"")


def changed(value: bytes) -> bytes:
    return value[:-1] + bytes((value[-1] ^ 1,))


def with_payload(traffic: Traffic, payload: bytes) -> bytes:
    return frame_record(traffic.entry(payload), payload)


def encrypted(traffic: Traffic) -> bytes:
    """With a key that this monitor has not."""
    key = PayloadKey.of(b"k" * 16, b"K" * 32)
    payload = encrypt_payload(
        bytes(32), {Header.INPUT: [bytes(32), 1, 4]}, key, bytes(24), b"{}", b"{}", bytes(16)
    )
    return traffic.value(payload=payload, fields={Key.SUITE: 1, Key.KEY_ID: key.id})


BAD: dict[str, tuple[Reason, Callable[[Traffic], bytes | None]]] = {
    "no value": (Reason.RECORD, lambda _: None),
    "an empty value": (Reason.RECORD, lambda _: b""),
    "garbage": (Reason.RECORD, lambda _: b"\xff" * 700),
    "another format": (Reason.RECORD, lambda traffic: b"\0\2" + traffic.value()[2:]),
    "a cut record": (Reason.RECORD, lambda traffic: traffic.value()[:40]),
    "an entry that is none": (Reason.ENTRY, lambda _: frame_record(b"\xa1\x00\x01", b"x")),
    "an entry of garbage": (Reason.ENTRY, lambda _: frame_record(b"\xff" * 300, b"x")),
    "an invented package": (Reason.PACKAGE, lambda traffic: traffic.value(fields={Key.DIGEST: b"\7" * 32})),
    "another service's name": (Reason.PACKAGE, lambda traffic: traffic.value(fields={Key.SERVICE: "other"})),
    "an answer of no package": (Reason.PACKAGE, lambda traffic: traffic.value(without=[Key.DIGEST])),
    "a slot that is none": (Reason.SLOT, lambda traffic: traffic.value(fields={Key.SLOT: 3})),
    "a slot beyond all": (Reason.SLOT, lambda traffic: traffic.value(fields={Key.SLOT: 2**64 - 1})),
    "an erased payload": (Reason.ABSENT, lambda traffic: without_payload(traffic.value())),
    "a payload that is elsewhere": (
        Reason.ABSENT, lambda traffic: without_payload(traffic.value(fields={Key.EXTERNAL: True})),
    ),
    "a changed payload": (Reason.WRONG, lambda traffic: changed(traffic.value())),
    "a longer payload": (Reason.WRONG, lambda traffic: traffic.value() + b"x"),
    "an encrypted payload": (Reason.ENCRYPTED, encrypted),
    "a payload of a suite that nobody knows": (Reason.ENCRYPTED, lambda traffic: traffic.value(fields={Key.SUITE: 2})),
    "a payload that only says that it is encrypted": (
        Reason.PAYLOAD, lambda traffic: traffic.value(fields={Key.SUITE: 1})
    ),
    "an empty payload": (Reason.PAYLOAD, lambda traffic: with_payload(traffic, b"")),
    "a short payload": (Reason.PAYLOAD, lambda traffic: with_payload(traffic, b"x" * 20)),
    "a payload of garbage": (Reason.PAYLOAD, lambda traffic: with_payload(traffic, b"\xff" * 500)),
    "lengths beyond the payload": (
        Reason.PAYLOAD,
        lambda traffic: with_payload(
            traffic, bytes(32) + b"\0\0\0\x10" + b"\xa2\x06\x00\x08\x83\x1b" + b"\xff" * 8 + b"\0\0" + b"x" * 40
        ),
    ),
    "rows beyond the input": (
        Reason.PAYLOAD, lambda traffic: traffic.value(header={Header.INPUT: [traffic.package.schema_hash, 2**62, 4]}),
    ),
    "no rows": (
        Reason.PAYLOAD,
        lambda traffic: traffic.value(np.zeros((0, 4), np.float32), scores=np.zeros(0, np.float32)),
    ),
    "an unknown schema": (
        Reason.SCHEMA, lambda traffic: traffic.value(header={Header.INPUT: [b"\1" * 32, 1, 4]})
    ),
    "another width": (
        Reason.SCHEMA, lambda traffic: traffic.value(np.zeros((1, 5), np.float32)),
    ),
    "no input": (Reason.SCHEMA, lambda traffic: traffic.value(header={Header.INPUT: None})),
    "an answer that is no JSON": (Reason.ANSWER, lambda traffic: traffic.value(response=b"<html>")),
    "an answer of another form": (Reason.ANSWER, lambda traffic: traffic.value(response=b'{"predictions":0.5}')),
    "an answer that is a list": (Reason.ANSWER, lambda traffic: traffic.value(response=b"[0.5]")),
    "an answer to more rows": (Reason.ANSWER, lambda traffic: traffic.value(response=b'{"predictions":[1,2]}')),
    "an answer of texts": (Reason.ANSWER, lambda traffic: traffic.value(response=b'{"predictions":["0.5"]}')),
    "an answer of truths": (Reason.ANSWER, lambda traffic: traffic.value(response=b'{"predictions":[true]}')),
    "an answer that is nested": (
        Reason.ANSWER, lambda traffic: traffic.value(response=b'{"predictions":' + b"[" * 90_000),
    ),
    "a V2 answer without outputs": (Reason.ANSWER, lambda traffic: traffic.value(protocol=V2, response=b"{}")),
    "a V2 answer of another shape": (
        Reason.ANSWER,
        lambda traffic: traffic.value(
            protocol=V2, response=b'{"outputs":[{"name":"predictions","shape":[1,2],"data":[1]}]}'
        ),
    ),
    "a binary answer that is cut": (
        Reason.ANSWER,
        lambda traffic: traffic.value(
            protocol=BINARY, response=b"{}abc", header={Header.RESPONSE_INFERENCE_LENGTH: 2}
        ),
    ),
    "an answer in an unknown protocol": (Reason.ANSWER, lambda traffic: traffic.value(protocol=99, response=b"{}")),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("count", [1, 9])
def test_a_record_that_cannot_be_counted_is_counted_by_reason(
    package: Package, name: str, count: int
) -> None:
    """Alone, or in such a number that their entries are read together; the others are counted as ever."""
    reason, make = BAD[name]
    traffic = Traffic(package)
    pane = around(package, *(make(traffic) for _ in range(count)))
    assert pane.unreadable == {reason: count}
    assert live(package, pane) == SIZE - count


def test_values_that_are_none_are_counted_as_missing(package: Package) -> None:
    """NaNs of all kinds and infinities go into bins of their own: a flood of them is drift, and is seen."""
    traffic = Traffic(package)
    flood = [
        traffic.value(nan_bits(8, 4), scores=np.full(8, np.nan, np.float32), protocol=protocol)
        for protocol in (V1, V2, BINARY)
    ]
    infinite = np.full((1, 4), np.inf, np.float32)
    flood.append(traffic.value(infinite, response=b'{"predictions":[1e400]}'))
    flood.append(traffic.value(-infinite, response=b'{"predictions":[-7]}'))
    pane = around(package, *flood)
    tally = pane.tallies[Of("numbers", package.digest, "live")]
    assert pane.unreadable == {Reason.ANSWER: 1}  # 1e400 is no number that JSON readers agree about
    assert tally.requests == SIZE - 1
    assert tally.rows == 3 * 8 + 1 + SIZE - 5
    first = len(package.reference.features[0].counts)
    features, scores = tally.features.dense(), tally.scores.dense()
    assert features[first] >= 24  # missing
    assert features[first + 1] == 1  # -inf
    assert scores[-6] == 24
    assert tally.confidence.total == tally.rows - 24


def test_categories_beyond_any_table_are_unseen(package: Package) -> None:
    """Whatever the code is: it makes no bin."""
    place = next(at for at, one in enumerate(package.signature.features) if one.type == "category")
    traffic = Traffic(package)
    rows = np.zeros((4, package.signature.width), np.float32)
    rows[:, place] = [1e30, -1, 0.5, 2**24]
    pane = around(package, traffic.value(rows))
    counts = pane.tallies[Of("numbers", package.digest, "live")].features
    ends = np.cumsum([len(column.counts) + 6 for column in package.reference.features])
    assert counts.dense()[ends[place] - 1] >= 4
    assert counts.size == ends[-1]


def test_explanations_are_requests_and_not_asked_again(package: Package) -> None:
    """Those who ask why are not drawn like those who ask."""
    traffic = Traffic(package)
    pane = around(package, traffic.value(protocol=EXPLAIN))
    assert live(package, pane) == SIZE - 1
    assert pane.statuses == {At("numbers", "live"): {200: SIZE}}
    assert pane.unreadable == {}


def test_a_flood_of_invented_names_makes_no_tally_and_no_service(package: Package) -> None:
    """Of services, packages and journals together."""
    traffic = Traffic(package)
    flood = [
        traffic.value(
            fields={
                Key.SERVICE: f"s{at}",
                Key.DIGEST: sha256(b"%d" % at).digest(),
                Key.STATUS: 200 + 303 * (at % 2),
            }
        )
        for at in range(40)
    ]
    pane = around(package, *flood)
    assert set(pane.tallies) == {Of("numbers", package.digest, "live")}
    assert pane.unreadable == {Reason.PACKAGE: 20}
    assert pane.statuses == {At("numbers", "live"): {200: SIZE - 40}, At("", "live"): {503: 20}}


def test_slots_that_are_none_are_one(package: Package) -> None:
    """Else a flood of them would be as many packages to be told apart."""
    traffic = Traffic(package)
    values = [traffic.value(fields={Key.SLOT: slot}) for slot in (0, *range(3, 40), 2**64 - 1)]
    assert len(HeadReader().read(logged(values)).who) == 2


def test_an_aborted_request_has_no_status(package: Package) -> None:
    """It was accepted, and never answered."""
    traffic = Traffic(package)
    payload = encode_payload(bytes(32), {}, b"{}")
    fields = {Key.KIND: 2, Key.REASON: "recovered"}
    raw = traffic.entry(payload, V1, fields, [Key.DIGEST, Key.SLOT, Key.STATUS, Key.BATCH])
    pane = around(package, frame_record(raw, payload))
    assert pane.statuses[At("", "live")] == {0: 1}


class Store:
    """An object store that can be away."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}
        self.away = False
        self.asked = 0

    def get(self, digest: bytes) -> bytes | None:
        self.asked += 1
        if self.away:
            raise LogUnavailable("object store: away")
        return self.held.get(digest)


def test_a_payload_in_the_object_store_is_fetched_and_waited_for(package: Package) -> None:
    """Not passed over because the store is away: others would count it. What is not there is erased."""
    traffic = Traffic(package)
    value = traffic.value(fields={Key.EXTERNAL: True})
    entry, payload = split_record(value)
    gone = traffic.value(fields={Key.EXTERNAL: True})
    entries = logged(
        [frame_record(entry, b""), without_payload(gone), *(traffic.value() for _ in range(SIZE - 2))]
    )
    store = Store()
    store.held[sha256(payload).digest()] = payload
    store.away = True
    with pytest.raises(LogUnavailable):
        list(Collector(0, SIZE, Known.of(package, "numbers"), State(0), External(store.get)).take(entries))
    store.away = False
    (finished,) = Collector(0, SIZE, Known.of(package, "numbers"), State(0), External(store.get)).take(
        entries
    )
    assert live(package, finished.pane) == SIZE - 1
    assert finished.pane.unreadable == {Reason.ABSENT: 1}
    store.held[sha256(payload).digest()] = payload + b"x"
    (finished,) = Collector(0, SIZE, Known.of(package, "numbers"), State(0), External(store.get)).take(
        entries
    )
    assert finished.pane.unreadable == {Reason.ABSENT: 1, Reason.WRONG: 1}


def test_a_payload_that_no_gateway_takes_is_not_fetched(package: Package) -> None:
    """A length is a stranger's word, and memory is not."""
    traffic = Traffic(package)
    entry, _ = split_record(traffic.value(fields=HUGE))
    store = Store()
    entries = logged([frame_record(entry, b""), *(traffic.value() for _ in range(SIZE - 1))])
    (finished,) = Collector(0, SIZE, Known.of(package, "numbers"), State(0), External(store.get)).take(
        entries
    )
    assert finished.pane.unreadable == {Reason.LARGE: 1}
    assert store.asked == 0


def test_headers_that_never_come_again_do_not_fill_the_memory(package: Package) -> None:
    """Nor do those that are long."""
    reader = BlockReader(None)
    for at in range(5000):
        reader._learn(b"%04d" % at)
    assert len(reader._known) <= 4096
    reader._learn(b"x" * 4096)
    assert all(len(head) <= 512 for head in reader._known)


def test_journals_that_never_come_again_do_not_fill_the_memory() -> None:
    """Of so many, the one that was not met for the longest time is forgotten, whoever restores them."""
    reached = Reached()
    for at in range(MOST + 10):
        assert reached.take(at.to_bytes(16, "big"), 5)
        assert reached.take(b"x" * 16, at)
    assert len(reached.state()) == MOST
    assert reached[b"x" * 16] == MOST + 9
    again = Reached(reached.state())
    for each in (reached, again):
        assert each.take(b"n" * 16, 0)
    assert again.state() == reached.state()


def test_an_entry_far_behind_is_no_second_delivery() -> None:
    """Up to there it is one."""
    reached = Reached([(b"j" * 16, BEHIND + 9)])
    assert not reached.take(b"j" * 16, BEHIND + 9)
    assert not reached.take(b"j" * 16, 10)
    assert reached.take(b"j" * 16, 9)
    assert reached[b"j" * 16] == 9


@pytest.mark.parametrize(
    ("response", "rows", "outputs"),
    [
        (b"", 1, 1),
        (b'{"predictions":[]}', 1, 1),
        (b'{"predictions":[[0.5]]}', 1, 1),
        (b'{"predictions":[0.5,0.5]}', 1, 2),
        (b'{"predictions":[[0.5,0.2,0.3]]}', 1, 2),
        (b'{"predictions":{"0":1}}', 1, 1),
        (b'{"predictions":[{}]}', 1, 1),
        (b"null", 1, 1),
    ],
)
def test_answers_of_another_form_are_none(response: bytes, rows: int, outputs: int) -> None:
    """Strict, so that a shape that changed is told and not counted."""
    assert read_v1(response, rows, outputs) is None
    assert read_v2(response, rows, outputs) is None
    assert read_binary(response, 1, rows, outputs) is None


def test_answers_are_read_as_they_are_written() -> None:
    """Null is what JSON has for NaN."""
    assert read_v1(b'{"predictions":[[0.25,1],[0.5,2]]}', 2, 2) == [0.25, 1, 0.5, 2]
    found = read_v1(b'{"predictions":[null,0.5]}', 2, 1)
    assert found is not None
    assert np.isnan(found[0])
    v2 = b'{"outputs":[{"name":"predictions","datatype":"FP32","shape":[1,2],"data":[0.25,1]}]}'
    assert read_v2(v2, 1, 2) == [0.25, 1]


class Away(Packages):
    """Packages that cannot be had for a while."""

    def __init__(self, package: Package) -> None:
        self.known = Known.of(package, "numbers")
        self.away = True

    def get(self, service: str, digest: str) -> Profile | None:
        if self.away:
            raise StoreUnavailable("the store: away")
        return self.known.get(service, digest)


def test_a_package_that_cannot_be_had_is_waited_for(package: Package) -> None:
    """A pane without it would be another one than whoever has it counts."""
    entries = logged(Traffic(package).values(SIZE))
    away = Away(package)
    with pytest.raises(StoreUnavailable):
        list(Collector(0, SIZE, away, State(0)).take(entries))  # type: ignore[arg-type]
    away.away = False
    found = [one.pane for one in Collector(0, SIZE, away, State(0)).take(entries)]  # type: ignore[arg-type]
    wanted = [one.pane for one in Collector(0, SIZE, away.known, State(0)).take(entries)]
    assert found == wanted
