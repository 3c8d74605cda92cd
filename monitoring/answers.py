"""What a monitor that leads answers when it is asked: figures, evidence, a rollout's comparison. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .columns import is_score
from .detect.figures import ColumnFigures
from .inside import unheld
from .judging import Basis
from .judging.judging import NONE
from .labels.look import Look
from .leading import Aggregate, Comparing, Life
from .panes import Of


def basis_of(aggregate: Aggregate, service: str, digest: str, slot: str) -> Basis | None:
    """Of a package that serves, what its evidence is computed of; `digest` may be its beginning. None: none does."""
    begins = digest.removeprefix("sha256:")
    for of in aggregate.lives:
        if (of.service, of.slot) == (service, slot) and of.digest.removeprefix("sha256:").startswith(begins):
            return aggregate.basis(of)
    return None


def comparison_of(aggregate: Aggregate, service: str, digest: str | None = None) -> dict[str, Any] | None:
    """What was asked of a canary and of live since the canary's last step, for JSON; None: it is not compared.

    `digest`: the canary's, whole; None: of the one that stands alone.

    `sides` are of whole panes alone: those of `ranges`, [partition, first, end) each. `reached`: how far each journal
    had come before them, by partition. `newest`: the time of the newest of them, ms since 1970 UTC by the log's clock.
    `waiting`: panes that are there, and were not judged yet. `pages`: columns of the canary that drift, and page.
    `effect`: by which rows are fewer than they seem. `single`: of each score the parts that hold one value alone.
    """
    comparing = _comparing(aggregate, service, digest)
    if comparing is None:
        return None
    return {
        "service": service,
        "digest": comparing.rollout.digest,
        "offset": comparing.rollout.offset,
        "moved": comparing.rollout.moved,
        "topic": aggregate.topic,
        "pane_records": aggregate.pane_records,
        "effect": _effect(aggregate, service),
        "ranges": [[partition, *of] for partition, of in sorted(comparing.ranges.items())],
        "reached": {
            str(partition): {journal: sequence for journal, sequence in of.items() if sequence is not None}
            for partition, of in sorted(comparing.reached.items())
        },
        "newest": comparing.newest,
        "waiting": sum(panes for _, panes in aggregate.waiting.values()),
        "pages": _pages(aggregate, Of(service, comparing.rollout.digest, "canary")),
        "single": comparing.single,
        "sides": {slot: comparing.side(slot).written() for slot in ("canary", "live")},
    }


def _comparing(aggregate: Aggregate, service: str, digest: str | None) -> Comparing | None:
    if digest is not None:
        return aggregate.comparing.get((service, digest))
    of_service = (each for (name, _), each in aggregate.comparing.items() if name == service)
    return next((each for each in of_service if each.rollout.alone), None)


def _effect(aggregate: Aggregate, service: str) -> float:
    """The largest design effect of a score of what answers for a service."""
    return max(
        (
            each.effect
            for of, life in aggregate.lives.items()
            if of.service == service and of.slot != "shadow"
            for each in life.judging.figures()
            if is_score(each.name)
        ),
        default=1.0,
    )


def _pages(aggregate: Aggregate, canary: Of) -> list[str]:
    life = aggregate.lives.get(canary)
    alarms = {} if life is None else life.alarms()
    return sorted(column for column, severity in alarms.items() if severity == "page")


def figures_of(aggregate: Aggregate, looks: Mapping[Of, Look]) -> list[dict[str, Any]]:
    """What stands of each package that serves, for JSON. `looks`: what labels say.

    `decided`: rows since it has its place, and those of the positive class; null where the model decides nothing.
    `uncompared`: why a canary is not compared with live; null where it is, and of what is no canary.
    """
    return [
        _package(of, life, looks.get(of)) | {"uncompared": _uncompared(aggregate, of)}
        for of, life in sorted(aggregate.lives.items())
    ]


def _uncompared(aggregate: Aggregate, of: Of) -> str | None:
    if of.slot != "canary" or (of.service, of.digest) in aggregate.comparing:
        return None
    return "it is not compared with live: the governance log has no event that deployed it"


def _package(of: Of, life: Life, look: Look | None) -> dict[str, Any]:
    judging = life.judging
    return {
        **of._asdict(), "rows": judging.rows, "window_rows": judging.window_rows, "checks": judging.checks,
        "threshold": judging.threshold, "unsupported": judging.unsupported, "policy": judging.judged.policy,
        "alarms": life.alarms(), "labels": None if look is None else look.written(),
        "decided": None if judging.profile.threshold is None else
            {"rows": life.asked.rows, "positive": life.asked.positive},
        "scores": _scores(life),
        "columns": [_column(each) for each in judging.figures()],
    }  # fmt: skip


def _scores(life: Life) -> dict[str, Any] | None:
    """Against the policy's interval, since that holds; null where it has none. `unheld`: what nobody can tell."""
    scored, profile = life.scored, life.judging.profile
    if scored is None:
        return None
    found = unheld(profile.reference.scores, scored.between, probabilities=profile.probabilities)
    return {
        "between": list(scored.between), "outside": scored.bad, "scores": scored.scores, "unheld": list(found),
    }  # fmt: skip


def _column(each: ColumnFigures) -> dict[str, Any]:
    return {
        "column": each.name, "ks_lower": each.ks_lower, "ks_upper": each.ks_upper, "psi": each.psi,
        "psi_debiased": each.psi_debiased,
        "log_e": {"warn": max(each.log_e_warn, NONE), "page": max(each.log_e_page, NONE)},
        "effect": each.effect, "missing": each.missing, "out_of_range": each.out_of_range, "unseen": each.unseen,
    }  # fmt: skip
