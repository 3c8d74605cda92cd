"""Whether a rollback was right: decided again, years later, from the governance log and the record log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from audit.log.base import LogEntry, LogReader, Topic
from audit.proof.errors import FormatError
from monitoring.burns import Burns
from monitoring.figures import ColumnSaid, Evidence
from registry.admission import InForce
from registry.approvals.root import Root
from registry.deployment import Event

from .base import Shown
from .burnt import AgainBurns, show_burns
from .decide import decide
from .evidence import Again, computing, show
from .ground import Grounds, Publisher
from .said import KINDS, BecauseSlo, Why, parse_because
from .threshold import held_to, nudged
from .weigh import pages

AgainUnder = Callable[[InForce | None, str], Again]
"""(the policy of that time, service) → what computes evidence under it."""
BurntUnder = Callable[[InForce | None, str], AgainBurns]
"""The same of burn rates."""
_NAMED: Final = 3
"""Events that are named where none is meant."""
CLOCKS: Final = 1e-6
"""Times are floats of whole milliseconds."""


class NoSuchEvent(FormatError):  # noqa: N818 - the name says what happened
    """The governance log has no deployment event there, or it has no evidence."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question, and its answer."""

    what: str
    holds: bool
    said: str


@dataclass(frozen=True, slots=True)
class Review:
    """What an auditor is told of an event."""

    event: Event
    because: Why
    computed: Evidence | Burns
    checks: tuple[Check, ...]

    @property
    def right(self) -> bool:
        """Whether every check holds."""
        return all(each.holds for each in self.checks)

    @property
    def columns(self) -> tuple[tuple[ColumnSaid | None, ColumnSaid | None], ...]:
        """(signed, computed) by column, the signed ones first; none of burn rates."""
        signed = {each.column: each for each in _columns(self.because.evidence)}
        computed = {each.column: each for each in _columns(self.computed)}
        return tuple((signed.get(each), computed.get(each)) for each in dict.fromkeys((*signed, *computed)))


def find_event(grounds: Grounds, wanted: str) -> Event:
    """The event of an offset; or of SERVICE@latest the newest that counts and whose evidence decides again.

    An event that does not count, or of another kind, is found by its offset alone: of the latest is asked whether what
    holds was right. Evidence of such a kind that cannot be read is found: `review` says so.

    Raises:
        NoSuchEvent: there is none; of SERVICE@latest the message names the newest others, and why they are not meant.
    """
    services = grounds.services()
    service, at, _ = wanted.rpartition("@latest")
    if at:
        events = services[service].events if service in services else ()
        found = [each for each in events if each.content.evidence is not None]
        if not found:
            raise NoSuchEvent(f"{service} has no event with evidence")
        others = []
        for each in reversed(found):
            why = _not_meant(each)
            if not why:
                return each
            others.append(f"offset {each.offset}: {why}")
        more = f"; and {len(others) - _NAMED} before" if len(others) > _NAMED else ""
        raise NoSuchEvent(
            f"{service} has no rollback that counts and can be decided again ({'; '.join(others[:_NAMED])}"
            f"{more})"
        )
    for deployed in services.values():
        for each in deployed.events:
            if str(each.offset) == wanted:
                return each
    raise NoSuchEvent(f"the governance log has no deployment event at offset {wanted}")


def _not_meant(event: Event) -> str:
    """Why the latest is another one; empty: it is this one."""
    kind = (event.content.evidence or {}).get("kind")
    if kind not in KINDS:
        return (
            "a rollout's, by its offset alone"
            if kind == "rollout"
            else f"evidence of the kind {str(kind)[:40]!r}"
        )
    return "" if event.void is None else f"it does not count, {event.void}"


