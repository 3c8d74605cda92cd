"""Signed evidence held to what was computed again, also where a figure lies at a threshold. Pure.

At a threshold the last bits of a float decide: whether an e-detector begins anew, whether a column pages. So evidence
that is not the same is judged twice more, by limits that are more and less by the tolerance: a column that is as one of
the three say is at a threshold, and what was decided of it stands. Nothing that was decided flips by rounding; nor does
anything stand that is further from the threshold than the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from monitoring.burns import Burns, BurnSaid
from monitoring.close import TOLERANCE, same
from monitoring.figures import Evidence
from monitoring.slo import MINIMUM_BAD
from registry.admission import InForce
from registry.policy import Rule
from registry.policy.behaviour import DISTANCE, INDEX

_LOGARITHM: Final = 20.0
"""The threshold of e-values is the logarithm of the checks between false alarms, times columns: up to so much."""

Rejudged = Callable[[float], Evidence]
"""By limits that are so many times as high (1 ± TOLERANCE)."""


def held_to(signed: Evidence | Burns, computed: Evidence | Burns, rejudged: Rejudged) -> tuple[bool, str]:
    """Whether the signed evidence is borne out, and what is said of it.

    Args:
        signed: of the event.
        computed: of the log.
        rejudged: judges once more; asked only where they are not the same.
    """
    if signed == computed:
        return True, "equal, to the bit"
    if isinstance(signed, Burns) or isinstance(computed, Burns):
        return _burns(signed, computed)
    return _drift(signed, computed, rejudged)


def _drift(signed: Evidence, computed: Evidence, rejudged: Rejudged) -> tuple[bool, str]:
    one, other = _parts(signed), _parts(computed)
    if len(one["columns"]) != len(signed.columns):
        return False, "others: a column is there twice"
    if same(one, other):
        return True, f"equal, but for rounding (within {TOLERANCE:g})"
    apart = [name for name in other if name != "columns" and not same(one[name], other[name])]
    if apart or one["columns"].keys() != other["columns"].keys():
        return False, f"others: {', '.join((*apart, *_unlike(one, other)))}"
    told = [other["columns"], *(_parts(rejudged(by))["columns"] for by in (1 - TOLERANCE, 1 + TOLERANCE))]
    unlike = [
        name
        for name, column in one["columns"].items()
        if not any(same(column, each.get(name)) for each in told)
    ]
    if unlike:
        return False, f"others: {', '.join(unlike)}"
    return (
        True,
        f"at a threshold, where rounding decides; what was decided stands: {', '.join(_unlike(one, other))}",
    )


def nudged(policy: InForce | None, service: str, by: float) -> InForce | None:
    """The policy with so many times its limits of the service's drift; None: there is none."""
    section = None if policy is None else policy.policy.services.get(service)
    if policy is None or section is None:
        return policy
    drift, whole_number = section.drift, math.floor if by < 1 else math.ceil
    rule = drift.rule or Rule(warn_delta="auto", page_delta="auto")
    moved = rule.model_copy(
        update={
            # A whole number: the next one of 400,000 moves the threshold of 20 by about the tolerance.
            "checks_between_false_alarms": whole_number(rule.checks_between_false_alarms * by**_LOGARITHM),
            "p_value": min(rule.p_value / by, math.nextafter(1, 0)),
            "clear_ks": min(1.0, rule.clear_ks * by),
        }
    )
    limits = {
        "ks": min(1.0, by * (DISTANCE if drift.ks is None else drift.ks)),
        "psi": by * (INDEX if drift.psi is None else drift.psi),
        "rule": moved,
    }
    own = section.model_copy(update={"drift": drift.model_copy(update=limits)})
    whole = policy.policy.model_copy(update={"services": {**policy.policy.services, service: own}})
    return replace(policy, policy=whole)


def _parts(evidence: Evidence) -> dict[str, Any]:
    """As it is compared: the order of columns is that of their distances, which rounding may change."""
    found = evidence.model_dump()
    return found | {"columns": {each.pop("column"): each for each in found["columns"]}}


def _unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterable[str]:
    columns, computed = one["columns"], other["columns"]
    return [name for name in {**columns, **computed} if not same(columns.get(name), computed.get(name))]


def _burns(signed: Evidence | Burns, computed: Evidence | Burns) -> tuple[bool, str]:
    """Shares of whole numbers: only the limit, and what is held to it, is a float."""
    if not isinstance(signed, Burns) or not isinstance(computed, Burns):
        return False, "others: the kind of evidence"
    one, other = signed.model_dump(exclude={"burns"}), computed.model_dump(exclude={"burns"})
    apart = [name for name in other if not same(one[name], other[name])]
    if len(signed.burns) != len(computed.burns):
        apart.append("burns")
    else:
        pairs = zip(signed.burns, computed.burns, strict=True)
        apart += [f"{told.objective} at {told.long} s" for said, told in pairs if not _burn(said, told)]
    said = "equal, but for rounding" if not apart else f"others: {', '.join(apart)}"
    return not apart, said


def _burn(signed: BurnSaid, computed: BurnSaid) -> bool:
    one, other = signed.model_dump(), computed.model_dump()
    if same(one, other):
        return True
    counted = ((other["bad"], other["requests"]), (other["short_bad"], other["short_requests"]))
    at = any(same(bad / requests, float(other["limit"])) for bad, requests in counted if requests)
    return at and other["bad"] >= MINIMUM_BAD and same(one | {"pages": None}, other | {"pages": None})
