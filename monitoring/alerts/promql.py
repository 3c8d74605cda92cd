"""Conditions as PromQL, and texts as Prometheus' templates. Nothing here knows what an alert is for."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from .form import (
    REMEMBERED,
    SHOWN_AS,
    Burn,
    Condition,
    Figure,
    Gone,
    Level,
    Nobody,
    Rose,
    Select,
    Since,
    Until,
)

FIELD: Final = re.compile(r"\{([a-z_]+)\}")
"""What is filled into a text."""
NUMBER: Final = "%.4g"
"""How a number is shown: Go and Python write it alike."""
_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def expression(condition: Condition) -> str:  # noqa: PLR0911 - one line a condition
    """The condition as PromQL, for Prometheus 2.42 and newer."""
    match condition:
        case Level(select, by, op, limit, take):
            return f"{take}{_by(by)} ({_select(select)}) {op} {number(limit)}"
        case Since(select, by, seconds):
            return f"time() - max{_by(by)} ({_select(select)}) > {number(seconds)}"
        case Until(select, by, seconds):
            return f"min{_by(by)} ({_select(select)}) - time() < {number(seconds)}"
        case Rose(select, by, window):
            what, back = _select(select), duration(window)
            return (
                f"sum{_by(by)} (\n"
                f"  increase({what}[{back}]) > 0\n"
                f"  or (\n"
                f"    {what} > 0\n"
                f"    unless max_over_time({what}[{duration(REMEMBERED)}] offset {back})\n"
                f"  )\n"
                f") > 0"
            )
        case Burn():
            return _burn(condition)
        case Gone(select, by, seconds):
            what = _select(select)
            return (
                f"count{_by(by)} (last_over_time({what}[{duration(seconds)}]))\n"
                f"unless count{_by(by)} ({what})"
            )
        case Nobody(select):
            return f"(sum ({_select(select)}) or vector(0)) < 1"


def _burn(burn: Burn) -> str:
    by, limit = _by(burn.by), number(burn.limit)

    def share(window: int) -> str:
        back = f"[{duration(window)}]"
        ratio = f"sum{by} (rate({_select(burn.part)}{back})) / sum{by} (rate({_select(burn.whole)}{back}))"
        return f"1 - {ratio}" if burn.inverted else ratio

    back = f"[{duration(burn.long)}]"
    bad = f"sum{by} (increase({_select(burn.part)}{back}))"
    if burn.inverted:
        bad = f"sum{by} (increase({_select(burn.whole)}{back})) - {bad}"
    return (
        f"{share(burn.long)} > {limit}\n"
        f"and {share(burn.short)} > {limit}\n"
        f"and {bad} >= {number(burn.minimum)}"
    )


def template(text: str) -> str:
    """A text with {fields} in Prometheus' language."""

    def filled(found: re.Match[str]) -> str:
        if found[1] == SHOWN_AS:
            return f'{{{{ $value | printf "{NUMBER}" }}}}'
        return f"{{{{ $labels.{found[1]} }}}}"

    return FIELD.sub(filled, text)


def figure(shown: Figure) -> str:
    """A template that gives the number, or nothing."""
    matches = "".join(f",{label}=%q" for label in shown.on)
    fixed = ",".join(_match(m.label, m.op, m.value) for m in shown.select.matches)
    asked = f"max({shown.select.name}{{{(fixed + matches).lstrip(',')}}})"
    names = " ".join(f"$labels.{label}" for label in shown.on)
    written = json.dumps(asked, ensure_ascii=False)
    query = f"(printf {written} {names})" if shown.on else written
    return f'{{{{ with query {query} }}}}{{{{ . | first | value | printf "{NUMBER}" }}}}{{{{ end }}}}'


def number(value: float) -> str:
    """As PromQL reads it, without loss."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def duration(seconds: int) -> str:
    """As PromQL reads it: 90s, 5m, 3d."""
    unit, size = next((unit, size) for unit, size in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _by(labels: Sequence[str]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _select(select: Select) -> str:
    if not select.matches:
        return select.name
    return f"{select.name}{{{','.join(_match(m.label, m.op, m.value) for m in select.matches)}}}"


def _match(label: str, op: str, value: str) -> str:
    return f"{label}{op}{json.dumps(value, ensure_ascii=False)}"
