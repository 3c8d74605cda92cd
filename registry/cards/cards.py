"""The three cards of a package, each as Markdown and as an HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from markupsafe import Markup
from pydantic import ValidationError

from registry.gates.base import GateResult
from registry.gates.report.plots import CSS as GATES_CSS
from registry.gates.report.sections import section
from registry.lineage.versions import DataUse, data_of
from registry.reference import Reference
from registry.signature import Feature, Signature

from . import plots
from .facts import Facts
from .fields import DATA_SHEET, PEOPLE, RISKS
from .made import Row, columns_of, data_sets, made_of
from .render import day, figure, html, markdown

TITLES: Final[Mapping[str, str]] = {
    "model_card": "Model card", "data_sheet": "Data sheet", "risk_assessment": "Risk assessment",
}  # fmt: skip
_ROOM: Final = "registry.cards"
_SHOWN: Final = 8
"""Categories of a feature in a table's cell."""


def render(facts: Facts, *, now: float, publisher: str | None) -> dict[str, bytes]:
    """File name → content: `model-card.md`, `model-card.html`, and so on."""
    common = (
        _common(facts, now, publisher) | _model(facts) | _governance(facts) | _data(facts) | _people(facts)
    )
    found = {}
    for name, title in TITLES.items():
        values = common | {"title": title}
        file = name.replace("_", "-")
        found[f"{file}.md"] = markdown(_ROOM, f"{name}.md.j2", values)
        found[f"{file}.html"] = html(_ROOM, f"{name}.html.j2", values)
    return found


def _common(facts: Facts, now: float, publisher: str | None) -> dict[str, Any]:
    told = [each["gates"]["data"] for each in facts.services if each["gates"] is not None]
    saw = {str(each["documents"]) for each in told if isinstance(each, dict) and "documents" in each}
    return {
        "name": facts.package.name,
        "digest": facts.package.digest,
        "created": facts.package.created,
        "publisher": publisher,
        "now": now,
        "documents": facts.documents is not None,
        "gates_saw": None if not saw or facts.documents is None else saw == {facts.documents.digest},
        "gates_css": Markup(GATES_CSS),  # noqa: S704 — ours
    }


def _people(facts: Facts) -> dict[str, Any]:
    said = facts.documents
    return {
        "people_said": [(asked.title, said.texts()[name] if said else ()) for name, asked in PEOPLE.items()],
        "others": list(said.others().items()) if said else [],
        "about_data": said.about_data() if said else (),
        "sheet": [
            (asked.title, said.data_sheet()[name] if said else ()) for name, asked in DATA_SHEET.items()
        ],
        "risks": [
            (asked.title, asked.asks, said.risks()[name] if said else ()) for name, asked in RISKS.items()
        ],
    }


def _model(facts: Facts) -> dict[str, Any]:
    package, signature, lineage = facts.package, facts.package.signature, facts.package.lineage
    metrics, comparison = lineage.get("metrics"), lineage.get("comparison")
    training = [
        (str(name).removeprefix("training_").replace("_", " "), figure(value))
        for name, value in (metrics.items() if isinstance(metrics, dict) else ())
    ]
    if isinstance(comparison, dict):
        training += [
            (f"against the source model: {key.replace('_', ' ')}", figure(value))
            for key, value in comparison.items()
        ]
    reference = package.reference
    return {
        "model": [
            ("task", signature.task),
            *_decision(signature),
            ("file", f"{package.model_type}, {package.parsed.roles['model'].digest}"),
            ("golden answers", f"{len(package.golden.rows)} rows, made with {package.golden.made_with}"),
            ("size", f"{package.size:,} bytes"),
        ],
        "features": [
            (each.name, each.type, _values(each), "allowed" if each.missing else "refused")
            for each in signature.features
        ],
        "lineage": made_of(lineage),
        "unknown": [str(each) for each in lineage.get("unknown") or []],
        "training": training,
        "scores_plot": plots.scores(reference),
        "score_note": (
            f"{reference.scored:,} rows{_held_out(reference)}; a distribution is known to ±{reference.radius:.3g} "
            f"(Kolmogorov–Smirnov distance, level {reference.level:g})."
        ),
    }


def _held_out(reference: Reference) -> str:
    return "" if reference.score_rows is None else " that were held out"


def _decision(signature: Signature) -> list[Row]:
    if signature.task == "binary":
        return [("decides", f"{signature.positive_class} when the score is at least {signature.threshold}")]
    return [("classes", ", ".join(signature.classes))] if signature.classes else []


