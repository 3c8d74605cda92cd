"""A real gateway under load, a real sidecar and a real log around one directory, and what must hold of them.

What a client was answered is kept, byte for byte, and held against the log at the end.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import random
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from audit.check import check_log
from audit.config import load
from audit.journal import JournalReader
from audit.journal.layout import segment_name
from audit.log import Log, configured_log
from audit.proof.entry import Key, Kind
from audit.proof.record import parse_payload, parse_record
from audit.ship.reached import ACKNOWLEDGED, read_reached
from tests.components.gateway import Served, Site, start_gateway
from tests.components.packages import number_package
from tests.components.ports import HOST, free_port
from tests.components.process import Process, find_program, wait_until

ROOT: Final = Path(__file__).parents[3]
PREDICT: Final = "/v1/models/numbers:predict"
DEADLINE_S: Final = 120.0
SEGMENTS: Final = 300
"""The names of so many segments, from the newest there is, are watched by strace."""
PATIENCE: Final = 2000
"""Answers after which a system call that did not come is not waited for."""
WRITES: Final = "pwritev,pwritev2,pwrite64"


class Answered(NamedTuple):
    """A 200: its record id, and the bytes that went in and came out."""

    record: str
    request: bytes
    response: bytes


class FaultSite(Site):
    """A site whose settings have more tables: those of the log and of the sidecar."""

    more: str = ""

    def write(self) -> Path:
        """The file, with the further tables at its end."""
        path = super().write()
        draft = path.with_suffix(".more")
        draft.write_text(path.read_text() + self.more)
        return draft.replace(path)


class Clients:
    """Threads that ask without a pause, each on one kept connection, until the gateway is gone or `join`."""

    def __init__(self, port: int, kept: list[Answered], count: int = 4) -> None:
        self.refused = self.cut = 0
        self.odd: list[str] = []
        self._kept = kept
        self._port = port
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        rng = random.Random(number)
        while not self._stop.is_set():
            connection = http.client.HTTPConnection(HOST, self._port, timeout=60)
            try:
                connection.connect()
            except OSError:
                return  # it is gone, or goes just now
            try:
                while self._ask(connection, rng) and not self._stop.is_set():
                    pass
            except (OSError, http.client.HTTPException):
                self.cut += 1  # no answer; killed, or refused before the request was read
            finally:
                connection.close()

    def _ask(self, connection: http.client.HTTPConnection, rng: random.Random) -> bool:
        """One request; whether the connection can be kept."""
        rows = [[round(rng.uniform(-3, 3), 4) for _ in range(3)] for _ in range(rng.choice((1, 5, 60)))]
        body = json.dumps({"instances": rows}).encode()
        connection.request("POST", PREDICT, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        with self._lock:
            if answer.status == 200:
                self._kept.append(Answered(answer.headers["affiant-record"], body, content))
            elif answer.status == 503 and int(answer.headers.get("retry-after", 0)) > 0:
                self.refused += 1
            else:
                self.odd.append(f"{answer.status} {content[:300]!r}")
        return answer.headers.get("connection") != "close"

    def join(self) -> None:
        """No further request; nothing but answers and 503 with Retry-After was seen."""
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        assert self.odd == []


@dataclass
class Tally:
    """One kind of fault, and what came of it. Counts."""

    kind: str
    kills: int = 0
    answered: int = 0
    found: int = 0
    """Answered ones whose record is in the log, with the same bytes."""
    lost: int = 0
    duplicates: int = 0
    """Benign ones in the log, dropped by the duplicate rule."""
    torn: int = 0
    """Openings whose recovery dropped a torn tail."""
    aborted: int = 0
    """Requests that were recorded as accepted and never answered."""
    records: int = 0
    points: list[str] = field(default_factory=list)


class World:
    """One gateway with one journal; one sidecar; a log."""

    def __init__(self, directory: Path, kind: str, *, log: str = "", **journal: Any) -> None:
        """`log`: the [log] table's lines; the `local` one when empty."""
        directory.mkdir(parents=True, exist_ok=True)
        self.site = FaultSite(directory)
        self.site.journal = {
            "segment_bytes": 256 << 10, "max_bytes": 16 << 20, "heartbeat_seconds": 1, "sync": "thread",
            "free_after": "acknowledged", **journal
        }  # fmt: skip
        self.site.serve("numbers", number_package())
        self.site.more = (
            (f"[log]\n{log}\n" if log else "") + f"[sidecar]\nmetrics_port = {free_port()}\n"
            "delivery_timeout_seconds = 5\nretry_seconds = 0.1\nscan_seconds = 0.1\ndrain_seconds = 60\n"
        )
        self.site.write()
        self.journal = directory / "data" / "journals" / "0"
        self.answered: list[Answered] = []
        self.tally = Tally(kind)
        self.served: Served | None = None
        self.clients: Clients | None = None
        argv = [sys.executable, "-P", "-m", "cli.main", "sidecar", "--config", str(self.site.config)]
        self.sidecar = Process(argv, log=directory / "sidecar.log", cwd=directory, name="sidecar")

    # -- the gateway -----------------------------------------------------------------------------------

    def start(self, prefix: Sequence[str] = (), clients: int = 4) -> None:
        """Start it, wait until it is ready, and put it under load."""
        self.served = start_gateway(self.site, prefix=prefix)
        if clients:
            self.load(clients)

    def launch(self, prefix: Sequence[str]) -> None:
        """Start it without waiting for anything."""
        port = self.site.gateway["port"] = free_port()
        self.site.write()
        argv = [*prefix, sys.executable, "-P", "-m", "cli.main", "gateway", "--config", str(self.site.config)]
        directory = self.site.directory
        process = Process(argv, log=directory / "gateway.log", cwd=directory, name="gateway").start()
        self.served = Served(process, port)

    def ready(self) -> bool:
        """Whether it says so."""
        return self.get("/readyz") == 200

    def get(self, path: str) -> int:
        """The status of an answer; 0: there was none."""
        assert self.served is not None
        connection = http.client.HTTPConnection(HOST, self.served.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def load(self, clients: int = 4) -> None:
        """Clients for the running gateway."""
        assert self.served is not None
        self.clients = Clients(self.served.port, self.answered, clients)

    @property
    def process(self) -> Process:
        """The running gateway."""
        assert self.served is not None
        return self.served.process

    def wait_answers(self, more: int) -> None:
        """Return when `more` further answers have come."""
        goal = len(self.answered) + more
        self.process.wait_until(
            lambda: len(self.answered) >= goal, what=f"{goal} answers", deadline_s=DEADLINE_S
        )

    def kill(self) -> None:
        """Kill -9 of the gateway's whole group."""
        self.process.kill()
        self.killed()

    def killed(self) -> None:
        """It is dead: its clients end, and its lock is free."""
        self.tally.kills += 1
        if self.clients is not None:
            self.clients.join()
            self.clients = None
        wait_until(self._unlocked, what="the end of the killed gateway", deadline_s=DEADLINE_S)

    def _unlocked(self) -> bool:
        if not (self.journal / "lock").exists():
            return True
        with (self.journal / "lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def kill_at(self, point: Point) -> bool:
        """Start it under strace, which kills it when it enters the chosen system call.

        False: it did not come there within PATIENCE answers, and was killed as any other.
        """
        trace = self.site.directory / "trace"
        trace.unlink(missing_ok=True)

        def killed() -> bool:
            return trace.exists() and "killed by SIGKILL" in trace.read_text(errors="replace")

        self.launch(strace(point.calls, f"signal=KILL:when={point.when}", self.paths(point.path), trace))
        self.process.wait_until(
            lambda: killed() or self.ready(), what=f"{point}, or ready", deadline_s=DEADLINE_S
        )
        if not killed():
            goal = len(self.answered) + PATIENCE
            self.load()
            self.process.wait_until(
                lambda: killed() or len(self.answered) > goal,
                what=f"the kill at {point}",
                deadline_s=DEADLINE_S,
            )
        reached = killed()
        self.tally.points.append(f"{point}{'' if reached else ' (not reached)'}")
        self.kill()  # its supervisor would start it again
        return reached

    def paths(self, kind: str) -> list[Path]:
        """The files of a kind in the journal's directory; none for `any`."""
        if kind == "any":
            return []
        if kind == "directory":
            return [self.journal]
        if kind == "segment":
            there = [int(path.stem, 16) for path in self.journal.glob("*.seg")]
            first = min(there, default=0)
            return [self.journal / segment_name(number) for number in range(first, first + SEGMENTS)]
        return [self.journal / kind]

    # -- the sidecar and the end -----------------------------------------------------------------------

    def acknowledged(self) -> int:
        """What the sidecar says is in the log."""
        found = read_reached(self.site.directory / "data" / "shipping" / "0", ACKNOWLEDGED)
        return 0 if found is None else found.sequence

    def durable(self) -> int:
        """The journal's next durable sequence."""
        mark = JournalReader(self.journal).mark()
        return 0 if mark is None else mark.sequence

    def wait_shipped(self, more: int) -> None:
        """Return when the sidecar has shipped `more` further records."""
        goal = self.acknowledged() + more
        self.sidecar.wait_until(
            lambda: self.acknowledged() >= goal, what=f"{goal} records are shipped", deadline_s=DEADLINE_S
        )

    def finish(self) -> Tally:
        """Recover and close the journal, ship the rest, and hold the log against what was answered."""
        if self.served is None or not self.process.alive:
            self.start(clients=0)
        if self.clients is not None:
            self.clients.join()
            self.clients = None
        self.process.signal(signal.SIGTERM)  # to the whole group: strace itself would not hand it on
        assert self.process.wait(deadline_s=DEADLINE_S) == 0, self.process.log_tail()
        if not self.sidecar.alive:
            self.sidecar.start()
        goal = self.durable()
        self.sidecar.wait_until(
            lambda: self.acknowledged() >= goal, what=f"all {goal} are shipped", deadline_s=DEADLINE_S
        )
        assert self.sidecar.stop(deadline_s=DEADLINE_S) == 0, self.sidecar.log_tail()
        self.check(configured_log(load(self.site.config)))
        return self.tally

    def check(self, log: Log) -> None:
        """Each answered request is in the log, once after the duplicate rule, in order, its bytes the same."""
        partitions, tally = log.topic().partitions, self.tally
        reader = log.reader()
        try:
            checked = check_log(reader, partitions)
            found = _exchanges(reader, partitions, tally)
        finally:
            reader.close()
        assert checked.flaws == [], checked.flaws
        assert list(checked.journals.values()) == [self.durable()]
        ids = [one.record for one in self.answered]
        assert len(set(ids)) == len(ids), "two answers name the same record"
        tally.answered, tally.duplicates, tally.records = len(ids), checked.duplicates, self.durable()
        lost = [one.record for one in self.answered if found.get(one.record) != (one.request, one.response)]
        tally.lost, tally.found = len(lost), len(ids) - len(lost)
        assert lost == []
        assert tally.answered > 0

    def end(self) -> None:
        """Kill what still runs."""
        if self.served is not None:
            self.process.kill()
        self.sidecar.kill()
        if self.clients is not None:
            self.clients.join()


def _exchanges(reader: Any, partitions: int, tally: Tally) -> dict[str, tuple[bytes, bytes]]:
    """Request and response of every inference entry, once; openings are counted into the tally."""
    found: dict[str, tuple[bytes, bytes]] = {}
    seen: set[tuple[bytes, int]] = set()
    for partition in range(partitions):
        offset, end = reader.bounds(partition)
        while offset < end:
            for read in reader.read(partition, offset, 4 << 20, 10.0):
                offset = read.offset + 1
                record = parse_record(read.value)
                fields = record.entry.fields
                if Key.JOURNAL not in fields or Key.SEQUENCE not in fields:
                    continue  # the sidecar's own
                place = fields[Key.JOURNAL], fields[Key.SEQUENCE]
                if place in seen:
                    continue
                seen.add(place)
                tally.torn += record.entry.kind == Kind.OPENING and bool(fields[Key.RECOVERED]["torn"])
                tally.aborted += record.entry.kind == Kind.ABORTED
                if record.entry.kind == Kind.INFERENCE:
                    payload = parse_payload(record.payload)
                    assert payload.response is not None
                    found[record.entry.record_id] = payload.request, payload.response
    return found


class Point(NamedTuple):
    """The `when`-th of these system calls, of one thread, on a file of this kind (`any`: on whatever)."""

    calls: str
    path: str
    when: int

    def __str__(self) -> str:
        return f"{self.calls} {self.path} {self.when}"


def strace(calls: str, fault: str, paths: Sequence[Path], trace: Path) -> list[str]:
    """The command line that runs a program with a fault in its system calls on these paths."""
    argv = [find_program("strace", "strace"), "-f", "-y", "-s", "0", "-o", str(trace)]
    if not fault.startswith("signal"):  # strace stops only at these calls then; it loses injected signals so
        argv.append("--seccomp-bpf")
    for path in paths:
        argv += ["-P", str(path)]
    return [*argv, "-e", f"trace={calls}", "-e", f"inject={calls}:{fault}"]


ALL_CALLS: Final = (
    "openat,pwritev,pwritev2,pwrite64,write,fdatasync,fsync,rename,unlink,ftruncate,fallocate,flock,mkdir"
)
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")


def observe(world: World, run: Callable[[], None]) -> list[Point]:
    """Every distinct write point of one life of the gateway, from its own system calls as strace saw them.

    A call that comes often on one kind of file is taken at its first three, in the middle and at the end.
    """
    trace = world.site.directory / "life"
    argv = [find_program("strace", "strace"), "-f", "--seccomp-bpf", "-y", "-s", "0", "-o", str(trace)]
    world.start([*argv, "-e", f"trace={ALL_CALLS}"])
    run()
    counts: dict[tuple[str, str, str], int] = {}
    for line in trace.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        thread, call, rest = match.groups()
        kind = _kind(world.journal, rest)
        if kind is not None and not (call == "openat" and "O_CREAT" not in rest):
            counts[thread, call, kind] = counts.get((thread, call, kind), 0) + 1
    points: dict[tuple[str, str], int] = {}
    for (_, call, kind), count in counts.items():
        points[call, kind] = max(count, points.get((call, kind), 0))
    return [
        Point(call, kind, when)
        for (call, kind), count in sorted(points.items())
        for when in sorted({1, 2, 3, count // 2, count * 3 // 4} & set(range(1, count + 1)))
    ]


def _kind(journal: Path, rest: str) -> str | None:
    """The kind of the first file of the journal's directory that a traced call names."""
    if f"{journal}>" in rest or rest.startswith(f'"{journal}"'):
        return "directory"
    match = re.search(re.escape(str(journal)) + r"/([\w.]+)", rest)
    if match is None:
        return None
    return "segment" if match[1].endswith(".seg") else match[1]
