"""Reading policy.yaml: what is not understood is refused, with the file and the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from audit.config import suggest
from audit.errors import ConfigError

from .base import Part
from .model import Policy

MAX_FILE: Final = 1 << 20


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml ships no types
    """YAML in which a key that comes twice is an error: the later one would win without a word."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Aliases are refused: nested ones grow without bound, and a policy is to be read by people."""
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.constructor.ConstructorError(None, None, "aliases are not read", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping, its keys checked."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found


def load_policy(path: Path) -> Policy:
    """Read a policy.

    Raises:
        ConfigError: absent, over 1 MiB, not YAML, a key twice, an unknown key, a wrong value; says file:key.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    return parse_policy(data, path.name)


def parse_policy(data: bytes, name: str = "policy") -> Policy:
    """A policy from YAML or JSON bytes. Raises ConfigError, see `load_policy`."""
    if len(data) > MAX_FILE:
        raise ConfigError(f"{name}: over {MAX_FILE} bytes")
    if (found := _canonical(data)) is not None:
        return found
    try:
        content = yaml.load(data, _Loader)  # noqa: S506 - a SafeLoader that refuses more
        text = json.dumps(content, allow_nan=False)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{name}{line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{name}: not a policy: {str(error).splitlines()[0]}") from error
    try:
        return Policy.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError("; ".join(_problems(name, error))) from error


def _canonical(data: bytes) -> Policy | None:
    """The policy whose canonical form these very bytes are, as the governance log has it; None: they are written
    otherwise. As YAML they are the same policy, but two hundred services take a second to read so.
    """
    try:
        found = Policy.model_validate_json(data)
        return found if found.canonical() == data else None
    except ValueError:
        return None


def schema() -> dict[str, Any]:
    """The JSON schema of policy.yaml, for editors."""
    found = Policy.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://affiant.dev/policy/v1",
        **found,
    }


def _problems(name: str, error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        where = [str(part) for part in problem["loc"] if part != "[key]"]
        place = f"{name}:{'.'.join(where)}" if where else name
        if problem["type"] == "extra_forbidden":
            lines.append(f"{place}: unknown key{suggest(where[-1], _known())}")
        else:
            lines.append(f"{place}: {problem['msg'].removeprefix('Value error, ')}")
    return lines


def _known() -> tuple[str, ...]:
    """Every key that some section has."""
    names: set[str] = set()
    waiting: list[type[Part]] = [Part]
    while waiting:
        for part in waiting.pop().__subclasses__():
            names.update(part.model_fields)
            waiting.append(part)
    return tuple(sorted(names))
