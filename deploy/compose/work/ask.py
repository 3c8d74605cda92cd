"""Loan applications for the gateway, as examples/credit/traffic.py sends them: at a steady rate, until SIGTERM.

    python ask.py --examples DIR --gateway HOST:PORT --key FILE [--rate N] [--total N] [--days]

`--days`: duration_in_month comes in days, as if the pipeline before it had broken. The monitor sees that, and the
controller brings the version before back.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from traffic import Answer, Request

SERVICE: Final = "credit"
BROKEN: Final = "duration_in_month"
DAYS: Final = 30
CLIENTS: Final = 4
TOLD_SECONDS: Final = 10.0


def main() -> int:
    """Run it; an exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--examples", type=Path, required=True, help="the folder of the credit example")
    parser.add_argument("--gateway", default="gateway:3000", help="host:port")
    parser.add_argument("--key", type=Path, required=True, help="a file with the API key alone")
    parser.add_argument("--rate", type=float, default=50, help="requests a second, at most")
    parser.add_argument("--total", type=int, help="end after so many")
    parser.add_argument("--days", action="store_true", help="send broken applications")
    options = parser.parse_args()
    sys.path.insert(0, str(options.examples))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asyncio.run(ask(options))
    except KeyboardInterrupt:
        return 0
    except (OSError, RuntimeError) as error:
        print(f"ask: {error}", file=sys.stderr)
        return 1
    return 0


async def ask(options: argparse.Namespace) -> None:
    """From several connections at once.

    Raises:
        RuntimeError: a request was answered otherwise than 200, 429 or 503.
        OSError: the gateway is not there, or has closed a connection.
    """
    from traffic import RETRIED, Connection

    requests = prepared(options.key.read_text().strip(), broken=options.days)
    host, _, port = options.gateway.rpartition(":")
    chance, served, began = random.Random(11), Counter[str](), time.monotonic()
    sent, told = 0, began

    async def client(connection: Connection) -> None:
        nonlocal sent, told
        while options.total is None or sent < options.total:
            sent += 1
            await asyncio.sleep(max(0.0, began + sent / options.rate - time.monotonic()))
            answer = await connection.send(chance.choice(requests))
            while answer.status in RETRIED:
                await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
                answer = await connection.send(chance.choice(requests))
            served[model_of(answer)] += 1
            if time.monotonic() >= told + TOLD_SECONDS:
                told = time.monotonic()
                say(served)

    async def connected() -> None:
        async with Connection(host, int(port)) as connection:
            await client(connection)

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(connected())
    say(served)


def prepared(key: str, *, broken: bool) -> list[Request]:
    """Each row of the table as a request, with the API key."""
    from traffic import by_name, rows_of
    from train import DATA, features

    from registry.table import read_table

    rows: list[dict[str, Any]] = rows_of(features(read_table(DATA)))
    if broken:
        rows = [row | {BROKEN: DAYS * row[BROKEN]} for row in rows]
    letter = (("Authorization", f"Bearer {key}"),)
    return [replace(by_name(SERVICE, [row]), headers=letter) for row in rows]


def model_of(answer: Answer) -> str:
    """The digest that answered. Raises RuntimeError: none did."""
    if answer.status != 200:
        raise RuntimeError(f"answered {answer.status}: {answer.body[:300]!r}")
    return answer.headers["affiant-model"]


def say(served: Counter[str]) -> None:
    """How many answers, by package."""
    told = ", ".join(f"{count:,} by {digest[:19]}" for digest, count in served.items())
    print(f"answered: {told}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
