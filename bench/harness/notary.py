"""The notary as a process: how fast it seals what a log has, how much memory it takes, how soon after an answer.

`rates` puts it beside a bare consumer on the same core, from the same real Kafka. `memory` lets it seal a long local
log. `delay` runs gateway, sidecar and notary on a local log under load and asks, for every answer, when a checkpoint
covered it: also for those that were on their way when the load ended, which waited longest.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import bare_consumer, cli, data, environments, marks, wrk
from harness.broker import TOPIC, broker
from harness.growth import slope
from harness.ours import ROOT, OurGateway, OurSidecar, tool
from harness.processes import ONE_THREAD, BenchError, Process, require
from harness.report import Bar

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from audit.config import Config, load
from audit.log import configured_log
from audit.log.base import LogReader
from audit.proof.entry import Key, Kind
from audit.proof.record import frame_record, parse_record
from audit.show import walk
from harness.sealed import Records, write_sealed_log

GOAL = 0.5  # notary ÷ bare consumer
DELAY_GOAL = 5.0  # s, answered to sealed, p99
GROWTH_GOAL = 16.0  # MiB a million records, once warm
TIMEOUT = 900.0
CAUGHT_UP = 60.0  # s that shipping and sealing may take after the load
WARM = bare_consumer.WARM
MIB = 1 << 20


@dataclass
class OurNotary:
    """`affiant notary run` on the settings in a directory."""

    settings: Path
    core: int | None

    def start(self, name: str = "notary") -> Process:
        """Make its key if there is none, and start it."""
        directory = self.settings.parent
        if not (directory / "notary.key").exists():
            subprocess.run(
                [tool("affiant"), "notary", "keygen", "--config", str(self.settings)],
                check=True, capture_output=True, cwd=directory,
            )  # fmt: skip
        return Process.start(
            f"affiant {name}",
            [tool("affiant"), "notary", "run", "--config", str(self.settings)],
            core=self.core,
            log=directory / f"{name}.log",
            cwd=directory,
        )


@dataclass(frozen=True)
class Sealing:
    """How far a notary has come, as anybody sees it: by the published checkpoint."""

    checkpoint: Path
    process: Process

    def size(self) -> int:
        """Leaves under it."""
        try:
            return int(self.checkpoint.read_bytes().split(b"\n", 2)[1])
        except FileNotFoundError:
            return 0

    def reach(self, size: int) -> tuple[float, float, int]:
        """Wait for so many leaves; when that was, the notary's processor time, and how many there were."""
        end = time.monotonic() + TIMEOUT
        while (found := self.size()) < size:
            if not self.process.alive() or time.monotonic() > end:
                raise BenchError(
                    f"the notary sealed {found} of {size} records and no more:\n{self.process.tail()}"
                )
            time.sleep(0.01)
        return time.perf_counter(), self.process.cpu_seconds(), found


def rates(run: cli.Run, records: int, rounds: int) -> tuple[list[dict[str, Any]], list[Bar]]:
    """Notary and bare consumer by turns."""
    chosen = run.options
    found: dict[str, list[float]] = {"bare consumer": [], "notary": []}
    cpu: dict[str, list[float]] = {"bare consumer": [], "notary": []}
    with broker(run.directory / "kafka", chosen.client_core) as kafka:
        topic = kafka.create_topic("sealed", config=TOPIC)
        produce(kafka.bootstrap, topic, records)
        for number in range(rounds):
            bare = bare_run(chosen.server_core, kafka.bootstrap, topic, records)
            found["bare consumer"].append(bare["rate"])
            cpu["bare consumer"].append(bare["cpu_us"])
            directory = run.directory / f"notary-{number}"
            directory.mkdir()
            settings = directory / "affiant.toml"
            settings.write_text(
                f'[data]\ndirectory = "data"\n[log]\nbackend = "kafka"\nbootstrap = "{kafka.bootstrap}"\n'
                f'topic = "{topic}"\nreplication = 1\n[notary]\nmetrics_port = 0\n'
            )
            identity = topic_id(settings)
            process = run.own(OurNotary(settings, chosen.server_core).start())
            sealing = Sealing(directory / "data" / "sealed" / identity / "0" / "checkpoint", process)
            begin, before, first = sealing.reach(max(1, int(records * WARM)))
            end, after, last = sealing.reach(records)
            process.stop(60)
            found["notary"].append((last - first) / (end - begin))
            cpu["notary"].append((after - before) / (last - first) * 1e6)
    rows = [
        {
            "what": what,
            "records_s": round(statistics.median(each), 1),
            "cpu_us": round(statistics.median(cpu[what]), 1),
        }
        for what, each in found.items()
    ]
    ratio = statistics.median(
        ours / bare for ours, bare in zip(found["notary"], found["bare consumer"], strict=True)
    )
    return rows, [Bar("notary ÷ bare consumer", ratio, "≥", GOAL)]


