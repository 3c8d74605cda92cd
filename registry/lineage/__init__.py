"""Where a package came from: collected when it is published, never guessed (docs/model-package.md, section 3)."""

from __future__ import annotations

from .code import GitState, code_state, git_state
from .data import DataSet, data_set, profile
from .document import lineage_json
from .origin import STAGES, Origin, Run, parse_run

__all__ = [
    "STAGES",
    "DataSet",
    "GitState",
    "Origin",
    "Run",
    "code_state",
    "data_set",
    "git_state",
    "lineage_json",
    "parse_run",
    "profile",
]
