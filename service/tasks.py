"""Tasks that go on for as long as the worker does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

log = structlog.get_logger("affiant.gateway")

AGAIN_SECONDS: Final = 5.0


async def kept(
    name: str,
    begin: Callable[[], Awaitable[None]],
    ended: Callable[[], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Run `begin()`, and once more AGAIN_SECONDS after each end of it. Never returns.

    Nobody waits for such a task: one that ended in silence would leave the gateway with the plan, the keys and the
    revocations of that moment. An end is logged, with the traceback where it has one, and told to `ended`.
    """
    while True:
        try:
            await begin()
        except Exception:
            log.exception("what a task follows was not followed for a moment; it begins again", task=name)
        else:
            log.error("a task has ended that never should; it begins again", task=name)
        ended()
        await sleep(AGAIN_SECONDS)
