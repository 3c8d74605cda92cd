"""The gateway's bars, from the cells of a comparison: one place says what is divided by what."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from harness.compare import Comparison
from harness.report import Bar
from harness.servers import Row

OURS = "affiant"
RUNTIMES = ("xgboost", "onnxruntime")
GOALS = {16: 8.0, 64: 12.0}  # audited ÷ best un-audited peer
KEPT = {"xgboost": 0.7, "onnxruntime": 0.8}  # audited ÷ the same gateway un-audited, at 64 connections
SYNCS, SLACK_MS = 1.5, 0.3  # added p50 at 1 connection: at most SYNCS × one fdatasync + SLACK_MS


def is_ours(row: Row) -> bool:
    """Whether the row is this project's gateway, audited or not."""
    return row.server.startswith(OURS)


def judge(
    comparison: Comparison, rows: Sequence[Row], sync_ms: float
) -> tuple[list[Bar], list[dict[str, object]]]:
    """The bars, and the ratio of each of our runtimes beside the best one."""
    bars: list[Bar] = []
    ratios: list[dict[str, object]] = []
    for connections, goal in GOALS.items():
        peer = best([row for row in rows if row.counted and not is_ours(row)], comparison, connections)
        ours = {
            runtime: best(
                [
                    row
                    for row in rows
                    if row.audited and row.runtime == runtime and row.protocol in ("v1", "v2")
                ],
                comparison,
                connections,
            )
            for runtime in RUNTIMES
        }
        if peer is None or None in ours.values():
            continue
        found = []
        for runtime, row in ours.items():
            assert row is not None
            ratio = figure(comparison, row, connections, "rate") / figure(
                comparison, peer, connections, "rate"
            )
            found.append((ratio, row))
            ratios.append(
                {
                    "connections": connections,
                    "runtime": runtime,
                    "row": row.name,
                    "best_peer": peer.name,
                    "ratio": round(ratio, 3),
                }
            )
        ratio, row = max(found, key=lambda pair: pair[0])
        bars.append(Bar(f"audited ({row.name}) ÷ best peer ({peer.name}) at {connections}", ratio, "≥", goal))
        p99 = figure(comparison, row, connections, "p99_ms")
        bars.append(
            Bar(
                f"p99 in ms of {row.name} against that of {peer.name} at {connections}",
                p99,
                "<",
                figure(comparison, peer, connections, "p99_ms"),
            )
        )
    for runtime in RUNTIMES:
        bars += kept(comparison, rows, runtime, sync_ms)
    return bars, ratios


def kept(comparison: Comparison, rows: Sequence[Row], runtime: str, sync_ms: float) -> list[Bar]:
    """What auditing costs one runtime: pairs of the same round, the worse of the protocols."""
    pairs = [
        (row, other)
        for row in rows
        for other in rows
        if row.audited
        and not other.audited
        and is_ours(other)
        and row.runtime == other.runtime == runtime
        and row.protocol == other.protocol
    ]
    kept_rate, added = [], []
    for audited, bare in pairs:
        rates = (
            comparison.paired(audited.name, bare.name, 64, "rate")
            if _both(comparison, audited, bare, 64)
            else []
        )
        if rates:
            kept_rate.append(statistics.median(one / other for one, other in rates))
        p50s = (
            comparison.paired(audited.name, bare.name, 1, "p50_ms")
            if _both(comparison, audited, bare, 1)
            else []
        )
        if p50s:
            added.append(statistics.median(one - other for one, other in p50s))
    bars = []
    if kept_rate:
        bars.append(Bar(f"audited ÷ un-audited at 64, {runtime}", min(kept_rate), "≥", KEPT[runtime]))
    if added:
        bars.append(
            Bar(
                f"added p50 in ms at 1 connection, {runtime} (one fdatasync: {sync_ms:.2f} ms)",
                max(added),
                "≤",
                SYNCS * sync_ms + SLACK_MS,
            )
        )
    return bars


def _both(comparison: Comparison, one: Row, other: Row, connections: int) -> bool:
    return bool(comparison.of(one.name, connections)) and bool(comparison.of(other.name, connections))


def best(rows: Sequence[Row], comparison: Comparison, connections: int) -> Row | None:
    """The row with the highest median rate among those measured."""
    measured = [row for row in rows if comparison.of(row.name, connections)]
    return max(measured, key=lambda row: figure(comparison, row, connections, "rate"), default=None)


def figure(comparison: Comparison, row: Row, connections: int, what: str) -> float:
    """A median that is known to have been measured."""
    value = comparison.median(row.name, connections, what)
    assert value is not None
    return value
