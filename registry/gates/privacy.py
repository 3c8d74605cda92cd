"""Privacy: personal data in column names and text columns, found by Presidio's recognisers and by words of names.

Looked at are the package's own feature names and categories (they stand in it for everybody to read), and the
sampled rows of the hold-out and of the training table where they are given. A report names columns, entities and
counts; a value that was found MUST NOT be in it: it goes into a log that forgets nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from registry.package import Package
from registry.policy.gates import Privacy
from registry.table import Table, texts

from .base import CannotJudge, Datasets, Outcome
from .names import entity_of, words_of

NEEDS = ("the hold-out or the training table", "the extra gates")
_DIGITS: Final = 9
"""Whole numbers with so many digits are read as text: cards, accounts and telephones come as numbers, too."""
_FLOORS: Final[Mapping[str, float]] = {"PHONE_NUMBER": 0.4}
"""Entity → the score from which it counts, whatever higher one the policy has. Presidio scores a telephone number that
libphonenumber takes for one 0.4 and no more, where the text around it says nothing: 0.5 would let it through."""


class Finding(Protocol):
    """What a recogniser found in a text; Presidio's RecognizerResult."""

    entity_type: str
    score: float


class Analyzer(Protocol):
    """Finds personal data in texts. It MUST NOT ask the network."""

    recognizers: tuple[str, ...]
    """Which ran."""
    ner: str | None
    """The NER model among them, with its version."""
    versions: Mapping[str, str]

    def analyze(self, text: str, context: list[str]) -> Iterable[Finding]:
        """What is in a text. `context`: words of the column's name, which make a finding more or less likely."""


@dataclass(slots=True)
class _Column:
    """What is in one column, whichever source has it."""

    cells: Counter[str] = field(default_factory=Counter)
    """Text → rows."""
    found: dict[str, dict[str, float]] = field(default_factory=dict)
    """Entity → cells (distinct), rows, score (the highest)."""


def judge(package: Package, datasets: Datasets, limits: Privacy, analyzer: Analyzer | None = None) -> Outcome:
    """No finding at or above `limits.score`, or its entity's own floor, in a column that may not have it."""
    tables = [table for table in (datasets.holdout, datasets.training) if table is not None]
    if not tables:
        raise CannotJudge("no hold-out and no training table was given")
    _same_training(package, datasets.training)
    ours = analyzer or _presidio(limits)
    columns = _columns(package, tables, limits.sample_rows)
    failures: list[str] = []
    shown: dict[str, Any] = {}
    for name, column in columns.items():
        by_name = entity_of(name)
        for text, rows in column.cells.items():
            _look(ours, text, rows, words_of(name), limits.score, column)
        if by_name is None and not column.found:
            continue
        allowed = name in limits.columns_allowed
        shown[name] = {"by_name": by_name, "entities": column.found, "allowed": allowed}
        if not allowed:
            failures += _failures(name, by_name, column, frozenset(limits.allowed))
    figures = {
        "columns": len(columns),
        "texts": sum(len(column.cells) for column in columns.values()),
        "rows": [min(len(table), limits.sample_rows) for table in tables],
        "found": shown,
        "recognizers": list(ours.recognizers),
        "ner": ours.ner,
    }
    return Outcome(tuple(failures), figures, ours.versions)


def _presidio(limits: Privacy) -> Analyzer:
    from .presidio import PresidioAnalyzer

    return PresidioAnalyzer(ner=limits.require_ner)


def _same_training(package: Package, table: Table | None) -> None:
    told = package.lineage.get("training_table", {})
    digest = str(told.get("sha256", "")) if isinstance(told, dict) else ""
    if table is not None and not digest.endswith(table.sha256):
        raise CannotJudge(f"{table.file} is not the table that the package says it was trained on")


def _columns(package: Package, tables: list[Table], sample: int) -> dict[str, _Column]:
    """Every column, with its texts; those without text are here for their names."""
    columns: dict[str, _Column] = {}
    for feature in package.signature.features:
        # No rows: they stand in the signature.
        columns[feature.name] = _Column(Counter(dict.fromkeys(feature.categories, 0)))
    for table in tables:
        places = np.unique(np.linspace(0, len(table) - 1, min(sample, len(table))).astype(int))
        frame = table.frame.iloc[places]
        for name in frame.columns:
            columns.setdefault(name, _Column()).cells.update(_texts(frame[name]))
    return columns


def _texts(column: Any) -> Iterator[str]:
    """A column's cells that are text, or whole numbers as long as somebody's number."""
    import pandas as pd

    if pd.api.types.is_bool_dtype(column):
        return
    numeric = pd.api.types.is_numeric_dtype(column)
    for text in texts(column):
        if text is None or (numeric and not _long(text)):
            continue
        yield text


def _long(number: str) -> bool:
    digits = number.removeprefix("-")
    return digits.isdigit() and len(digits) >= _DIGITS


def _look(
    analyzer: Analyzer, text: str, rows: int, context: list[str], least: float, column: _Column
) -> None:
    highest: dict[str, float] = {}
    for found in analyzer.analyze(text, context):
        if found.score >= min(least, _FLOORS.get(found.entity_type, least)):
            highest[found.entity_type] = max(found.score, highest.get(found.entity_type, 0.0))
    for entity, score in sorted(highest.items()):
        told = column.found.setdefault(entity, {"cells": 0, "rows": 0, "score": 0.0})
        told["cells"] += 1
        told["rows"] += rows
        told["score"] = max(told["score"], round(score, 4))


def _failures(name: str, by_name: str | None, column: _Column, allowed: frozenset[str]) -> Iterator[str]:
    if by_name is not None and by_name not in allowed:
        yield f"{name!r} is named like {by_name}"
    for entity, told in column.found.items():
        if entity not in allowed:
            yield f"{name!r} has {entity} in {told['cells']:g} texts of {told['rows']:g} rows"
