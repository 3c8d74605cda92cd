"""Gates: what is measured of a package before it may answer."""

from __future__ import annotations

from .base import CannotJudge, Datasets, GateReport, GateResult, Outcome
from .run import run_gates

__all__ = ["CannotJudge", "Datasets", "GateReport", "GateResult", "Outcome", "run_gates"]
