"""Records of a service, and labels of them in a journal of their own; and a policy that asks what they say."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np

from audit.labels import labelled, told
from audit.proof.entry import Key, encode_entry
from audit.proof.record import frame_record
from monitoring.panes import Of as Who
from registry.package import Package
from registry.policy import Policy, parse_policy
from tests.components.monitored import START, Traffic

SERVICE = "numbers"
POLICY = """
format: 1
change: {roles: {policy: 1}}
services:
  numbers:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1}}
    performance:
      metrics: {accuracy: {minimum: MINIMUM, worse_than_before_by: 0.02}}
      minimum_labels: 50
      coverage: 0.9
      coverage_after_hours: 0.001
      cohort_hours: 1
    live_fairness:
      attributes: [{column: grade}]
      favourable: positive
      minimum_group: 5
  other:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1}}
"""
LABELS = bytes([9]) * 16


def policy(minimum: float = 0.8) -> Policy:
    """With what labels must say of one of two services."""
    return parse_policy(POLICY.replace("MINIMUM", str(minimum)).encode())


class Stream:
    """Records of a service, and labels in a journal of their own."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.traffic = Traffic(package, SERVICE)
        self.said = 0

    @property
    def live(self) -> Who:
        """Who answers."""
        return Who(SERVICE, self.package.digest, "live")

    def asked(self, count: int) -> list[bytes]:
        """Requests of one row each, with scores that decide by turns; numbered by the client."""
        return [
            self.traffic.value(
                scores=np.array([0.9 if at % 2 else 0.1], np.float32), fields={Key.REQUEST_ID: f"r{at}"}
            )
            for at in range(count)
        ]

    def label(self, at: int, value: object, **more: Any) -> bytes:
        """What came of request `at`."""
        fields, payload = labelled(
            told(request_id=f"r{at}", label=value, now=2**62, **more),
            SERVICE, sha256(b"%d" % at).digest(), START * 1_000_000 + 10**9 * 60,
        )  # fmt: skip
        fields |= {
            Key.JOURNAL: LABELS, Key.EPOCH: 1, Key.SEQUENCE: self.said, Key.CHAIN: bytes(32),
            Key.COMMITTING: START * 1_000_000 + 10**9 * 60,
        }  # fmt: skip
        self.said += 1
        return frame_record(encode_entry({int(key): fields[key] for key in sorted(fields)}), payload)

    def labels(self, count: int, right: float) -> list[bytes]:
        """Of so many requests; of so large a share the decision was right."""
        wrong = round(count * (1 - right))
        return [
            self.label(at, "class 1" if bool(at % 2) ^ (at < wrong) else "class 0") for at in range(count)
        ]
