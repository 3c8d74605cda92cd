"""THE table: every failure has its line, and every line makes a problem."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from service import errors
from service.errors import TABLE, GatewayError, MethodNotAllowed, problem_body, problem_of, quote


def leaves(root: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    """Failures that are raised: those with no failure below them."""
    below = root.__subclasses__()
    if not below:
        yield root
    for one in below:
        yield from leaves(one)


def test_every_failure_is_in_the_table() -> None:
    """But the one that nobody is there to be told."""
    assert set(TABLE) == set(leaves()) - {errors.Disconnected}


def test_every_failure_is_drawn_in_the_tree() -> None:
    """The docstring shows all of them."""
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    assert drawn == {
        kind.__name__
        for kind in [
            *leaves(),
            errors.Refused,
            errors.Invalid,
            errors.Unavailable,
            errors.NoReceipt,
            errors.WrongLabel,
        ]
    }


@pytest.mark.parametrize("kind", TABLE)
def test_a_problem_has_the_members_of_rfc_9457(kind: type[GatewayError]) -> None:
    """And `error`, which clients of V2 look for."""
    error = MethodNotAllowed("why", "POST") if kind is MethodNotAllowed else kind("why")
    error.field, error.row = "age", 3
    problem = json.loads(problem_body(error, "/v1/models/m:predict"))
    line = problem_of(error)
    assert problem == {
        "type": f"urn:affiant:problem:{line.slug}", "title": line.title, "status": line.status,
        "detail": "why", "instance": "/v1/models/m:predict", "field": "age", "row": 3, "error": "why",
    }  # fmt: skip
    assert 400 <= line.status <= 599
    assert line.status != 500


def test_slugs_are_one_word_each() -> None:
    """A problem type names one failure."""
    assert len({line.slug for line in TABLE.values()}) == len(TABLE)


def test_what_a_client_sent_is_quoted_short_and_printable() -> None:
    """Nothing long, odd or multi-line is sent back."""
    assert quote("a\nb") == r"'a\nb'"
    assert len(quote("x" * 1000)) <= 64
    assert quote(["x" * 1000]) == "an array"
    assert quote({}) == "an object"


def test_a_lone_surrogate_is_told_escaped() -> None:
    """JSON cannot hold one."""
    error = errors.InvalidInput("odd \ud800", "\ud800", 0)
    assert "ud800" in json.loads(problem_body(error, "/"))["field"]
