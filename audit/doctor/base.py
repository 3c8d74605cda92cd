"""A finding, and a check that gives some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "settings": "the settings file is not what a component wants",
        "data-not-writable": "the data directory does not take a file",
        "disk-slow": "fdatasync takes long; each answer waits for one",
        "disk-budget": "the journals may grow to more than the disk has",
        "clock-jump": "the machine's clock was set while it was looked at",
        "clock-ahead": "this machine's clock is ahead of another's",
        "clock-behind": "this machine's clock is behind another's",
        "clock-of-records": "records are from a time after the log took them",
        "key-absent": "a key or secret that is wanted is not there",
        "key-mode": "others than its owner may read or change a key or secret",
        "key-malformed": "a key's file holds no key",
        "certificate-unusable": "a certificate is not there, none, or not of its key",
        "certificate-expired": "a certificate is not valid now",
        "certificate-expires": "a certificate ends soon",
        "log-unreachable": "the log does not answer",
        "topic-absent": "a topic of the settings is not there",
        "topic-settings": "a topic's settings would not keep the promise",
        "topic-rights": "this user may not do with a topic what it must",
        "topic-rights-wide": "this user may do more with a topic than it needs",
        "topic-other": "a journal is shipped to another topic than the settings name",
        "store-unreachable": "the store of model packages does not answer",
        "package-absent": "the plan names a package that the store does not have",
        "sealed-unreachable": "the notary's store does not answer",
        "lock-absent": "the bucket that is said to hold what is sealed keeps no versions",
        "payloads-versioned": "payloads in the clear lie where versions are kept: what is deleted stays",
        "objects-unreachable": "the store of large payloads does not answer",
        "witness-unreachable": "a witness does not answer",
        "monitor-unreachable": "what the settings name as the monitor does not answer as one",
        "webhook-unreachable": "an address that is to be told something does not answer",
        "collector-unreachable": "the OpenTelemetry collector does not answer",
        "alertmanager-unreachable": "Alertmanager does not answer as one",
        "component-absent": "a component that shall run does not answer",
        "component-not-ready": "a component runs and is not ready",
        "governance-unread": "the root does not hold, or the governance log under it is not to be read",
        "one-person": "the root or the policy leaves to one person what two should look at",
        "port-taken": "something else answers where a component is to listen",
        "state-newer": "a newer version has written what is kept here",
        "state-damaged": "what is kept here is not what any version writes",
        "python-version": "this Python is not one that Affiant runs on",
        "library-version": "a library is not there, or not of a version that is asked for",
        "library-not-locked": "a library is of another version than the locked requirements say",
    }
)
"""Every finding's code; docs/doctor.md says what to do about each."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: what, where, and what to do. A remark, not `grave`, breaks no promise."""

    code: str
    where: str
    what: str
    remedy: str
    grave: bool = True

    def __post_init__(self) -> None:
        assert self.code in CODES, self.code


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked at, and what it was like: a number, a version, "answers"."""

    what: str
    said: str


Outcome = Finding | Looked


@dataclass(frozen=True, slots=True)
class Check:
    """`run` MUST NOT change anything that a component keeps, MUST end by itself, and gives what it has looked at.

    Failures of a component (`AuditError` and its like) it MAY raise: `unless` says which finding they are.
    """

    area: str
    run: Callable[[], Iterable[Outcome]]
    unless: tuple[str, str, str] | None = None
    """The finding's code, where, and the remedy when `run` fails."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all checks. Each line has its area."""

    findings: Sequence[tuple[str, Finding]]
    looked: Sequence[tuple[str, Looked]]

    @property
    def grave(self) -> bool:
        """Whether anything would break a promise, or keeps a component from working."""
        return any(finding.grave for _, finding in self.findings)


def examine(
    checks: Iterable[Check],
    told: Callable[[Exception], str | None],
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run the checks, each of them, whatever the others say.

    Args:
        checks: in the order in which they are told.
        told: what a failure says, in a line; None for one that nobody expected, which goes on.
        progress: told each area before it is looked at.
    """
    findings: list[tuple[str, Finding]] = []
    looked: list[tuple[str, Looked]] = []
    for check in checks:
        progress(check.area)
        try:
            for outcome in check.run():
                if isinstance(outcome, Finding):
                    findings.append((check.area, outcome))
                else:
                    looked.append((check.area, outcome))
        except Exception as error:
            line = told(error)
            if line is None or check.unless is None:
                raise
            code, where, remedy = check.unless
            findings.append((check.area, Finding(code, where, line, remedy)))
    return Report(tuple(findings), tuple(looked))
