"""What is answered beside predictions, and never recorded: health, metadata, metrics, documentation, receipts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import orjson
from prometheus_client import CONTENT_TYPE_LATEST

from .auth import Keys, is_loopback
from .call import Receive, Scope, Send
from .errors import PROBLEM_JSON, GatewayError, UnknownPath, problem_body, problem_of, quote
from .models import Plan, Served, ServicePlan
from .protocol import v2
from .receipts import Receipts

_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"
_PUBLIC: Final = frozenset({"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Answered on any address: probes and scrapes hold no key."""
_RECORDS: Final = "/v1/records/"
VERSION: Final = "1"


@dataclass(frozen=True, slots=True)
class Said:
    """An answer."""

    body: bytes
    kind: str = _JSON
    status: int = 200
    retry_after: int | None = None


def _json(content: Any, status: int = 200) -> Said:
    return Said(orjson.dumps(content), _JSON, status)


def _problem(error: GatewayError, path: str) -> Said:
    return Said(problem_body(error, path), PROBLEM_JSON, problem_of(error).status, error.retry_after)


async def _send(said: Said, scope: Scope, send: Send) -> None:
    headers = [
        (b"content-type", said.kind.encode()),
        (b"content-length", b"%d" % len(said.body)),
        (b"cache-control", b"no-store"),
    ]
    if said.retry_after is not None or said.status == 503:
        headers.append((b"retry-after", b"%d" % (said.retry_after or 5)))
    if said.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if said.kind == _HTML:
        headers.append((b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"))
    await send({"type": "http.response.start", "status": said.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else said.body})


async def nothing_here(scope: Scope, send: Send) -> None:
    """404 for a path that is none of ours."""
    path = scope["path"]
    await _send(_problem(UnknownPath(f"there is nothing at {quote(path)}"), path), scope, send)


@dataclass(frozen=True, slots=True)
class Cold:
    """The handlers, over what they look at."""

    plan: Callable[[], Plan]
    problem: Callable[[], str | None]
    """Why predictions are not answered now; None: they are."""
    metrics: Callable[[], bytes]
    keys: Callable[[], Keys]
    docs: Callable[[Plan], bytes]
    openapi: Callable[[Plan], bytes]
    receipts: Receipts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer GET and HEAD of these paths; False: none of them."""
        if scope["method"] not in ("GET", "HEAD"):
            return False
        path: str = scope["path"]
        try:
            if path.startswith(_RECORDS):
                said = await self._receipt(path, scope)
            else:
                if path not in _PUBLIC:
                    self._admit(scope)
                said = self._find(path)
        except GatewayError as error:
            said = _problem(error, path)
        if said is None:
            return False
        await _send(said, scope, send)
        return True

    async def _receipt(self, path: str, scope: Scope) -> Said | None:
        """A record's receipt, to the caller whose request it was."""
        record, slash, what = path.removeprefix(_RECORDS).partition("/")
        if not slash or what != "receipt":
            return None
        keys = self.keys()
        caller = keys.authenticate(dict(scope["headers"]), scope)
        return Said(await self.receipts.receipt(record, caller, anybodys=keys.callers is None), _TEXT)

    def _admit(self, scope: Scope) -> None:
        """Features and categories of a model are told to this machine, and to who has a key."""
        server = scope.get("server")
        if server is None or not is_loopback(server[0]):
            self.keys().authenticate(dict(scope["headers"]), scope)

    def _find(self, path: str) -> Said | None:
        fixed = _FIXED.get(path)
        if fixed is not None:
            return fixed(self)
        if path.startswith("/v1/models/") and ":" not in path:
            return self._v1_model(path.removeprefix("/v1/models/"))
        if path.startswith("/v2/models/"):
            return self._v2_model(path.removeprefix("/v2/models/").split("/"))
        return None

    def live(self) -> Said:
        """The process answers."""
        return Said(b"ok\n", _TEXT)

    def ready(self) -> Said:
        """Predictions are answered, or why not."""
        problem = self.problem()
        return Said(b"ok\n", _TEXT) if problem is None else Said(f"{problem}\n".encode(), _TEXT, 503)

    def index(self) -> Said:
        """What this is."""
        # KServe's V1 client asks here whether the server is alive.
        return _json({"status": "alive", "name": "affiant", "docs": "/docs", "models": sorted(self.plan())})

    def scrape(self) -> Said:
        """Prometheus text."""
        return Said(self.metrics(), CONTENT_TYPE_LATEST)

    def v1_models(self) -> Said:
        """Names of the services."""
        return _json({"models": sorted(self.plan())})

    def v2_models(self) -> Said:
        """Metadata of the services."""
        return _json({"models": [self._metadata(service) for service in self.plan().values()]})

    def v2_server(self) -> Said:
        """Metadata of the server."""
        return _json({"name": "affiant", "version": VERSION, "extensions": ["binary_tensor_data"]})

    def v2_live(self) -> Said:
        """As `live`, in V2."""
        return _json({"live": True})

    def v2_ready(self) -> Said:
        """As `ready`, in V2."""
        ready = self.problem() is None
        return _json({"ready": ready}, 200 if ready else 503)

    def page(self) -> Said:
        """Documentation for people."""
        return Said(self.docs(self.plan()), _HTML)

    def description(self) -> Said:
        """OpenAPI."""
        return Said(self.openapi(self.plan()))

    def _v1_model(self, name: str) -> Said | None:
        if name not in self.plan():
            return None
        ready = self.problem() is None
        return _json({"name": name, "ready": ready}, 200 if ready else 503)

    def _v2_model(self, parts: list[str]) -> Said | None:
        service = self.plan().get(parts[0])
        if service is None:
            return None
        served: Served | None = service.answering[0]
        rest = parts[1:]
        if len(rest) >= 2 and rest[0] == "versions":
            served, rest = service.version(unquote(rest[1])), rest[2:]
        if served is None:
            return None
        if rest == ["ready"]:
            ready = self.problem() is None
            return _json({"name": service.name, "ready": ready}, 200 if ready else 503)
        return _json(self._metadata(service, served)) if not rest else None

    def _metadata(self, service: ServicePlan, served: Served | None = None) -> dict[str, Any]:
        one = served or service.answering[0]
        versions = [answering.loaded.digest for answering in service.answering]
        return v2.metadata(service.name, versions, one.loaded.signature, one.loaded.model.runtime)


_FIXED: Final[dict[str, Callable[[Cold], Said]]] = {
    "/": Cold.index,
    "/livez": Cold.live,
    "/readyz": Cold.ready,
    "/metrics": Cold.scrape,
    "/docs": Cold.page,
    "/openapi.json": Cold.description,
    "/v1/models": Cold.v1_models,
    "/v2": Cold.v2_server,
    "/v2/": Cold.v2_server,
    "/v2/models": Cold.v2_models,
    "/v2/health/live": Cold.v2_live,
    "/v2/health/ready": Cold.v2_ready,
}
