"""Entries that are read together: each rule taken out of a copy, and the tests that hold the two ways together fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

SHAPE = "audit/shapes/shape.py"
ALIKE = "audit/shapes/alike.py"
RUNS = "audit/shapes/runs.py"
PAYLOADS = "audit/shapes/payloads.py"
INTAKE = "audit/notary/intake.py"
COLUMNS = "audit/archive/alike.py"

ON_SHAPES = "tests/unit/audit/shapes/test_shapes.py"
ON_INTAKE = "tests/unit/audit/notary/test_intake.py"
ON_COLUMNS = "tests/unit/audit/archive/test_columns.py"

COPIED = (
    "audit",
    "tests/__init__.py",
    "tests/components/__init__.py",
    "tests/components/sworn.py",
    "tests/golden/journal",
    "tests/unit/audit/archive/test_columns.py",
    "tests/unit/audit/notary/test_intake.py",
    "tests/unit/audit/shapes",
)

MUTATIONS = (
    Mutation(
        "the template",
        SHAPE,
        "np.bitwise_or.reduce(differing, axis=1) == 0",
        "differing[:, 0] == 0",
        ON_SHAPES,
    ),
    Mutation(
        "numbers in more bytes than they need",
        SHAPE,
        "numbers(rows, span) >= least",
        "True",
        ON_SHAPES,
        short=True,
    ),
    Mutation(
        "numbers that are no numbers", SHAPE, "(rows[:, span.start] & 0x1F) < _INLINE", "True", ON_SHAPES
    ),
    Mutation("texts beyond ASCII", SHAPE, "0x80 if span.form is Form.TEXT else 0", "0", ON_SHAPES),
    Mutation(
        "fields of later versions", SHAPE, " or any(key >= FIRST_FREE_KEY for key in fields)", "", ON_SHAPES
    ),
    Mutation("the kind", SHAPE, "for span in parts if key else ():", "for span in parts:", ON_SHAPES),
    Mutation(
        "lengths without a bound",
        ALIKE,
        "                self._known.clear()",
        "                pass",
        ON_SHAPES,
    ),
    Mutation(
        "payloads that were left out",
        INTAKE,
        "found.wrong if _EXTERNAL in each else found.wrong | found.absent",
        "found.wrong",
        ON_INTAKE,
    ),
    Mutation(
        "the chain of a run",
        RUNS,
        "        follows &= (self._chains[1:] == before).all(axis=1)\n",
        "",
        ON_INTAKE,
    ),
    Mutation(
        "the journal of a run",
        RUNS,
        "        follows &= (self.journals[1:] == self.journals[:-1]).all(axis=1)\n",
        "",
        ON_INTAKE,
    ),
    Mutation(
        "the epoch of a run",
        RUNS,
        "        follows &= self._epochs[1:] == self._epochs[:-1]\n",
        "",
        ON_INTAKE,
    ),
    Mutation(
        "numbers that begin again",
        RUNS,
        "        follows &= sequences[1:] != 0",
        "        follows &= True",
        ON_INTAKE,
    ),
    Mutation(
        "what a run begins with",
        RUNS,
        "if run and journals.follows(",
        "if run and (at or True) or journals.follows(",
        ON_INTAKE,
    ),
    Mutation(
        "a payload's digest",
        PAYLOADS,
        "(digests.reshape(-1, 32) == alike.data(_DIGEST)).all(axis=1) & ",
        "",
        ON_INTAKE,
    ),
    Mutation("a payload's length", PAYLOADS, " & (lengths == said)", "", ON_INTAKE),
    Mutation(
        "another key",
        INTAKE,
        "        chains.plain &= _fitting_keys(records, chains.journals)\n",
        "",
        ON_INTAKE,
    ),
    Mutation("a silent journal", INTAKE, "deadline > 0 and max(", "False and max(", ON_INTAKE),
    Mutation(
        "numbers that no reader takes",
        COLUMNS,
        "mask=large if large.any() else None",
        "mask=None",
        ON_COLUMNS,
    ),
    Mutation(
        "the order of rows",
        "audit/archive/columns.py",
        "columns.take(np.argsort(np.concatenate(order)))",
        "columns",
        ON_COLUMNS,
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
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
