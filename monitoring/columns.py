"""What a package's columns are called wherever anybody is told of them: metrics, figures, evidence, pages.

A feature by its own name, a score behind `score:`. Whether a column is what was asked or what was answered decides
whether a package is rolled back for it, and is told by that name alone: so a feature that is itself called `score:…`
stands behind `input:`. No two columns of a package have the same name.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from registry.reference import Column, Reference

SCORE: Final = "score:"
FEATURE: Final = "input:"
_TAKEN: Final = re.compile(f"(?:{FEATURE})*{SCORE}")


def columns_of(reference: Reference) -> tuple[Column, ...]:
    """The features, then the scores, each by the name that is told."""
    features = (replace(each, name=feature_name(each.name)) for each in reference.features)
    return (*features, *(replace(each, name=SCORE + each.name) for each in reference.scores))


def feature_name(name: str) -> str:
    """What a feature of this name is called. MUST NOT give two features one name, nor any a score's."""
    return FEATURE + name if _TAKEN.match(name) else name


def is_score(name: str) -> bool:
    """Whether a column that is called so is one of the model's answers."""
    return name.startswith(SCORE)
