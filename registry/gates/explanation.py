"""Explanation: contributions are there, and with the bias they add up to the model's margin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from registry.errors import NotExplainable
from registry.package import Package
from registry.policy.gates import Explanation
from registry.runtimes import LoadedModel, Rows, load

from .base import CannotJudge, Datasets, Outcome
from .permutation import contributions

NEEDS = ("the hold-out",)

_ROUNDING = 2.0**-23


def judge(package: Package, datasets: Datasets, limits: Explanation) -> Outcome:
    """The runtime's exact contributions, or the sampled permutation explainer where it has none."""
    task = package.signature.task
    if task != "binary":
        raise CannotJudge(f"margins of a {task} model are not known here")
    model = load(package)
    rows = np.ascontiguousarray(datasets.sample(package.signature, limits.rows))
    scores = model.predict(rows).reshape(-1).astype(np.float64)
    method, parts = _explain(model, rows, package.golden.rows)
    if parts.shape != (len(rows), package.signature.width + 1) or not np.isfinite(parts).all():
        raise CannotJudge("the contributions are not one finite number for each feature")
    gaps = np.abs(parts.sum(axis=1) - margin(scores))
    # The score is a float32: near 1 its last bit alone moves the margin by this much (d margin = d p / (p (1 - p))).
    over = np.maximum(gaps - _ROUNDING / np.maximum(1 - scores, 2.0**-24), 0)
    worst = float(over.max())
    failed = not worst <= limits.tolerance
    failures = (
        (f"sums differ from the margin by {worst:.3g}; {limits.tolerance:g} is allowed",) if failed else ()
    )
    figures = {"method": method, "rows": len(rows), "largest_difference": worst}
    return Outcome(failures, figures, {"runtime": model.runtime})


def margin(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds; scores of exactly 0 or 1 are taken half a float32 step inside."""
    inside = np.clip(scores, 2.0**-126, 1 - 2.0**-25)
    found: NDArray[np.float64] = np.log(inside) - np.log1p(-inside)
    return found


def _explain(model: LoadedModel, rows: Rows, background: Rows) -> tuple[str, NDArray[np.float64]]:
    try:
        return "exact", model.explain(rows).astype(np.float64)
    except NotExplainable:
        pass

    def answer(given: Rows) -> NDArray[np.float64]:
        return margin(model.predict(np.ascontiguousarray(given)).reshape(-1).astype(np.float64))

    return "permutation", contributions(answer, rows, background)
