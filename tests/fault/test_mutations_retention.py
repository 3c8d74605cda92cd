"""Deletion of payloads without one of its guards: a test fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from .mutation import Mutation, assert_caught, params, run

PLAN, DELETION, COMMAND = "audit/retention/plan.py", "registry/deletion.py", "cli/retention.py"
WORD = "registry/payload_word.py"
UNIT, ALL = "tests/unit/audit/retention/test_plan.py", "tests/integration/test_retention.py"
COPIED = (
    "audit", "cli", "service", "registry", "monitoring", "examples/credit/german_credit.csv", "tests/__init__.py",
    "tests/conftest.py", "tests/components", UNIT, ALL,
)  # fmt: skip
OPEN = "cli/retention_open.py"
MUTATIONS = (
    Mutation("what is not old enough", PLAN, "newest >= before", "newest > before + DAY_MS", UNIT),
    Mutation("what the log has", PLAN, "first < file.end", "False", UNIT, short=True),
    Mutation("to its last offset", PLAN, "first < file.end", "first < file.end - 1", UNIT),
    Mutation("statements", PLAN, "pa.array(_STATEMENTS)", 'pa.array(["none"])', UNIT),
    Mutation(
        "an age that nobody knows", PLAN,
        "        return Range(file, State.UNKNOWN, there)", "        return Range(file, State.DUE, there)", UNIT,
    ),
    Mutation("large payloads that are there", PLAN, "any(map(places.in_object_store, external))", "True", UNIT),
    Mutation("large payloads go too", OPEN, "            self.external.remove(digest)", "            pass", ALL),
    Mutation("the minimum", COMMAND, "days < settings.payload_min_days", "False", ALL),
    Mutation("the role", OPEN, "return self.roots.now.person(key, role, self.end)", "return key", ALL),
    Mutation(
        "whose word counts", WORD,
        "roots.at(said.offset).person(said.author, role, said.offset) if said.holds else None", "said.author", ALL,
    ),
    Mutation("what was kept back", WORD, "if not each.kept_back(content.at):", "if True:", ALL),
    Mutation("whose files", DELETION, "    if said.subjects != tuple(_subjects(content)):", "    if False:", ALL),
    Mutation("other files", DELETION, "file is None or file.part is not Part.PAYLOADS", "False", ALL),
    Mutation(
        "said before it is done", COMMAND,
        "        say(files)\n        for each in together:\n            found.remove(each)\n",
        "        for each in together:\n            found.remove(each)\n        say(files)\n"
        "        for each in together:\n",
        ALL,
    ),
)  # fmt: skip


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
