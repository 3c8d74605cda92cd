"""Each guard against entries forged under others' record ids is taken out once, in a copy, and the tests must fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = [pytest.mark.fault, pytest.mark.timeout(400)]

FORGED = "tests/fault/attacks/test_forged_records.py"
SOURCE = "tests/unit/audit/test_replay.py"
RECORDS, LINKS = "audit/auditor/records.py", "audit/auditor/links.py"
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
    Mutation(
        "the first entry of a sequence is taken along",
        LINKS,
        "        return leaf_hash(entry.raw) == chain\n",
        "        return True\n",
        f"{FORGED} -k neighbour",
        short=True,
    ),
    Mutation(
        "what is said to be signed is signed",
        LINKS,
        "    return entry.kind in SIGNED_KINDS and signature_holds(entry, key)\n",
        "    return entry.kind in SIGNED_KINDS\n",
        f"{FORGED} -k heartbeat",
    ),
    Mutation(
        "the first key is the journal's",
        LINKS,
        "for journal, keys in named.items() if len(keys) == 1}, wrong",
        "for journal, keys in named.items()}, wrong",
        f"{FORGED} -k opening",
    ),
    Mutation(
        "the way behind a record that does not fit is left out",
        LINKS,
        "                return Way(kept | taken, None)\n",
        "                return Way(kept, None)\n",
        f"{FORGED} -k alone",
    ),
    Mutation(
        "what was left out is not said",
        "audit/auditor/evidence.py",
        '        broken += take_along(each, own, keys[each.place], begin("signatures", length))\n',
        '        take_along(each, own, keys[each.place], begin("signatures", length))\n',
        f"{FORGED} -k dropped",
    ),
    Mutation(
        "a bundle with flaws is one like others",
        "cli/audit_bundle.py",
        "    if shown.flaws or any(lack.wrong for lack in made.lacks):\n",
        "    if any(lack.wrong for lack in made.lacks):\n",
        f"{FORGED} -k asked_for",
    ),
    Mutation(
        "a bundle with flaws is written unasked",
        "cli/audit_bundle.py",
        "    if shown.flaws and not with_flaws:\n",
        "    if False:\n",
        f"{FORGED} -k asked_for",
    ),
    Mutation(
        "the report does not say what is wrong",
        "audit/auditor/evidence.py",
        "        report.flaws = [str(flaw) for flaw in flaws]\n",
        "        report.flaws = ()\n",
        f"{FORGED} -k asked_for",
    ),
    Mutation(
        "of two entries the first is the journal's",
        "audit/proof/journals.py",
        "next((each for each in some if leaf_hash(each[1].raw) in chains), some[0])",
        "some[0]",
        f"{FORGED} -k asked_for",
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
