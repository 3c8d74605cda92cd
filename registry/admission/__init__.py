"""Whether a package may answer: a pure function of the root, the policy and what was signed."""

from .evaluate import LiveAt, Verdict, compared_with_another, evaluate, may_revoke
from .policy import InForce, policy_in_force
from .rules import Rules, SlotRules
from .turns import stands_until

__all__ = [
    "InForce",
    "LiveAt",
    "Rules",
    "SlotRules",
    "Verdict",
    "compared_with_another",
    "evaluate",
    "may_revoke",
    "policy_in_force",
    "stands_until",
]
