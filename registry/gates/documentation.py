"""Documentation: what people must have written is there."""

# ruff: noqa: ARG001 - every gate has the one signature of the contract

from __future__ import annotations

from typing import Any

from registry.cards.documents import risk_gaps
from registry.package import Package
from registry.policy.gates import Documentation

from .base import CannotJudge, Datasets, Outcome

NEEDS = ("the documents",)

RISKS = "risk_assessment"
_NAMES = frozenset({"owners"})


def judge(package: Package, datasets: Datasets, limits: Documentation) -> Outcome:
    """Each required key holds text of the minimum length, or a list of it; `owners` needs one name.

    Of `risk_assessment` every field must be filled in (`registry.cards.fields.RISKS`).
    """
    if datasets.documents is None:
        raise CannotJudge("no documents were given")
    lengths = {key: _length(datasets.documents.get(key)) for key in limits.required}
    failures = []
    if RISKS in lengths:
        failures += risk_gaps(datasets.documents.get(RISKS), limits.minimum_characters)
    for key, length in lengths.items():
        if key == RISKS:
            continue
        wanted = 1 if key in _NAMES else limits.minimum_characters
        if length == 0:
            failures.append(f"{key} is missing")
        elif length < wanted:
            failures.append(f"{key} has {length} characters; {wanted} are needed")
    return Outcome(tuple(failures), {"characters": lengths})


def _length(value: Any) -> int:
    """Characters that say something. Only text counts, alone or in lists and tables."""
    if isinstance(value, str):
        return len(value.strip())
    if isinstance(value, dict):
        return sum(map(_length, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_length, value))
    return 0
