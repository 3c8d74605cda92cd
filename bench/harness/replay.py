"""Replay beside a bare parse-predict-encode loop: the same requests, the same loaded model, turn about.

Both begin at a record's bytes. The bare loop is what one would write in an afternoon: the request cut out of the
record, JSON to an array, the model, JSON, compare. It checks nothing: no entry, no digest, no schema, no input. A
second one, `batched`, asks the model for as many requests at once as the replay does: what is left to win.
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import orjson

from harness import data, environments
from harness.report import Bar

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

GOAL = 0.6  # replay ÷ bare loop, one row a request
ROWS_GOAL = 100_000.0  # rows a second, 64 rows a request
SHAPES = {"1 row": 1, "64 rows": 64}
FILES = {"xgboost": "ubj", "onnxruntime": "onnx"}


@dataclass(frozen=True)
class Recorded:
    """Records as the log has them."""

    values: Sequence[bytes]
    """An opening, then one for each request."""
    requests: int
    rows: int
    """Of each request."""


def measure(quick: bool) -> tuple[list[dict[str, Any]], list[Bar]]:
    """Rows of {runtime, shape, what, requests_s, rows_s}, and the bars. One thread; no disk is in it."""
    from service.replaying import GatewayPredictor

    workload = data.prepare(environments.cache())
    rows: list[dict[str, Any]] = []
    bars: list[Bar] = []
    for runtime, name in FILES.items():
        package = _package(workload, getattr(workload, name))
        predictor = GatewayPredictor(lambda *_, package=package: _load(package), _versions())
        for shape, size in SHAPES.items():
            recorded = record(
                workload, package, size, requests=(2_000 if quick else 20_000) // (1 if size == 1 else 4)
            )
            ways: dict[str, Callable[[Recorded], int]] = {
                "replay": lambda recorded, predictor=predictor: _replay(recorded, predictor),
                "bare loop": _Bare(package, 1),
                "batched bare loop": _Bare(package, max(1, 2048 // size)),
            }
            found = _by_turns(ways, recorded, rounds=3 if quick else 5)
            for what, rate in found.items():
                rows.append(
                    {
                        "runtime": runtime,
                        "shape": shape,
                        "what": what,
                        "requests_s": round(rate, 1),
                        "rows_s": round(rate * size, 1),
                    }
                )
            if size == 1:
                bars.append(
                    Bar(
                        f"replay ÷ bare loop, {shape}, {runtime}",
                        found["replay"] / found["bare loop"],
                        "≥",
                        GOAL,
                    )
                )
            else:
                bars.append(
                    Bar(f"replayed rows a second, {shape}, {runtime}", found["replay"] * size, "≥", ROWS_GOAL)
                )
    return rows, bars


def record(workload: data.Workload, package: Any, size: int, requests: int) -> Recorded:
    """What a gateway records of V1 requests of `size` rows, predicted 16 requests at a time."""
    from audit.proof.cbor import data as cbor_bytes
    from audit.proof.entry import Key, Kind, Protocol, encode_entry
    from audit.proof.record import frame_record
    from service import payload
    from service.protocol import v1

    model = _load(package)
    head = payload.Heads().get("POST", b"/v1/models/bench:predict", b"", b"application/json", b"")
    journal, digest = os.urandom(16), bytes.fromhex(package.digest.removeprefix("sha256:"))
    values = [_opening(journal)]
    for number in range(requests):
        at = np.arange(number * size, (number + 1) * size) % len(workload.rows)
        rows = np.ascontiguousarray(workload.rows[at])
        body = orjson.dumps({"instances": rows}, option=orjson.OPT_SERIALIZE_NUMPY)
        answer = v1.encode(model.predict(rows)).body
        raw = payload.encode(
            os.urandom(32),
            head,
            request=body,
            response=answer,
            response_type=payload.response_type_of("application/json"),
            model_input=rows.tobytes(),
            schema=cbor_bytes(package.schema_hash),
            rows=size,
            columns=rows.shape[1],
        )
        fields = {
            Key.KIND: Kind.INFERENCE, Key.JOURNAL: journal, Key.EPOCH: 1, Key.SEQUENCE: number + 1,
            Key.CHAIN: bytes(32), Key.COMMITTING: 1, Key.ARRIVED: 1, Key.SERVICE: "bench", Key.DIGEST: digest,
            Key.SLOT: 0, Key.STATUS: 200, Key.BATCH: [number // 16, 16 * size, number % 16 * size],
            Key.PAYLOAD_DIGEST: sha256(raw).digest(), Key.PAYLOAD_LENGTH: len(raw), Key.SUITE: 0,
            Key.PROTOCOL: Protocol.V1_PREDICT, Key.TICKET: number + 1,
        }  # fmt: skip
        values.append(frame_record(encode_entry(fields), raw))
    return Recorded(values, requests, size)


def _opening(journal: bytes) -> bytes:
    from audit.proof.entry import Key, Kind, encode_entry
    from audit.proof.record import frame_record

    fields = {
        Key.KIND: Kind.OPENING, Key.JOURNAL: journal, Key.EPOCH: 1, Key.SEQUENCE: 0, Key.CHAIN: bytes(32),
        Key.COMMITTING: 1, Key.PUBLIC_KEY: bytes(32), Key.VERSIONS: _versions(), Key.DEVICE: "cpu",
        Key.THREADS: 1, Key.RELEASE: "disk", Key.HEARTBEAT: 60,
        Key.RECOVERED: {"groups": 0, "torn": 0, "aborted": 0}, Key.SIGNATURE: bytes(64),
    }  # fmt: skip
    return frame_record(encode_entry(fields), b"")


def _replay(recorded: Recorded, predictor: Any) -> int:
    """From the log's bytes to verdicts; every one MUST be identical."""
    from audit.proof.record import split_record
    from audit.replay import Logged, Summary, Verdict, replay
    from audit.shapes import Sorter
    from audit.shapes.entries import parse_entries

    def logged() -> Iterator[Logged]:
        sorter = Sorter()
        for first in range(0, len(recorded.values), 1024):
            parts = [split_record(value) for value in recorded.values[first : first + 1024]]
            entries = parse_entries(sorter, [entry for entry, _ in parts])
            for at, (entry, (_, payload)) in enumerate(zip(entries, parts, strict=True)):
                yield Logged(0, first + at, entry, payload)

    summary = Summary()
    for judged in replay(logged(), predictor):
        summary.add(judged)
    assert summary.counts[Verdict.IDENTICAL] == recorded.requests, summary.reasons
    return summary.records


