"""The yardstick of bench/sidecar.py: kafka-python alone, idempotent, acks=all, bytes that are in memory.

Prints {"count", "seconds", "rate", "cpu_us"} for what was acknowledged after the first WARM part.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from pathlib import Path
from typing import Any

WARM = 0.05
IN_FLIGHT = 16 << 20  # bytes: the producer itself has no bound


def main() -> None:
    """Send the file's values once and say how fast they were acknowledged."""
    from kafka import KafkaProducer

    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--values", type=Path, required=True)
    parser.add_argument("--linger-ms", type=int)
    parser.add_argument("--batch-bytes", type=int)
    options = parser.parse_args()
    values = read(options.values)
    tuned: dict[str, Any] = {}
    if options.linger_ms is not None:
        tuned["linger_ms"] = options.linger_ms
    if options.batch_bytes is not None:
        tuned["batch_size"] = options.batch_bytes
    producer = KafkaProducer(
        bootstrap_servers=options.bootstrap,
        acks="all",
        enable_idempotence=True,
        max_request_size=8 << 20,
        **tuned,
    )
    key = b"\0" * 16
    waiting: deque[tuple[Any, int]] = deque()
    held = acknowledged = 0
    warm = int(len(values) * WARM)
    started = spent = 0.0

    def settle() -> None:
        nonlocal held, acknowledged, started, spent
        future, size = waiting.popleft()
        future.get(timeout=60)
        held -= size
        acknowledged += 1
        if acknowledged == warm:
            started, spent = time.perf_counter(), time.process_time()

    for value in values:
        waiting.append((producer.send(options.topic, value=value, key=key, partition=0), len(value)))
        held += len(value)
        while held > IN_FLIGHT or (waiting and waiting[0][0].is_done):
            settle()
    producer.flush()
    while waiting:
        settle()
    seconds = time.perf_counter() - started
    count = len(values) - warm
    producer.close()
    cpu_us = (time.process_time() - spent) / count * 1e6
    print(json.dumps({"count": count, "seconds": seconds, "rate": count / seconds, "cpu_us": cpu_us}))


def read(path: Path) -> list[bytes]:
    """Values of a file, each after its length (u32)."""
    content = path.read_bytes()
    values, place = [], 0
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        values.append(content[place + 4 : place + 4 + length])
        place += 4 + length
    return values


if __name__ == "__main__":
    main()
