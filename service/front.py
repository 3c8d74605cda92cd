"""The ASGI application in front of BentoML's own: predictions by one look-up of the path, no middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from audit.proof.entry import Protocol as ProtocolNumber

from .call import Gate, Receive, Route, Scope, Send
from .cold import nothing_here
from .errors import GatewayError, MethodNotAllowed, NotReady, UnknownService, UnknownVersion, quote
from .labels import service_of, take
from .models import EMPTY, Plan
from .predict import answer

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Routes = Mapping[str, Route]
Cold = Callable[[Scope, Receive, Send], Awaitable[bool]]
"""Answers the paths that are ours and no predictions; False: not ours."""

_V1: Final = "/v1/models/"
_V2: Final = "/v2/models/"
ASKED_BY_DIGEST: Final = "canary-by-digest"
"""In `affiant_events`: somebody asked for a canary that only has its share."""


def build_routes(plan: Plan) -> Routes:
    """Every prediction path of a plan. A canary that is admitted since its share is small has none of its own: by one,
    whoever asks could send it everything.
    """
    routes = {}
    for name, service in plan.items():
        routes[f"{_V1}{name}:predict"] = Route(name, ProtocolNumber.V1_PREDICT, service)
        routes[f"{_V1}{name}:explain"] = Route(name, ProtocolNumber.V1_EXPLAIN, service)
        routes[f"{_V2}{name}/infer"] = Route(name, ProtocolNumber.V2_INFER, service)
        for served in service.answering:
            if not served.by_digest:
                continue
            path = f"{_V2}{name}/versions/{served.loaded.digest}/infer"
            routes[path] = Route(name, ProtocolNumber.V2_INFER, service, served)
    return MappingProxyType(routes)


class Front:
    """Wraps BentoML's application; `plan` and `routes` are swapped whole."""

    def __init__(self, inner: App, lifespan: App) -> None:
        self._inner: Final = inner
        self._lifespan: Final = lifespan
        self.gate: Gate | None = None
        self.cold: Cold | None = None
        self.plan: Plan = EMPTY
        self._routes: Routes = build_routes(EMPTY)

    def swap(self, plan: Plan) -> None:
        """Serve another plan. Requests in work keep what they pinned."""
        self._routes, self.plan = build_routes(plan), plan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            route = self._routes.get(scope["path"])
            if route is not None and scope["method"] == "POST" and self.gate is not None:
                await answer(self.gate, route, scope, receive, send)
                return
            await self._other(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        labelled = service_of(scope["path"])
        if labelled is not None and self.gate is not None:
            await take(self.gate, labelled, self.plan, scope, receive, send)
            return
        if self.cold is not None and await self.cold(scope, receive, send):
            return
        refused = self._refused(scope)
        if refused is not None and self.gate is not None:
            await answer(self.gate, refused, scope, receive, send)
        else:
            # BentoML's own paths would say that it is well while no model is loaded.
            await nothing_here(scope, send)

    def _refused(self, scope: Scope) -> Route | None:
        """A prediction path that is none: what is wrong with it. None: not under our roots."""
        path: str = scope["path"]
        if not path.startswith(("/v1/", "/v2/")) and path not in ("/v1", "/v2"):
            return None
        if (route := self._routes.get(path)) is not None:
            return Route(route.service, route.operation, None, None, _wrong_method(scope["method"]))
        name, operation, digest = split_path(path)
        if name is None:
            return Route("", operation, refusal=lambda: UnknownService(f"there is nothing at {quote(path)}"))
        if name in self.plan and digest is not None:
            return Route(name, operation, refusal=lambda: self._no_version(name, digest))
        if not self.plan:
            return Route(name, operation, refusal=lambda: NotReady("no model is loaded yet", 5))
        return Route(name, operation, refusal=lambda: UnknownService(f"there is no service {quote(name)}"))

    def _no_version(self, name: str, digest: str) -> GatewayError:
        """Why nothing answers at a digest's own path; who wanted what only has a share is counted."""
        if name not in self.plan or self.plan[name].version(digest) is None:
            return UnknownVersion(
                f"{quote(digest)} is not in the plan of {quote(name)}; versions are digests"
            )
        if self.gate is not None:
            self.gate.metrics.events[ASKED_BY_DIGEST] += 1
        return UnknownVersion(
            f"{quote(digest)} is a canary of {quote(name)} that is not admitted as live: it answers its share of the "
            f"requests to {_V2}{name}/infer, and is not asked by its digest"
        )


def _wrong_method(method: str) -> Callable[[], GatewayError]:
    return lambda: MethodNotAllowed(f"{quote(method)} is not answered here; POST is", "POST")


def split_path(path: str) -> tuple[str | None, ProtocolNumber, str | None]:
    """Service, operation and digest of a path under /v1/models/ or /v2/models/, as far as they are there."""
    if path.startswith(_V1):
        name, _, verb = path[len(_V1) :].partition(":")
        if verb in ("predict", "explain"):
            return name, ProtocolNumber.V1_PREDICT if verb == "predict" else ProtocolNumber.V1_EXPLAIN, None
        return (name if not verb and "/" not in name else None), ProtocolNumber.V1_PREDICT, None
    if path.startswith(_V2):
        parts = path[len(_V2) :].split("/")
        digest = parts[2] if len(parts) >= 3 and parts[1] == "versions" else None
        known = (len(parts) <= 2 and parts[-1] in (parts[0], "infer", "ready")) or (
            digest is not None and (len(parts) == 3 or parts[3:] in (["infer"], ["ready"]))
        )
        return (parts[0] if known else None), ProtocolNumber.V2_INFER, digest
    return None, ProtocolNumber.V2_INFER, None


def header(scope: Mapping[str, Any], name: bytes) -> bytes:
    """A request header's value, or nothing."""
    return next((value for key, value in scope["headers"] if key == name), b"")
