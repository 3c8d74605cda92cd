"""One request on its way, what all requests of a worker share, and what they need of other parts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audit.journal.admission import Admission
from audit.proof.encryption import PayloadKey
from audit.proof.entry import Protocol as ProtocolNumber
from audit.proof.xaes import NONCE_SIZE
from audit.subjects import NO_SUBJECTS, SubjectKeys

from . import payload
from .auth import Keys
from .batching import Predicted
from .errors import GatewayError
from .metrics import Metrics
from .models import Served, ServicePlan
from .protocol.base import Query

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

Explain = Callable[[Served, NDArray[np.float32]], Awaitable[NDArray[np.float32]]]


class Recorder(Protocol):
    """What the path needs of a journal (docs/contracts.md has the whole of it)."""

    def accept_encoded(self, header: bytes, request: bytes, arrived: int) -> int:
        """Add a request frame to the next group; returns the ticket."""
        ...

    def append_encoded(
        self, kind: int, count: int, fields: bytes, payload: bytes, ticket: int
    ) -> asyncio.Future[str]:
        """`append` of an entry whose keys from 6 on, `count` of them, are CBOR already."""
        ...

    def append(self, fields: Mapping[int, object], payload: bytes, ticket: int = 0) -> asyncio.Future[str]:
        """The future MUST NOT resolve before the record is durable; its result is the record id."""
        ...

    def count(self, reason: str) -> None:
        """An exchange that is only counted."""
        ...

    def admission(self) -> Admission:
        """Whether more may come."""
        ...


class Rate(Protocol):
    """So many a second."""

    def take(self) -> bool:
        """Whether one more is within the rate."""
        ...


class Shadows(Protocol):
    """Shows requests to shadow models."""

    def show(self, call: Call, plan: ServicePlan) -> None:
        """Ask the shadows about a request that was answered; never waited for."""
        ...


class Debts(Protocol):
    """Tickets that got no record because the journal was full."""

    def owe(self, call: Call) -> None:
        """Append a small record for the call's ticket as soon as there is room."""
        ...


class Steps(Protocol):
    """The steps of a sampled request."""

    def step(self, call: Call, name: str, record: str) -> None:
        """A step ends now; `record` is the record's id, once there is one."""
        ...


class Spans(Protocol):
    """Spans of sampled requests."""

    def begin(self, call: Call) -> Steps | None:
        """Whether this request is sampled, asked once, when it has arrived. MUST cost the others next to nothing."""
        ...

    def finish(self, call: Call, status: int) -> None:
        """Export the call's steps."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """What a path stands for: `plan`, or a `refusal` made fresh for each request."""

    service: str
    operation: ProtocolNumber
    plan: ServicePlan | None = None
    version: Served | None = None
    """The package of the digest in the path."""
    refusal: Callable[[], GatewayError] | None = None


@dataclass(slots=True)
class Gate:
    """What all requests of a worker share."""

    recorder: Recorder
    metrics: Metrics
    brief: Rate
    """The rate of refused requests that are recorded, by hash and length."""
    clock: Callable[[], int]
    """ns since 1970 UTC."""
    timer: Callable[[], float]
    """Seconds, monotonic."""
    explain: Explain
    max_body: int
    max_queue: int
    keys: Keys
    debts: Debts
    subjects: SubjectKeys = NO_SUBJECTS
    """What makes pseudonyms of those whom requests are about."""
    shadows: Shadows | None = None
    spans: Spans | None = None
    heads: payload.Heads = field(default_factory=payload.Heads)
    salts: payload.Salts = field(default_factory=payload.Salts)
    payload_key: PayloadKey | None = None
    """What payloads are encrypted with; None: they are written in the clear."""
    nonces: payload.Salts = field(default_factory=lambda: payload.Salts(size=NONCE_SIZE, ahead=1))
    """Never drawn ahead: a machine that is cloned while it runs would use them twice."""
    in_work: int = 0
    stopping: bool = False


class Call:
    """One request on its way. What is not known yet is None."""

    __slots__ = (
        "arrived", "body", "caller", "gate", "head", "headers", "inference_length", "predicted", "query",
        "received", "request_id", "route", "scope", "served", "started", "steps", "subject", "ticket",
    )  # fmt: skip

    def __init__(self, gate: Gate, route: Route, scope: Scope) -> None:
        self.gate = gate
        self.route = route
        self.scope = scope
        self.arrived = gate.clock()
        self.started = gate.timer()
        self.headers = headers = dict(scope["headers"])
        self.caller: bytes | None = None
        self.subject: bytes | None = None
        self.request_id: str | None = None
        self.inference_length: int | None = None
        self.body = b""
        self.received: tuple[bytes, int] | None = None
        """SHA-256 and length of a body that was too large to be kept."""
        self.served: Served | None = None
        self.query: Query | None = None
        self.predicted: Predicted | None = None
        self.ticket = 0
        self.head = gate.heads.get(
            scope["method"],
            scope["raw_path"],
            scope["query_string"],
            headers.get(b"content-type", b""),
            headers.get(b"content-encoding", b""),
        )
        self.steps: Steps | None = None if gate.spans is None else gate.spans.begin(self)
        """Of a sampled request."""

    @property
    def target(self) -> str:
        """Path and query as received."""
        query = self.scope["query_string"]
        raw: bytes = self.scope["raw_path"] + (b"?" + query if query else b"")
        return raw.decode("latin-1")

    def step(self, name: str, record: str = "") -> None:
        """A step ends here; only kept for sampled requests."""
        if self.steps is not None:
            self.steps.step(self, name, record)
