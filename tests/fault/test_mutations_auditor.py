"""Each guard of what `affiant audit verify` and `search` take and say, and of the witnesses of `affiant-verify`, is
taken out once, in a copy, and the tests must fail.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

VERIFY, OF_VERIFY = "cli/audit_verify.py", "tests/unit/cli/test_audit_verify.py"
COMMAND, OF_COMMAND = (
    "audit/proof/command.py",
    "tests/unit/audit/proof/test_command.py -k witness_that_is_named",
)
QUERY, OF_QUERY = "audit/auditor/query.py", "tests/unit/audit/auditor/test_query.py"
COPIED = (
    "audit",
    "service",
    "registry",
    "monitoring",
    "cli",
    "bench/harness",
    "tests/__init__.py",
    "tests/components",
    "tests/golden",
    OF_VERIFY,
    OF_COMMAND.partition(" ")[0],
    OF_QUERY,
)

MUTATIONS = (
    Mutation(
        "what was kept of a partition that is left out is left out",
        VERIFY,
        "        if (origin := kept_head(raw)[1]) not in origins:\n",
        "        if (origin := kept_head(raw)[1]) is None:\n",
        OF_VERIFY,
    ),
    Mutation(
        "a witness that is named need not vouch",
        VERIFY,
        "        quorum = len(set(believed))",
        "        quorum = 0",
        OF_VERIFY,
    ),
    Mutation(
        "a witness that is named twice must vouch twice",
        VERIFY,
        "        quorum = len(set(believed))",
        "        quorum = len(believed)",
        OF_VERIFY,
    ),
    Mutation(
        "that no witness vouches is not said",
        VERIFY,
        "    if each.witnesses:\n",
        "    if True:\n",
        OF_VERIFY,
    ),
    Mutation(
        "what is wrong with a tree is not wrong in the JSON",
        VERIFY,
        '            "holds": not _is_wrong(found, whole),\n',
        '            "holds": not flaws,\n',
        OF_VERIFY,
    ),
    Mutation(
        "what is wrong with the store is not wrong in the JSON",
        VERIFY,
        '            "holds": not _is_wrong(found, whole),\n',
        '            "holds": not _is_wrong(found, None),\n',
        OF_VERIFY,
    ),
    Mutation(
        "a witness that the auditor's verifier is given need not vouch",
        COMMAND,
        "        return len(set(witnesses))\n",
        "        return 0\n",
        OF_COMMAND,
    ),
    Mutation(
        "a witness that the auditor's verifier is given twice must vouch twice",
        COMMAND,
        "        return len(set(witnesses))\n",
        "        return len(witnesses)\n",
        OF_COMMAND,
    ),
    Mutation(
        "of a receipt that no witness has seen that is not said",
        COMMAND,
        '"not_shown": [] if opened.cosignatures else [UNWITNESSED],',
        '"not_shown": [],',
        OF_COMMAND,
    ),
    Mutation(
        "of a log that no witness has seen that is not said",
        COMMAND,
        '    not_shown = [] if all(tree["witnesses"] for tree in trees) else [UNWITNESSED]\n',
        "    not_shown: list[str] = []\n",
        OF_COMMAND,
    ),
    Mutation(
        "pseudonyms of any length are looked for",
        QUERY,
        '[0-9a-f]{32}")',
        '(?:[0-9a-f]{2})+")',
        OF_QUERY,
    ),
    Mutation(
        "any number is a status",
        QUERY,
        "self.status not in _STATUSES",
        "self.status < 0",
        OF_QUERY,
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
