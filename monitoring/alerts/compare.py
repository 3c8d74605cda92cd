"""A rules file held against the rules that a policy makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from audit.errors import ConfigError
from monitoring.alerts.form import Group

from .render import rules_data

MOST_BYTES: Final = 16 << 20
_COMPARED: Final = ("expr", "for", "keep_firing_for", "labels")


def read_rules(file: Path) -> Mapping[str, Any]:
    """A rule file of Prometheus.

    Raises:
        ConfigError: it cannot be read, or is none.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise ConfigError(f"{file} is over {MOST_BYTES} bytes")
    try:
        content = yaml.safe_load(raw)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is no YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or not isinstance(content.get("groups"), list):
        raise ConfigError(f"{file} holds no rules: `groups` is wanted")
    return content


def compare(groups: Iterable[Group], file: Mapping[str, Any]) -> list[str]:
    """What is not the same, a line each; empty: nothing. Which group comes first does not matter."""
    wanted, found = _rules(rules_data(groups)), _rules(file)
    missing, more = wanted - found, found - wanted
    names = [*dict.fromkeys((*missing, *more))]
    told = []
    for group, alert, _ in sorted(names):
        line = f"{group}: {alert} "
        here = any(each[:2] == (group, alert) for each in missing)
        there = any(each[:2] == (group, alert) for each in more)
        line += "is another rule" if here and there else "is not there" if here else "is none of the policy's"
        if line not in told:
            told.append(line)
    return told


def _rules(data: Mapping[str, Any]) -> Counter[tuple[str, str, str]]:
    found: Counter[tuple[str, str, str]] = Counter()
    for group in data["groups"]:
        if not isinstance(group, dict):
            continue
        rules = group.get("rules")
        for rule in rules if isinstance(rules, list) else ():
            if isinstance(rule, dict):
                said = {key: rule.get(key) for key in _COMPARED} | {"interval": group.get("interval")}
                found[str(group.get("name")), str(rule.get("alert")), repr(_sorted(said))] += 1
    return found


def _sorted(value: Any) -> Any:
    return (
        sorted((str(k), _sorted(v)) for k, v in value.items())
        if isinstance(value, dict)
        else str(value).strip()
    )
