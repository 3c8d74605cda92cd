"""Reading what a server answers, which may be anything: what is not of the wanted kind is not there."""

from __future__ import annotations

import re
from typing import Any, Final

from registry.manifest import canonical_json

_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def mapping(value: object, *keys: str) -> dict[str, Any]:
    """The object that the keys lead to, one inside the other; an empty one when there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def members(value: object) -> list[dict[str, Any]]:
    """The objects of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def pairs(value: object) -> dict[str, str]:
    """MLflow's lists of {key, value}."""
    return {
        each["key"]: str(each.get("value", "")) for each in members(value) if isinstance(each.get("key"), str)
    }


def text(value: object) -> str | None:
    """A text that says something."""
    return value if isinstance(value, str) and value else None


def number(value: object) -> int | None:
    """A whole number from 0 on: MLflow writes some as text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return int(value) if _NUMBER.fullmatch(str(value)) else None


def writable(value: object) -> bool:
    """Whether it can be written as JSON in UTF-8: no infinity (1e999 is read as one), no half of a character."""
    try:
        canonical_json(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
