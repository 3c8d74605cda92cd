"""Rules that look at one installation, where a Prometheus has the series of several.

Without it a rule adds up over all of them: a leader here hides that there is none there. The labels stand in every
selector, which `evaluate` reads as Prometheus does, and on every alert, so that those of two installations are two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Any, Final

from audit.errors import ConfigError

from .form import Group, Match, Rule, Select, selects

INSTALLATION: Final = "affiant_installation"
"""The label that the Helm chart gives every series and alert of a release: NAMESPACE/RELEASE."""
CHART: Final = Match(INSTALLATION, "=", "@installation@")
"""For the chart, which puts the release's own value in the place of this one. Nothing else has such a value."""
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_VALUE: Final = re.compile(r"[A-Za-z0-9._/:+-]{1,256}")
"""What neither PromQL nor a template reads as something else."""


def matches_of(given: Iterable[str]) -> tuple[Match, ...]:
    """Of `label=value`.

    Raises:
        ConfigError: it is no label with a value.
    """
    found: list[Match] = []
    for text in given:
        label, _, value = text.partition("=")
        if not _LABEL.fullmatch(label) or label.startswith("__"):
            raise ConfigError(f"{text!r}: a label is wanted, such as cluster=east")
        if not _VALUE.fullmatch(value):
            raise ConfigError(
                f"{label}: a value of letters, digits and . _ / : + - is wanted, such as {label}=east"
            )
        found.append(Match(label, "=", value))
    return tuple(found)


def of_installation(groups: Iterable[Group], matches: Iterable[Match]) -> tuple[Group, ...]:
    """The same rules about series that have these labels, and nothing of series that do not.

    MUST reach every selector of a rule, those of its figures too. Alerts have the labels. Without matches: the groups.

    Args:
        groups: the rules.
        matches: each with `=`.

    Raises:
        ConfigError: a label is given twice, or rules ask for it, or group by it, themselves.
    """
    groups, matches = tuple(groups), tuple(matches)
    if not matches:
        return groups
    labels = [match.label for match in matches]
    for label in sorted({each for each in labels if labels.count(each) > 1}):
        raise ConfigError(f"{label} is given twice")
    for label in sorted({*labels} & {*_used(groups)}):
        raise ConfigError(
            f"{label}: the rules use this label themselves; give one that tells installations apart"
        )
    return tuple(
        replace(group, rules=tuple(_of_installation(rule, matches) for rule in group.rules))
        for group in groups
    )


def _of_installation(rule: Rule, matches: tuple[Match, ...]) -> Rule:
    return replace(
        rule,
        when=_narrowed(rule.when, matches),
        labels={**{match.label: match.value for match in matches}, **rule.labels},
        figures=tuple(_narrowed(each, matches) for each in rule.figures),
    )


def _narrowed(what: Any, matches: tuple[Match, ...]) -> Any:
    """A condition or a figure: with the labels in each of its selectors, whatever their fields are called."""
    selectors = {each.name: getattr(what, each.name) for each in fields(what)}
    return replace(
        what,
        **{
            name: replace(each, matches=(*matches, *each.matches))
            for name, each in selectors.items()
            if isinstance(each, Select)
        },
    )


def _used(groups: Iterable[Group]) -> Iterator[str]:
    """Labels that rules speak of."""
    for rule in (rule for group in groups for rule in group.rules):
        yield from ("severity", "alertname", *rule.labels, *getattr(rule.when, "by", ()))
        for each in selects(rule.when):
            yield from (match.label for match in each.matches)
        for figure in rule.figures:
            yield from (*figure.on, *(match.label for match in figure.select.matches))
