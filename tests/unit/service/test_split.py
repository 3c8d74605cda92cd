"""Which package a key falls to: the same one, evenly over keys, and no way back while a canary grows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, cast

import pytest

from service.models import Served, ServicePlan


@dataclass
class Arm:
    name: str
    weight: float


def plan(name: str, *shares: float) -> ServicePlan:
    """Live has the first share."""
    arms = [cast("Served", Arm(f"arm {at}", share)) for at, share in enumerate(shares)]
    bounds, total = [], 0.0
    for share in shares:
        total += share
        bounds.append(total)
    return ServicePlan(name, b"", tuple(arms), tuple(bounds), ())


def chosen(service: ServicePlan, key: str | None) -> str:
    """The arm's name."""
    found: Any = service.choose(key)
    return str(found.name)


KEYS = [f"customer {number}" for number in range(4000)]


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_keys_fall_evenly(share: float) -> None:
    """Within what chance gives, four standard deviations."""
    hits = sum(chosen(plan("credit", 1 - share, share), key) == "arm 1" for key in KEYS)
    assert abs(hits - share * len(KEYS)) < 4 * (share * (1 - share) * len(KEYS)) ** 0.5


def test_a_key_stays_where_it_is_while_the_canary_grows() -> None:
    """Who has met the new model goes on with it."""
    small, large = plan("credit", 0.9, 0.1), plan("credit", 0.5, 0.5)
    for key in KEYS:
        assert chosen(small, key) == chosen(small, key)
        if chosen(small, key) == "arm 1":
            assert chosen(large, key) == "arm 1"


def test_of_several_canaries_one_that_grows_moves_the_keys_of_the_others() -> None:
    """They lie beside each other in one interval: the promise is that of a canary alone (docs/gateway.md)."""
    small, large = plan("credit", 0.8, 0.1, 0.1), plan("credit", 0.6, 0.1, 0.3)
    moved = Counter(chosen(small, key) for key in KEYS if chosen(small, key) != chosen(large, key))
    assert moved["arm 2"] == 0
    assert moved["arm 1"] > 200


def test_services_split_independently() -> None:
    """Who is in one canary is not for that in another: their effects would be one."""
    one, other = plan("credit", 0.5, 0.5), plan("fraud", 0.5, 0.5)
    both = sum(chosen(one, key) == chosen(other, key) for key in KEYS)
    assert abs(both - 0.5 * len(KEYS)) < 4 * (0.25 * len(KEYS)) ** 0.5


def test_without_a_key_requests_take_turns() -> None:
    """Evenly after any number of them."""
    service = plan("credit", 0.75, 0.25)
    hits = sum(chosen(service, None) == "arm 1" for _ in range(400))
    assert abs(hits - 100) <= 2
