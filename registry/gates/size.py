"""Size: of all parts of the package."""

# ruff: noqa: ARG001 - every gate has the one signature of the contract

from __future__ import annotations

from registry.package import Package
from registry.policy.gates import Size

from .base import Datasets, Outcome

NEEDS = ()


def judge(package: Package, datasets: Datasets, limits: Size) -> Outcome:
    """Megabytes (10^6 bytes) of the layers."""
    size = package.size / 1e6
    failures = (f"{size:.2f} MB; {limits.megabytes:g} are allowed",) if size > limits.megabytes else ()
    return Outcome(failures, {"megabytes": size})
