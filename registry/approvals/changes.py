"""What one document changes of another, key by key: policies and roots, for people who are asked to sign one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .root import RootModel

_NAMED: Final = ("column", "name")
"""Keys by which the items of a list are told apart, where they have one: a list is not compared by position."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key. A side that does not have it is None; else JSON (of a root: words)."""

    key: str
    before: str | None
    after: str | None


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Every leaf that differs, by its dotted key, in order."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return tuple(
        Change(key, old.get(key), new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    )


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple) and (names := _names(value)):
        for name, item in zip(names, value, strict=True):
            yield from _leaves(item, f"{prefix}[{name}]")
    else:
        yield prefix, json.dumps(value, ensure_ascii=False)


def _names(items: list[Any] | tuple[Any, ...]) -> list[str]:
    for key in _NAMED:
        found = [each.get(key) for each in items if isinstance(each, Mapping)]
        if (
            len(found) == len(items)
            and all(isinstance(each, str) for each in found)
            and len(set(found)) == len(found)
        ):
            return [str(each) for each in found]
    return []


def root_changes(before: RootModel, after: RootModel) -> tuple[Change, ...]:
    """What one root changes of another: keys by person and id, roles by name and person."""
    found = changes(_by_name(before), _by_name(after))
    return tuple(Change(each.key, _words(each.before), _words(each.after)) for each in found)


def _words(value: str | None) -> str | None:
    return None if value is None else str(json.loads(value))


def _by_name(content: RootModel) -> dict[str, Any]:
    return {
        "keys": {
            f"{key.person} {name[:16]}": "in use"
            if key.until is None
            else f"rotated, counts before offset {key.until}"
            for name, key in content.keys.items()
        },
        "roles": {
            name: {"threshold": role.threshold}
            | {f"{content.keys[each].person} {each[:16]}": "may sign" for each in role.keys}
            for name, role in content.roles.items()
        },
    }
