"""From a metric's change to the webhook: through Prometheus and Alertmanager at 1 s, and by the monitor itself.

python bench/alerts.py --quick
python bench/alerts.py --json bench/results/alerts.json
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import cli, machine
from harness.report import Bar, Report
from rich.console import Console
from rich.table import Table

SLOWEST = 3.0  # seconds of the median: a second to be scraped, one to be evaluated, one for the rest


def options() -> argparse.Namespace:
    """The command line."""
    return cli.parser(__doc__, "8 alerts each way (under 60 s)").parse_args()


def page_of(alarms: int, columns: int = 30) -> str:
    """A monitor's page: one alarm more for each package that is said to drift; all figures of each."""
    lines = ["affiant_monitor_leader 1"]
    for package in range(alarms + 1):
        labels = f'service="credit",digest="{package:012x}",slot="live"'
        for column in range(columns):
            own = f'{labels},feature="{"score:bad" if column == 0 else f"f{column}"}"'
            drifts = int(column == 0 and package < alarms)
            lines += [
                f'affiant_drift_alarm{{{own},severity="{grave}"}} {drifts}' for grave in ("page", "warn")
            ]
            lines += [
                f"affiant_drift_{name}{{{own}}} 0.1" for name in ("ks_lower", "ks_upper", "psi_debiased")
            ]
    return "\n".join(lines) + "\n"


@contextmanager
def prometheus(directory: Path, exporter: Any, hook: Any) -> Iterator[None]:
    """The rendered files, in the real servers."""
    from monitoring.alerts.render import rules_yaml
    from monitoring.alerts.routes import Receivers, routes_yaml
    from monitoring.alerts.rules import groups_of
    from tests.components.alertmanager import Alertmanager
    from tests.components.alerts import full_policy
    from tests.components.prometheus import Prometheus

    directory.mkdir(parents=True)
    policy, rules, token = full_policy(), directory / "rules.yml", directory / "token"
    token.write_text("x" * 40)
    rules.write_text(rules_yaml(groups_of(policy), digest=policy.digest))
    manager = Alertmanager(directory / "am", routes_yaml(Receivers(f"{hook.url}/alerts", token)))
    with (
        manager,
        Prometheus(
            directory / "p", targets=[exporter.address], rules=[rules], alertmanagers=[manager.address]
        ),
    ):
        yield


@contextmanager
def alone(_: Path, exporter: Any, hook: Any) -> Iterator[None]:
    """The monitor's own evaluation, each second."""
    from monitoring.alerts.embedded import Embedded, page
    from monitoring.alerts.rules import groups_of
    from monitoring.alerts.sender import Sender, poster
    from tests.components.alerts import full_policy

    sources = {"monitor": page(f"{exporter.url}/metrics")}
    evaluating = Embedded(groups_of(full_policy()), sources, [Sender(poster(f"{hook.url}/alerts"))])
    stop = threading.Event()
    thread = threading.Thread(target=evaluating.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def delays(
    run: cli.Run, name: str, way: Callable[..., Any], count: int, told: Callable[[], None]
) -> list[float]:
    """Seconds, of so many alerts one after another, each of another package: no group is known before."""
    from tests.components.process import wait_until
    from tests.components.webhook import Exporter, Receiver

    chance, found = random.Random(1), []
    with Exporter(page_of(0)) as exporter, Receiver() as hook, way(run.directory / name, exporter, hook):
        for number in range(1, count + 1):
            time.sleep(chance.random())  # where in the second it changes is chance
            text, digest = page_of(number), f"{number - 1:012x}"
            begun = time.time()
            exporter.text = text

            def came(digest: str = digest) -> list[float]:
                return [
                    post.at
                    for post in list(hook.posts)
                    if any(each["labels"].get("digest") == digest for each in post.body["alerts"])
                ]

            wait_until(came, what=f"alert {number} by {name}", deadline_s=60)
            found.append(came()[0] - begun)
            told()
    return found


def cost(packages: int, steps: int) -> dict[str, Any]:
    """Of one look over so many packages' series, in this process: seconds, and bytes that are kept."""
    from prometheus_client.parser import text_string_to_metric_families

    from monitoring.alerts.embedded import Embedded
    from monitoring.alerts.rules import groups_of
    from monitoring.alerts.samples import History, Sample
    from tests.components.alerts import full_policy

    samples = [
        Sample(each.name, each.labels, each.value)
        for family in text_string_to_metric_families(page_of(packages - 1))
        for each in family.samples
    ]
    groups, now = groups_of(full_policy()), [0.0]
    history = History(groups)
    look = Embedded(
        groups, {"m": lambda: samples}, [], history=history, clock=lambda: now[0], monotonic=lambda: now[0]
    )
    look.step()
    begun = time.process_time()
    for _ in range(steps):
        now[0] += 1
        look.step()
    seconds = (time.process_time() - begun) / steps
    tracemalloc.start()
    for _ in range(steps):
        now[0] += 1
        look.step()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {
        "what": f"one look over {packages} packages", "series": history.size, "processor_s": round(seconds, 4),
        "grown_bytes": kept,
    }  # fmt: skip


def measure(run: cli.Run) -> Report:
    """Both ways, one after the other; then what a look costs."""
    count = 8 if run.options.quick else 60
    report = Report(
        "alerts",
        run.options.quick,
        machine.facts(run.directory),
        machine.versions(("affiant", "prometheus-client")),
    )
    with run.progress() as bars:
        for name, way in (("Prometheus and Alertmanager", prometheus), ("the monitor itself", alone)):
            task = bars.add_task(name, total=count)
            found = delays(run, name.split()[-1], way, count, lambda task=task: bars.advance(task))
            middle = statistics.median(found)
            report.rows.append(
                {"what": name, "alerts": count, "median_s": round(middle, 3), "max_s": round(max(found), 3)}
            )
            report.bars.append(Bar(f"change to webhook by {name}, median s", middle, "≤", SLOWEST))
    report.rows.append(cost(10, 20))
    return report


def show(report: Report, console: Console) -> None:
    """A line each, then the bars."""
    table = Table(title="alerts", title_justify="left")
    table.add_column("what")
    table.add_column("measured", overflow="fold")
    for row in report.rows:
        table.add_row(
            row["what"], ", ".join(f"{key} {value:,}" for key, value in row.items() if key != "what")
        )
    console.print(table)
    report.print_bars(console)


if __name__ == "__main__":
    sys.exit(cli.run("alerts", options(), measure, show))
