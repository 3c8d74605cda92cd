"""How long a rollback takes: until the last of several gateways answers by the version before, and what failed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
import rollback

CREDIT = Path(__file__).resolve().parents[3] / "examples" / "credit"
OLD, NEW = "sha256:old", "sha256:new"


def test_it_is_over_when_every_gateway_has_gone_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred times in a row, at each; the time is the last one's. What is not answered begins the row anew."""
    now = [100.0]
    monkeypatch.setattr(rollback.time, "perf_counter", lambda: now[0])
    seen = rollback.Seen(OLD, begun=100.0)
    for which, served, at in ((0, NEW, 101.0), (1, NEW, 102.0), (0, OLD, 103.0), (1, None, 104.5)):
        now[0] = at
        assert not seen.answered(which, served)
    now[0] = 110.0
    assert not any(seen.answered(0, OLD) for _ in range(500))
    assert not any(seen.answered(1, OLD) for _ in range(99))
    assert seen.answered(1, OLD)
    assert (seen.seconds, seen.last, seen.asked, seen.failed) == (4.5, [101.0, 104.5], 604, 1)
    assert not seen.calm(0, None)
    found = rollback.row("prediction", [seen])
    assert (found["median_s"], found["apart_s"], found["failed"]) == (4.5, 3.5, 2)


@dataclass
class Served:
    """A server on this machine that answers each request with the next of some statuses; None: it hangs up."""

    statuses: list[int | None]
    host: str = "127.0.0.1"
    port: int = 0
    asked: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                status = self.statuses[self.asked % len(self.statuses)]
                self.asked += 1
                if status is None:
                    return
                line = f"HTTP/1.1 {status} .\r\ncontent-length: 2\r\naffiant-model: {OLD}\r\n\r\n{{}}"
                writer.write(line.encode())
        except asyncio.IncompleteReadError:
            return  # the client has closed it
        finally:
            writer.close()
            await writer.wait_closed()


async def test_what_a_gateway_does_not_answer_is_counted_and_the_next_request_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Refused, or hung up on: told as not answered, and both gateways are asked on."""
    monkeypatch.syspath_prepend(str(CREDIT))
    gateways = [Served([200]), Served([200, 503, None])]
    servers = []
    for each in gateways:
        servers.append(await asyncio.start_server(each.answer, each.host, 0))
        each.port = servers[-1].sockets[0].getsockname()[1]
    told: list[tuple[int, str | None]] = []
    try:
        enough = await rollback.spread(
            gateways, [{"a": 1}], lambda *each: bool(told.append(each)) or len(told) >= 60, 1000
        )
    finally:
        for server in servers:
            server.close()
    assert enough
    assert {served for which, served in told if which == 0} == {OLD}
    failed = sum(served is None for which, served in told if which == 1)
    assert failed == sum(gateways[1].statuses[number % 3] != 200 for number in range(gateways[1].asked)) > 5
