"""policy.yaml: what must be true before a digest may answer for a service."""

from __future__ import annotations

from .behaviour import (
    Confidence,
    Drift,
    LiveFairness,
    LiveLimit,
    Performance,
    Rollback,
    Rollout,
    Rule,
    Scores,
    Slo,
)
from .gates import GATES, GatesPolicy
from .load import load_policy, parse_policy, schema
from .model import Approvals, BreakGlass, Canary, Change, Policy, ServicePolicy, Shadow

__all__ = [
    "GATES",
    "Approvals",
    "BreakGlass",
    "Canary",
    "Change",
    "Confidence",
    "Drift",
    "GatesPolicy",
    "LiveFairness",
    "LiveLimit",
    "Performance",
    "Policy",
    "Rollback",
    "Rollout",
    "Rule",
    "Scores",
    "ServicePolicy",
    "Shadow",
    "Slo",
    "load_policy",
    "parse_policy",
    "schema",
]
