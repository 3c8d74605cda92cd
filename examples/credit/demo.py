"""The whole of it on one screen: train, publish, serve, record, explain, find a flipped byte; then seal, verify,
answer again and bundle.

    python examples/credit/demo.py [--requests N] [--clients N] [--directory DIR]

Everything happens under examples/credit/var, on the `local` log: no broker, no Java, no network.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table as Grid

sys.path.insert(0, str(Path(__file__).resolve().parent))

from audited import Step, bundle, fsck, replay, verify
from screen import SCREEN, bar, done, fresh, heading, indented, shown, tell, working
from system import (
    Gateway,
    affiant,
    command,
    fdatasync_seconds,
    forge,
    free_port,
    journal_append,
    records,
    sealed,
    shipped,
    write_settings,
)
from traffic import Connection, Traffic, by_name, drive, measure, prepare, quantile, rows_of
from train import DATA, Trained, features, train

from audit.config import load
from audit.sealed import Published
from registry.stores import LayoutStore
from registry.table import read_table

if TYPE_CHECKING:
    import pandas as pd
    from traffic import Request

HERE: Final = Path(__file__).resolve().parent
ROUNDS: Final = 3
SHOWN_LINES: Final = 18


@dataclass(frozen=True, slots=True)
class Explained:
    """One application, its answer, and what moved it most."""

    record: str
    prediction: float
    reasons: list[dict[str, Any]]


def main() -> int:
    """Run it; returns an exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=8000, help="requests that the clients send")
    parser.add_argument("--clients", type=int, default=16, help="clients at the same time")
    parser.add_argument("--directory", type=Path, default=HERE / "var", help="made anew at each run")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was started is ended
    try:
        return asyncio.run(demo(options.directory, options.requests, options.clients))
    except KeyboardInterrupt:
        SCREEN.print("\ninterrupted; everything that was started has ended")
        return 130


async def demo(directory: Path, total: int, clients: int) -> int:
    """Each step, in order."""
    began = time.perf_counter()
    fresh(directory)
    config = directory / "affiant.toml"
    models = train_and_publish(directory / "affiant-data" / "store")
    write_settings(config, {model.service: model.digest for model in models})
    frame = features(read_table(DATA))
    signatures = {model.service: model.published.package.signature for model in models}
    requests = prepare(frame, signatures, seed=7)
    with Gateway.up(config) as gateway:
        with working("starting `affiant up`"):
            await gateway.ready()
        done(f"`affiant up` serves {' and '.join(signatures)} at {gateway.url}")
        traffic = await send(gateway, requests, total, clients)
        explained = await explain(gateway, frame)
        append = await journal_append(gateway)
        added = await compare(gateway, config, requests)
        with working("waiting until the sidecar has shipped everything"):
            await shipped(config, traffic.records)
    done("`affiant up` has ended in order: drained, shipped, sealed")
    checkpoints = sealed(load(config))
    good = show(config, explained) and check(config, traffic, directory) and audit(config, traffic)
    summary(traffic, append, added, checkpoints, directory, time.perf_counter() - began)
    next_steps(config, explained, models)
    return 0 if good else 1


def train_and_publish(store: Path) -> list[Trained]:
    """Both models, in the store."""
    with working("training") as say:
        models = train(say=say)
        place = LayoutStore(store)
        for model in models:
            place.push(model.published.package)
    for model in models:
        metrics = model.published.metrics
        quality = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in metrics.items())
        done(f"published {model.service} as {model.digest[:19]}… ({quality} on its training data)")
        if compared := model.published.comparison:
            done(
                f"  its ONNX export was compared with scikit-learn on {compared.rows} rows: "
                f"at most {compared.max_difference:.1e} apart"
            )
    return models


async def send(gateway: Gateway, requests: list[Request], total: int, clients: int) -> Traffic:
    """Real rows from several clients at the same time."""
    with bar(f"{clients} clients send real rows", total) as step:
        traffic = await drive(gateway.host, gateway.port, requests, total, clients, step)
    done(
        f"{total} requests from {clients} clients in {traffic.wall:.1f} s: "
        + ", ".join(f"{count} {name}" for name, count in sorted(traffic.by_protocol.items()))
    )
    return traffic


