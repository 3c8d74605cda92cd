"""From the first drifted record to the version before: gateway, log, monitor, Prometheus, Alertmanager, controller.

python bench/rollback.py --quick
python bench/rollback.py --json bench/results/rollback.json

200 requests a second ask a version of the credit model that is live; then a column comes in days instead of months.
Each time it is another version, so that no alert of the time before is still standing. Once the policy rolls back for
what the model answers alone, which a broken column moves only a little, and once for what it is asked, too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from harness import cli, machine
from harness.report import Bar, Report
from rich.console import Console
from rich.table import Table

DEMO = Path(__file__).resolve().parent.parent / "examples" / "credit" / "drift-policy.yaml"
SLOWEST = 10.0  # seconds of the median
CALM = 2000  # requests before the column breaks
SETTLED = 200  # answers of the version before, one after another, until it is held to answer everywhere
FIRST = 7  # seed of the version that comes back
CAUSES = ("prediction", "prediction, input")


@dataclass
class Seen:
    """What clients were answered since the column broke."""

    before: str
    """The version that is to come back."""
    begun: float = 0.0
    last: float = 0.0
    """When the last answer of the other one came."""
    asked: int = 0
    after: int = 0
    """Answers of the version before, one after another."""

    def answered(self, served: str) -> bool:
        """An answer; whether it is enough."""
        self.asked += 1
        self.after = self.after + 1 if served == self.before else 0
        if not self.after:
            self.last = time.perf_counter()
        return self.after >= SETTLED


@contextmanager
def watching(story: Any, policy: Any) -> Iterator[None]:
    """Prometheus and Alertmanager, each second, by the rendered files; the monitor evaluates nothing itself."""
    from audit.config import load
    from monitoring.settings import ControllerSettings, MonitorSettings
    from tests.components import watching as between

    config = load(story.config)
    monitor, controller = (
        config.section("monitor", MonitorSettings),
        config.section("controller", ControllerSettings),
    )
    assert not monitor.evaluate
    manager, server = between.watching(
        story.directory, policy, monitors=[f"127.0.0.1:{monitor.metrics_port}"],
        controllers=[f"http://127.0.0.1:{controller.port}/alerts"],
        token_file=config.resolve(controller.token_file),
    )  # fmt: skip
    with manager, server:
        yield


def policy_of(directory: Path, causes: str) -> tuple[Path, Any]:
    """The demo's, which lets the controller act as often as it is asked to, for these causes."""
    from registry.policy import load_policy

    path, text = directory / "policy.yaml", DEMO.read_text()
    often = (
        ("maximum_per_day: 3", "maximum_per_day: 1000"),
        ("cooldown_minutes: 30", "cooldown_minutes: 0"),  # one rollback follows another here
        ("[prediction]", f"[{causes}]"),
    )
    for old, new in often:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path, load_policy(path)


def prepared(directory: Path, causes: str) -> tuple[Any, Any]:
    """Keys, root, policy and settings, on free ports."""
    import drifting
    from governed import Story
    from system import write_settings

    from tests.components.ports import free_port

    directory.mkdir()
    story = Story(directory)
    write_settings(
        story.config, {},
        {
            "governance": {"root": "root.json"},
            "monitor": {"metrics_port": free_port(), "evaluate": False},
            "controller": {"port": free_port(), "key_file": "robot.key"},
        },
    )  # fmt: skip
    os.environ["AFFIANT_CONFIG"] = str(story.config)
    drifting.POLICY, policy = policy_of(directory, causes)  # type: ignore[misc]
    drifting.constitute(story)
    return story, policy


async def once(story: Any, gateway: Any, digest: str, seen: Seen, rows: list[Any]) -> None:
    """Deploy, ask in peace, break the column, ask until the version before answers."""
    import drifting

    await drifting.deploy(story, gateway, digest, "the next one", rows)
    await drifting.traffic(gateway, rows, lambda served: served != digest, CALM)
    broken = [row | {drifting.BROKEN: drifting.DAYS * row[drifting.BROKEN]} for row in rows]
    seen.begun = time.perf_counter()
    if not await drifting.traffic(gateway, broken, seen.answered, int(drifting.RATE * drifting.PATIENCE)):
        raise cli.BenchError(f"{seen.before} did not come back:\n{gateway.tail()}")


async def rounds(run: cli.Run, story: Any, policy: Any, count: int, name: str) -> list[Seen]:
    """Everything up; so many times, one after another."""
    import drifting
    from governed import listening
    from system import Gateway
    from traffic import rows_of
    from train import DATA, features

    from registry.table import read_table

    rows = rows_of(features(read_table(DATA)))
    found = []
    with run.progress() as bars:
        task = bars.add_task("training, judging and signing versions", total=count + 1)
        versions = []
        for number in range(count + 1):
            with redirect_stdout(StringIO()):
                versions.append(drifting.version(story, FIRST + number))
            bars.advance(task)
        task = bars.add_task(f"rolling back for {name}", total=count)
        with Gateway.up(story.config) as gateway:
            await listening(gateway)
            await drifting.deploy(story, gateway, versions[0], "the first", rows)
            with watching(story, policy):
                for digest in versions[1:]:
                    seen = Seen(versions[0])
                    await once(story, gateway, digest, seen, rows)
                    found.append(seen)
                    bars.advance(task)
    return found


def row(causes: str, found: list[Seen]) -> dict[str, Any]:
    """Of all rounds. A request that is refused ends the bench."""
    seconds = sorted(each.last - each.begun for each in found)
    return {
        "what": f"rolled back for {causes}: from the first broken request to the last answer of that version",
        "rollbacks": len(found), "median_s": round(statistics.median(seconds), 2), "min_s": round(seconds[0], 2),
        "max_s": round(seconds[-1], 2), "requests": sum(each.asked for each in found), "failed": 0,
    }  # fmt: skip


def measure(run: cli.Run) -> Report:
    """So many rollbacks in one system."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples" / "credit"))
    import screen

    screen.SCREEN.quiet = True
    count = 2 if run.options.quick else 10
    report = Report(
        "rollback",
        run.options.quick,
        machine.facts(run.directory),
        machine.versions(("affiant", "xgboost-cpu")),
    )
    for causes in CAUSES:
        story, policy = prepared(run.directory / causes.replace(", ", "-"), causes)
        report.rows.append(row(causes, asyncio.run(rounds(run, story, policy, count, causes))))
        report.bars.append(
            Bar(f"drift to rollback for {causes}, median s", report.rows[-1]["median_s"], "≤", SLOWEST)
        )
    return report


def show(report: Report, console: Console) -> None:
    """A line each, then the bars."""
    table = Table(title="rollback", title_justify="left")
    table.add_column("what")
    table.add_column("measured", overflow="fold")
    for row in report.rows:
        said = ", ".join(f"{key} {value:,}" for key, value in row.items() if key != "what")
        table.add_row(row["what"], said)
    console.print(table)
    report.print_bars(console)


def options() -> argparse.Namespace:
    """The command line."""
    return cli.parser(__doc__, "2 rollbacks each way (three minutes)").parse_args()


if __name__ == "__main__":
    sys.exit(cli.run("rollback", options(), measure, show))
