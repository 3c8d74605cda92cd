"""Drift to rollback: version 2 is deployed, its input pipeline breaks, and version 1 answers again, by itself.

    python examples/credit/drifting.py [--directory DIR] [--no-open]

1  people make keys, a root and a policy say who may what; the controller has a key that may roll back, and no more
2  two versions are trained, judged, signed for and deployed, one after the other
3  traffic like the training data: nothing alarms
4  an attribute changes its unit (months become days): drift is seen
5  the alert that fires, and version 1 is brought back
6  the decision: what it was for, computed again from the log, and as a page

Everything happens under examples/credit/var-drift. The traffic without drift is drawn from the training rows: a
hold-out of a thousand rows is too small to be like the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from contextlib import AsyncExitStack
from io import StringIO
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from audited import Step
from governed import Story, listening
from governed import ask as question
from rich.console import Console
from screen import SCREEN, bar, done, fresh, heading, shown, tell, working
from system import Gateway, command, write_settings
from traffic import Connection, by_name, rows_of
from train import DATA, features, train_xgboost

from audit.config import load
from audit.errors import LogUnavailable
from cli.alerts import show_firing
from cli.drift_monitor import Firing, firing_of
from registry.stores import LayoutStore
from registry.table import read_table

HERE: Final = Path(__file__).resolve().parent
POLICY: Final = HERE / "drift-policy.yaml"
PEOPLE: Final = {"lea": "legal", "omar": "operations", "pipeline": "gates", "robot": "controller"}
BROKEN: Final = "duration_in_month"
DAYS: Final = 30
CLIENTS: Final = 4
RATE: Final = 200
"""Requests a second, at most: what the machine does."""
CALM: Final = 2000
PATIENCE: Final = 180.0
"""Seconds until the demo gives up."""

Row = dict[str, Any]


def main() -> int:
    """Run it; returns an exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--directory", type=Path, default=HERE / "var-drift", help="made anew at each run")
    parser.add_argument("--no-open", action="store_true", help="leave the report unopened")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is ended
    began = time.perf_counter()
    try:
        good = tell_story(options.directory.resolve(), show=not options.no_open)
    except KeyboardInterrupt:
        SCREEN.print("\ninterrupted; everything that was started has ended")
        return 130
    done(f"this demo took {time.perf_counter() - began:.0f} s") if good else SCREEN.print(
        "[bold red]not as it should be[/]"
    )
    return 0 if good else 1


def tell_story(directory: Path, *, show: bool) -> bool:
    """Each step, in order; whether all was as it should be."""
    fresh(directory)
    story = Story(directory)
    governed = {"governance": {"root": "root.json"}, "controller": {"key_file": "robot.key"}}
    write_settings(story.config, {}, governed)
    os.environ["AFFIANT_CONFIG"] = str(story.config)
    constitute(story)
    first, second = (version(story, seed) for seed in (7, 8))
    asyncio.run(live(story, first, second))
    report = explain(story)
    next_steps(report)
    if show:
        webbrowser.open(report.as_uri())
    return story.good


def constitute(story: Story) -> None:
    """Keys, the root, the policy, the webhook's token."""
    heading("1  Who may what")
    keys: list[str] = []
    for person in PEOPLE:
        story.run("roles", "keygen", story.key(person), "--person", person, quiet=True)
        keys += ["--key", f"{story.key(person)}.pub"]
    roles = ["root=2:lea,omar", "policy=2:lea,omar", "deploy=omar"]
    roles += [f"{role}={person}" for person, role in PEOPLE.items()]
    root = str(story.directory / "root.json")
    story.run(
        "roles", "init", root, *keys, *(word for role in roles for word in ("--role", role)), quiet=True
    )
    for person in ("lea", "omar"):
        story.run("roles", "sign", root, "--key", story.key(person), "--yes", quiet=True)
    for person in ("lea", "omar"):
        story.run(
            "policy", "propose", str(POLICY), "--role", "policy", "--rationale", "for the demo",
            "--key", story.key(person), "--yes", quiet=person != "omar", show=6,
        )  # fmt: skip
    story.run("controller", "token")


def version(story: Story, seed: int) -> str:
    """Train, publish, judge and sign; the digest."""
    if seed == 7:
        heading("2  Two versions")
    with working(f"training, publishing and judging version {seed - 6}"):
        package = train_xgboost(read_table(DATA), seed, lambda _: None).published.package
        digest = LayoutStore(story.directory / "affiant-data" / "store").push(package)
        story.run("gate", "run", digest, "--service", "credit", "--key", story.key("pipeline"), quiet=True)
        story.run(
            "approve", digest, "--service", "credit", "--role", "legal", "--rationale", "read by lea",
            "--key", story.key("lea"), "--yes", quiet=True,
        )  # fmt: skip
    done(f"version {seed - 6}: {digest[:19]}…, judged and signed for")
    return digest


