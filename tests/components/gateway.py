"""The gateway for tests: a settings file with real packages, in process (`open_gateway`) or as the command.

In process the application is called as a server calls it; model, store and journal are the real ones.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from audit.config import load
from audit.journal import JournalReader
from audit.proof.entry import Key, Kind
from audit.proof.record import Payload, Record, parse_payload, parse_record, payload_holds
from registry.package import Package
from registry.stores import LayoutStore
from service.front import Front
from service.worker import Worker
from tests.components.ports import free_port
from tests.components.process import Process, wait_until

JSON = {"content-type": "application/json"}


@dataclass
class Site:
    """A directory with affiant.toml, a store and, once something ran, journals."""

    directory: Path
    gateway: dict[str, Any] = field(default_factory=dict)
    journal: dict[str, Any] = field(
        default_factory=lambda: {
            "segment_bytes": 1 << 20,
            "max_bytes": 64 << 20,
            "heartbeat_seconds": 3600,
            "free_after": "acknowledged",
        }
    )
    telemetry: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Further tables, by name."""
    plan: list[tuple[str, str, str, float]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.directory / "affiant.toml"

    def push(self, package: Package) -> str:
        """Put a package into the store; its digest."""
        return LayoutStore(self.directory / "data" / "store").push(package)

    def serve(self, service: str, package: Package, slot: str = "live", weight: float = 100.0) -> str:
        """Push, and add to the plan; its digest."""
        digest = self.push(package)
        self.plan.append((service, digest, slot, weight))
        return digest

    def write(self) -> Path:
        """Write the settings file as a deployment does: whole, in the old one's place."""
        lines = ['[data]\ndirectory = "data"\n']
        for name, table in (
            ("gateway", self.gateway),
            ("journal", self.journal),
            ("telemetry", self.telemetry),
            *self.tables.items(),
        ):
            lines.append(
                f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
            )
        for service, digest, slot, weight in self.plan:
            lines.append(
                f'[[plan]]\nservice = "{service}"\ndigest = "{digest}"\nslot = "{slot}"\nweight = {weight}\n'
            )
        draft = self.config.with_suffix(".new")
        draft.write_text("".join(lines))
        return draft.replace(self.config)

    def records(self, journal: int = 0) -> list[Record]:
        """Every durable record of a worker's journal, its payload held against its digest."""
        reader = JournalReader(self.directory / "data" / "journals" / str(journal))
        found: list[Record] = []
        while batch := reader.read(1 << 20):
            for item in batch:
                record = parse_record(item.record)
                assert not record.payload or payload_holds(record)
                found.append(record)
        return found

    def exchanges(self, journal: int = 0) -> list[Exchange]:
        """Its inference entries, with their payloads taken apart."""
        return [
            Exchange(record.entry.record_id, dict(record.entry.fields), parse_payload(record.payload))
            for record in self.records(journal)
            if record.entry.kind == Kind.INFERENCE
        ]


class Exchange(NamedTuple):
    """A recorded exchange."""

    record_id: str
    fields: dict[int, Any]
    payload: Payload


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


async def ask(
    app: Any,
    path: str,
    body: bytes | Sequence[bytes] = b"",
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    server: str = "127.0.0.1",
) -> Answer:
    """One HTTP request to an ASGI application, as uvicorn hands it over; several chunks when `body` has them."""
    chunks = [body] if isinstance(body, bytes) else list(body)
    target, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "path": target, "raw_path": target.encode("utf-8", "surrogatepass"),
        "query_string": query.encode(), "server": (server, 3000), "client": ("127.0.0.1", 1), "scheme": "http",
        "http_version": "1.1",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or JSON).items()],
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not chunks:
            return {"type": "http.disconnect"}
        part = chunks.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(chunks)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent, "nothing was answered"
    head = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    content = b"".join(message["body"] for message in sent[1:])
    assert method == "HEAD" or int(head["content-length"]) == len(content)
    return Answer(sent[0]["status"], head, content)


async def nowhere(scope: Any, receive: Any, send: Any) -> None:
    """Stands where BentoML's application does."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"inner"})


@asynccontextmanager
async def open_gateway(site: Site) -> AsyncIterator[Front]:
    """A started worker's application; stopped, journal closed, at the end."""
    site.write()
    front = Front(nowhere, nowhere)
    worker = Worker(load(site.config), front, 0)
    await worker.start()
    try:
        yield front
    finally:
        await worker.stop()


class Served(NamedTuple):
    """The command `affiant gateway`, running."""

    process: Process
    port: int

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"


def start_gateway(
    site: Site, *, ready: bool = True, prefix: Iterable[str] = (), scheme: str = "http"
) -> Served:
    """Start `affiant gateway` on a free port and wait until it answers; the caller stops the process."""
    import urllib.error
    import urllib.request

    port = free_port()
    site.gateway["port"] = port
    site.write()
    argv = [*prefix, sys.executable, "-P", "-m", "cli.main", "gateway", "--config", str(site.config)]
    process = Process(argv, log=site.directory / "gateway.log", cwd=site.directory, name="gateway").start()
    served = Served(process, port)
    # Whose certificate our own child shows is its clients' matter.
    context = ssl._create_unverified_context() if scheme == "https" else None  # noqa: S323

    def answers() -> bool:
        try:
            address = f"{scheme}://127.0.0.1:{port}/readyz"
            with urllib.request.urlopen(address, timeout=2, context=context) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return not ready
        except OSError:
            return False

    try:
        process.wait_until(answers, what="ready", deadline_s=120)
    except BaseException:
        process.kill()
        raise
    return served


async def until(condition: Any, what: str) -> None:
    """Return when `condition()` is true; the loop goes on meanwhile."""
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"still waiting for {what}")


__all__ = [
    "JSON",
    "Answer",
    "Exchange",
    "Key",
    "Served",
    "Site",
    "ask",
    "open_gateway",
    "start_gateway",
    "until",
    "wait_until",
]
