"""Each rule of replay is taken out once, in a copy, and the tests must fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = [pytest.mark.fault, pytest.mark.timeout(400)]

REPLAY = "tests/integration/test_replay.py"
COMMAND = "tests/integration/test_replay_command.py"
UNIT = "tests/unit/service/test_replaying.py"
COPIED = (
    "audit",
    "service",
    "registry",
    "cli",
    "examples/credit/german_credit.csv",
    "tests/__init__.py",
    "tests/components",
    REPLAY,
    COMMAND,
    UNIT,
)

MUTATIONS = (
    Mutation(
        "any model in any batch",
        "service/replaying.py",
        "bodies = self._bodies(asked, together=self._exact)",
        "bodies = self._bodies(asked, together=True)",
        f"{REPLAY} -k minds",
        short=True,
    ),
    Mutation(
        "a batch is not waited for",
        "service/replaying.py",
        'self.whole_batches: Final = model.batching.kind == "tolerance"',
        "self.whole_batches: Final = False",
        f"{REPLAY} -k spread",
    ),
    Mutation(
        "nothing is read around a record",
        "audit/replay/source.py",
        "return Part(part.partition, max(first, part.first - REACH), min(end, part.end + REACH))",
        "return part",
        f"{COMMAND} -k range",
    ),
    Mutation(
        "missing members are not told",
        "audit/replay/run.py",
        "        if missing is not None:\n            why.append(missing)\n",
        "",
        f"{REPLAY} -k missing_members",
    ),
    Mutation(
        "a row at the start of its batch",
        "service/replaying.py",
        "            call.parts.append((number, position, query.rows))\n        return",
        "            call.parts.append((number, 0, query.rows))\n        return",
        UNIT,
    ),
    Mutation(
        "an exact model is believed in any size",
        "service/replaying.py",
        "        if self._exact:\n            self._ask_as_it_was(asked, bodies)\n",
        "",
        UNIT,
    ),
    Mutation(
        "a size that cannot be",
        "service/replaying.py",
        "if position + height > size or size > max(MAX_BATCH, height):",
        "if position + height > size:",
        UNIT,
    ),
    Mutation(
        "another model input",
        "service/replaying.py",
        "if query.rows.packed != question.payload.input:",
        "if False:",
        f"{REPLAY} -k swapped",
    ),
    Mutation(
        "another signature",
        "service/replaying.py",
        "if question.payload.header.get(Header.INPUT) != shape:",
        "if False:",
        UNIT,
    ),
    Mutation(
        "the answer is not looked at",
        "audit/replay/run.py",
        "elif body == asked.question.payload.response:",
        "elif body:",
        f"{REPLAY} -k different",
    ),
    Mutation(
        "numbers only",
        "audit/replay/run.py",
        "        if not found:\n            return judged(\n                logged, Verdict.DIFFERENT,",
        "        if not found:\n            return judged(\n                logged, Verdict.WITHIN,",
        f"{REPLAY} -k same_numbers",
    ),
    Mutation(
        "any difference is within tolerance",
        "audit/replay/run.py",
        "Verdict.WITHIN if difference <= bound else Verdict.DIFFERENT",
        "Verdict.WITHIN",
        f"{REPLAY} -k different",
    ),
    Mutation(
        "the payload's digest",
        "audit/replay/intake.py",
        "if sha256(payload).digest() != fields[PAYLOAD_DIGEST]:",
        "if False:",
        f"{REPLAY} -k gone",
    ),
    Mutation(
        "duplicates have verdicts",
        "audit/replay/intake.py",
        "            if same and known is not None and (known[1] or not logged.payload):",
        "            if False:",
        f"{REPLAY} -k duplicates",
    ),
    Mutation(
        "whatever comes late is a duplicate",
        "audit/replay/intake.py",
        "same = known is not None and known[0] == entry.raw",
        "same, known = True, (b'', True)",
        f"{REPLAY} -k forged_record_in_front",
    ),
    Mutation(
        "another entry of the same sequence is a duplicate",
        "audit/replay/intake.py",
        "same = known is not None and known[0] == entry.raw",
        "same = known is not None",
        f"{REPLAY} -k whose_sequence",
    ),
    Mutation(
        "a copy without its payload takes the verdict",
        "audit/replay/intake.py",
        "(known[1] or not logged.payload)",
        "True",
        f"{REPLAY} -k whose_sequence",
    ),
    Mutation(
        "records out of order are no finding",
        "cli/audit_replay.py",
        "wrong = summary.wrong or intake.disordered > 0",
        "wrong = summary.wrong",
        f"{COMMAND} -k forged_record",
    ),
    Mutation(
        "undecided rows are left out",
        "audit/replay/against.py",
        "            self.undecided[bounded(compared.undecided, len(self.undecided))] += compared.rows\n",
        "            pass\n",
        f"{COMMAND} -k without_a_decision",
    ),
    Mutation(
        "what is not wanted is judged",
        "audit/replay/run.py",
        "            if not asked.logged.wanted:\n                continue\n",
        "",
        f"{REPLAY} -k around",
    ),
    Mutation(
        "the settings' threads",
        "service/replaying.py",
        "self._default if ran is None else (ran.device, ran.threads)",
        "self._default",
        f"{REPLAY} {UNIT} -k recorded",
    ),
    Mutation(
        "libraries are not compared",
        "audit/replay/verdict.py",
        "        if then != now:\n",
        "        if False:\n",
        f"{REPLAY} -k library",
    ),
    Mutation(
        "exit code 0 for a different answer",
        "cli/audit_replay.py",
        "    if wrong or (answers and not done):\n",
        "    if answers and not done:\n",
        f"{COMMAND} -k exit_code",
    ),
    Mutation(
        "a replay in which nothing could be replayed is a success",
        "cli/audit_replay.py",
        "    if wrong or (answers and not done):\n",
        "    if wrong:\n",
        f"{COMMAND} -k lost",
    ),
    Mutation(
        "a replay that looked at nothing is a success",
        "cli/audit_replay.py",
        "        if not answers and (records, *bounds, only) != (None,) * 4:\n",
        "        if False:\n",
        f"{COMMAND} -k wrong_usage",
    ),
    Mutation(
        "a damaged log is an outage",
        "audit/log/local_reader.py",
        '            raise LogDamaged(f"{path}: damaged at byte {position}, offset {offset}")\n',
        '            raise LogUnavailable(f"{path}: damaged at byte {position}, offset {offset}")\n',
        f"{COMMAND} -k no_outage",
    ),
)


@pytest.mark.long
def test_without_a_mutation_the_tests_pass(copy: Path) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, f"{REPLAY} {COMMAND} {UNIT}")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One rule less, one failing test at least."""
    assert_caught(copy, mutation)
