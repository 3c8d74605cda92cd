"""A policy that asks for everything that alerts can be made of."""

from __future__ import annotations

from typing import Final

from registry.policy import Policy, parse_policy

FULL_POLICY: Final = b"""
format: 1
change: {roles: {compliance: 1}}
services:
  credit:
    gates: {size: {megabytes: 50}}
    approvals: {roles: {compliance: 1}}
    drift:
      rollback: {causes: [prediction, performance, slo]}
      retrain: true
    slo:
      p99_milliseconds: 40
      errors: 0.001
      refusals: 0.05
      confidence: {at_least: 0.8, share: 0.9}
      scores: {between: [0.01, 0.99], share: 0.9}
    performance:
      metrics: {auc: {minimum: 0.7}}
      coverage: 0.5
    live_fairness:
      attributes: [{column: sex}]
      demographic_parity_difference: 0.1
      demographic_parity_ratio: 0.8
      error_rate_difference: 0.2
      minimum_group: 50
  plain:
    gates: {size: {megabytes: 50}}
    approvals: {roles: {compliance: 1}}
"""


def full_policy() -> Policy:
    """The policy."""
    return parse_policy(FULL_POLICY, "policy.yaml")
