"""Each guard of what `affiant audit` and its bench print and write is taken out once, in a copy; tests must fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

COMPLETENESS = "cli/audit_completeness.py"
OF_COMPLETENESS = "tests/unit/cli/test_audit_completeness.py"
BUNDLE, OF_BUNDLE = "cli/audit_bundle.py", "tests/unit/cli/test_audit_bundle.py"
TABLES, OF_TABLES = "audit/auditor/tables.py", "tests/unit/audit/auditor/test_tables.py"
DELAY, OF_DELAY = "bench/harness/notary.py", "tests/unit/bench/test_notary.py"
COPIED = (
    "audit",
    "bench/harness",
    "service",
    "registry",
    "cli",
    "tests/__init__.py",
    "tests/components",
    OF_COMPLETENESS,
    OF_BUNDLE,
    OF_TABLES,
    OF_DELAY,
    "tests/unit/bench/conftest.py",
)

MUTATIONS = (
    Mutation(
        "an archive's name of a journal steers the terminal",
        COMPLETENESS,
        '    return printable(journal[:most] + ("" if len(journal) <= _NAMED else "…"))\n',
        '    return journal[:most] + ("" if len(journal) <= _NAMED else "…")\n',
        OF_COMPLETENESS,
        short=True,
    ),
    Mutation(
        "an archive's name of a journal fills the screen",
        COMPLETENESS,
        "printable(journal[:most] + ",
        "printable(journal + ",
        OF_COMPLETENESS,
    ),
    Mutation(
        "nobody is told that no answers were compared",
        COMPLETENESS,
        "    if rows and not held:\n",
        "    if False:\n",
        OF_COMPLETENESS,
    ),
    Mutation(
        "programs are not told that no answers were compared",
        COMPLETENESS,
        '"answers_compared": bool(held)}',
        '"answers_compared": True}',
        OF_COMPLETENESS,
    ),
    Mutation(
        "a bundle is for everybody to read",
        BUNDLE,
        "force=force, mode=0o600)",
        "force=force)",
        f"{OF_BUNDLE} -k owners_alone",
    ),
    Mutation(
        "whether a bundle can be written is found out afterwards",
        BUNDLE,
        "    check_output(output, force=force)\n",
        "",
        f"{OF_BUNDLE} -k before_the_work",
    ),
    Mutation(
        "the index is for everybody to read",
        TABLES,
        "        with owner_only():\n            yield\n",
        "        yield\n",
        OF_TABLES,
    ),
    Mutation(
        "the index's folder is for everybody to read",
        TABLES,
        "            with owner_only():\n                path.parent.mkdir(",
        "            if True:\n                path.parent.mkdir(",
        OF_TABLES,
    ),
    Mutation(
        "an earlier version's index stays for everybody to read",
        TABLES,
        "            self._path.chmod(0o600)\n",
        "            pass\n",
        OF_TABLES,
    ),
    Mutation(
        "the answers that wait longest are not waited for",
        DELAY,
        "        return now.acknowledged >= durable\n",
        "        return True\n",
        OF_DELAY,
    ),
    Mutation(
        "nobody misses answers that are not counted",
        DELAY,
        "    if found < answered:\n",
        "    if False:\n",
        OF_DELAY,
    ),
    Mutation(
        "refused requests count as answers",
        DELAY,
        " and parsed.fields[Key.STATUS] < 400",
        "",
        OF_DELAY,
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
