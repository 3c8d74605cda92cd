"""All gates of a service's policy, one after another; what cannot run has failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from types import MappingProxyType
from typing import Any

from audit.errors import ConfigError
from registry.errors import PackageError
from registry.package import Package, verify
from registry.policy import Policy

from .base import Datasets, GateReport, GateResult, Outcome


def run_gates(
    package: Package,
    datasets: Datasets,
    policy: Policy,
    service: str,
    *,
    now: datetime,
    data: Mapping[str, str] = MappingProxyType({}),
    seen: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> GateReport:
    """Run every gate that the policy has for the service.

    The report MUST have one result for each of `required`, in that order, whatever happens in a gate.

    Args:
        package: verified here before any gate sees it.
        datasets: see `Datasets`.
        policy: whose digest goes into the report.
        service: one of the policy's.
        now: aware; goes into the report.
        data: further digests, of what was looked at by somebody else.
        seen: how far the governance log was read; goes into the report. What ends results that were not told of it,
            a revocation, ends these.
        progress: told each gate's name before it runs.

    Raises:
        ConfigError: the policy has no such service, or the traffic is another's.
        PackageError: the bytes are not a package.
    """
    if service not in policy.services:
        raise ConfigError(f"the policy has no service {service!r}; it has {', '.join(policy.services)}")
    if datasets.traffic is not None and datasets.traffic.service != service:
        raise ConfigError(f"the traffic is that of {datasets.traffic.service}, and not of {service}")
    verify(package)
    gates = policy.services[service].gates
    results = []
    for name in gates.required:
        progress(name)
        results.append(run_gate(name, package, datasets, getattr(gates, name)))
    return GateReport(
        package=package.digest,
        service=service,
        policy=policy.digest,
        data={**data, **datasets.digests},
        live=None if datasets.live is None else datasets.live.digest,
        # Two runs in one second are two: bytes that were said before count where they stood first.
        made=now.isoformat(timespec="milliseconds"),
        seen=seen,
        results=tuple(results),
    )


def needs_of(name: str) -> tuple[str, ...]:
    """What a gate must be given besides the package, in words. Raises ModuleNotFoundError: there is no such gate."""
    found: tuple[str, ...] = import_module(f".{name}", __package__).NEEDS
    return found


def run_gate(name: str, package: Package, datasets: Datasets, limits: Any) -> GateResult:
    """Run one gate; whatever happens in it comes out as a result. `limits`: its section of the policy."""
    try:
        found: Outcome = import_module(f".{name}", __package__).judge(package, datasets, limits)
    except ModuleNotFoundError as error:
        ours = str(error.name).startswith(__package__)
        missing = "this version has no such gate" if ours else f"{error.name} is not installed"
        found = Outcome((f"could not run: {missing}",), {})
    # A gate meets other people's models and tables; whatever stops it, it has not passed.
    except Exception as error:  # noqa: BLE001
        kind = "" if isinstance(error, PackageError) else f"{type(error).__name__}: "
        found = Outcome((f"could not run: {kind}{' '.join(str(error).split())[:500]}",), {})
    return GateResult(
        name=name,
        verdict="failed" if found.failures else "passed",
        reason="; ".join(found.failures),
        figures=_plain(dict(found.figures)),
        limits=limits.model_dump(mode="json"),
        versions=dict(found.versions),
    )


def _plain(value: Any) -> Any:
    """JSON without NaN and infinity: a statement must not hold them."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | str | int) or value is None:
        return value
    number = float(value)
    return number if math.isfinite(number) else str(number)
