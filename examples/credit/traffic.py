"""Real loan applications as requests of every protocol, and clients that send them at the same time.

The clients are plain sockets: what is measured here is the gateway, not a client library.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from registry.table import encode, model_rows

if TYPE_CHECKING:
    import pandas as pd

    from registry.signature import Signature

JSON: Final = "application/json"
RETRIED: Final = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to be sent."""

    protocol: str
    path: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self, host: str) -> bytes:
        """Its bytes on the wire."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(self.body)}"]
        names = {name for name, _ in self.headers}
        if "Content-Type" not in names:
            lines.append(f"Content-Type: {JSON}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `seconds` from the first byte sent to the last byte received."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


@dataclass(slots=True)
class Traffic:
    """What the clients have seen."""

    seconds: list[float] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    """Record ids, in the order of the answers; empty where an answer had none."""
    by_protocol: dict[str, int] = field(default_factory=dict)
    retried: int = 0
    wall: float = 0.0


class Connection:
    """One client's connection, kept open."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def send(self, request: Request) -> Answer:
        """Send one request and read its answer."""
        started = time.perf_counter()
        self._writer.write(request.encoded(f"{self._host}:{self._port}"))
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split()[1]), headers, body, time.perf_counter() - started)


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The table's rows as JSON objects."""
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return rows


def by_name(service: str, rows: Sequence[dict[str, Any]]) -> Request:
    """V1, each row an object by feature name."""
    body = json.dumps({"instances": list(rows)}).encode()
    return Request("V1 by name", f"/v1/models/{service}:predict", body)


def in_order(service: str, rows: Sequence[dict[str, Any]]) -> Request:
    """V1, each row a list in the model's order."""
    body = json.dumps({"instances": [list(row.values()) for row in rows]}).encode()
    return Request("V1 in order", f"/v1/models/{service}:predict", body)


def tensors(service: str, rows: Sequence[dict[str, Any]]) -> Request:
    """V2 in JSON, one tensor a feature; categories are text."""
    inputs = []
    for name in rows[0]:
        column = [row[name] for row in rows]
        datatype = "BYTES" if isinstance(column[0], str) else "FP32"
        inputs.append({"name": name, "shape": [len(column)], "datatype": datatype, "data": column})
    return Request("V2 JSON", f"/v2/models/{service}/infer", json.dumps({"inputs": inputs}).encode())


def binary(service: str, frame: pd.DataFrame, signature: Signature) -> Request:
    """V2 with a binary tensor: the model's own codes, float32."""
    matrix = model_rows(encode(frame, signature), signature)
    shape, raw = list(matrix.shape), matrix.astype("<f4").tobytes()
    tensor = {
        "name": "input",
        "shape": shape,
        "datatype": "FP32",
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = (
        ("Content-Type", "application/octet-stream"),
        ("Inference-Header-Content-Length", str(len(head))),
    )
    return Request("V2 binary", f"/v2/models/{service}/infer", head + raw, headers)


def prepare(frame: pd.DataFrame, signatures: dict[str, Signature], seed: int) -> list[Request]:
    """Every row of the table once, in requests of one to three rows, of every protocol, for every service."""
    rows, made, at = rows_of(frame), [], 0
    order = random.Random(seed)
    services = list(signatures)
    while at < len(rows):
        size = order.choice((1, 1, 1, 2, 3))
        part, service = rows[at : at + size], services[len(made) % len(services)]
        shape = len(made) // len(services) % 4
        if shape == 3:
            made.append(binary(service, frame.iloc[at : at + size], signatures[service]))
        else:
            made.append((by_name, in_order, tensors)[shape](service, part))
        at += size
    return made


async def drive(
    host: str, port: int, requests: Sequence[Request], total: int, clients: int, told: Callable[[], None]
) -> Traffic:
    """Send `total` requests, in turn from the prepared ones, from several clients at the same time.

    A client that is told to come back later does; every other answer than 200 is an error.
    """
    traffic, started = Traffic(), time.perf_counter()
    numbers = iter(range(total))

    async def client() -> None:
        async with Connection(host, port) as connection:
            for number in numbers:
                await one(connection, requests[number % len(requests)])

    async def one(connection: Connection, request: Request) -> None:
        answer = await connection.send(request)
        while answer.status in RETRIED:
            traffic.retried += 1
            await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
            answer = await connection.send(request)
        if answer.status != 200:
            raise RuntimeError(f"{request.path} was answered {answer.status}: {answer.body[:300]!r}")
        traffic.seconds.append(answer.seconds)
        traffic.records.append(answer.headers.get("affiant-record", ""))
        traffic.by_protocol[request.protocol] = traffic.by_protocol.get(request.protocol, 0) + 1
        told()

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    traffic.wall = time.perf_counter() - started
    return traffic


async def measure(host: str, port: int, requests: Sequence[Request], total: int, clients: int) -> list[float]:
    """Seconds of each answer; for comparisons, the bodies are not looked at."""
    return (await drive(host, port, requests, total, clients, lambda: None)).seconds


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]
