"""Rules as files of Prometheus. The same rules give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from .form import Group, Rule
from .promql import duration, expression, figure, template
from .standing import runbook

RULES_FILE: Final = "affiant-rules.yml"


def rules_data(groups: Iterable[Group], *, runbooks: str = "") -> dict[str, Any]:
    """The groups as Prometheus' rule file has them. `runbooks`: the address before each runbook's name, or empty."""
    return {"groups": [_group(group, runbooks) for group in groups]}


def rules_yaml(groups: Iterable[Group], *, digest: str, runbooks: str = "") -> str:
    """The same as YAML, with the digest of the policy that it was made of."""
    head = (
        "# Made by `affiant alerts render`; changes in here are lost with the next.\n"
        f"# Of the policy {digest}\n"
        "# For Prometheus 2.42 and newer (keep_firing_for).\n"
    )
    return head + dumped(rules_data(groups, runbooks=runbooks))


def dumped(data: Mapping[str, Any]) -> str:
    """YAML in the order that was given; text of several lines as it is read."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000))


def _group(group: Group, runbooks: str) -> dict[str, Any]:
    data: dict[str, Any] = {"name": group.name}
    if group.interval:
        data["interval"] = duration(group.interval)
    return data | {"rules": [_rule(rule, runbooks) for rule in group.rules]}


def _rule(rule: Rule, runbooks: str) -> dict[str, Any]:
    data: dict[str, Any] = {"alert": rule.alert, "expr": expression(rule.when)}
    if rule.wait:
        data["for"] = duration(rule.wait)
    if rule.keep:
        data["keep_firing_for"] = duration(rule.keep)
    data["labels"] = {**rule.labels, "severity": rule.severity}
    data["annotations"] = {"summary": template(rule.summary)} | {
        each.name: figure(each) for each in rule.figures
    }
    if runbooks:
        data["annotations"]["runbook_url"] = runbook(runbooks, rule)
    return data


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # yaml ships no types
    """Writes an expression of several lines as a block."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never: a reader looks for what is there, not for where it stood before."""
        return True


def _text(dumper: Any, data: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _text)
