"""From the first drifted record to the version before: gateways, log, monitor, Prometheus, Alertmanager, controller.

python bench/rollback.py --quick
python bench/rollback.py --json bench/results/rollback.json

200 requests a second, by turns at two gateways with journals and sidecars of their own, ask a version of the credit
model that is live; then a column comes in days instead of months. It is over when both answer by the version before.
Each time it is another version, so that no alert of the time before is still standing. Once the policy rolls back for
what the model answers alone, which a broken column moves only a little, and once for what it is asked, too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
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
GATEWAYS = 2
SETTLED = 100  # answers of the version before, one after another, until it is held to answer at a gateway
FIRST = 7  # seed of the version that comes back
JOURNAL_ID = 16  # bytes
TIMEOUT = 10.0  # seconds after which a request has failed
CAUSES = ("prediction", "prediction, input")


@dataclass
class Seen:
    """What clients were answered since the column broke."""

    before: str
    """The version that is to come back."""
    begun: float = 0.0
    asked: int = 0
    failed: int = 0
    """Requests that were not answered with 200, those too before the column broke."""
    last: list[float] = field(default_factory=lambda: [0.0] * GATEWAYS)
    """Of each gateway, when what was not an answer of the version before came last."""
    after: list[int] = field(default_factory=lambda: [0] * GATEWAYS)
    """Of each, answers of the version before, one after another."""

    def calm(self, _: int, served: str | None) -> bool:
        """An answer before the column broke; None: none."""
        self.failed += served is None
        return False

    def answered(self, gateway: int, served: str | None) -> bool:
        """An answer of a gateway, None: none; whether it is enough."""
        self.asked += 1
        self.failed += served is None
        self.after[gateway] = self.after[gateway] + 1 if served == self.before else 0
        if not self.after[gateway]:
            self.last[gateway] = time.perf_counter()
        return min(self.after) >= SETTLED

    @property
    def seconds(self) -> float:
        """From the first broken request until the last gateway answers by the version before."""
        return max(self.last) - self.begun


class Client:
    """One client of a gateway, on a connection that is kept as long as it lasts."""

    def __init__(self, gateway: Any) -> None:
        self.gateway = gateway
        self.connection: Any = None

    async def served(self, row: Any) -> str | None:
        """Which digest has answered; None: none has."""
        from traffic import Connection, by_name

        try:
            async with asyncio.timeout(TIMEOUT):
                if self.connection is None:
                    self.connection = await Connection(self.gateway.host, self.gateway.port).__aenter__()
                answer = await self.connection.send(by_name("credit", [row]))
        except (OSError, EOFError):
            await self.close()
            return None
        digest: str | None = answer.headers.get("affiant-model")
        return digest if answer.status == 200 else None

    async def close(self) -> None:
        """The connection, if there is one."""
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(OSError):  # it was broken
                await connection.__aexit__(None, None, None)


async def spread(
    gateways: list[Any], rows: list[Any], told: Callable[[int, str | None], bool], most: int
) -> bool:
    """Ask for rows drawn at random, by turns at each of the gateways, until `told` of an answer says that it is enough.

    As `drifting.traffic`, but what is not answered is told too.
    """
    import drifting

    chance, began, numbers, over = random.Random(11), time.perf_counter(), iter(range(most)), False

    async def ask(which: int, client: Client) -> None:
        nonlocal over
        for number in numbers:
            await asyncio.sleep(max(0.0, began + number / drifting.RATE - time.perf_counter()))
            if over:
                return
            over = told(which, await client.served(chance.choice(rows))) or over

    clients = [
        (which, Client(gateways[which]))
        for which in range(GATEWAYS)
        for _ in range(drifting.CLIENTS // GATEWAYS)
    ]
    try:
        await asyncio.gather(*(ask(*each) for each in clients))
    finally:
        for _, client in clients:
            await client.close()
    return over


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
            "log": {"backend": "local", "partitions": GATEWAYS},
            "monitor": {"metrics_port": free_port(), "evaluate": False},
            "controller": {"port": free_port(), "key_file": "robot.key"},
        },
    )  # fmt: skip
    os.environ["AFFIANT_CONFIG"] = str(story.config)
    drifting.POLICY, policy = policy_of(directory, causes)  # type: ignore[misc]
    drifting.constitute(story)
    return story, policy


def beside(story: Any) -> Path:
    """The settings of a second gateway: journal and sidecar of its own; store, log and trees are the first one's."""
    from cli.tables import commented_toml
    from tests.components.ports import free_port

    tables = tomllib.loads(story.config.read_text())
    data = tables["data"]["directory"]
    tables |= {
        "data": {"directory": "second-data"},
        "gateway": {"port": free_port()},
        "sidecar": {"metrics_port": free_port()},
        "log": tables["log"] | {"directory": f"{data}/log"},
        "store": {"directory": f"{data}/store"},
        "notary": tables["notary"] | {"store": f"{data}/sealed"},
    }
    path: Path = story.config.with_name("second.toml")
    path.write_text(commented_toml(tables))
    return path


