"""Whether an alarm rolls a service back, from which digest to which, or why not. Pure.

The rules, in this order; each has its line in docs/rollback.md:

 1. it fires, and it pages;
 2. its digest answers now, in that slot;
 3. the policy in force lets the service roll back by itself, for that cause;
 4. it was not acted on before: neither this alarm, nor this digest in this slot for this cause; and, for slo, the
    digest did not come by a rollback for slo itself;
 5. the service is not paused, and this machine's clock is neither behind the log's nor ahead of it;
 6. since the last rollback, whoever's, the cool-down has passed, and there were fewer than N rollbacks in 24 h;
 7. the evidence, computed again from the log, is of this digest and slot under the policy in force, is all of after
    the digest's placement and, at its end, of after the service's newest event, and is no old story;
 8. it has the rows that the policy wants, and by itself it pages for that cause;
 9. there is somewhere to go: a canary or a shadow goes, and live stays; for live, the newest digest that was live
    before, is admitted now, and was never left by a rollback (unless a person deployed it again), nor ever by a
    controller for that cause.

What bounds a controller whatever clocks say is 4 and 9: each digest is left once a cause, and never gone back to by
itself. Clocks can only delay: of two that disagree, the one that makes less time pass counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from monitoring.figures import Alarm
from registry.deployment import Deployed, Event, Placed
from registry.deployment.change import left_behind
from registry.policy import Rollback

from .base import Decision, Ground, Outcome, Shown
from .place import meant, place_of, placed_of
from .said import Why, because_of
from .weigh import COMPUTED, DRIFT, SLO, pages, unsound

DAY: Final = 86_400.0
BEHIND: Final = 1800.0
"""Seconds that this machine's clock may be behind the log's, or ahead: half of what makes an event void."""
ATTEMPTS: Final = 3
"""Events of one alarm that may come to nothing before it is left to people."""


def decide(  # noqa: PLR0911 - one return a rule
    alarm: Alarm, shown: Shown | None, ground: Ground, now: float
) -> Decision:
    """What is to be done about an alarm.

    Args:
        alarm: what somebody says; nothing of it is believed.
        shown: the evidence; None: it was not asked for yet, and a decision `wait` without `again` says that it is worth
            while (`wants_evidence`).
        ground: what the governance log says now.
        now: seconds since 1970 UTC, by this machine's clock.
    """
    if (why := _not_of_use(alarm)) is not None:
        return _told("pass", why, alarm)
    placed = placed_of(alarm, ground.deployed)
    if placed is None:
        return _gone(alarm, ground)
    if (why := _not_allowed(alarm, ground)) is not None:
        # Who asks for retraining hears of pages that roll nothing back.
        return _told("refuse" if to_retrain(alarm, ground) is None else "pass", why, alarm, placed)
    allowed = _rollback(ground)
    assert allowed is not None
    known = tuple(_reasons(ground.deployed))
    if (why := _done(alarm, known)) is not None:
        return _told("pass", why, alarm, placed)
    if (why := _left_to_people(alarm, placed, ground.deployed, known)) is not None:
        return _told("refuse", why, alarm, placed)
    for wait in _waits(ground, allowed, now, shown):
        return _told("wait", wait[0], alarm, placed, again=wait[1])
    if shown is None:
        return _told("wait", EVIDENCE, alarm, placed)
    if (why := unsound(placed, shown, ground)) is not None:
        return _told("wait", why, alarm, placed)
    if not (columns := pages(alarm.cause, shown)):
        return _told("wait", f"what the log has does not page for {alarm.cause}", alarm, placed)
    return _back(alarm, placed, ground, columns, allowed, known)


EVIDENCE: Final = "the evidence is wanted"


def wants_evidence(decision: Decision) -> bool:
    """Whether nothing but the evidence is missing."""
    return decision.why == EVIDENCE and decision.outcome == "wait"


def to_retrain(alarm: Alarm, ground: Ground) -> Placed | None:
    """What is to be looked at for retraining: a page about inputs or predictions of what answers now, where the policy
    asks for it. None: nothing.
    """
    asked = ground.section is not None and ground.section.drift.retrain is True
    wanted = asked and alarm.cause in DRIFT
    return placed_of(alarm, ground.deployed) if wanted and _not_of_use(alarm) is None else None


def _not_of_use(alarm: Alarm) -> str | None:
    if alarm.status != "firing":
        return "it is resolved"
    return None if alarm.severity == "page" else "a warning rolls nothing back"


def _rollback(ground: Ground) -> Rollback | None:
    return None if ground.section is None else ground.section.drift.rollback


def _not_allowed(alarm: Alarm, ground: Ground) -> str | None:
    if ground.section is None:
        return f"no policy in force has {alarm.service}"
    allowed = _rollback(ground)
    if allowed is None:
        return f"the policy lets nothing roll {alarm.service} back by itself"
    if alarm.cause not in allowed.causes:
        return f"the policy rolls back for {', '.join(allowed.causes)}, not for {alarm.cause}"
    if alarm.cause not in COMPUTED:
        return f"nothing of the cause {alarm.cause} is computed again from the log: people decide"
    return None


def _gone(alarm: Alarm, ground: Ground) -> Decision:
    """About an alarm of what does not answer: it comes late, or of nothing that there ever was."""
    if ground.section is None:
        return _told("refuse", f"no policy in force has {alarm.service}", alarm)
    deployed = ground.deployed
    late = (
        alarm.service == deployed.service
        and not meant(alarm, deployed.plan)  # a short digest that means two
        and any(meant(alarm, each.content.plan) for each in deployed.counted)
    )
    return _told(
        "pass" if late else "refuse", f"{alarm.digest} is not {alarm.slot} for {alarm.service} now", alarm
    )


def _reasons(deployed: Deployed) -> Iterator[tuple[Event, Why]]:
    """Rollbacks by controllers, those too that came to nothing."""
    for each in deployed.events:
        because = because_of(each)
        if because is not None:
            yield each, because


def _same(alarm: Alarm, because: Why) -> bool:
    return (because.alert.fingerprint, because.alert.starts_at) == (alarm.fingerprint, alarm.starts_at)


def _done(alarm: Alarm, known: Iterable[tuple[Event, Why]]) -> str | None:
    """Which event has answered this alarm; None: none."""
    for event, because in known:
        if event.void is None and _same(alarm, because):
            return f"this alarm was acted on at offset {event.offset}"
    return None


def _left_to_people(
    alarm: Alarm, placed: Placed, deployed: Deployed, known: Sequence[tuple[Event, Why]]
) -> str | None:
    """Why a controller has done all that it does by itself; None: it has not."""
    counted = [(event, because) for event, because in known if event.void is None]
    for event, because in counted:
        if (because.digest, because.slot, because.alert.cause) == (placed.digest, placed.slot, alarm.cause):
            return (
                f"it was taken off for {alarm.cause} at offset {event.offset} before: whoever deployed it "
                "again knows, and decides"
            )
    came = place_of(placed.digest, placed.slot, deployed)
    if alarm.cause == SLO and any(event == came and because.alert.cause == SLO for event, because in counted):
        return f"the package before {placed.digest} broke its objectives, too: another package mends nothing"
    void = sum(_same(alarm, because) for event, because in known if event.void is not None)
    if void >= ATTEMPTS:
        last = next(each.void for each in reversed(deployed.events) if each.void is not None)
        return f"{void} events of this alarm came to nothing: {last}"
    return None


def _waits(
    ground: Ground, allowed: Rollback, now: float, shown: Shown | None
) -> Iterator[tuple[str, float | None]]:
    """Why not now, and when again."""
    service, counted = ground.deployed.service, ground.deployed.counted
    if ground.deployed.paused:
        yield f"{service} is paused", None
    log = max(ground.newest, shown.newest) if shown is not None else ground.newest
    if log - now > BEHIND:
        yield (
            f"this machine's clock is {log - now:.0f} s behind the log's: nothing that it signs may count",
            None,
        )
    if shown is not None and now - log > BEHIND:
        # Such events count for nothing, too, and after so many of them nobody acts on the alarm, not even who has the
        # right time. Where nothing was recorded for so long, nothing has to be brought back either.
        yield (
            f"this machine's clock is {now - log:.0f} s ahead of the log's: nothing that it signs may count",
            None,
        )
    # The log's clock stands still where nothing is recorded, this machine's may be wrong: that which is behind counts.
    passed = min(now, log) if shown is not None else now
    # Rollbacks alone: what a cool-down is against is that one follows another. A bad version shows in the minutes after
    # its deployment, and nothing older than that is evidence (rule 7).
    back = sorted(each.logged / 1000 for each in counted if each.content.action == "rollback")
    if back:
        last = back[-1]
        free = last + 60 * allowed.cooldown_minutes
        if passed < free:
            yield (
                f"{service} was rolled back at {last:.0f}; the cool-down is {allowed.cooldown_minutes:g} min",
                free,
            )
    recent = [at for at in back if at > passed - DAY]
    if len(recent) >= allowed.maximum_per_day:
        free = recent[-allowed.maximum_per_day] + DAY
        yield (
            f"{service} was rolled back {len(recent)} times in 24 h, and {allowed.maximum_per_day} are allowed",
            free,
        )


def _back(
    alarm: Alarm,
    placed: Placed,
    ground: Ground,
    columns: tuple[str, ...],
    allowed: Rollback,
    known: Iterable[tuple[Event, Why]],
) -> Decision:
    deployed = ground.deployed
    assert deployed.last is not None
    if placed.slot == "live":
        to, why = _target(alarm, ground, known)
        if to is None:
            return _told("refuse", why, alarm, placed)
        plan: tuple[Placed, ...] = (Placed(digest=to),)
    else:
        to, plan = deployed.last.content.live, without(deployed.plan, placed)
    did = "broke its objectives" if alarm.cause == SLO else "drifted"
    said = f"{placed.digest} as {placed.slot} {did} ({alarm.cause}: {', '.join(columns)})"
    outcome: Outcome = "dry_run" if allowed.dry_run else "roll_back"
    return _told(outcome, said, alarm, placed, to=to, plan=plan, after=deployed.last.offset)


def _target(alarm: Alarm, ground: Ground, known: Iterable[tuple[Event, Why]]) -> tuple[str | None, str]:
    """The digest to go back to; None, and why not any."""
    deployed = ground.deployed
    assert deployed.last is not None
    live = deployed.last.content.live
    left = left_behind(deployed)
    same = {
        because.digest
        for event, because in known
        if event.void is None and because.alert.cause == alarm.cause
    }
    was = dict.fromkeys(each.content.live for each in reversed(deployed.counted))
    why = []
    for digest in (each for each in was if each != live):
        if digest in left:
            why.append(f"{digest}: a rollback has left it")
        elif digest in same:
            why.append(f"{digest}: it was taken off for {alarm.cause} before")
        elif reasons := ground.admitted(digest):
            why.append(f"{digest}: {'; '.join(reasons)}")
        else:
            return digest, ""
    return None, f"there is nothing to go back to{': ' if why else ''}{' | '.join(why)}"


def without(plan: Iterable[Placed], gone: Placed) -> tuple[Placed, ...]:
    """The plan without a canary or a shadow; a canary's share goes to what is live."""
    share = gone.weight if gone.slot == "canary" else 0.0
    return tuple(
        each.model_copy(update={"weight": min(1.0, each.weight + share)}) if each.slot == "live" else each
        for each in plan
        if each != gone
    )


def _told(
    outcome: Outcome,
    why: str,
    alarm: Alarm,
    placed: Placed | None = None,
    *,
    to: str | None = None,
    plan: tuple[Placed, ...] = (),
    after: int | None = None,
    again: float | None = None,
) -> Decision:
    digest = alarm.digest if placed is None else placed.digest
    return Decision(outcome, why, alarm.service, digest, alarm.slot, alarm.cause, to, plan, after, again)
