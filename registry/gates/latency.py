"""Latency: single rows in process, one thread."""

# ruff: noqa: ARG001 - every gate has the one signature of the contract

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns

import numpy as np

from registry.package import Package
from registry.policy.gates import Latency
from registry.runtimes import load

from .base import Datasets, Outcome

NEEDS = ()


def judge(
    package: Package, datasets: Datasets, limits: Latency, clock: Callable[[], int] = perf_counter_ns
) -> Outcome:
    """Milliseconds of `limits.calls` predictions of one golden row each. `clock`: ns."""
    model, golden = load(package), package.golden.rows
    taken = np.empty(limits.calls)
    for at in range(limits.calls):
        row = np.ascontiguousarray(golden[at % len(golden)][None])
        began = clock()
        model.predict(row)
        taken[at] = (clock() - began) / 1e6
    p50, p99 = (float(value) for value in np.percentile(taken, [50, 99]))
    over = p99 > limits.p99_milliseconds
    failures = (f"p99 is {p99:.3g} ms; {limits.p99_milliseconds:g} are allowed",) if over else ()
    figures = {"p50_milliseconds": p50, "p99_milliseconds": p99, "calls": limits.calls}
    return Outcome(failures, figures, {"runtime": model.runtime})
