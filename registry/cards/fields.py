"""The fields that people fill in: their names, what each asks, and the models that a file is held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, create_model


class Asked(NamedTuple):
    """One field."""

    title: str
    asks: str
    short: bool = False
    """A name, a word or a date is enough."""


PEOPLE: Final[Mapping[str, Asked]] = {
    "purpose": Asked("Purpose", "What the model is for, and who decides what with its answers."),
    "owners": Asked("Owners", "Who answers for it.", True),
    "intended_use": Asked("Intended use", "Where, on whom and by whom it may be used."),
    "out_of_scope": Asked("Out of scope", "What it must not be used for."),
    "limits": Asked("Limits", "Where its answers are poor, and what it was not tested on."),
    "bias_notes": Asked("Bias", "What is known of unequal treatment, and what was done about it."),
    "privacy_flags": Asked("Privacy", "Which personal data it takes or may reveal."),
}
DATA_SHEET: Final[Mapping[str, Asked]] = {
    "motivation": Asked("Motivation", "Why and for whom the data was gathered."),
    "collection": Asked("Collection", "How, when and by whom it was gathered."),
    "people": Asked("People", "Whose data it is, and how they were told or asked."),
    "sources": Asked("Sources", "Where it came from, and in which versions."),
    "preprocessing": Asked("Preprocessing", "What was cleaned, labelled, filled in or left out."),
    "known_gaps": Asked("Known gaps", "Who or what is missing or over-represented in it."),
    "licence": Asked("Licence", "Under which terms it may be used.", True),
    "retention": Asked("Retention", "How long it is kept, and how it is erased."),
    "contact": Asked("Contact", "Who answers questions about it.", True),
}
RISKS: Final[Mapping[str, Asked]] = {
    "context": Asked("Context", "Which decision it serves, under which law, and what happens without it."),
    "affected": Asked("Who is affected", "Whom its answers concern, the vulnerable among them."),
    "harms": Asked("Harms", "What can go wrong for them, misuse included."),
    "likelihood": Asked("Likelihood", "How likely each harm is, and what that rests on."),
    "severity": Asked("Severity", "How bad each harm is, and whether it can be undone."),
    "mitigations": Asked("Mitigations", "What makes each harm less likely or less bad."),
    "residual_risk": Asked("Residual risk", "What is left, and why it is accepted."),
    "human_oversight": Asked(
        "Human oversight", "Who can step in, when and how, and how people contest an answer."
    ),
    "monitoring": Asked("Monitoring", "What is watched while it answers, and what stops it."),
    "assessor": Asked("Assessor", "Who made this assessment.", True),
    "date": Asked("Date", "When, and when it is to be looked at again.", True),
}

Texts = str | list[str] | None


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _model(name: str, fields: Mapping[str, Asked]) -> Any:
    made: dict[str, Any] = {
        key: (Annotated[Texts, Field(description=asked.asks)], None) for key, asked in fields.items()
    }
    return create_model(name, __base__=_Section, **made)


DataSheet: Final = _model("DataSheet", DATA_SHEET)
RiskAssessment: Final = _model("RiskAssessment", RISKS)


class DocumentsModel(BaseModel):
    """documents.yaml."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    purpose: Texts = None
    owners: Texts = None
    intended_use: Texts = None
    out_of_scope: Texts = None
    limits: Texts = None
    bias_notes: Texts = None
    privacy_flags: Texts = None
    data_sheet: DataSheet | str | list[str] | None = None  # type: ignore[valid-type]
    risk_assessment: RiskAssessment | None = None  # type: ignore[valid-type]


def schema() -> dict[str, Any]:
    """The JSON schema of documents.yaml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://affiant.dev/documents/v1",
        **DocumentsModel.model_json_schema(),
    }


def template() -> str:
    """A documents.yaml in which nothing is filled in, each field with what it asks."""
    lines = [
        "# What people know about the model. `affiant card render` shows it; `affiant gate run --documents` requires",
        "# what the policy names. A field that is left empty is said to be missing.",
    ]
    lines += [line for name, asked in PEOPLE.items() for line in ("", f"# {asked.asks}", f"{name}:")]
    for section, fields in (("data_sheet", DATA_SHEET), ("risk_assessment", RISKS)):
        lines += ["", f"{section}:"]
        lines += [line for name, asked in fields.items() for line in (f"  # {asked.asks}", f"  {name}:")]
    return "\n".join(lines) + "\n"
