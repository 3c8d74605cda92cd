"""What pydantic found wrong, as one sentence of ours."""

from __future__ import annotations

from pydantic import ValidationError


def first_problem(error: ValidationError) -> str:
    """Where and what: of the first thing that is wrong. What stood there MUST NOT be in it: it may be a secret."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    said = first["msg"].removeprefix("Value error, ")  # pydantic's, before our own words
    return f"{where}: {said}" if where else said
