"""The sidecar's shipping beside a bare kafka-python producer: the same bytes, the same broker, turn about.

A real gateway writes the journal first, under load, and stops. Then, in each round, a fresh sidecar ships
that journal to a topic of its own, and bare producers (idempotent, acks=all) send the same records from
memory: one with kafka-python's own batching, one with large batches. Rates are of what the broker has
acknowledged, after the first twentieth.

    python bench/sidecar.py --quick
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from harness import bare_producer, cli, data, environments, machine, marks, wrk
from harness.broker import TOPIC, broker, save_values
from harness.ours import OurGateway, OurSidecar
from harness.processes import ONE_THREAD, BenchError, require
from harness.report import Bar, Report
from rich.console import Console
from rich.table import Table

GOAL = 0.7
PRODUCERS: dict[str, list[str]] = {
    "kafka-python, its own batching": [],
    "kafka-python, large batches": ["--linger-ms", "5", "--batch-bytes", str(256 << 10)],
}
LOAD = "bench-onnx"  # the runtime that fills the journal soonest
TIMEOUT = 600.0


def options() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, "fewer records, one round (under 60 s)")
    parser.add_argument("--rounds", type=int, help="rounds (default 3, quick 1)")
    parser.add_argument(
        "--fill", type=int, help="seconds of load that write the journal (default 30, quick 5)"
    )
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 3)
    chosen.fill = chosen.fill or (5 if chosen.quick else 30)
    return chosen


def measure(run: cli.Run) -> Report:
    """Fill a journal, then ship it and its copy by turns."""
    chosen, directory = run.options, run.directory
    report = Report(
        "sidecar",
        chosen.quick,
        machine.facts(directory),
        machine.versions(("affiant", "kafka-python", "crc32c")),
    )
    rates: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    with run.progress() as bars:
        task = bars.add_task("writing a journal", total=2 + chosen.rounds * (1 + len(PRODUCERS)))
        workload = data.prepare(environments.cache())
        gateway = OurGateway(workload, directory, chosen.server_core)
        fill(run, gateway)
        name = marks.worker(gateway.data)
        total = marks.progress(gateway.data, name).durable
        bars.advance(task)
        bars.update(task, description="starting Kafka")
        with broker(directory / "kafka", chosen.client_core) as kafka:
            bars.advance(task)
            values = directory / "values"
            for number in range(chosen.rounds):
                bars.update(task, description=f"round {number + 1}, sidecar")
                topic = kafka.create_topic(f"records-{number}", config=TOPIC)
                rate, spent = ship(run, gateway, name, kafka.bootstrap, topic, total)
                rates.setdefault("affiant sidecar", []).append(rate)
                cpu.setdefault("affiant sidecar", []).append(spent)
                bars.advance(task)
                if not values.exists():
                    count, size = save_values(kafka.bootstrap, topic, values)
                    if count < total:
                        raise BenchError(f"the log holds {count} records, the journal {total}")
                    report.extra |= {"records": total, "bytes_a_record": round(size / count, 1)}
                for producer, settings in PRODUCERS.items():
                    bars.update(task, description=f"round {number + 1}, {producer}")
                    copy = kafka.create_topic(f"copy-{number}-{len(settings)}", config=TOPIC)
                    result = bare(chosen.server_core, kafka.bootstrap, copy, values, settings)
                    rates.setdefault(producer, []).append(result["rate"])
                    cpu.setdefault(producer, []).append(result["cpu_us"])
                    bars.advance(task)
    report.rows = [
        {
            "producer": producer,
            "rate": round(statistics.median(found), 1),
            "cpu_us": round(statistics.median(cpu[producer]), 2),
            "rounds": [round(rate, 1) for rate in found],
        }
        for producer, found in rates.items()
    ]
    for producer in PRODUCERS:
        ratio = statistics.median(
            ours / theirs for ours, theirs in zip(rates["affiant sidecar"], rates[producer], strict=True)
        )
        report.bars.append(Bar(f"sidecar ÷ bare {producer}", ratio, "≥", GOAL))
    return report


def fill(run: cli.Run, gateway: OurGateway) -> None:
    """Let a real gateway answer for a while, and stop it: its journal then waits to be shipped."""
    process = run.own(gateway.start())
    process.wait_until(gateway.ready)
    row = next(row for row in gateway.rows() if row.target.path == f"/v1/models/{LOAD}:predict")
    requests = run.directory / "requests"
    row.target.write(requests)
    load = wrk.run(
        row.target, requests, connections=64, seconds=run.options.fill, core=run.options.client_core
    )
    if load.failed:
        raise BenchError(f"{load.failed} of {load.requests} requests failed:\n{process.tail()}")
    process.stop(60)


def ship(
    run: cli.Run, gateway: OurGateway, name: str, bootstrap: str, topic: str, total: int
) -> tuple[float, float]:
    """Ship the whole journal to a fresh topic; records a second after the first part, and CPU µs a record."""
    shutil.rmtree(gateway.data / "shipping", ignore_errors=True)
    gateway.configure({"log": {"backend": "kafka", "topic": topic, "bootstrap": bootstrap}})
    sidecar = OurSidecar(gateway.settings, gateway.directory, run.options.server_core)
    process = run.own(sidecar.start())
    warm = int(total * bare_producer.WARM)

    def reached(sequence: int) -> tuple[float, float, int]:
        state = marks.wait_for(
            gateway.data,
            name,
            lambda state: state.acknowledged >= sequence or not process.alive(),
            timeout=TIMEOUT,
            what=f"shipping {sequence} of {total} records",
        )
        if state.acknowledged < sequence:
            raise BenchError(f"the sidecar ended:\n{process.tail()}")
        return time.perf_counter(), process.cpu_seconds(), state.acknowledged

    start, before, first = reached(max(1, warm))
    end, after, last = reached(total)
    process.stop(30)
    return (last - first) / (end - start), (after - before) / (last - first) * 1e6


def bare(core: int, bootstrap: str, topic: str, values: Path, settings: list[str]) -> dict[str, Any]:
    """One run of the yardstick, on the sidecar's core."""
    script = [sys.executable, bare_producer.__file__]
    where = ["--bootstrap", bootstrap, "--topic", topic, "--values", str(values)]
    done = subprocess.run(
        [require("taskset"), "-c", str(core), *script, *where, *settings],
        capture_output=True,
        text=True,
        env=ONE_THREAD | {"PATH": "/usr/bin:/bin"},
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"the bare producer failed: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def show(report: Report, console: Console) -> None:
    """Producers and their rates, then the bars."""
    table = Table(
        title="records a second, acknowledged by all in-sync replicas (median)", title_justify="left"
    )
    table.add_column("producer")
    table.add_column("records/s", justify="right")
    table.add_column("CPU µs/record", justify="right")
    for row in report.rows:
        table.add_row(row["producer"], f"{row['rate']:,.0f}", f"{row['cpu_us']:.1f}")
    console.print(table)
    report.print_bars(console)


if __name__ == "__main__":
    sys.exit(cli.run("sidecar", options(), measure, show))
