"""One prediction of a batch on the processor and on a GPU, through the runtime that the gateway loads.

Where there is no GPU, or no runtime for it, the processor's rows are measured alone, and the report says why.

    python bench/device.py --quick
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from harness import cli, machine
from harness.report import Report
from rich.console import Console
from rich.table import Table

from registry.errors import DeviceUnavailable
from registry.package import Package
from registry.runtimes import LoadedModel, load
from tests.components.devices import network_package, tree_package

BATCHES = (1, 16, 64, 256, 1024, 4096, 16384)


class Way(NamedTuple):
    """How a model is loaded."""

    device: str
    threads: int


def options() -> argparse.Namespace:
    """The command line."""
    parser = cli.parser(__doc__, "smaller models, fewer turns (under 30 s)")
    parser.add_argument("--threads", default="1,8", help="threads of one prediction on the processor")
    chosen = parser.parse_args()
    chosen.threads = [int(number) for number in chosen.threads.split(",")]
    return chosen


def models(quick: bool) -> dict[str, Package]:
    """By the name that the table shows."""
    if quick:
        return {"50 trees of depth 6": tree_package(50, 6), "network, 3 x 64": network_package(64)}
    return {
        "500 trees of depth 8": tree_package(),
        "network, 3 x 512": network_package(),
        "network, 3 x 2048": network_package(2048),
    }


def timed(model: LoadedModel, rows: Any, turns: int) -> dict[str, float]:
    """Median and 99th percentile of one call, in microseconds; the batch's arrays are as the gateway's."""
    for _ in range(max(2, turns // 10)):
        model.predict(rows)
    taken = []
    for _ in range(turns):
        begun = time.perf_counter_ns()
        model.predict(rows)
        taken.append((time.perf_counter_ns() - begun) / 1000)
    return {"p50_us": statistics.median(taken), "p99_us": float(np.quantile(taken, 0.99))}


def measure(run: cli.Run) -> Report:
    """Each model, device and number of threads in turn; one batch after another."""
    quick = run.options.quick
    packages = ("affiant", "xgboost", "xgboost-cpu", "onnxruntime", "onnxruntime-gpu", "numpy")
    report = Report("device", quick, machine.facts(run.directory), machine.versions(packages))
    report.extra["gpu"] = gpu()
    found = models(quick)
    ways = [Way("cpu", threads) for threads in run.options.threads] + [Way("cuda", 1)]
    with run.progress() as bars:
        task = bars.add_task("models and devices", total=len(found) * len(ways))
        for name, package in found.items():
            for way in ways:
                bars.update(task, description=f"{name}, {way.device}")
                report.rows += one(name, package, way, report)
                bars.advance(task)
    return report


def one(name: str, package: Package, way: Way, report: Report) -> list[dict[str, Any]]:
    """The rows of one model on one device; none, and a reason in the report, where it is not there."""
    begun = time.perf_counter()
    try:
        model = load(package, device=way.device, threads=way.threads)
    except DeviceUnavailable as error:
        report.extra["no_device"] = str(error)
        return []
    loading = time.perf_counter() - begun
    random = np.random.default_rng(3)
    rows = random.normal(size=(BATCHES[-1], model.signature.width)).astype(np.float32)
    made = []
    for batch in BATCHES[:5] if report.quick else BATCHES:
        part = np.ascontiguousarray(rows[:batch])
        figures = timed(model, part, turns=max(10, min(1000, (20_000 if report.quick else 60_000) // batch)))
        made.append(
            {
                "model": name, "device": model.device, "threads": way.threads, "batching": model.batching.kind,
                "batch": batch, "loading_s": loading, **figures, "rows_per_second": batch / figures["p50_us"] * 1e6,
            }
        )  # fmt: skip
    return made


def gpu() -> str:
    """The card and its driver, or that there is none."""
    if not shutil.which("nvidia-smi"):
        return "none"
    asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "none"


def show(report: Report, console: Console) -> None:
    """A table, a line a batch."""
    table = Table(title=f"One prediction of a batch; GPU: {report.extra['gpu']}", title_justify="left")
    for column in ("model", "device", "threads", "batching", "batch", "p50 µs", "p99 µs", "rows/s"):
        table.add_column(column, justify="left" if column in ("model", "device", "batching") else "right")
    for row in report.rows:
        table.add_row(
            row["model"], row["device"], str(row["threads"]), row["batching"], f"{row['batch']:,}",
            f"{row['p50_us']:,.0f}", f"{row['p99_us']:,.0f}", f"{row['rows_per_second']:,.0f}",
        )  # fmt: skip
    console.print(table)
    if "no_device" in report.extra:
        console.print(f"not on a GPU: {report.extra['no_device']}", markup=False)


def main() -> int:
    """Measure, show, write."""
    return cli.run("device", options(), measure, show)


if __name__ == "__main__":
    sys.exit(main())
