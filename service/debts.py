"""Tickets that got no record because the journal was full: settled when it has room again.

A ticket without a record would keep its segment from being freed, and be told as aborted by the next opening
alone.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from audit.errors import JournalError, JournalFull

from .call import Call
from .errors import NoRecord, problem_body
from .recording import append_refusal

log = structlog.get_logger("affiant.gateway")

RETRY_SECONDS: Final = 1.0


class Debts:
    """Settles what is owed, in order."""

    def __init__(self) -> None:
        self._owed: list[Call] = []
        self._task: asyncio.Task[None] | None = None

    def owe(self, call: Call) -> None:
        """See `call.Debts`."""
        self._owed.append(call)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._settle())

    async def _settle(self) -> None:
        while self._owed:
            call = self._owed[0]
            error = NoRecord("the journal was full when the answer was ready; none was given")
            try:
                appended = append_refusal(call, error, problem_body(error, call.target))
            except JournalFull:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except JournalError:
                # The journal has failed: its next opening tells of every ticket that is left.
                self._owed.clear()
                return
            # One that cannot be written MUST NOT keep the others waiting; the next opening tells of it.
            except Exception:
                log.exception("what is owed to the record was not written")
                self._owed.pop(0)
                continue
            # Nobody waits for this one; a failure of the journal is told to those who do.
            appended.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._owed.pop(0)

    async def stop(self) -> None:
        """Settle what fits now; the next opening tells of the rest."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
