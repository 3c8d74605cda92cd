"""A notary that stands still is a journal that fills: seen long before, refused at the bound, freed when it goes on."""

from __future__ import annotations

import http.client
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.notary.keys import read_vkey
from audit.proof.checkpoint import parse_checkpoint
from audit.proof.entry import parse_entry
from audit.proof.note import VerifierKey, parse_note
from audit.proof.receipt import parse_receipt, verify_receipt
from audit.ship.reached import ACKNOWLEDGED, SEALED, read_reached
from tests.components.ports import HOST, free_port
from tests.components.process import Process
from tests.fault.gateway.world import DEADLINE_S, World

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.timeout(600)]

MIB = 1 << 20


class NotaryWorld(World):
    """A gateway and a sidecar whose journal waits for a notary, which is another process."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "sealed", max_bytes=2 * MIB, free_after="sealed")
        self.site.more += (
            f'[notary]\nname = "log.example"\nmetrics_port = {free_port()}\nseal_seconds = 0.2\n'
        )
        self.site.write()
        self.shipping = directory / "data" / "shipping" / "0"
        self._command("keygen").start().wait(deadline_s=DEADLINE_S)
        self.notary = self._command("run")

    def _command(self, name: str) -> Process:
        directory = self.site.directory
        argv = [sys.executable, "-P", "-m", "cli.main", "notary", name, "--config", str(self.site.config)]
        return Process(argv, log=directory / f"notary-{name}.log", cwd=directory, name="notary")

    def sealed(self) -> int:
        """What the sidecar says is sealed."""
        found = read_reached(self.shipping, SEALED)
        return 0 if found is None else found.sequence

    def metric(self, name: str) -> float:
        """A number of the gateway's metrics."""
        _, text = self.page("/metrics")
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text.decode(), re.MULTILINE)
        assert found is not None, name
        return float(found[1])

    def wait_sealed(self, sequence: int) -> None:
        """Return when everything below that sequence is proved to be sealed."""
        self.sidecar.wait_until(
            lambda: self.sealed() >= sequence, what="more is sealed", deadline_s=DEADLINE_S
        )

    def wait_full(self) -> None:
        """Under load until it refuses, and says why; long before, it says that it will."""
        clients, process = self.clients, self.process
        assert clients is not None
        before = clients.refused
        process.wait_until(
            lambda: self.metric("affiant_journal_hours_to_full") < 1,
            what="hours to full",
            deadline_s=DEADLINE_S,
        )
        process.wait_until(lambda: clients.refused > before + 20, what="refusals", deadline_s=DEADLINE_S)
        process.wait_until(lambda: self.get("/readyz") == 503, what="it says so", deadline_s=DEADLINE_S)
        assert b"the notary's seal" in self.page("/readyz")[1]
        assert self.metric("affiant_journal_acknowledged") > self.metric("affiant_journal_sealed")

    def page(self, path: str) -> tuple[int, bytes]:
        """An answer of the gateway to a GET."""
        assert self.served is not None
        connection = http.client.HTTPConnection(HOST, self.served.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def end(self) -> None:
        super().end()
        self.notary.kill()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[NotaryWorld]:
    world = NotaryWorld(tmp_path)
    yield world
    world.end()


def test_the_journal_waits_for_the_notary_and_says_so(world: NotaryWorld) -> None:
    """Filled twice: before there is a notary, and after one was killed. What was answered is sealed at the end."""
    world.sidecar.start()
    world.start()
    for _ in range(2):
        world.wait_full()
        world.notary.start()
        world.wait_answers(100)
        world.process.wait_until(world.ready, what="it says that it is ready", deadline_s=DEADLINE_S)
        world.notary.kill()
    assert world.clients is not None
    world.clients.join()
    world.clients = None
    world.notary.start()
    world.wait_sealed(world.durable())
    # The first was freed long ago; its receipt is there, and holds under the notary's key alone.
    trusted = read_vkey(world.site.directory / "notary.pub")
    for answered in (world.answered[0], world.answered[len(world.answered) // 2], world.answered[-1]):
        status, raw = world.page(f"/v1/records/{answered.record}/receipt")
        assert status == 200, raw
        receipt = parse_receipt(raw)
        origin = parse_checkpoint(parse_note(receipt.checkpoint).text).origin
        assert origin.startswith(f"{trusted.name}/")
        verify_receipt(receipt, VerifierKey(origin, trusted.public_key))
        assert parse_entry(receipt.entry).record_id == answered.record
    world.finish()
    acknowledged = read_reached(world.shipping, ACKNOWLEDGED)
    assert acknowledged is not None
    assert world.sealed() <= acknowledged.sequence
    assert world.notary.stop(deadline_s=DEADLINE_S) == 0, world.notary.log_tail()


def test_a_sidecar_that_is_killed_goes_on_with_what_is_sealed(world: NotaryWorld) -> None:
    """Again and again under load, with a journal so small that it stands still when nothing is freed."""
    world.notary.start()
    world.sidecar.start()
    world.start()
    for _ in range(4):
        world.wait_sealed(world.sealed() + 1)
        world.sidecar.kill()
        world.sidecar.start()
    world.wait_answers(200)
    world.finish()
    assert world.notary.stop(deadline_s=DEADLINE_S) == 0, world.notary.log_tail()
