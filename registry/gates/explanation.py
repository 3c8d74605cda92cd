"""Explanation: contributions are there, and with the bias they add up to what the model adds up.

binary       the margin: log-odds of the score
regression   the value, in parts of the largest answer (its unit is the target's own); or the value's logarithm or
             log-odds, for models that add up there (Poisson, gamma, logistic): whichever all rows agree with best
multiclass   each class' margin: the logarithm of its probability, but for what all classes of a row share
"""

from __future__ import annotations

from collections.abc import Callable

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
_SMALLEST = 2.0**-126
"""Of float32, in full precision."""
Numbers = NDArray[np.float64]


def judge(package: Package, datasets: Datasets, limits: Explanation) -> Outcome:
    """The runtime's exact contributions, or the sampled permutation explainer where it has none."""
    signature = package.signature
    model = load(package)
    rows = np.ascontiguousarray(datasets.sample(signature, limits.rows))
    scores = _answers(model, rows)
    method, parts = _explain(model, rows, package.golden.rows)
    if parts.shape != (*scores.shape, signature.width + 1) or not np.isfinite(parts).all():
        raise CannotJudge("the contributions are not one finite number for each feature")
    found = {name: float(gap.max()) for name, gap in _GAPS[signature.task](scores, parts.sum(axis=2)).items()}
    to = min(found, key=found.__getitem__)
    worst = found[to]
    failed = not worst <= limits.tolerance
    failures = (f"sums differ from {to} by {worst:.3g}; {limits.tolerance:g} is allowed",) if failed else ()
    figures = {"method": method, "rows": len(rows), "largest_difference": worst, "adds_up_to": to}
    return Outcome(failures, figures, {"runtime": model.runtime})


def margin(scores: Numbers) -> Numbers:
    """Log-odds; scores of exactly 0 or 1 are taken half a float32 step inside."""
    inside = np.clip(scores, _SMALLEST, 1 - 2.0**-25)
    found: Numbers = np.log(inside) - np.log1p(-inside)
    return found


def _answers(model: LoadedModel, rows: Rows) -> Numbers:
    """[n, outputs]."""
    found = model.predict(np.ascontiguousarray(rows)).astype(np.float64)
    return found.reshape(len(rows), -1)


def _explain(model: LoadedModel, rows: Rows, background: Rows) -> tuple[str, Numbers]:
    """How, and contributions [n, outputs, width + 1]."""
    try:
        exact = model.explain(rows).astype(np.float64)
        return "exact", exact[:, None, :] if exact.ndim == 2 else exact
    except NotExplainable:
        pass
    added = _ADDED[model.signature.task]

    def answer(output: int) -> Callable[[Rows], Numbers]:
        return lambda given: added(_answers(model, given))[:, output]

    outputs = range(model.signature.outputs)
    return "permutation", np.stack([contributions(answer(each), rows, background) for each in outputs], 1)


def _logarithms(scores: Numbers) -> Numbers:
    return _apart(np.log(np.maximum(scores, _SMALLEST)))


def _apart(values: Numbers) -> Numbers:
    """Without what all of a row share: softmax takes it out of the margins."""
    found: Numbers = values - values.mean(axis=1, keepdims=True)
    return found


def _binary(scores: Numbers, sums: Numbers) -> dict[str, Numbers]:
    return {"the margin": _from_log_odds(scores, sums)}


def _from_log_odds(scores: Numbers, sums: Numbers) -> Numbers:
    # The score is a float32: near 1 its last bit alone moves the margin by this much (d margin = d p / (p (1 - p))).
    gaps = np.abs(sums - margin(scores)) - _ROUNDING / np.maximum(1 - scores, 2.0**-24)
    found: Numbers = np.maximum(gaps, 0)
    return found


def _regression(scores: Numbers, sums: Numbers) -> dict[str, Numbers]:
    # In parts of the largest: a tolerance in euros would be another one in millions of euros.
    found = {"the value": np.abs(sums - scores) / (float(np.abs(scores).max()) or 1.0)}
    if (scores > 0).all():
        found["the value's logarithm"] = np.abs(sums - np.log(scores))
        if (scores < 1).all():
            found["the value's log-odds"] = _from_log_odds(scores, sums)
    return found


def _multiclass(scores: Numbers, sums: Numbers) -> dict[str, Numbers]:
    return {"the classes' margins": np.abs(_apart(sums) - _logarithms(scores))}


_GAPS = {"binary": _binary, "regression": _regression, "multiclass": _multiclass}
_ADDED: dict[str, Callable[[Numbers], Numbers]] = {
    "binary": margin, "regression": lambda scores: scores, "multiclass": _logarithms,
}  # fmt: skip
