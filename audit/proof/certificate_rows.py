"""What rules ask for, and what a certificate has about it: derived from its contents, the same by maker and reader.

No software certifies that a law is kept. A row names the evidence that is in the file, what that shows and what it
leaves open; a row without evidence is not covered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from .certificate import CHECKPOINT, POLICY_FILE, ROOT_FILE, Row


class Requirement(NamedTuple):
    """One of them, in our words; the law's own text is what counts."""

    name: str
    asks: str
    shows: str
    """What the evidence shows, where there is some."""
    open: str
    """What is not shown here in any case."""


REQUIREMENTS: Final[Mapping[str, Requirement]] = {
    "eu-ai-act-12": Requirement(
        "EU AI Act, Art. 12 (record-keeping)",
        "A high-risk system records events automatically over its lifetime.",
        "Deployments of the package stand in the governance log, each signed by somebody who may deploy.",
        "The predictions' own records are in another log: an evidence bundle shows those.",
    ),
    "eu-ai-act-19": Requirement(
        "EU AI Act, Art. 19 (logs kept)",
        "The provider keeps the automatic logs for as long as their purpose asks, six months at least.",
        "Entries back to the oldest one here are still in the governance log, unchanged, under a notary's signature.",
        "How long anything will be kept, and that the predictions' records are kept.",
    ),
    "eu-ai-act-26": Requirement(
        "EU AI Act, Art. 26 (deployers)",
        "The deployer gives oversight to competent people, follows the instructions of use, monitors and keeps logs.",
        "People in the roles that the policy asks for have agreed to this use, each with a rationale.",
        "Oversight and monitoring while it answers, and whether those people are competent.",
    ),
    "gdpr-22": Requirement(
        "GDPR, Art. 22 (automated decisions)",
        "Who is decided about can have a person intervene, can give their view and contest the decision.",
        "The gate `explanation` has passed: what led to a single answer can be computed.",
        "That a person can intervene, and that people are told.",
    ),
    "sec-17a-4-f": Requirement(
        "SEC Rule 17a-4(f) (electronic records)",
        "Records are kept so that changes and deletions show (audit trail), or cannot be rewritten.",
        "A change of the entries here, or their removal, would contradict the notary's checkpoint.",
        "Retention periods, how the store is set up, and the undertakings that the rule asks people for.",
    ),
    "21-cfr-11.10": Requirement(
        "21 CFR 11.10 (closed systems)",
        "Validation, audit trails, authority checks and the order of steps are enforced.",
        "Tests and people both had to agree; who may sign stands in a signed root, and how many in a signed policy.",
        "Procedures, training, access to machines, and what §§ 11.50 to 11.300 ask of signatures.",
    ),
    "iso-42001-A.6.2.8": Requirement(
        "ISO/IEC 42001, A.6.2.8 (event logs)",
        "It is decided at which phases event logs are kept, and they are kept in use at least.",
        "Deployments and decisions about the package stand in the governance log.",
        "The predictions' own records are in another log: an evidence bundle shows those.",
    ),
    "sr-26-2": Requirement(
        "Fed SR 26-2 (model risk management)",
        "Models are developed, validated, documented and governed in proportion to their risk.",
        "Test results before use, the model's origin as its publisher tells it, and who agreed to its use.",
        "How material the model is, its monitoring in use, and whether the validation was independent.",
    ),
}


class Contents(NamedTuple):
    """What a certificate has, by offsets of its statements."""

    approvals: tuple[int, ...]
    """Those that count."""
    gates: int | None
    """The results that count; None: none do."""
    explained: bool
    """Whether the gate `explanation` is among those that passed."""
    deployments: tuple[int, ...]
    oldest: int | None
    sealed: bool
    """Whether every statement is under the checkpoint."""


def rows_of(has: Contents) -> tuple[Row, ...]:
    """One for each of REQUIREMENTS, in their order."""
    approvals, deployments = _named(*has.approvals), _named(*has.deployments)
    gates = _named(has.gates) if has.gates is not None else ()
    sealed = (CHECKPOINT,) if has.sealed else ()
    governed = (ROOT_FILE, POLICY_FILE)
    found: dict[str, tuple[str, ...]] = {
        "eu-ai-act-12": (*deployments, *sealed) if deployments else (),
        "eu-ai-act-19": (*_named(has.oldest), *sealed) if has.sealed and has.oldest is not None else (),
        "eu-ai-act-26": (POLICY_FILE, *approvals) if approvals else (),
        "gdpr-22": gates if has.explained else (),
        "sec-17a-4-f": sealed,
        "21-cfr-11.10": (*governed, *gates, *approvals, *sealed) if gates and approvals else (),
        "iso-42001-A.6.2.8": (*deployments, *approvals, *sealed) if deployments else (),
        "sr-26-2": ("package/lineage.json", "package/card.md", *gates, *approvals)
        if gates and approvals
        else (),
    }
    return tuple(Row(name, found[name]) for name in REQUIREMENTS)


def _named(*offsets: int) -> tuple[str, ...]:
    return tuple(f"statements/{offset}" for offset in offsets)