def _values(feature: Feature) -> str:
    if feature.type == "category":
        more = len(feature.categories) - _SHOWN
        return ", ".join(feature.categories[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return "any" if feature.minimum is None else f"{feature.minimum:g} to {feature.maximum:g}"


def _data(facts: Facts) -> dict[str, Any]:
    package = facts.package
    table = package.lineage.get("training_table")
    table = table if isinstance(table, dict) else {}
    profile = table.get("profile")
    profile = profile if isinstance(profile, dict) else {}
    listed = profile.get("columns")
    return {
        "versions": [(use.name, use.version, use.source, _held(use)) for use in data_of(package.lineage)],
        "made_of_data": [
            (use.name, use.version, use.sha256 or "not known", _held(use), _deprecated(use, facts))
            for use in data_of(package.lineage)
        ],
        "sets": list(data_sets(package.lineage)),
        "deprecated": list(facts.deprecated.items()),
        "data": [
            (name, figure(value))
            for name, value in (
                ("file", table.get("file")), ("sha256", table.get("sha256")), ("rows", table.get("rows")),
                ("target", table.get("target")), ("duplicate rows", profile.get("duplicates")),
            )
        ],
        "columns": columns_of(listed),
        "categories": [
            (
                feature.name,
                ", ".join(f"{name} {count:,}" for name, count in zip(feature.categories, column.counts, strict=True))
                if column.kind == "category" else _values(feature),
                f"{package.reference.rows - column.missing:,}, {column.missing:,} missing",
            )
            for column, feature in zip(package.reference.features, package.signature.features, strict=True)
        ],
        "feature_plots": list(plots.features(package.reference, package.signature)),
    }  # fmt: skip


def _held(use: DataUse) -> str:
    return "yes" if use.checked else "no: DVC's word alone"


def _deprecated(use: DataUse, facts: Facts) -> str:
    why = next((facts.deprecated[name] for name in use.versions if name in facts.deprecated), None)
    if why is not None:
        return f"YES: {why}"
    return "no" if facts.governed else "not known"


def _governance(facts: Facts) -> dict[str, Any]:
    nobody = "Nobody has said anything of it in the governance log."
    unread = "No governance log is read: the settings name no root, so nobody's word counts."
    return {
        "services": [_service(each) for each in facts.services],
        "unsaid": nobody if facts.governed else unread,
        "deployments": [
            (
                each["service"], each["slot"], f"{each['share']:.0%}", day(each["from"]),
                "now" if each["until"] is None else day(each["until"]), each["by"], each["reason"],
            )
            for each in facts.deployments
        ],
        "undeployed": "It was never deployed." if facts.governed else unread,
    }  # fmt: skip


def _service(told: Mapping[str, Any]) -> dict[str, Any]:
    gates = told["gates"]
    listed = [] if gates is None else gates["results"]
    results = [found for each in listed if (found := _result(each)) is not None]
    named = {each.name: each for each in results}
    verdicts = [tuple(each.get(key) or "–" for key in ("name", "verdict", "reason")) for each in listed]
    return {
        "service": told["service"],
        "gates": gates,
        "verdicts": verdicts,
        "performance": _section(named.get("quality")),
        "fairness": _section(named.get("fairness")),
        "metrics": _metrics(named.get("quality")),
        "groups": _groups(named.get("fairness")),
        "slots": [_slot(each) for each in told["slots"]],
        "history": [_event(each) for each in told["history"]],
    }


def _slot(told: Mapping[str, Any]) -> Row:
    state = "admitted" if told["admitted"] else "not admitted"
    return (
        told["slot"],
        "BREAK-GLASS" if told["break_glass"] else state,
        ", ".join(f"{count} × {role}" for role, count in told["wanted"].items()) or "nobody",
        ", ".join(f"{person} ({role})" for role, person in told["approved_by"]),
        "" if told["expires"] is None else day(told["expires"]),
        "; ".join(told["reasons"]),
    )


def _event(told: Mapping[str, Any]) -> Row:
    at = told["at"]
    return (
        told["offset"],
        ("break-glass " if told["break_glass"] else "") + told["kind"],
        told["by"],
        told["role"] or "",
        day(at) if isinstance(at, int | float) else "",
        told["rationale"] or "",
    )


def _result(told: Mapping[str, Any]) -> GateResult | None:
    """A gate's result, when it is one of ours with figures: its signer may have written anything."""
    try:
        return GateResult.model_validate(told)
    except ValidationError:
        return None


def _section(result: GateResult | None) -> Markup | None:
    if result is None or not result.figures:
        return None
    try:
        return Markup(section(result))  # noqa: S704 — it escapes every text
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None  # figures of another form than our gate's


def _metrics(result: GateResult | None) -> list[Row]:
    found = {} if result is None else result.figures
    return [
        (
            name,
            figure(each.get("value")),
            f"{figure(each.get('low'))} to {figure(each.get('high'))}",
            figure(each.get("live")),
        )
        for name, each in found.items()
        if isinstance(each, dict)
    ]


def _groups(result: GateResult | None) -> list[Row]:
    rows: list[Row] = []
    for attribute, found in ({} if result is None else result.figures).items():
        groups = found.get("groups") if isinstance(found, dict) else None
        for group, each in (groups if isinstance(groups, dict) else {}).items():
            if isinstance(each, dict):
                rates = (
                    figure(each.get(key))
                    for key in ("count", "rate", "true_positive_rate", "false_positive_rate")
                )
                rows.append(
                    (attribute, group, *rates, "yes" if each.get("judged") is True else "no: too small")
                )
    return rows
