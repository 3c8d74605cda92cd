"""What a certificate shows, and what it does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .certificate import Row
from .checkpoint import UNWITNESSED
from .flaws import Flaw


class Signed(NamedTuple):
    """A statement, for people."""

    offset: int
    kind: str
    person: str
    role: str
    sealed: bool


@dataclass(slots=True)
class Certified:
    """What was found. Nothing of it is shown where there is a flaw."""

    digest: str
    service: str
    slot: str
    made_by: str
    made_at: int
    root: str = ""
    """Digest of the root in force."""
    policy: str = ""
    policy_version: int = 0
    approved_by: tuple[tuple[str, str], ...] = ()
    rejected: tuple[str, ...] = ()
    """What people had against it and took back, or what an emergency goes without; in plain words."""
    break_glass: bool = False
    expires: float | None = None
    statements: list[Signed] = field(default_factory=list)
    origin: str | None = None
    """Of the tree whose checkpoint was verified; None: not sealed, or no key was given."""
    witnesses: int = 0
    has_checkpoint: bool = False
    rows: tuple[Row, ...] = ()
    flaws: list[Flaw] = field(default_factory=list)

    @property
    def sealed(self) -> int:
        """Statements that were proved to be under the checkpoint."""
        return sum(each.sealed for each in self.statements)

    def not_shown(self) -> list[str]:
        """What it does not show, in words."""
        said = [
            "that no later revocation, rejection, policy or root was left out: who made it may have; ask the log",
            "that its maker, its time of making and the log's times of entries are true: nothing signed covers them",
            "that the gates compared the model with what was live then: it does not know what was; gateways do",
            "that its page is true: it is for people, and what was verified is told here",
            "that the deployments were the service's newest, or that a gateway followed them",
            "that the model is right or fair, or that a law is kept: it has what people and gates have said",
        ]
        if not self.has_checkpoint:
            said.insert(
                0,
                "that the statements stand in a log, in this order: it is not sealed, there are signatures alone",
            )
        elif self.origin is None:
            said.insert(
                0,
                "that the statements are sealed: no key of a notary was given, the proofs were not looked at",
            )
        elif self.sealed < len(self.statements):
            newer = len(self.statements) - self.sealed
            verb = "stands" if newer == 1 else "stand"
            said.insert(0, f"that {newer} of the statements {verb} under the checkpoint: it is older")
        if self.origin is not None and not self.witnesses:
            said.append(UNWITNESSED)
        return said