class _Bare:
    """The yardstick, with its own loaded model."""

    def __init__(self, package: Any, at_once: int) -> None:
        self.predict = _load(package).predict
        self.at_once = at_once

    def __call__(self, recorded: Recorded) -> int:
        predict, rows, same = self.predict, recorded.rows, 0
        for first in range(1, len(recorded.values), self.at_once):
            parts = [_cut(value) for value in recorded.values[first : first + self.at_once]]
            parsed = [np.array(orjson.loads(body)["instances"], np.float32) for body, _ in parts]
            answers = predict(parsed[0] if len(parsed) == 1 else np.concatenate(parsed))
            for at, (_, answer) in enumerate(parts):
                own = answers[at * rows : (at + 1) * rows]
                same += orjson.dumps({"predictions": own}, option=orjson.OPT_SERIALIZE_NUMPY) == answer
        assert same == recorded.requests
        return same


def _cut(value: bytes) -> tuple[bytes, bytes]:
    """Request and answer of a record, taken at its word."""
    start = 4 + int.from_bytes(value[2:4], "big") + 32
    end = start + 4 + int.from_bytes(value[start : start + 4], "big")
    request, answer, _ = cbor2.loads(value[start + 4 : end])[8]
    return value[end : end + request], value[end + request : end + request + answer]


def _by_turns(
    ways: dict[str, Callable[[Recorded], int]], recorded: Recorded, rounds: int
) -> dict[str, float]:
    """Requests a second of one core (processor time: who else runs here is not in it) of each way; the median of
    the rounds, each the other way round.
    """
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        names = list(ways) if number % 2 == 0 else list(ways)[::-1]
        for name in names:
            # What is there already is looked at by nobody's collector.
            gc.collect()
            gc.freeze()
            start = time.process_time()
            count = ways[name](recorded)
            if number:  # the first one warms
                rates[name].append(count / (time.process_time() - start))
    return {name: statistics.median(found) for name, found in rates.items()}


def _versions() -> dict[str, str]:
    from service.journals import opening
    from service.settings import GatewaySettings

    return dict(opening(GatewaySettings()).versions)


def _load(package: Any) -> Any:
    from registry.runtimes import load

    return load(package)


def _package(workload: data.Workload, file: Path) -> Any:
    from registry.infer import Wanted
    from registry.publish import publish
    from registry.table import read_table

    table = read_table(workload.table)
    return publish(file.read_bytes(), table, Wanted(name="bench", target="label"), file=file.name).package
