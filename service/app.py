"""The BentoML service: `bentoml serve service.app:svc`.

BentoML starts the processes, listens, and runs the lifespan; its own application answers what is not ours.
The prediction paths are answered in front of it, so that no middleware of it is paid for (0.9 ms of CPU a
request: tracing, metrics, access log and a timer that stays for the time-out).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

# Before bentoml is imported: nothing of ours phones home.
os.environ["BENTOML_DO_NOT_TRACK"] = "True"

import bentoml
import structlog
from _bentoml_sdk.service.factory import Service  # type: ignore[import-untyped]

from audit.config import load
from audit.logs import configure

from . import http
from .call import Receive, Scope, Send
from .connections import BOUNDS
from .front import Front
from .settings import GatewaySettings, TelemetrySettings, bentoml_settings
from .tls import TLS
from .worker import Worker

App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = structlog.get_logger("affiant.gateway")
config = load()
configure(config.section("telemetry", TelemetrySettings).logs)
settings = config.section("gateway", GatewaySettings)


class AuditedService(Service[Any]):  # type: ignore[misc]  # no types
    """A BentoML service whose ASGI application stands behind ours."""

    def to_asgi(self, is_main: bool = True) -> App:
        """BentoML's application, wrapped."""
        # Has no handler of its own; without this uvicorn would format a line a request for BentoML's.
        access = logging.getLogger("uvicorn.access")
        access.handlers, access.propagate = [], False
        http.install()
        return wrap(super().to_asgi(is_main))


def wrap(inner: App) -> App:
    """The gateway in front of `inner`."""
    lifespan = Lifespan(inner)
    front = Front(inner, lifespan)
    lifespan.worker = Worker(config, front, worker_number())
    return front


def worker_number() -> int:
    """Which of the workers this process is, from 0. BentoML counts from 1, and says nothing when alone."""
    from bentoml._internal.context import server_context

    return max(0, (server_context.worker_index or 1) - 1) % settings.workers


class Lifespan:
    """Runs the worker around the lifespan of BentoML's application: started before it, stopped after it."""

    def __init__(self, inner: App) -> None:
        self._inner = inner
        self.worker: Worker | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI lifespan."""
        assert self.worker is not None
        worker = self.worker
        scope["state"][BOUNDS] = worker.bounds
        if worker.tls is not None:
            scope["state"][TLS] = worker.tls

        async def receive_after_start() -> dict[str, Any]:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await worker.start()
                except Exception as error:
                    # Unless it is told, uvicorn takes this for an application without a lifespan and serves
                    # BentoML's own paths, /readyz among them.
                    log.error("the gateway cannot start", reason=repr(error))  # noqa: TRY400 — raised below
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
            return message

        async def send_after_stop(message: dict[str, Any]) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await worker.stop()
            await send(message)

        await self._inner(scope, receive_after_start, send_after_stop)


@bentoml.service(name="affiant", service_class=AuditedService, **bentoml_settings(config, settings))
class Affiant:
    """Nothing is answered here: see `Front`. BentoML wants a class to serve."""


svc = Affiant
