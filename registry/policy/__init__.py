"""policy.yaml: what must be true before a digest may answer for a service."""

from __future__ import annotations

from .gates import GATES, GatesPolicy
from .load import load_policy, parse_policy, schema
from .model import Approvals, BreakGlass, Canary, Change, Drift, Policy, ServicePolicy, Shadow, Slo

__all__ = [
    "GATES",
    "Approvals",
    "BreakGlass",
    "Canary",
    "Change",
    "Drift",
    "GatesPolicy",
    "Policy",
    "ServicePolicy",
    "Shadow",
    "Slo",
    "load_policy",
    "parse_policy",
    "schema",
]
