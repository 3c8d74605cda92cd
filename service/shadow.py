"""Shadows: models that are shown requests, whose answers are recorded and never returned."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from audit.errors import JournalError
from audit.proof.entry import Protocol as ProtocolNumber

from .call import Call
from .errors import GatewayError, problem_of
from .models import Served, ServicePlan
from .protocol import write
from .protocol.base import Query
from .recording import accept, append_answer

log = structlog.get_logger("affiant.gateway")

_GOLDEN_RATIO: Final = 0.6180339887498949


class ShadowRunner:
    """Asks shadow models after the answer has left; at most `limit` requests at once."""

    def __init__(self, limit: int) -> None:
        self._limit: Final = limit
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0

    def show(self, call: Call, plan: ServicePlan) -> None:
        """See `call.Shadows`. A request beyond the limit is counted, and not shown."""
        query = call.query
        assert query is not None
        if query.protocol == ProtocolNumber.V1_EXPLAIN:
            return
        self._turn += 1
        point = self._turn * _GOLDEN_RATIO % 1.0 * 100.0
        for served in plan.shadows:
            if point >= served.weight:
                continue
            if len(self._tasks) >= self._limit:
                call.gate.metrics.count("shadow-dropped")
                call.gate.recorder.count("shadow-dropped")
                continue
            task = asyncio.get_running_loop().create_task(_ask(call, served, query, plan))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait for what is being asked."""
        while self._tasks:
            await asyncio.gather(*self._tasks)


async def _ask(call: Call, served: Served, query: Query, plan: ServicePlan) -> None:
    """One shadow's answer into the record, under a ticket of its own."""
    try:
        rows = query.rows
        if served.loaded.reader.features != call_features(call):
            # Another signature reads another input from the same request: parse again, with its own reader.
            from .reading import parse

            query = parse(call, served)
            rows = query.rows
        predicted = await served.loaded.batcher.submit(rows)
        digest = served.loaded.digest_json
        reply = write(query, predicted.answers, plan.name_json, digest, call.request_id)
        # Ticket and record together: a crash in between would tell of an aborted request that was answered.
        ticket = accept(call, call.body)
        await append_answer(call, served, query, predicted, reply, ticket=ticket)
    except (GatewayError, JournalError) as error:
        # Its words may quote the request.
        _failed(call, served, problem_of(error).slug if isinstance(error, GatewayError) else str(error))
    # A defect of ours, or of a runtime: nobody waits for this task, so nobody else would ever hear of it.
    except Exception as error:
        log.exception("a shadow failed in a way that nobody expected", digest=served.loaded.digest)
        _failed(call, served, type(error).__name__)


def _failed(call: Call, served: Served, reason: str) -> None:
    call.gate.metrics.count("shadow-failed")
    call.gate.recorder.count("shadow-failed")
    log.warning("a shadow gave no answer", digest=served.loaded.digest, reason=reason)


def call_features(call: Call) -> object:
    """The features that the request was read by."""
    assert call.served is not None
    return call.served.loaded.reader.features