async def explain(gateway: Gateway, frame: pd.DataFrame) -> Explained:
    """The explanation of the first application that the model thinks badly of."""
    rows = rows_of(frame)
    async with Connection(gateway.host, gateway.port) as connection:
        answer = await connection.send(by_name("credit", rows[:100]))
        scores = json.loads(answer.body)["predictions"]
        place = max(range(len(scores)), key=scores.__getitem__)
        request = by_name("credit", [rows[place]])
        explained = await connection.send(
            type(request)(request.protocol, "/v1/models/credit:explain", request.body)
        )
    if explained.status != 200:
        raise RuntimeError(f":explain was answered {explained.status}: {explained.body[:300]!r}")
    one = json.loads(explained.body)["explanations"][0]
    return Explained(explained.headers["affiant-record"], one["prediction"], one["reasons"])


async def compare(gateway: Gateway, config: Path, requests: list[Request]) -> dict[int, tuple[float, float]]:
    """Clients → p50 in seconds with and without the journal, in turn. Without is for measuring alone."""
    other = without_journal(config, gateway.port)
    found: dict[int, tuple[float, float]] = {}
    with (
        Gateway.alone(other, unaudited=True) as plain,
        bar("with and without the journal", 2 * ROUNDS) as step,
    ):
        await plain.ready()
        for clients, total in ((1, 200), (16, 1200)):
            audited: list[float] = []
            unaudited: list[float] = []
            for _ in range(ROUNDS):
                for place, seconds in ((gateway, audited), (plain, unaudited)):
                    seconds.extend(await measure(place.host, place.port, requests, total // ROUNDS, clients))
                step()
            found[clients] = (quantile(audited, 0.5), quantile(unaudited, 0.5))
    return found


def without_journal(config: Path, port: int) -> Path:
    """Settings of a second gateway with the same models, for the comparison."""
    other, data = config.with_name("unaudited.toml"), config.parent / "unaudited-data"
    text = config.read_text().replace(f"port = {port}", f"port = {free_port(port + 2)}")
    other.write_text(text.replace('"affiant-data"', f'"{data.name}"'))
    data.mkdir()
    (data / "store").symlink_to(config.parent / "affiant-data" / "store")
    return other


def show(config: Path, explained: Explained) -> bool:
    """One exchange as the log has it, with its explanation."""
    heading("One exchange, from the log")
    SCREEN.print(f"P(bad) = {explained.prediction:.3f}. What moved it most (TreeSHAP, log-odds):")
    for reason in explained.reasons:
        SCREEN.print(
            f"  {reason['contribution']:+.3f}  {reason['feature']} = {reason['value']}", markup=False
        )
    printed = affiant("log", "show", explained.record, "--config", str(config))
    SCREEN.print(f"\n[bold]$ affiant log show {explained.record}[/]")
    lines = printed.stdout.splitlines()
    for line in lines[:SHOWN_LINES]:
        SCREEN.print("  " + line.rstrip()[:150], markup=False)
    if len(lines) > SHOWN_LINES:
        SCREEN.print(f"  … {len(lines) - SHOWN_LINES} more lines: the whole request and answer")
    if printed.returncode:
        SCREEN.print(printed.stderr, markup=False)
    return printed.returncode == 0


def check(config: Path, traffic: Traffic, directory: Path) -> bool:
    """The log holds every answer, as it is; a copy with one flipped bit does not."""
    heading("Is it all there, and unchanged?")
    found = records(load(config))
    missing = set(traffic.records) - set(found)
    SCREEN.print(
        f"{len(traffic.records)} answers carried a record id; {len(missing)} of them are not in the log"
    )
    sound = affiant("log", "verify", "--config", str(config))
    SCREEN.print(f"\n[bold]$ affiant log verify[/]\n{indented(sound.stdout + sound.stderr)}", highlight=False)
    copy = directory / "copy-of-the-log"
    shutil.copytree(directory / "affiant-data" / "log", copy)
    where = forge(copy, found[traffic.records[len(traffic.records) // 2]])
    changed = affiant("log", "verify", "--directory", str(copy), "--config", str(config))
    SCREEN.print(f"In a copy of the log, one bit of {where} is flipped, and its checksum made right again:")
    SCREEN.print(f"[bold]$ affiant log verify --directory {shown(copy)}[/]")
    SCREEN.print(indented(changed.stdout + changed.stderr), soft_wrap=True)
    return not missing and sound.returncode == 0 and changed.returncode == 1


def audit(config: Path, traffic: Traffic) -> bool:
    """The sealed log, verified by us and by others, answered again, and handed to an auditor."""
    heading("Sealed: what an auditor, or an opponent, does with it")
    steps: list[Step] = []
    for what, run in (("verifying the sealed log", verify), ("asking software that others wrote", fsck)):
        with working(what):
            steps.append(run(config))
        tell(steps[-1])
    with working("answering every request again"):
        step, told = replay(config)
    tell(step)
    answered = told.get("verdicts", {}).get("identical", 0)
    SCREEN.print(f"  {answered:,} answers came out again, bit for bit")
    with working("making a bundle of evidence"):
        bundled, report = bundle(config)
    for each in bundled:
        tell(each)
    SCREEN.print(f"  its report, for people: open {shown(report)} in a browser", soft_wrap=True)
    return all(each.good for each in (*steps, step, *bundled)) and answered >= len(traffic.records)


def summary(
    traffic: Traffic,
    append: dict[str, float],
    added: dict[int, tuple[float, float]],
    checkpoints: list[Published],
    directory: Path,
    wall: float,
) -> None:
    """The figures of this run on this machine."""
    heading("Summary")
    grid = Grid(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    rate = len(traffic.seconds) / traffic.wall
    answered = len(traffic.seconds)
    p50, p99 = (quantile(traffic.seconds, share) * 1e3 for share in (0.5, 0.99))
    grid.add_row("requests", f"{answered:,}, each answered with 200")
    grid.add_row(
        "records", f"{len(set(traffic.records)):,} in the log, one an answer, durable before it left"
    )
    for each in checkpoints:
        root = each.opened.checkpoint.root.hex()
        grid.add_row(
            "sealed", f"{each.size:,} entries, by the notary's key under the checkpoint {root[:16]}…"
        )
    grid.add_row(
        "rate", f"{rate:,.0f} requests/s; clients, gateway, sidecar and notary share {os.cpu_count()} cores"
    )
    grid.add_row("answer", f"p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    grid.add_row("journal append", f"p50 {append['p50'] * 1e3:.2f} ms, p99 {append['p99'] * 1e3:.2f} ms")
    for clients, (audited, plain) in added.items():
        grid.add_row(
            f"added latency, {clients} client{'s' if clients > 1 else ''}",
            f"{(audited - plain) * 1e3:+.2f} ms at p50: "
            f"{audited * 1e3:.2f} ms with the journal, {plain * 1e3:.2f} ms without",
        )
    grid.add_row("one fdatasync here", f"{fdatasync_seconds(directory) * 1e3:.2f} ms at p50, of 1 KiB")
    grid.add_row("this demo took", f"{wall:.0f} s")
    SCREEN.print(grid)


def next_steps(config: Path, explained: Explained, models: list[Trained]) -> None:
    """Commands that work as they are printed, in this directory."""
    heading("Try next")
    SCREEN.print(f"  export AFFIANT_CONFIG={shown(config)}", markup=False, soft_wrap=True)
    for arguments, why in (
        ("log tail", "the last records"),
        (f"log show {explained.record}", "one exchange, whole"),
        ("log stats", "what is in the log"),
        (
            f"audit prove {explained.record} -o {shown(config.with_name('receipt.tlog-proof'))}",
            "a receipt that anybody can check",
        ),
        (f"audit trace {explained.record}", "from the answer to the model, its code and its data"),
        ("audit search --service credit --limit 5", "look for records"),
        (f"model show {models[0].digest[:19]}", "what the model is, and where it came from"),
        ("config show", "every setting"),
        ("up", "serve again; Ctrl-C ends"),
    ):
        SCREEN.print(f"  {command()} {arguments}    # {why}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
