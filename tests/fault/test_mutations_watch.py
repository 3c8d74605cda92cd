"""Each guard of the watch, of its alarms and of the sessions taken out, one at a time: a test must miss it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

FOLLOW = "audit/follow.py"
REMEMBERED = "audit/remembered.py"
WATCH = "audit/notary/watch.py"
ALARMS = "audit/notary/alarms.py"
SESSION = "audit/notary/session.py"
TENDED = "audit/notary/tended.py"
PARTITION = "audit/notary/partition.py"
USUAL = "audit/proof/usual.py"
DSSE = "audit/proof/dsse.py"
GOVERNANCE = "audit/governance.py"
ON_WATCH = "tests/unit/audit/notary/test_watch.py"
SESSIONS = "tests/unit/audit/notary/test_session.py"
ENTRIES = "tests/unit/audit/proof/test_usual.py"
ENVELOPES = "tests/unit/audit/proof/test_dsse.py"
STATEMENTS = "tests/unit/audit/test_governance.py"
COPIED: Final = (
    "audit",
    "tests/__init__.py",
    "tests/components",
    "tests/fault/__init__.py",
    "tests/fault/notary",
    "tests/golden/journal",
    "tests/unit/audit/notary",
    "tests/unit/audit/proof",
    "tests/unit/audit/test_governance.py",
)

MUTATIONS: Final = (
    Mutation(
        "a gap in the sequence",
        FOLLOW,
        "        if not follows:\n",
        "        if False:\n",
        ON_WATCH,
        short=True,
    ),
    Mutation(
        "the chain",
        FOLLOW,
        "        elif fields[_CHAIN] != journal.head:",
        "        elif False:",
        ON_WATCH,
        also=("            and chain == journal.head\n", ""),
    ),
    Mutation(
        "the chain, on the short way",
        FOLLOW,
        "            and chain == journal.head\n",
        "",
        ON_WATCH,
    ),
    Mutation(
        "the sequence, on the short way",
        FOLLOW,
        "            and sequence == journal.sequence\n",
        "",
        ON_WATCH,
    ),
    Mutation(
        "the epoch, on the short way",
        FOLLOW,
        "            and epoch == journal.epoch\n",
        "",
        ON_WATCH,
    ),
    Mutation(
        "signed kinds, on the short way", FOLLOW, "if kind not in _SIGNED and self.", "if self.", ON_WATCH
    ),
    Mutation("a closing, on the short way", FOLLOW, "            and not journal.closed\n", "", ON_WATCH),
    Mutation(
        "another hash of one sequence",
        FOLLOW,
        "        if known == leaf:",
        "        if known is not None:",
        ON_WATCH,
    ),
    Mutation(
        "what is not remembered", FOLLOW, "        elif known is None:", "        elif False:", ON_WATCH
    ),
    Mutation("epochs that skip one", FOLLOW, " or (epoch > wanted and follows)", "", ON_WATCH),
    Mutation(
        "an entry behind a closing",
        FOLLOW,
        "        elif journal.closed and not opens:",
        "        elif False:",
        ON_WATCH,
    ),
    Mutation(
        "a beginning without an opening",
        FOLLOW,
        "            if journal.sequence == 0 == sequence and kind != _OPENING:",
        "            if False:",
        ON_WATCH,
    ),
    Mutation(
        "a journal's key",
        FOLLOW,
        "        if opens and fields[Key.PUBLIC_KEY] != key:",
        "        if False:",
        ON_WATCH,
        also=(
            '        key = journal.key or (fields[Key.PUBLIC_KEY] if opens else b"")',
            "        key = fields[Key.PUBLIC_KEY] if opens else journal.key",
        ),
    ),
    Mutation(
        "signatures",
        FOLLOW,
        '            flaw("signature", "not signed by the journal\'s key")\n            return\n',
        "            pass\n",
        ON_WATCH,
    ),
    Mutation(
        "a forged heartbeat counts",
        FOLLOW,
        '            flaw("signature", "not signed by the journal\'s key")\n            return\n',
        '            flaw("signature", "not signed by the journal\'s key")\n',
        ON_WATCH,
    ),
    Mutation(
        "silence", FOLLOW, "            if 0 < journal.deadline < now:", "            if False:", ON_WATCH
    ),
    Mutation("silence is told each time", FOLLOW, "                journal.silent = True\n", "", ON_WATCH),
    Mutation(
        "a closed journal may be silent",
        FOLLOW,
        "        if self.closed or self.silent or",
        "        if self.silent or",
        ON_WATCH,
    ),
    Mutation("a log without times", FOLLOW, " or not self.heard:", ":", ON_WATCH),
    Mutation("times before 1970", FOLLOW, "max(0, timestamp)", "timestamp", ON_WATCH),
    Mutation(
        "sequences without an end",
        FOLLOW,
        "min(sequence + len(leaves), _LARGEST)",
        "sequence + len(leaves)",
        ON_WATCH,
    ),
    Mutation(
        "epochs below zero",
        FOLLOW,
        "max(0, fields[_EPOCH] - (fields[0] == _OPENING))",
        "fields[_EPOCH] - (fields[0] == _OPENING)",
        ON_WATCH,
    ),
    Mutation(
        "journals without a bound",
        FOLLOW,
        "        if len(self._journals) > self._most:",
        "        if False:",
        ON_WATCH,
    ),
    Mutation(
        "leaves without a bound",
        REMEMBERED,
        "        while self._count > self._most:",
        "        while False:",
        ON_WATCH,
    ),
    Mutation(
        "leaves after a restart",
        WATCH,
        "            self.journals.remember(parse_entry(raw), leaf_hash(raw))",
        "            pass",
        ON_WATCH,
    ),
    Mutation("changed payloads", WATCH, "        if leaf.flaw:", "        if False:", ON_WATCH),
    Mutation(
        "foreign records",
        WATCH,
        '            self.alarm("format", f"{leaf.hole}: sealed as a hole", offset)\n',
        "",
        ON_WATCH,
    ),
    Mutation(
        "another journal's key",
        WATCH,
        "            if key is not None and key != entry.fields[_JOURNAL]:",
        "            if False:",
        ON_WATCH,
    ),
    Mutation("the state of another watch", WATCH, ' or first.get("format") != FORMAT', "", ON_WATCH),
    Mutation("floods", ALARMS, "        if self._left < 1:", "        if False:", ON_WATCH),
    Mutation("what was counted", ALARMS, "            self._more[alarm.what] += 1\n", "", ON_WATCH),
    Mutation(
        "alarms that wait, after a restart",
        ALARMS,
        "            self._waiting |= {alarm.identity: alarm for alarm in waiting}\n",
        "",
        ON_WATCH,
    ),
    Mutation(
        "an alarm before its seal",
        ALARMS,
        "(self._waiting if at_once else self._fresh)",
        "self._waiting",
        ON_WATCH,
    ),
    Mutation(
        "the topic is asked before sealing",
        SESSION,
        "            self._shop.confirm(self._read_at)\n",
        "            pass\n",
        SESSIONS,
    ),
    Mutation(
        "what was read is forgotten with its session",
        SESSION,
        "            partition.untold.forget()\n",
        "",
        SESSIONS,
    ),
    Mutation(
        "what a dead session left",
        SESSION,
        "        raw = self._seal.left(offset) if self._left else None",
        "        raw = None",
        SESSIONS,
    ),
    Mutation(
        "an end that is told too low, once",
        SESSION,
        "        if not self._doubted and self._partition.cut is None:",
        "        if False:",
        SESSIONS,
    ),
    Mutation(
        "a cut log",
        SESSION,
        "        elif end < max(self._position, self._seal.state.size):",
        "        elif False:",
        SESSIONS,
    ),
    Mutation("a backlog's bound", SESSION, "                or seal.pending >= MOST_PENDING\n", "", SESSIONS),
    Mutation(
        "a gap in the log",
        SESSION,
        "        if entries[0].offset > self._position:",
        "        if False:",
        SESSIONS,
        also=(" if record.offset != position + at)", " if False)"),
    ),
    Mutation(
        "a silent log", SESSION, "        elif now - self._heard > PATIENCE:", "        elif False:", SESSIONS
    ),
    Mutation(
        "publishing at the end",
        SESSION,
        "        if self._seal.pending or self._seal.published < self._seal.size:",
        "        if self._seal.pending:",
        SESSIONS,
    ),
    Mutation(
        "another try at the end",
        PARTITION,
        "                if now >= end or (",
        "                if stop.is_set() or (",
        SESSIONS,
    ),
    Mutation(
        "an answer from before the reading",
        TENDED,
        "            if self._confirmed >= since:",
        "            if True:",
        SESSIONS,
    ),
    Mutation("an entry's one encoding", USUAL, "if cbor2.dumps(fields) == raw else None", "", ENTRIES),
    Mutation(
        "keys that are no integers", USUAL, " or not _INTEGERS.issuperset(map(type, keys))", "", ENTRIES
    ),
    Mutation("keys in another order", USUAL, "list(keys) != sorted(keys) or ", "", ENTRIES),
    Mutation("keys of the kind", USUAL, " or not (known[0] <= set(keys) <= known[1])", "", ENTRIES),
    Mutation(
        "types of values",
        USUAL,
        "            if type(value) is not wanted:",
        "            if False:",
        ENTRIES,
    ),
    Mutation(
        "sizes of values",
        USUAL,
        "            if not low <= (",
        "            if False and not low <= (",
        ENTRIES,
    ),
    Mutation(
        "texts beyond ASCII",
        USUAL,
        "            if wanted is str and not value.isascii():",
        "            if False:",
        ENTRIES,
    ),
    Mutation(
        "a batch's numbers",
        USUAL,
        "        return batch is None or all(",
        "        return True or all(",
        ENTRIES,
    ),
    Mutation(
        "an envelope's signature",
        DSSE,
        "    if not holds(public_key, value, pae(envelope.type, envelope.payload)):",
        "    if False:",
        ENVELOPES,
    ),
    Mutation(
        "an envelope's surplus keys",
        DSSE,
        'set(content) != {"payload", "payloadType", "signatures"}',
        "False",
        ENVELOPES,
    ),
    Mutation(
        "an envelope's type",
        DSSE,
        '    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)',
        "    return payload",
        ENVELOPES,
    ),
    Mutation("a statement's payload", GOVERNANCE, " or not payload_holds(record)", "", STATEMENTS),
    Mutation("a statement's type", GOVERNANCE, " or envelope.type != fields[Key.BODY_TYPE]", "", STATEMENTS),
    Mutation(
        "a statement's author",
        GOVERNANCE,
        "            holds = False",
        "            holds = True",
        STATEMENTS,
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
