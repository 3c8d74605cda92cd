"""Lineage: none of the package's data is deprecated, and where it came from is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from registry.lineage.deprecation import deprecated_in
from registry.lineage.versions import data_of
from registry.package import Package
from registry.policy.gates import Lineage, Origin

from .base import CannotJudge, Datasets, Outcome

NEEDS = ("the governance log, under a root",)


def judge(package: Package, datasets: Datasets, limits: Lineage) -> Outcome:
    """No version of its data is deprecated now; what the policy wants to be known is; its work tree was clean."""
    if datasets.deprecated is None:
        raise CannotJudge(
            "nobody said which data is deprecated: run it by `affiant gate run`, with settings that name a "
            "[governance] root"
        )
    lineage = package.lineage
    failures = list(deprecated_in(lineage, datasets.deprecated))
    unknown = _unknown(lineage)
    failures += [f"its {name} is unknown" for name in limits.known if name in unknown]
    git = lineage.get("git")
    dirty = git.get("dirty") if isinstance(git, Mapping) else None
    if limits.clean and dirty is not False:
        failures.append(
            "its work tree had changes that no commit has" if dirty is True else "nobody knows its work tree"
        )
    uses = {use.version: use.name for use in data_of(lineage)}
    return Outcome(tuple(failures), {"data": uses, "unknown": sorted(unknown), "dirty": dirty is True})


def _unknown(lineage: Mapping[str, Any]) -> frozenset[str]:
    """What nobody said. A lineage that does not tell what it does not know knows nothing."""
    told = lineage.get("unknown")
    if isinstance(told, list):
        return frozenset(each for each in told if isinstance(each, str))
    return frozenset(get_args(Origin))
