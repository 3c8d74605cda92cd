"""Records of made-up traffic for the monitor: what a gateway writes, made quickly, and all that a stranger might.

traffic = Traffic(package, seed=1)
values = traffic.values(500)               # records of one journal, in V1, V2 and binary
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from audit.log.base import LogEntry
from audit.log.local import LocalLog
from audit.proof.entry import Key, Kind, Protocol, encode_entry
from audit.proof.record import Header, encode_payload, frame_record
from monitoring.read import Packages, Profile
from registry.golden import Golden
from registry.manifest import canonical_json
from registry.package import Package, PackageContent, build
from registry.reference import build as build_reference
from registry.signature import Feature, Signature

START: Final = 1_790_000_000_000
"""ms since 1970 UTC: the log's time of the first record."""
V1, EXPLAIN = int(Protocol.V1_PREDICT), int(Protocol.V1_EXPLAIN)
V2, BINARY = int(Protocol.V2_INFER), int(Protocol.V2_INFER_BINARY)


@cache
def made_package(classes: int = 2, name: str = "numbers") -> Package:
    """Three numbers and a category, two classes or more: a package that is right, of a model that nobody trained."""
    names = tuple(f"class {at}" for at in range(classes))
    signature = Signature(
        name=name,
        task="binary" if classes == 2 else "multiclass",
        features=(
            *(Feature(name=each, type="number", missing=True) for each in "abc"),
            Feature(name="grade", type="category", categories=("low", "middle", "high"), missing=True),
        ),
        classes=names,
        positive_class=names[1] if classes == 2 else None,
        threshold=0.5 if classes == 2 else None,
    )
    random = np.random.default_rng(7)
    inputs = random.normal(size=(3000, 4)).astype(np.float32)
    inputs[:, 3] = random.integers(0, 3, 3000)
    scores = random.dirichlet(np.ones(classes), 3000).astype(np.float32)[:, : signature.outputs]
    return _built(signature, inputs, scores)


@cache
def calm_package() -> Package:
    """The same, with a reference of what `Traffic` asks and answers: nothing of it drifts unless a test says so."""
    signature = made_package().signature
    traffic = Traffic(made_package(), seed=99)
    inputs = traffic.rows(20_000)
    return _built(signature, inputs, traffic.answers(inputs)[:, None])


def _built(signature: Signature, inputs: NDArray[np.float32], scores: NDArray[np.float32]) -> Package:
    return build(
        PackageContent(
            model=b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{}}",
            model_type="xgboost-ubj",
            signature_json=canonical_json(signature.model_dump(mode="json")),
            reference=build_reference(inputs, scores, signature).encode(),
            golden=Golden(inputs[:5], scores[:5], "by hand").encode(),
            lineage_json=canonical_json({"format": 1, "created": "2026-01-02T03:04:05Z", "actor": "tests"}),
            card=b"# made up\n",
        )
    )


@dataclass
class Known(Packages):
    """Packages that are there: `Packages` without a store."""

    profiles: Mapping[tuple[str, str], Profile]
    asked: int = 0

    @classmethod
    def of(cls, package: Package, *services: str) -> Known:
        """One package, for these services."""
        profile = Profile.of(package)
        return cls({(service, package.digest): profile for service in services})

    def get(self, service: str, digest: str) -> Profile | None:
        """See `Packages.get`."""
        self.asked += 1
        return self.profiles.get((service, digest))


