"""Each guard against entries forged under others' record ids is taken out once, in a copy, and the tests must fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = [pytest.mark.fault, pytest.mark.timeout(400)]

FORGED = "tests/fault/attacks/test_forged_records.py"
SOURCE = "tests/unit/audit/test_replay.py"
RECORDS = "audit/auditor/records.py"
COPIED = (
    "audit",
    "cli",
    "monitoring",
    "registry",
    "service",
    "tests/__init__.py",
    "tests/components",
    "tests/fault/__init__.py",
    "tests/fault/attacks",
    SOURCE,
)

MUTATIONS = (
    Mutation(
        "of two entries the first has the receipt",
        RECORDS,
        "        if len(found) > 1:\n",
        "        if False:\n",
        f"{FORGED} -k receipt",
        short=True,
    ),
    Mutation(
        "the same entry twice is two",
        RECORDS,
        "                if proved.entry.raw not in seen:\n",
        "                if True:\n",
        f"{FORGED} -k twice",
    ),
    Mutation(
        "other entries are not shown",
        RECORDS,
        '            "no other entry there has its id": not more,\n',
        '            "no other entry there has its id": True,\n',
        f"{FORGED} -k show",
    ),
    Mutation(
        "a neighbour is blamed for a forged one",
        RECORDS,
        "next((each for each in before if leaf_hash(each.raw) == chain), next(iter(before), None))",
        "next(iter(before), None)",
        f"{FORGED} -k show",
    ),
    Mutation(
        "the next entry is the first that says so",
        RECORDS,
        "next((each for each in after if each.get(Key.CHAIN) == own), next(iter(after), None))",
        "next(iter(after), None)",
        f"{FORGED} -k show",
    ),
    Mutation(
        "the first place of a record is replayed alone",
        "audit/replay/source.py",
        "                    places.append(Part(partition, found.offset, found.offset + 1))\n",
        "                    return [Part(partition, found.offset, found.offset + 1)]\n",
        f"{SOURCE} -k name",
    ),
    Mutation(
        "what lies around two records is read twice",
        "audit/replay/source.py",
        " and around.first <= last.end:\n",
        " and False:\n",
        f"{SOURCE} -k once",
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
