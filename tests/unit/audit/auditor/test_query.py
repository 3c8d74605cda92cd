"""What the index may be asked: a filter that no entry can fit is refused, as it would find nothing without a word."""

from __future__ import annotations

import pytest

from audit.auditor.query import Search
from audit.errors import QueryRefused

PSEUDONYM = "0123456789abcdef" * 2


@pytest.mark.parametrize("name", ["caller", "subject"])
@pytest.mark.parametrize(
    "value", ["", "abcd", PSEUDONYM[:-2], PSEUDONYM + "00", PSEUDONYM.upper(), PSEUDONYM + "\n"]
)
def test_a_pseudonym_is_16_bytes(name: str, value: str) -> None:
    """As entries have it, in lower-case hex."""
    with pytest.raises(QueryRefused, match=f"{name} is .*32 hex digits"):
        Search(**{name: value})
    assert getattr(Search(**{name: PSEUDONYM}), name) == PSEUDONYM


@pytest.mark.parametrize("value", [-1, 0, 99, 600, 99999])
def test_a_status_is_one_of_http(value: int) -> None:
    """100 to 599."""
    with pytest.raises(QueryRefused, match=f"status is '{value}', .*100 to 599"):
        Search(status=value)
    assert [Search(status=each).status for each in (100, 599)] == [100, 599]