def produce(bootstrap: str, topic: str, records: int) -> None:
    """Valid records of one journal, as a sidecar would have shipped them."""
    from kafka import KafkaProducer

    made = Records(
        {"backend": "kafka", "name": topic, "id": bytes(16), "partition": 0}, 1, 600, 1000.0, ("credit",)
    )
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5, batch_size=256 << 10)
    for number in range(records):
        producer.send(topic, frame_record(*made.next(number)), made.journal, partition=0)
        if number % 10_000 == 0:
            producer.flush()
    producer.flush()
    producer.close()


def bare_run(core: int, bootstrap: str, topic: str, records: int) -> dict[str, Any]:
    """One run of the yardstick, on the notary's core."""
    done = subprocess.run(
        [
            require("taskset"), "-c", str(core), sys.executable, bare_consumer.__file__,
            "--bootstrap", bootstrap, "--topic", topic, "--records", str(records),
        ],
        capture_output=True, text=True, env=ONE_THREAD | {"PATH": "/usr/bin:/bin"}, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise BenchError(f"the bare consumer failed: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def topic_id(settings: Path) -> str:
    """Hex."""
    return configured_log(load(settings)).topic().id.hex()


def memory(run: cli.Run, records: int) -> tuple[list[dict[str, Any]], list[Bar]]:
    """Let a notary seal a long local log from nothing; its memory on the way."""
    directory = run.directory / "long"
    directory.mkdir()
    written = write_sealed_log(directory, records, payload=300, log=True)
    settings = directory / "affiant.toml"
    settings.write_text(
        '[data]\ndirectory = "data"\n[log]\ndirectory = "log"\n'
        f'[notary]\nname = "{written.tree.name}"\nstore = "again"\nmetrics_port = 0\n'
    )
    process = run.own(OurNotary(settings, run.options.server_core).start("notary-long"))
    sealing = Sealing(directory / "again" / written.tree.prefix / "checkpoint", process)
    rows = []
    for tenth in range(1, 11):
        _, _, size = sealing.reach(records * tenth // 10)
        rows.append(
            {"what": "notary's memory", "records": size, "mib": round(process.memory("Anonymous") / MIB, 1)}
        )
    process.stop(120)
    warm = [row for row in rows if row["records"] >= records * 0.3]
    growth = slope([(row["records"], row["mib"]) for row in warm]) * 1e6
    same = (directory / "again" / written.tree.prefix / "checkpoint").read_bytes().split(b"\n")[:3]
    if same != (written.store / written.tree.prefix / "checkpoint").read_bytes().split(b"\n")[:3]:
        raise BenchError("the notary's tree is not that of the same records written by the bench")
    return rows, [Bar(f"notary's memory, MiB a million records, to {records}", growth, "≤", GROWTH_GOAL)]


def delay(run: cli.Run, seconds: int) -> tuple[list[dict[str, Any]], list[Bar]]:
    """From when an answer's record was given to the journal to when a published checkpoint covers it."""
    chosen = run.options
    gateway = OurGateway(
        data.prepare(environments.cache()), run.directory, chosen.server_core,
        tables={"notary": {"metrics_port": 0}, "journal": {"free_after": "sealed"}},
    )  # fmt: skip
    served = run.own(gateway.start())
    served.wait_until(gateway.ready)
    notary = run.own(OurNotary(gateway.settings, chosen.client_core).start("notary-delay"))
    run.own(OurSidecar(gateway.settings, gateway.directory, chosen.client_core).start())
    config = load(gateway.settings)
    row = next(row for row in gateway.rows() if row.protocol == "v1")
    requests = run.directory / "requests-delay"
    row.target.write(requests)
    checkpoint = config.data / "sealed" / configured_log(config).topic().id.hex() / "0" / "checkpoint"
    sealing = Sealing(checkpoint, notary)
    seen: list[tuple[int, int]] = []  # (size, ns since 1970) when it was first seen
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(
            wrk.run, row.target, requests, connections=16, seconds=seconds, core=chosen.client_core
        )
        while not loading.done():
            _look(sealing, seen)
            time.sleep(0.005)
        sent = loading.result()
    wait_shipped(gateway.data, lambda: _look(sealing, seen))
    delays = sorted(_delays(config, sealing, seen))
    require_all(len(delays), sent.requests - sent.refused)
    p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
    rows = [
        {
            "what": "answered to sealed, local log", "answers": len(delays),
            "answers_s": round(sent.requests / seconds),
            "p50_s": round(p50, 3), "p99_s": round(p99, 3), "most_s": round(delays[-1], 3),
        }
    ]  # fmt: skip
    return rows, [Bar("answered to sealed under load, p99 in s", p99, "<", DELAY_GOAL)]


def _look(sealing: Sealing, seen: list[tuple[int, int]]) -> None:
    size = sealing.size()
    if size and (not seen or size > seen[-1][0]):
        seen.append((size, time.time_ns()))


def wait_shipped(directory: Path, look: Callable[[], None], timeout: float = CAUGHT_UP) -> None:
    """Wait until the log has all that the journal made durable up to now.

    At the end of a load that is more than the log has, and what is missing is what waits longest.

    Args:
        directory: the gateway's data directory.
        look: called again and again meanwhile.
        timeout: seconds.

    Raises:
        BenchError: the log does not have it in time.
    """
    worker = marks.worker(directory)
    durable = marks.progress(directory, worker).durable

    def done(now: marks.Progress) -> bool:
        look()
        return now.acknowledged >= durable

    marks.wait_for(directory, worker, done, timeout=timeout, what="shipping what was answered")


def require_all(found: int, answered: int) -> None:
    """Raises BenchError when the log has fewer answers than have left: the slowest would not count."""
    if found < answered:
        raise BenchError(f"{answered} answers have left, and the log has {found} of them")


def _delays(config: Config, sealing: Sealing, seen: list[tuple[int, int]]) -> list[float]:
    """Seconds of every answer that the log has now; waits for the last one's checkpoint."""
    reader = configured_log(config).reader()
    try:
        _, end = reader.bounds(0)
        deadline = time.monotonic() + CAUGHT_UP
        while not seen or seen[-1][0] < end:
            if time.monotonic() > deadline:
                raise BenchError(f"the notary sealed {sealing.size()} of {end} records in {CAUGHT_UP:.0f} s")
            _look(sealing, seen)
            time.sleep(0.005)
        return list(delays_of(reader, end, seen))
    finally:
        reader.close()


def delays_of(reader: LogReader, end: int, seen: list[tuple[int, int]]) -> Iterator[float]:
    """Seconds from answer to checkpoint, of each answer below `end`.

    Args:
        reader: of the log.
        end: an offset.
        seen: (leaves, ns since 1970) of each checkpoint, when it was first seen; the last one covers `end`.
    """
    covered = iter(seen)
    size, at = next(covered)
    for entry in walk(reader, 0, 0, end):
        while entry.offset >= size:
            size, at = next(covered)
        parsed = parse_record(entry.value or b"").entry
        # Refused requests are recorded, too, and are none of the answers that the load counts as such.
        if parsed.kind == Kind.INFERENCE and parsed.fields[Key.STATUS] < 400:
            yield (at - parsed.fields[Key.COMMITTING]) / 1e9
