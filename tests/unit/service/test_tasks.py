"""Tasks that nobody waits for: none of them ends in silence."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from structlog.testing import capture_logs

from audit.errors import JournalError
from service import debts as debts_module
from service.debts import Debts
from service.tasks import AGAIN_SECONDS, kept


class Owed(NamedTuple):
    """What of a call its refusal asks for."""

    name: str
    target: str = "/"


async def test_what_ends_is_told_and_begins_again() -> None:
    """By an exception, and by a return that never should be; between them is a pause."""
    begun: list[int] = []
    ended: list[int] = []
    slept: list[float] = []

    async def begin() -> None:
        begun.append(len(slept))
        if len(begun) == 1:
            raise OSError(24, "Too many open files")
        if len(begun) == 3:
            raise asyncio.CancelledError

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    with capture_logs() as told, pytest.raises(asyncio.CancelledError):
        await kept("the log", begin, lambda: ended.append(1), sleep)
    assert begun == [0, 1, 2]
    assert slept == [AGAIN_SECONDS, AGAIN_SECONDS]
    assert len(ended) == 2
    assert [(line["task"], line["log_level"], line.get("exc_info", False)) for line in told] == [
        ("the log", "error", True),
        ("the log", "error", False),
    ]


async def test_a_debt_that_cannot_be_written_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays with the next opening; those behind it are settled, and so are those that come later."""
    settled: list[Any] = []

    def refuse(call: Any, *_: object) -> asyncio.Future[str]:
        if call.name == "bad":
            raise ValueError("an entry of 70000 bytes")
        settled.append(call.name)
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        future.set_exception(JournalError("nobody waits for it"))
        return future

    monkeypatch.setattr(debts_module, "append_refusal", refuse)
    debts = Debts()
    for call in ("bad", "one", "bad", "two"):
        debts.owe(Owed(call))  # type: ignore[arg-type]
    while len(settled) < 2:
        await asyncio.sleep(0)
    assert settled == ["one", "two"]
    await debts.stop()
