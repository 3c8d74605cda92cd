"""Which event an auditor's question is about."""

from __future__ import annotations

import pytest

from monitoring.controller.review import NoSuchEvent, find_event
from tests.components.controller import ONE, TWO, Town


@pytest.fixture
def town() -> Town:
    """A service with two packages, the second one live."""
    town = Town()
    town.approve(ONE, TWO)
    town.deploy(ONE)
    town.deploy(TWO)
    return town


def test_the_latest_is_the_newest_that_counts_and_decides_again(town: Town) -> None:
    """Neither a rollout's step nor what follows an old event is; both have their offsets."""
    rolled = town.deploy(ONE, "rollback", "robot", evidence={"kind": "drift"})
    step = town.deploy(TWO, evidence={"kind": "rollout"})
    void = town.deploy(ONE, "rollback", "robot", evidence={"kind": "slo"}, after=rolled)
    grounds = town.grounds()
    assert find_event(grounds, "credit@latest").offset == rolled
    assert [find_event(grounds, str(each)).offset for each in (step, void)] == [step, void]
    assert find_event(grounds, str(void)).void


def test_where_there_are_only_others_they_are_named(town: Town) -> None:
    """The newest first, each with why it is not meant; not all of a long list."""
    with pytest.raises(NoSuchEvent, match="credit has no event with evidence"):
        find_event(town.grounds(), "credit@latest")
    steps = [town.deploy(each, evidence={"kind": "rollout"}) for each in (ONE, TWO)]
    other = town.deploy(ONE, evidence={"kind": 7})
    void = town.deploy(TWO, "rollback", "robot", evidence={"kind": "drift"}, after=0)
    with pytest.raises(NoSuchEvent) as caught:
        find_event(town.grounds(), "credit@latest")
    why = find_event(town.grounds(), str(void)).void
    assert str(caught.value) == (
        "credit has no rollback that counts and can be decided again "
        f"(offset {void}: it does not count, {why}; offset {other}: evidence of the kind '7'; "
        f"offset {steps[1]}: a rollout's, by its offset alone; and 1 before)"
    )