def begin_journal(config: Path, partition: int) -> None:
    """A gateway's journal, with an id by which it is shipped to this partition: a local log's has one writer alone."""
    from audit.config import load
    from audit.journal.disk import RealDisk
    from audit.journal.identity import load_identity
    from audit.ship.route import partition_of

    def drawn(size: int) -> bytes:
        found = os.urandom(size)
        while size == JOURNAL_ID and partition_of(found, GATEWAYS) != partition:
            found = os.urandom(size)
        return found

    directory = load(config).data / "journals" / "0"
    directory.mkdir(parents=True)
    load_identity(directory, RealDisk(), time.time_ns, drawn)


async def started(stack: ExitStack, story: Any) -> list[Any]:
    """Both gateways; with the first one all else."""
    from governed import listening
    from system import Gateway

    second = beside(story)
    for partition, config in enumerate((story.config, second)):
        begin_journal(config, partition)
    gateways = []
    for gateway in (Gateway.up(story.config), Gateway(second, ["up", "--only", "gateway,sidecar"], {})):
        gateways.append(stack.enter_context(gateway))
        await listening(gateway)
    return gateways


async def once(story: Any, gateways: list[Any], digest: str, seen: Seen, rows: list[Any]) -> None:
    """Deploy, ask in peace, break the column, ask until the version before answers."""
    import drifting

    await deploy(story, gateways, digest, "the next one", rows)
    await spread(gateways, rows, seen.calm, CALM)
    broken = [row | {drifting.BROKEN: drifting.DAYS * row[drifting.BROKEN]} for row in rows]
    seen.begun = time.perf_counter()
    if not await spread(gateways, broken, seen.answered, int(drifting.RATE * drifting.PATIENCE)):
        tails = "\n".join(gateway.tail() for gateway in gateways)
        raise cli.BenchError(f"{seen.before} did not come back:\n{tails}")


async def deploy(story: Any, gateways: list[Any], digest: str, why: str, rows: list[Any]) -> None:
    """Signed, and waited for until every gateway answers by it."""
    import drifting

    await drifting.deploy(story, gateways[0], digest, why, rows)
    for gateway in gateways[1:]:
        await drifting.answered_by(gateway, digest, rows)


async def rounds(run: cli.Run, story: Any, policy: Any, count: int, name: str) -> list[Seen]:
    """Everything up; so many times, one after another."""
    import drifting
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
        with ExitStack() as stack:
            gateways = await started(stack, story)
            await deploy(story, gateways, versions[0], "the first", rows)
            with watching(story, policy):
                for digest in versions[1:]:
                    seen = Seen(versions[0])
                    await once(story, gateways, digest, seen, rows)
                    found.append(seen)
                    bars.advance(task)
    return found


def row(causes: str, found: list[Seen]) -> dict[str, Any]:
    """Of all rounds. `apart`: how much later the one gateway went back than the other, at most."""
    seconds = sorted(each.seconds for each in found)
    return {
        "what": f"rolled back for {causes}: from the first broken request to the last answer of that version by "
        f"either of {GATEWAYS} gateways",
        "rollbacks": len(found), "median_s": round(statistics.median(seconds), 2), "min_s": round(seconds[0], 2),
        "max_s": round(seconds[-1], 2), "apart_s": round(max(max(each.last) - min(each.last) for each in found), 2),
        "requests": sum(each.asked for each in found), "failed": sum(each.failed for each in found),
    }  # fmt: skip


def measure(run: cli.Run) -> Report:
    """So many rollbacks in one system."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples" / "credit"))
    import screen

    screen.SCREEN.quiet = True
    count = run.options.rollbacks
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
        report.bars.append(
            Bar(f"failed requests, rolled back for {causes}", report.rows[-1]["failed"], "≤", 0)
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
    parser = cli.parser(__doc__, "2 rollbacks each way (three minutes)")
    parser.add_argument("--rollbacks", type=int, help="so many each way (default 10, quick 2)")
    chosen = parser.parse_args()
    chosen.rollbacks = chosen.rollbacks or (2 if chosen.quick else 10)
    return chosen


if __name__ == "__main__":
    sys.exit(cli.run("rollback", options(), measure, show))
