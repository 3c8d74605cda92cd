"""card.md: what a person should know about a package, from what was measured when it was published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .reference import Reference
from .signature import Feature, Signature

if TYPE_CHECKING:
    from .measure import Comparison


def write_card(
    signature: Signature,
    metrics: dict[str, float],
    comparison: Comparison | None,
    reference: Reference,
    runtime: str,
    model_digest: str,
) -> str:
    """The card, in Markdown."""
    lines = [
        f"# {_escape(signature.name)}",
        "",
        f"- Task: {signature.task}{_decision(signature)}",
        f"- Model file: `{model_digest}`, golden answers made with {runtime}",
        (
            f"- Reference: {reference.rows} rows{_held_out(reference)}; a distribution is known to "
            f"±{reference.radius:.4f} (Kolmogorov–Smirnov distance, level {reference.level:g})"
        ),
        "- Golden rows: values of the training table, each column drawn on its own",
        "",
        "## Measured on the training table",
        "",
        *(
            f"- {name.removeprefix('training_').replace('_', ' ')}: {value:.4f}"
            for name, value in metrics.items()
        ),
        "",
        "These figures are for orientation: they were not measured on data that the model had not seen.",
        "",
    ]
    if comparison is not None:
        lines += [
            "## Against the source model",
            "",
            f"- Rows compared: {comparison.rows}",
            f"- Largest difference: {comparison.max_difference:.3g}, mean {comparison.mean_difference:.3g}",
            f"- Rows that differ by more than 0.0001: {comparison.rows_beyond}",
            "",
        ]
    lines += ["## Features", "", "| name | type | values | missing |", "|---|---|---|---|"]
    for feature in signature.features:
        missing = "allowed" if feature.missing else "refused"
        lines.append(f"| {_escape(feature.name)} | {feature.type} | {_values(feature)} | {missing} |")
    return "\n".join(lines) + "\n"


def _held_out(reference: Reference) -> str:
    return "" if reference.score_rows is None else f", scores of {reference.score_rows} that were held out"


def _decision(signature: Signature) -> str:
    if signature.task == "binary":
        assert signature.positive_class is not None
        return f"; {_escape(signature.positive_class)} when the score is at least {signature.threshold}"
    return "; classes " + ", ".join(map(_escape, signature.classes)) if signature.classes else ""


def _values(feature: Feature) -> str:
    if feature.type == "category":
        shown = ", ".join(_escape(text) for text in feature.categories[:8])
        more = len(feature.categories) - 8
        return shown + (f" and {more} more" if more > 0 else "")
    if feature.minimum is None:
        return "any"
    return f"{feature.minimum:g} to {feature.maximum:g}"


def _escape(text: str) -> str:
    """Text of a table or a user, so that it cannot end a cell or become a link."""
    return "".join(
        f"\\{letter}" if letter in "\\`*_[]<>|#!" else " " if letter in "\r\n" else letter for letter in text
    )