def review(
    entries: Sequence[LogEntry],
    first: Root,
    publisher: Publisher,
    event: Event,
    topic: Topic,
    reader: LogReader,
    again: AgainUnder,
    burnt: BurntUnder,
) -> Review:
    """Decide about an event once more.

    Args:
        entries: the whole governance log.
        first: the root that is believed.
        publisher: of packages.
        event: one of it (`find_event`).
        topic: of the record log.
        reader: of the record log, or of its archive.
        again: computes evidence under the policy of that time.
        burnt: the same of burn rates.

    Raises:
        NoSuchEvent: the event has no evidence.
        FormatError: its evidence is not what it should be.
        EvidenceWrong: its evidence is of another log, or of no panes that a monitor judges.
        EvidenceGone: neither the log nor the archive has its ranges any more.
        EvidenceUnavailable: they cannot be read now.
    """
    content = event.content
    if content.evidence is None or content.evidence.get("kind") not in KINDS:
        raise NoSuchEvent(
            f"the event at offset {event.offset} has no evidence of drift or of objectives: a person decided, or a "
            "rollout"
        )
    because = parse_because(content.evidence)
    grounds = Grounds(first, publisher)
    grounds.take(entries[: min(because.governance_end, event.offset)])
    ground = grounds.ground(content.service, content.at)
    found = (
        show_burns(because.evidence, topic, reader, burnt(ground.policy, content.service))
        if isinstance(because, BecauseSlo)
        else show(because.evidence, topic, reader, again(ground.policy, content.service))
    )

    def rejudged(by: float) -> Evidence:
        """By the limits of that policy, so many times as high."""
        assert isinstance(because.evidence, Evidence)
        with computing():
            return again(nudged(ground.policy, content.service, by), content.service)(
                because.evidence, reader
            )

    alike, how = held_to(because.evidence, found.evidence, rejudged)
    # How far the log had come then, nobody can tell now: that much is the controller's word. What is borne out but for
    # rounding decides as it did: computed anew, it might lie on the other side of a threshold.
    shown = replace(
        found,
        evidence=because.evidence if alike else found.evidence,
        newest=because.newest,
        behind=because.behind,
    )
    decision = decide(because.alert, shown, ground, content.at)
    meant = (tuple(content.plan), content.after, because.to, because.digest)
    decided = (decision.plan, decision.after, decision.to, decision.digest)
    policy = "none" if ground.policy is None else ground.policy.digest
    columns = pages(because.alert.cause, shown)
    reasons = ground.admitted(because.to)
    checks = (
        *standing(event, because.governance_end),
        Check("figures", alike, how),
        Check("times", _same_times(because, found), f"{found.begun:.3f} to {found.ended:.3f}"),
        Check("policy of that time", because.policy == policy == because.evidence.policy, policy),
        Check("it pages", bool(columns), ", ".join(columns) or f"nothing pages for {because.alert.cause}"),
        Check("the target was admitted", not reasons, "; ".join(reasons) or because.to),
        Check(
            "decided the same again",
            decision.outcome == "roll_back" and decided == meant,
            f"{decision.outcome}: {decision.why}",
        ),
    )
    return Review(event, because, found.evidence, checks)


def standing(event: Event, governance_end: int) -> tuple[Check, ...]:
    """What is asked of every event, whatever it was decided by. `governance_end`: entries that it says were read."""
    return (
        Check(
            "signed by who may", bool(event.person), f"{event.person or 'nobody of the root'} ({event.role})"
        ),
        Check("it counts", event.void is None, event.void or "it followed the service's newest event"),
        Check("read before it was signed", governance_end <= event.offset, f"{governance_end} entries"),
    )


def _columns(evidence: Evidence | Burns) -> tuple[ColumnSaid, ...]:
    return () if isinstance(evidence, Burns) else evidence.columns


def _same_times(because: Why, found: Shown) -> bool:
    said = (because.begun, because.ended)
    close = all(
        abs(one - other) < CLOCKS for one, other in zip(said, (found.begun, found.ended), strict=True)
    )
    return close and because.ended <= because.newest and found.newest >= because.newest - CLOCKS
