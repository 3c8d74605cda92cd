"""What evidence is worth by itself: at its limits."""

from __future__ import annotations

import pytest

from monitoring.controller.weigh import unsound
from registry.deployment import Placed
from tests.components.controller import ONE, TWO, Town, evidence_of_town, shown_of


@pytest.fixture
def town() -> Town:
    """The second package is live, the first was; 1,000 rows are wanted."""
    town = Town()
    town.approve(ONE, TWO)
    town.deploy(ONE)
    town.deploy(TWO)
    return town


@pytest.mark.parametrize(("rows", "enough"), [(999, False), (1000, True), (1001, True)])
def test_evidence_of_just_as_many_rows_as_the_policy_wants_is_enough(
    town: Town, rows: int, enough: bool
) -> None:
    """`minimum_rows` is a minimum."""
    shown = shown_of(town, window_rows=rows)
    why = unsound(Placed(digest=TWO), shown, town.ground())
    assert why == (None if enough else "the evidence has 999 rows, and 1000 are wanted")
    assert evidence_of_town(town, window_rows=rows).window_rows == rows
