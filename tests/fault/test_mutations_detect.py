"""The statistics of drift detection: each rule taken out of a copy, and a test that holds it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = [pytest.mark.fault, pytest.mark.timeout(400)]

EDETECTOR = "monitoring/detect/edetector.py"
EFFECT = "monitoring/detect/effect.py"
EDGES = "monitoring/detect/edges.py"
FIGURES = "monitoring/detect/figures.py"
JUDGE = "monitoring/detect/judge.py"
PSI = "monitoring/detect/psi.py"
KS = "monitoring/detect/ks.py"

ON = "tests/unit/monitoring/detect"
ON_EDETECTOR = f"{ON}/test_edetector.py"
ON_EFFECT = f"{ON}/test_effect.py"
ON_FIGURES = f"{ON}/test_figures.py"
ON_JUDGE = f"{ON}/test_judge.py"
ON_CLASSIC = f"{ON}/test_classic.py"
ON_PSI = f"{ON}/test_psi.py"
ON_KS = f"{ON}/test_ks.py"
ON_WEIGH = "tests/unit/monitoring/controller/test_weigh.py"

COPIED = ("audit", "monitoring", "registry", "tests/__init__.py", "tests/components", ON, ON_WEIGH)

MUTATIONS = (
    # ---------------------------------------------------------------- the e-detector
    Mutation("the design effect", EDETECTOR, " / effect[self._column]", "", ON_EDETECTOR, short=True),
    Mutation("begun anew", EDETECTOR, "        after[alarm[self._column]] = -np.inf\n", "", ON_EDETECTOR),
    Mutation(
        "all columns together",
        EDETECTOR,
        "math.log(run * max(1, len(edges.starts)))",
        "math.log(run)",
        f"{ON_EDETECTOR} {ON_FIGURES}",
    ),
    Mutation("what the reference knows", EDETECTOR, "    if wanted < radius:", "    if False:", ON_EDETECTOR),
    Mutation(
        "one row would decide", EDETECTOR, "if NEAR_ZERO < q < 1 - NEAR_ZERO:", "if 0 < q < 1:", ON_EDETECTOR
    ),
    Mutation("both sides of an edge", EDETECTOR, "for side in (1, -1):", "for side in (1, 1):", ON_EDETECTOR),
    Mutation("a mean and no sum", EDETECTOR, " + safe - self._log_sizes", " + safe", ON_EDETECTOR),
    # ---------------------------------------------------------------- the design effect
    Mutation(
        "the effect before the pane",
        FIGURES,
        "        effect = self._effects.effect(state.effects)\n",
        "        effect = self._effects.effect(self._effects.step(state.effects, below, rows))\n",
        ON_FIGURES,
    ),
    Mutation(
        "chance is no effect",
        EFFECT,
        "np.where(state.mean < CHANCE, 1.0, state.mean)",
        "state.mean",
        ON_EFFECT,
    ),
    Mutation("what is long ago", EFFECT, "np.minimum(state.panes + 1, MEMORY)", "state.panes + 1", ON_EFFECT),
    Mutation(
        "edges that do not vary",
        EFFECT,
        "/ np.maximum(edges_that_vary, 1)",
        "/ np.maximum(np.bincount(edges.column), 1)",
        ON_EFFECT,
    ),
    Mutation(
        "panes without rows",
        EFFECT,
        "        keep = new[edges.column] > 0\n",
        "        keep = new[edges.column] >= 0\n",
        ON_EFFECT,
    ),
    # ---------------------------------------------------------------- where it looks
    Mutation(
        "both ends of an atom",
        EDGES,
        "            chosen |= {before, after}\n",
        "            chosen.add(after)\n",
        ON_EDETECTOR,
    ),
    Mutation(
        "the nearer end",
        EDGES,
        "before if wanted - share[before] < share[after] - wanted else after",
        "after",
        ON_EDETECTOR,
    ),
    # ---------------------------------------------------------------- distances and classic rules
    Mutation("what a bin hides", KS, "np.minimum(lower + lines.slack, 1.0)", "lower", ON_KS),
    Mutation("few rows", KS, "(root + 0.12 + 0.11 / root)", "root", ON_KS),
    Mutation("Jeffreys' prior", PSI, "PRIOR: Final = 0.5", "PRIOR: Final = 0.3", ON_PSI),
    Mutation("chance in an index", PSI, "chance = (unions - 1) *", "chance = unions *", ON_PSI),
    Mutation(
        "few rows expected",
        "monitoring/detect/chi2.py",
        "EXPECTED: Final = 5.0",
        "EXPECTED: Final = 0.0",
        ON_CLASSIC,
    ),
    Mutation(
        "a step up",
        "monitoring/detect/classic.py",
        "alpha * np.arange(1, len(p) + 1)",
        "alpha * np.arange(2, len(p) + 2)",
        ON_CLASSIC,
    ),
    # ---------------------------------------------------------------- what is made of them
    Mutation("columns that are ignored", JUDGE, "one.name not in ignore for one", "True for one", ON_JUDGE),
    Mutation(
        "rows of a page",
        JUDGE,
        "one.ks_lower >= limits.page_distance and one.rows >= limits.page_rows",
        "one.ks_lower >= limits.page_distance",
        ON_JUDGE,
    ),
    Mutation(
        "the distance of a page",
        JUDGE,
        "one.ks_lower >= limits.page_distance and one.rows",
        "one.rows",
        ON_JUDGE,
    ),
    Mutation(
        "an alarm stands", JUDGE, '    if standing.severity == "page":\n        return new\n', "", ON_JUDGE
    ),
    Mutation(
        "calm begins anew",
        JUDGE,
        "calm = sign.calm and not sign.warn and not sign.page",
        "calm = sign.calm",
        ON_JUDGE,
    ),
    Mutation(
        "an empty window is not calm",
        JUDGE,
        "calm=one.rows > 0 and one.ks_upper",
        "calm=one.ks_upper",
        ON_JUDGE,
    ),
    Mutation(
        "a clock that jumped back",
        JUDGE,
        "min(standing.quiet_until, now + limits.cooldown)",
        "standing.quiet_until",
        ON_JUDGE,
    ),
    # ---------------------------------------------------------------- what evidence is worth
    Mutation(
        "just enough rows",
        "monitoring/controller/weigh.py",
        "if evidence.window_rows < section.drift.minimum_rows:",
        "if evidence.window_rows <= section.drift.minimum_rows:",
        ON_WEIGH,
    ),
    Mutation(
        "too few rows",
        "monitoring/controller/weigh.py",
        "if evidence.window_rows < section.drift.minimum_rows:",
        "if False:",
        ON_WEIGH,
    ),
)


@pytest.mark.long
@pytest.mark.parametrize("tests", sorted({mutation.tests for mutation in MUTATIONS}))
def test_without_a_mutation_the_tests_pass(copy: Path, tests: str) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, tests)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One rule less, one failing test at least."""
    assert_caught(copy, mutation)
