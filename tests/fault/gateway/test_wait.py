"""The wait itself, in this process: an answer and the sync of its record, held back by a slow disk."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.journal.disk import RealDisk
from tests.components.gateway import Site, ask, open_gateway, until
from tests.components.packages import number_package

pytestmark = pytest.mark.fault

PREDICT = "/v1/models/numbers:predict"
BODY = b'{"instances": [[1, 2, 3]]}'
_sync = RealDisk.sync


class Held:
    """Syncs of the journal: let through, held, or failing."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.failure: OSError | None = None

    def sync(self, disk: RealDisk, fd: int) -> None:
        """In the place of the disk's."""
        self.entered.set()
        self.open.wait()
        if self.failure is not None:
            raise self.failure
        _sync(disk, fd)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Let go at the end, whatever happened."""
    held = Held()
    # A bound method would not be given the disk.
    monkeypatch.setattr(RealDisk, "sync", lambda disk, fd: held.sync(disk, fd))  # noqa: PLW0108
    yield held
    held.open.set()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One small model; the sync on a thread."""
    site = Site(tmp_path)
    site.journal["sync"] = "thread"
    site.serve("numbers", number_package())
    return site


async def hold(front: Any, held: Held) -> asyncio.Task[Any]:
    """A request whose record waits for the disk, which does not return."""
    first = await ask(front, PREDICT, BODY)
    assert first.status == 200
    held.entered.clear()
    held.open.clear()
    asked = asyncio.create_task(ask(front, PREDICT, BODY))
    await until(held.entered.is_set, "the sync")
    for _ in range(200):
        await asyncio.sleep(0)
    return asked


async def test_an_answer_waits_for_the_sync_of_its_record(site: Site, held: Held) -> None:
    """Not a byte is sent before, and then all of it."""
    async with open_gateway(site) as front:
        asked = await hold(front, held)
        waits = not asked.done()
        held.open.set()
        assert (await asked).status == 200
    assert waits


async def test_a_sync_that_fails_leaves_no_answer(site: Site, held: Held) -> None:
    """The model has answered; the client gets a 503 with Retry-After, and so does everyone after it."""
    async with open_gateway(site) as front:
        asked = await hold(front, held)
        held.failure = OSError(errno.EIO, "the disk failed")
        held.open.set()
        answers = [await asked, await ask(front, PREDICT, BODY), await ask(front, "/readyz", method="GET")]
    assert [answer.status for answer in answers] == [503, 503, 503]
    assert int(answers[0].headers["retry-after"]) > 0
    assert "affiant-record" not in answers[0].headers
    assert b"predictions" not in answers[0].body