@dataclass
class Traffic:
    """One journal's records."""

    package: Package
    service: str = "numbers"
    journal: bytes = bytes(range(16))
    seed: int = 0
    sequence: int = 0
    _random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        """Reproducible."""
        self._random = np.random.default_rng(self.seed)

    @cached_property
    def digest(self) -> bytes:
        """The package's."""
        return bytes.fromhex(self.package.digest.removeprefix("sha256:"))

    def rows(self, count: int) -> NDArray[np.float32]:
        """Rows that the model might be asked, [count, width]: of its reference's range, and some beyond it."""
        features = self.package.signature.features
        rows = self._random.normal(size=(count, len(features))).astype(np.float32)
        for at, feature in enumerate(features):
            if feature.type == "category":
                rows[:, at] = self._random.integers(0, len(feature.categories), count)
        rows[self._random.random(rows.shape) < 0.05] = np.nan
        return rows

    def answers(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores that no model gave, [n] or [n, classes]: a function of the rows."""
        scores = 1 / (1 + np.exp(-np.clip(np.nan_to_num(rows[:, :1], nan=-3.0), -30, 30)))
        outputs = self.package.signature.outputs
        if outputs == 1:
            return scores[:, 0].astype(np.float32)
        return np.hstack([scores, np.repeat((1 - scores) / (outputs - 1), outputs - 1, 1)]).astype(np.float32)

    def value(
        self,
        rows: NDArray[np.float32] | None = None,
        *,
        protocol: int = V1,
        scores: NDArray[np.float32] | None = None,
        request: bytes | None = None,
        response: bytes | None = None,
        fields: Mapping[int, Any] | None = None,
        header: Mapping[int, Any] | None = None,
        without: Sequence[int] = (),
        payload: bytes | None = None,
    ) -> bytes:
        """The next record, or one that differs from what a gateway would write."""
        rows = self.rows(1) if rows is None else rows
        scores = self.answers(rows) if scores is None else scores
        head: dict[int, Any] = {
            Header.METHOD: "POST",
            Header.TARGET: f"/v1/models/{self.service}:predict",
            Header.CONTENT_TYPE: "application/json",
            Header.INPUT: [self.package.schema_hash, len(rows), rows.shape[1]],
            Header.RESPONSE_TYPE: "application/json",
        }
        if response is None:
            response, inference = response_of(protocol, scores)
            if inference is not None:
                head[Header.RESPONSE_INFERENCE_LENGTH] = inference
        if request is None:
            request = orjson.dumps({"instances": rows}, option=orjson.OPT_SERIALIZE_NUMPY)
        if payload is None:
            head = {**head, **(header or {})}
            head = {key: value for key, value in head.items() if value is not None}
            payload = encode_payload(
                self._random.bytes(32), head, request, response, rows.astype("<f4").tobytes()
            )
        return frame_record(self.entry(payload, protocol, fields, without), payload)

    def entry(
        self,
        payload: bytes,
        protocol: int = V1,
        fields: Mapping[int, Any] | None = None,
        without: Sequence[int] = (),
    ) -> bytes:
        """The next entry's bytes."""
        count = self.sequence % 10**9
        now = START * 1_000_000 + count * 1_000_000
        content: dict[int, Any] = {
            Key.KIND: int(Kind.INFERENCE), Key.JOURNAL: self.journal, Key.EPOCH: 1, Key.SEQUENCE: self.sequence,
            Key.CHAIN: self._random.bytes(32), Key.COMMITTING: now + int(self._random.integers(10**5, 10**9)),
            Key.ARRIVED: now, Key.SERVICE: self.service, Key.DIGEST: self.digest, Key.SLOT: 0, Key.STATUS: 200,
            Key.BATCH: [count + 1, 1, 0], Key.PAYLOAD_DIGEST: sha256(payload).digest(),
            Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: 0, Key.PROTOCOL: protocol, Key.TICKET: count + 1,
        }  # fmt: skip
        content |= fields or {}
        self.sequence = content.get(Key.SEQUENCE, self.sequence) + 1
        return encode_entry({int(key): content[key] for key in sorted(content) if key not in without})

    def values(self, count: int) -> list[bytes]:
        """Records as they come: of all protocols and slots, with refusals among them."""
        found = []
        for number in range(count):
            slot: dict[int, Any] = {Key.SLOT: int(number % 10 == 7), Key.REQUEST_ID: f"r{number}"}
            if number % 17 == 3:
                found.append(self.refusal(422, slot))
            elif number % 5 == 0:
                found.append(self.value(self.rows(3), protocol=V2, fields=slot))
            elif number % 5 == 1:
                found.append(self.value(self.rows(2), protocol=BINARY, fields=slot))
            else:
                found.append(self.value(fields=slot))
        return found

    def refusal(self, status: int, fields: Mapping[int, Any] | None = None, *, routed: bool = True) -> bytes:
        """A request that was refused; one that is not `routed` names no package."""
        payload = encode_payload(
            self._random.bytes(32),
            {Header.METHOD: "POST", Header.TARGET: "/v1", Header.CONTENT_TYPE: "application/json"},
            b"{}",
            b'{"type":"about:blank"}',
        )
        without = [Key.BATCH] if routed else [Key.BATCH, Key.DIGEST, Key.SLOT]
        return frame_record(self.entry(payload, V1, {Key.STATUS: status, **(fields or {})}, without), payload)


def response_of(protocol: int, scores: NDArray[np.float32]) -> tuple[bytes, int | None]:
    """What a gateway answers, and the length of its JSON where tensors follow it."""
    if protocol in (V1, EXPLAIN):
        return orjson.dumps({"predictions": scores}, option=orjson.OPT_SERIALIZE_NUMPY), None
    flat = np.ascontiguousarray(scores.reshape(-1))
    shape = [len(scores), scores.shape[1] if scores.ndim == 2 else 1]
    output = {"name": "predictions", "datatype": "FP32", "shape": shape}
    if protocol == V2:
        return orjson.dumps(
            {"model_name": "m", "outputs": [output | {"data": flat}]}, option=orjson.OPT_SERIALIZE_NUMPY
        ), None
    head = orjson.dumps({"outputs": [output | {"parameters": {"binary_data_size": 4 * flat.size}}]})
    return head + flat.astype("<f4").tobytes(), len(head)


def logged(values: Iterable[bytes | None], first: int = 0, time: int = START) -> list[LogEntry]:
    """As if they stood in a log from offset `first` on, a millisecond apart."""
    return [LogEntry(first + at, time + at, b"", value) for at, value in enumerate(values)]


def local_log(directory: Path, *partitions: Sequence[bytes]) -> LocalLog:
    """A log that holds these values."""
    log = LocalLog(directory, "affiant-entries", len(partitions))
    for partition, values in enumerate(partitions):
        append(log, partition, values)
    return log


def append(log: LocalLog, partition: int, values: Sequence[bytes]) -> None:
    """Durable when this returns."""
    writer = log.writer(partition)
    try:
        for value in values:
            writer.send(value, b"k" * 16)
        while writer.delivered().sends < len(values):
            writer.wait(1.0)
    finally:
        writer.close()


def parts(
    entries: Sequence[LogEntry], random: np.random.Generator, most: int = 400
) -> Iterator[Sequence[LogEntry]]:
    """Cut anyhow."""
    at = 0
    while at < len(entries):
        size = int(random.integers(1, most))
        yield entries[at : at + size]
        at += size


def nan_bits(rows: int, columns: int) -> NDArray[np.float32]:
    """NaNs of all kinds, quiet and signalling, of both signs."""
    bits = struct.unpack("<4I", struct.pack("<4I", 0x7FC00000, 0xFFC00001, 0x7F800001, 0xFF812345))
    return np.resize(np.array(bits, "<u4"), rows * columns).view(np.float32).reshape(rows, columns)