async def live(story: Story, first: str, second: str) -> None:
    """Deploy both, ask, break the input, and wait for version 1."""
    rows = rows_of(features(read_table(DATA)))
    with Gateway.up(story.config) as gateway:
        with working("starting gateway, sidecar, notary, monitor and controller"):
            await listening(gateway)
        for digest, why in ((first, "the first"), (second, "a better one")):
            await deploy(story, gateway, digest, why, rows)
        heading("3  Traffic like the training data")
        with bar(f"{CALM:,} applications", CALM) as step:
            await traffic(gateway, rows, lambda served: step() or served != second, CALM)
        await asyncio.to_thread(calm, story)
        heading(f"4  The input pipeline breaks: {BROKEN} comes in days")
        broken = [row | {BROKEN: DAYS * row[BROKEN]} for row in rows]
        began, asked, over = time.perf_counter(), 0, threading.Event()
        alert = asyncio.create_task(asyncio.to_thread(page, story, over))

        def back(served: str) -> bool:
            nonlocal asked
            asked += 1
            return served == first

        try:
            with working("asking on, until an alert fires that rolls back"):
                await traffic(
                    gateway, broken, lambda served: back(served) or alert.done(), int(RATE * PATIENCE)
                )
        finally:
            over.set()
        show_alert(story, await alert)
        with working("asking on, until version 1 answers"):
            came_back = await traffic(gateway, broken, back, int(RATE * PATIENCE))
        seconds = time.perf_counter() - began
        story.good &= came_back
        if came_back:
            done(
                f"{seconds:.1f} s and {asked:,} broken applications later version 1 answers; none was refused"
            )
        else:
            SCREEN.print(f"[bold red]version 1 did not answer within {PATIENCE:.0f} s[/]\n{gateway.tail()}")
        story.run("history", "credit", show=20)
        story.run("drift", "status", "--service", "credit", wanted=[0, 1], show=12)


def page(story: Story, over: threading.Event) -> Firing | None:
    """What fires, as soon as a page is among it that the policy rolls back for; None: none was until `over`.

    The monitor's page is asked, and shown as the command shows it: until a command has started, version 1 may be back,
    and nothing fires.
    """
    config = load(story.config)
    while not over.wait(0.1):
        try:
            found = firing_of(config)
        except LogUnavailable:
            continue  # busy: asked again
        labels = [each["labels"] for each in found.alerts]
        if any((each.get("severity"), each.get("cause")) == ("page", "prediction") for each in labels):
            return found
    return None


def show_alert(story: Story, found: Firing | None) -> None:
    """What the command prints of it."""
    heading("5  The alert")
    story.good &= found is not None
    printed = Console(file=StringIO(), width=200)
    if found is not None:
        show_firing(found, printed)
    assert isinstance(printed.file, StringIO)
    tell(Step("affiant alerts firing", printed.file.getvalue(), found is not None))


async def deploy(story: Story, gateway: Gateway, digest: str, why: str, rows: list[Row]) -> None:
    """Signed, and waited for until it answers."""
    story.run("deploy", "credit", digest, "--reason", why, "--key", story.key("omar"), "--yes", show=4)
    await answered_by(gateway, digest, rows)


async def answered_by(gateway: Gateway, digest: str, rows: list[Row]) -> None:
    """Wait until that digest answers. Raises RuntimeError: it does not."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline:
        answer = await question(gateway, by_name("credit", rows[:1]))
        if answer.headers.get("affiant-model") == digest:
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"{digest} does not answer:\n{gateway.tail()}")


async def traffic(gateway: Gateway, rows: list[Row], enough: Callable[[str], bool], most: int) -> bool:
    """Ask for rows drawn at random until the digest that answers is `enough`, `most` times at most; whether it was.

    Raises:
        RuntimeError: a request was not answered.
    """
    chance, left, over = random.Random(11), most, False
    began = time.perf_counter()
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(Connection(gateway.host, gateway.port)) for _ in range(CLIENTS)
        ]

        async def ask(client: Connection) -> None:
            nonlocal left, over
            while left > 0 and not over:
                left -= 1
                answer = await client.send(by_name("credit", [chance.choice(rows)]))
                if answer.status != 200:
                    raise RuntimeError(f"answered {answer.status}: {answer.body!r}")
                over = over or enough(answer.headers["affiant-model"])
                await asyncio.sleep(max(0.0, began + (most - left) / RATE - time.perf_counter()))

        await asyncio.gather(*map(ask, clients))
    return over


def calm(story: Story) -> None:
    """Wait until the monitor has judged enough of version 2; it says that nothing alarms."""
    deadline = time.perf_counter() + PATIENCE
    with working("the monitor counts"):
        while time.perf_counter() < deadline:
            told = json.loads(story.run("drift", "status", "--json", wanted=[0, 1, 3], quiet=True) or "{}")
            if any(each["window_rows"] >= 1000 for each in told.get("packages", [])):
                break
            time.sleep(0.5)
    story.run("drift", "status", "--service", "credit", show=9)


def explain(story: Story) -> Path:
    """What it was for: computed again, and as a page; the page's file."""
    heading("6  Was it right?")
    told = story.run("audit", "recompute", "credit@latest", show=60)
    story.good &= "it was right" in told
    events = json.loads(story.run("history", "credit", "--json", quiet=True))["services"][0]["events"]
    offset = next(each["offset"] for each in reversed(events) if each["action"] == "rollback")
    page = story.directory / "drift.html"
    story.run("drift", "report", "credit", "--event", str(offset), "--out", str(page))
    return page


def next_steps(report: Path) -> None:
    """Commands that work as they are printed, in this directory."""
    heading("Try next")
    SCREEN.print(
        f"  export AFFIANT_CONFIG={shown(report.with_name('affiant.toml'))}", markup=False, soft_wrap=True
    )
    for arguments, why in (
        ("history credit", "what was deployed, by whom, and why"),
        ("audit recompute credit@latest --json", "every figure of the decision, signed and computed again"),
        (f"alerts render --policy {shown(POLICY)}", "the same alerts for Prometheus"),
    ):
        SCREEN.print(f"  {command()} {arguments}    # {why}", markup=False, soft_wrap=True)
    SCREEN.print(
        f"  open {shown(report)}    # reference and window of every column", markup=False, soft_wrap=True
    )


if __name__ == "__main__":
    sys.exit(main())
