"""A house of gateways' pods, a notary and Kafka, under load, and what must hold of it at the end."""

from __future__ import annotations

import sys
import uuid
from collections import Counter
from pathlib import Path
from typing import Final

from audit.check import Checked, check_log
from audit.config import load
from audit.log import LogReader, configured_log
from audit.proof.entry import Key, Kind
from audit.proof.record import parse_payload, parse_record
from registry.stores import LayoutStore
from tests.components.approvals import affiant
from tests.components.ports import free_port
from tests.components.process import Process
from tests.fault.gateway.world import Tally
from tests.fault.upgrade.balancer import DEADLINE_S, Balancer, Clients, unexcused
from tests.fault.upgrade.model import light_package
from tests.fault.upgrade.pods import Pod, Volume

PARTITIONS: Final = 3
CLIENTS: Final = 4


class House:
    """Everything, started and under load."""

    def __init__(self, directory: Path, bootstrap: str, *, replication: int, pods: int) -> None:
        self.directory = directory
        mark = uuid.uuid4().hex[:8]
        digest = LayoutStore(directory / "store").push(light_package())
        self._settings = (
            f'[store]\ndirectory = "{directory / "store"}"\n'
            "[journal]\nsegment_bytes = 262144\n"
            f'[log]\nbackend = "kafka"\nbootstrap = "{bootstrap}"\ntopic = "entries-{mark}"\n'
            f'governance_topic = "governance-{mark}"\npartitions = {PARTITIONS}\nreplication = {replication}\n'
            f'[notary]\nname = "log.example"\nstore = "{directory / "sealed"}"\nmetrics_port = {free_port()}\n'
            f'seal_seconds = 0.2\nkey_file = "{directory / "notary.key"}"\n'
            f'public_key_file = "{directory / "notary.pub"}"\n'
            f'[[plan]]\nservice = "numbers"\ndigest = "{digest}"\n'
        )
        directory.mkdir(parents=True, exist_ok=True)
        self.config = directory / "affiant.toml"
        self.config.write_text(f'[data]\ndirectory = "{directory / "data"}"\n{self._settings}')
        for command in (("topics", "create"), ("notary", "keygen")):
            done = affiant(*command, "--config", self.config)
            assert done.code == 0, done
        argv = [sys.executable, "-P", "-m", "cli.main", "notary", "run", "--config", str(self.config)]
        self.notary = Process(argv, log=directory / "notary.log", cwd=directory, name="notary")
        self.balancer = Balancer()
        names = [f"data-gateway-{number}" for number in range(pods)]
        self.pods = [Pod(name, directory, self._settings, self.balancer) for name in names]
        self.emptied: list[Volume] = []
        self.clients: Clients | None = None
        self.in_work = 0
        """Requests that were begun before SIGTERM, and answered after it."""

    def start(self) -> None:
        """All of it, and clients."""
        self.notary.start()
        for pod in self.pods:
            pod.start()
        for pod in self.pods:
            pod.wait_ready()
        self.clients = Clients(self.balancer, CLIENTS)
        self.wait_answers(60)

    def wait_answers(self, more: int) -> None:
        """Return when so many further ones have come."""
        clients = self._clients
        goal = len(clients.answered) + more
        self.notary.wait_until(
            lambda: len(clients.answered) >= goal, what=f"{goal} answers", deadline_s=DEADLINE_S
        )

    @property
    def _clients(self) -> Clients:
        assert self.clients is not None
        return self.clients

    # -- what is played -------------------------------------------------------------------------------

    def replace(self, pod: Pod) -> None:
        """A step of a rolling update: ended as the chart ends it, started anew on its volume, and ready."""
        self._end(pod)
        pod.start()
        pod.wait_ready()
        self.wait_answers(60)

    def _end(self, pod: Pod) -> None:
        """See `Pod.end`: the request that was in work is answered."""
        self._clients.note(pod.end())
        self.in_work += 1

    def lose(self, pod: Pod) -> None:
        """Its node dies, and another one has its volume now: a new process adopts it."""
        pod.lose()
        self.wait_answers(20)  # of the others
        pod.start()
        pod.wait_ready()
        self.wait_answers(60)

    def give_up(self, pod: Pod) -> None:
        """Its pod was killed and comes no more: what is on the volume alone is drained, and the volume removed."""
        assert pod.unshipped() > 0, "nothing is on that volume alone: draining it would show nothing"
        self.emptied.append(pod.drain())

    def refill(self, pod: Pod) -> None:
        """A pod of that name again, with an empty volume: a journal of its own."""
        pod.lives = 0
        pod.start()
        pod.wait_ready()
        self.wait_answers(60)

    # -- the end --------------------------------------------------------------------------------------

    def finish(self, kind: str) -> tuple[Tally, Checked]:
        """End all, and hold the log and the trees against what was answered, and against what failed."""
        self._clients.join()
        running = [pod for pod in self.pods if pod.volume.exists()]
        for pod in running:
            self._end(pod)
        self.balancer.close()
        assert self.notary.stop(deadline_s=DEADLINE_S) == 0, self.notary.log_tail()
        volumes = [*self.emptied, *(Volume(pod) for pod in running)]
        odd = unexcused(self._clients.failed)
        assert odd == [], odd
        tally = Tally(kind, kills=sum(each.gone < float("inf") for each in self.balancer.backends))
        # Of each client one request, and one more that a socket took which was closed next.
        assert len(self._clients.failed) <= 2 * CLIENTS * tally.kills
        print(
            f"{kind}: {len(self._clients.failed)} failed in flight, {self._clients.turned_away} were turned away"
        )
        checked = self.check(volumes, tally)
        found = affiant("audit", "verify", "--json", "--config", self.config)
        assert found.code == 0, found
        assert all(tree["flaws"] == [] for tree in found.json["trees"])
        return tally, checked

    def check(self, volumes: list[Volume], tally: Tally) -> Checked:
        """Each answered record is in the log once, with its bytes; each journal is whole, chained through its lives."""
        log = configured_log(load(self.config))
        reader = log.reader()
        try:
            checked = check_log(reader, PARTITIONS)
            found, lives = read_all(reader)
        finally:
            reader.close()
        assert checked.flaws == []
        assert checked.journals == {each.journal: each.records for each in volumes}
        assert lives == {each.journal: each.lives for each in volumes}
        answered = self._clients.answered
        assert len({one.record for one in answered}) == len(answered), "two answers name the same record"
        tally.answered, tally.duplicates, tally.records = len(answered), checked.duplicates, checked.records
        lost = [one.record for one in answered if found.get(one.record) != (one.request, one.response)]
        tally.lost, tally.found = len(lost), len(answered) - len(lost)
        assert lost == []
        # Exchanges that nobody was told of: those in flight on a killed gateway, and no more.
        assert len(found) - len(answered) <= len(self._clients.failed)
        return checked

    def kill(self) -> None:
        """What still runs."""
        if self.clients is not None:
            self.balancer.close()
            self.clients.join()
        for pod in self.pods:
            pod.kill()
        self.notary.kill()


def read_all(reader: LogReader) -> tuple[dict[str, tuple[bytes, bytes]], Counter[str]]:
    """Request and response of each exchange, after the duplicate rule; the openings of each journal.

    A record id under two sequences is a doubled record: it fails.
    """
    found: dict[str, tuple[bytes, bytes]] = {}
    lives: Counter[str] = Counter()
    seen: set[tuple[bytes, int]] = set()
    for partition in range(PARTITIONS):
        offset, end = reader.bounds(partition)
        while offset < end:
            for read in reader.read(partition, offset, 4 << 20, 10.0):
                offset = read.offset + 1
                record = parse_record(read.value or b"")
                entry = record.entry
                if Key.JOURNAL not in entry.fields or Key.SEQUENCE not in entry.fields:
                    continue  # the sidecar's own
                place = entry.fields[Key.JOURNAL], entry.fields[Key.SEQUENCE]
                if place in seen:
                    continue
                seen.add(place)
                lives[place[0].hex()] += entry.kind == Kind.OPENING
                if entry.kind == Kind.INFERENCE:
                    payload = parse_payload(record.payload)
                    assert payload.response is not None
                    assert entry.record_id not in found, "a record is there twice"
                    found[entry.record_id] = payload.request, payload.response
    return found, lives
