"""Erasure of single records without one of its guards: a test fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from .mutation import Mutation, assert_caught, params, run

REWRITE, PLAN, ERASE = "audit/erasure/rewrite.py", "audit/erasure/plan.py", "audit/erasure/erase.py"
STATEMENT, WORD = "registry/erasure.py", "registry/payload_word.py"
COMMAND, SELECT, RETENTION = "cli/erase.py", "cli/erase_select.py", "audit/retention/plan.py"
SAID, DIRECTORY, SURVEY = "audit/auditor/said.py", "audit/objects/directory.py", "audit/auditor/survey.py"
UNIT, ALL = "tests/unit/audit/erasure/test_rewrite.py", "tests/integration/test_erasure.py"
COPIED = (
    "audit", "cli", "service", "registry", "monitoring", "examples/credit/german_credit.csv", "tests/__init__.py",
    "tests/conftest.py", "tests/components", UNIT, ALL,
    "tests/unit/audit/test_missing.py",
)  # fmt: skip
MUTATIONS = (
    Mutation("rows by their place", REWRITE, "offset in offsets or said", "said", UNIT),
    Mutation("rows by what is said of them", REWRITE, "or said in digests or", "or", UNIT),
    Mutation(
        "rows by what they are", REWRITE, " or sha256(payload).digest() in digests", "", UNIT, short=True
    ),
    Mutation(
        "what another has written meanwhile",
        REWRITE,
        "except ObjectChanged:\n            continue",
        "except ObjectChanged:\n            return gone",
        UNIT,
    ),
    Mutation(
        "compared, then swapped",
        REWRITE,
        "content, stored.version)",
        "content, objects.get(file.name).version)",
        UNIT,
    ),
    Mutation("drafts go too", DIRECTORY, "each.unlink(missing_ok=True)", "pass", UNIT),
    Mutation("a lock of a payload file is nobody's flaw", SURVEY, " or _LOCK.fullmatch(name)", "", UNIT),
    Mutation(
        "files that are not finished", PLAN, "file.end <= archived(item.topic, item.partition)", "True", UNIT
    ),
    Mutation("what they are left as", ERASE, "and Place.ARCHIVE in each.places", "", UNIT),
    Mutation(
        "another record's place",
        PLAN,
        " and (some[offset].proved or digest == some[offset].item.digest)",
        "",
        UNIT,
    ),
    Mutation("what is young", PLAN, "each.logged < before)", "each.logged <= before)", UNIT),
    Mutation(
        "an age that nobody knows",
        PLAN,
        "each.logged is not None and each.logged < before",
        "(each.logged or 0) < before",
        UNIT,
    ),
    Mutation("what the log has", PLAN, "first <= item.offset", "first < item.offset", UNIT),
    Mutation(
        "gone is not erased", PLAN, "State.NOWHERE if said is None else State.ERASED", "State.ERASED", UNIT
    ),
    Mutation(
        "what the object store has is hashed", SAID, "if sha256(stored).digest() == digest:", "if True:", ALL
    ),
    Mutation(
        "what retention has deleted is of its range",
        "audit/auditor/missing.py",
        "if at < 0 or offset >= self._ranges[at][1]:",
        "if at < 0:",
        "tests/unit/audit/test_missing.py",
    ),
    Mutation(
        "missing is not erased",
        SAID,
        "        if told is None:\n            return False\n",
        "        told = told or next(iter(self._erased.values()))\n",
        UNIT,
    ),
    Mutation(
        "exchanged is not erased",
        SAID,
        "elif sha256(payload).digest() != digest or",
        "elif digest not in self._erased and sha256(payload).digest() != digest or",
        UNIT,
    ),
    Mutation(
        "said before it is done",
        COMMAND,
        "    if new:\n        found.say(new, signer, person, why, despite_minimum=despite_minimum)\n"
        '    with bar("erasing") as progress:\n        found.erase(due, progress)\n    return due',
        '    with bar("erasing") as progress:\n        found.erase(due, progress)\n'
        "    if new:\n        found.say(new, signer, person, why, despite_minimum=despite_minimum)\n    return due",
        ALL,
    ),
    Mutation("said once", COMMAND, "if each.told is None]", "]", ALL),
    Mutation("the role", COMMAND, "if person is None:", "if False:", ALL),
    Mutation(
        "whose word counts",
        WORD,
        "        if person is None:\n            continue\n",
        "        person = person or each.author\n",
        ALL,
    ),
    Mutation(
        "another role's word",
        STATEMENT,
        "PAYLOAD_ERASURE, ERASE_ROLE, parse_erasure",
        'PAYLOAD_ERASURE, "retention", parse_erasure',
        ALL,
    ),
    Mutation(
        "what was kept back",
        WORD,
        "if not each.kept_back(content.at):",
        "if True:",
        ALL,
    ),
    Mutation("whose payloads", STATEMENT, "if said.subjects != tuple(_subjects(content)):", "if False:", ALL),
    Mutation(
        "the minimum",
        COMMAND,
        "selected.wanted(), progress, minimum=not despite_minimum)\n    erased",
        "selected.wanted(), progress, minimum=False)\n    erased",
        ALL,
    ),
    Mutation("whose label nobody knows", SELECT, "own = sorted(named - shared)", "own = sorted(named)", ALL),
    Mutation("what the archive says otherwise", SELECT, "if wrong is None:", "if True:", ALL),
    Mutation("erased to retention", RETENTION, "State.GONE if untold else State.ERASED", "State.GONE", ALL),
    Mutation(
        "there, and told as erased",
        RETENTION,
        " or bool(outside and places.in_object_store(digest))",
        "",
        ALL,
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
