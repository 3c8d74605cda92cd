"""Each guard of the archive and of the auditor's look-ups is taken out once, in a copy, and the tests must fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

ARCHIVER, AGREE, READER = "audit/archive/archiver.py", "audit/archive/agree.py", "audit/archive/reader.py"
COLUMNS, FILES = "audit/archive/columns.py", "audit/archive/files.py"
INDEX, TABLES, QUERY = "audit/auditor/index.py", "audit/auditor/tables.py", "audit/auditor/query.py"
RECORDS = "audit/auditor/records.py"
OF_ARCHIVER = "tests/unit/audit/archive/test_archiver.py"
OF_COLUMNS = "tests/unit/audit/archive/test_columns.py"
OF_READERS = "tests/unit/audit/archive/test_readers.py"
CRASHES = "tests/fault/archive/test_crashes.py -k any_write_each"
OF_INDEX = "tests/unit/audit/auditor/test_index.py"
OF_RECORDS = "tests/unit/audit/auditor/test_records.py"
GATEWAYS = "audit/auditor/gateways.py"
OF_GATEWAYS = "tests/unit/audit/auditor/test_gateways.py"
COMPLETE, OF_COMPLETE = "audit/auditor/complete.py", "tests/unit/audit/auditor/test_complete.py"
COPIED = (
    "audit",
    "bench/harness",
    "tests/__init__.py",
    "tests/components",
    "tests/fault/__init__.py",
    "tests/fault/archive",
    "tests/golden/journal",
    "tests/unit/audit/archive",
    "tests/unit/audit/auditor",
    "tests/unit/audit/objects",
)

MUTATIONS = (
    Mutation(
        "the range is not decided before it is written",
        ARCHIVER,
        "                seal.begin_archive(end)\n                self._decided = end\n"
        "            self._running = self._begin(end, tuple(seal.state.archive_heads()))\n",
        "                self._decided = end\n"
        "            self._running = self._begin(end, seal.state.heads)\n",
        CRASHES,
        also=(
            "        seal.finish_archive()\n",
            "        seal.begin_archive(written.end)\n        seal.finish_archive()\n",
        ),
        short=True,
    ),
    Mutation(
        "what a dead run decided is forgotten",
        ARCHIVER,
        "        self._decided = archiving if archiving > archived else None\n",
        "        self._decided = None\n",
        OF_ARCHIVER,
    ),
    Mutation(
        "a file that is there is taken as it is",
        AGREE,
        "        if not agrees(held, table):\n",
        "        if False:\n",
        OF_ARCHIVER,
    ),
    Mutation(
        "other bytes are other rows",
        AGREE,
        "        if not agrees(held, table):\n",
        "        if True:\n",
        OF_ARCHIVER,
    ),
    Mutation(
        "payloads that nobody can compare need not prove themselves",
        AGREE,
        "sha256(payload).digest() == digest\n",
        "True\n",
        OF_ARCHIVER,
    ),
    Mutation(
        "files of a dead run under another day are not looked for",
        ARCHIVER,
        "        for part in Part if self._resumed else ():\n",
        "        for part in ():\n",
        OF_ARCHIVER,
    ),
    Mutation(
        "unsealed records are archived",
        ARCHIVER,
        "        sealed = min(size, self.next)\n",
        "        sealed = self.next\n",
        OF_ARCHIVER,
    ),
    Mutation(
        "a file spans days",
        ARCHIVER,
        "        if offset > self._open and day != self._open_day >= 0:\n",
        "        if False:\n",
        OF_ARCHIVER,
    ),
    Mutation(
        "what waits has no bound",
        ARCHIVER,
        "self._held >= _FULL * self._limits.bytes or ",
        "",
        OF_ARCHIVER,
    ),
    Mutation(
        "a file has entries of any size",
        ARCHIVER,
        "            or self._open_entries >= limits.entries\n",
        "",
        OF_ARCHIVER,
    ),
    Mutation(
        "heads of later files are in this one",
        ARCHIVER,
        "        if first < head.size <= end:\n",
        "        if first < head.size:\n",
        OF_ARCHIVER,
        also=(
            "self._begin(end, tuple(seal.state.archive_heads()))",
            "self._begin(end, seal.state.heads)",
        ),
    ),
    Mutation(
        "an unknown kind's values are believed",
        COLUMNS,
        "    build = _trusted if kind in _KINDS else _careful\n",
        "    build = _trusted\n",
        OF_COLUMNS,
        also=(
            "    except _ARROW_ERRORS:\n        return _careful(column, values)\n",
            "    except ZeroDivisionError:\n        raise\n",
        ),
    ),
    Mutation(
        "rows come in the order of their shapes",
        COLUMNS,
        "    return pa.concat_tables(tables).take(pc.sort_indices(pa.array(order, pa.int64())))\n",
        "    return pa.concat_tables(tables)\n",
        OF_COLUMNS,
    ),
    Mutation(
        "times as Spark cannot read them",
        "audit/archive/schema.py",
        'TIME: Final = pa.timestamp("us", tz="UTC")\n',
        'TIME: Final = pa.timestamp("ns", tz="UTC")\n',
        OF_READERS,
    ),
    Mutation(
        "overlapping files are read",
        READER,
        "        if other.first < one.end:\n",
        "        if False:\n",
        OF_ARCHIVER,
    ),
    Mutation(
        "a gap is passed over",
        READER,
        "            if file.first > at:\n                break\n",
        "            at = max(at, file.first)\n",
        OF_ARCHIVER,
    ),
    Mutation(
        "a file's rows need not be those of its name",
        READER,
        "        if expected != file.end:\n",
        "        if False:\n",
        OF_ARCHIVER,
    ),
    Mutation(
        "SQL of any kind",
        QUERY,
        "    if statements[0].type != duckdb.StatementType.SELECT:\n",
        "    if False:\n",
        OF_INDEX,
    ),
    Mutation(
        "SQL reaches files",
        TABLES,
        '"enable_external_access": "false", ',
        "",
        OF_INDEX,
    ),
    Mutation(
        "rows of bundles stay beside those of the archive",
        INDEX,
        "DELETE FROM entries WHERE NOT archived AND topic = ? ",
        "DELETE FROM entries WHERE FALSE AND topic = ? ",
        OF_INDEX,
    ),
    Mutation(
        "a row and what it was made of are not one transaction",
        TABLES,
        '        self._connection.execute("BEGIN")\n        try:\n            yield\n',
        "        try:\n            yield\n",
        OF_INDEX,
    ),
    Mutation(
        "what was indexed of a file stays, whatever the file is now",
        INDEX,
        "if now.get((first, end)) != mark}",
        "if (first, end) not in now}",
        OF_INDEX,
    ),
    Mutation(
        "what was indexed of a file stays when it is gone",
        INDEX,
        "if now.get((first, end)) != mark}",
        "if now.get((first, end), mark) != mark}",
        OF_INDEX,
    ),
    Mutation(
        "every file is indexed again at each look",
        INDEX,
        "if now.get((first, end)) != mark}",
        "}",
        OF_INDEX,
    ),
    Mutation(
        "of the checkpoints that are let go of only one file comes back",
        INDEX,
        "        if changed and part is Part.CHECKPOINTS:",
        "        if False:",
        OF_INDEX,
    ),
    Mutation(
        "a file's time that was put right is believed",
        "audit/objects/directory.py",
        " {about.st_mtime_ns} {about.st_ctime_ns}",
        " {about.st_mtime_ns}",
        "tests/unit/audit/objects/test_directory.py -k mark_right",
    ),
    Mutation(
        "what was found wrong is said once",
        INDEX,
        "            if not wrong:\n                self._see(",
        "            if True:\n                self._see(",
        OF_INDEX,
    ),
    Mutation(
        "a state that an update has left is believed when it comes again",
        INDEX,
        "            self._see(None)\n",
        "",
        OF_INDEX,
    ),
    Mutation(
        "files that were written again are not looked for",
        INDEX,
        "file.first, file.end, mark)",
        "file.first, file.end)",
        OF_INDEX,
    ),
    Mutation(
        "an index is up to every head",
        INDEX,
        "(*_place(tree.tree), head.size, head.opened.checkpoint.root.hex())",
        "_place(tree.tree)",
        OF_INDEX,
    ),
    Mutation(
        "a damaged file stops the index",
        INDEX,
        "                except (FormatError, ArchiveGap) as error:\n",
        "                except ArchiveGap as error:\n",
        OF_INDEX,
    ),
    Mutation(
        "another log's index is taken over",
        TABLES,
        "if tables and (not found or found[0][1] != self._name):",
        "if tables and not found:",
        OF_INDEX,
    ),
    Mutation(
        "an index that another process has is not waited for",
        "audit/auditor/busy.py",
        "            if patience.clock() >= deadline:\n",
        "            if True:\n",
        OF_INDEX,
    ),
    Mutation(
        "some of a gateway's workers are enough",
        GATEWAYS,
        "            if len(found) == count and asked >= LEAST + 4 * count:\n",
        "            if asked >= LEAST + 4 * count:\n",
        OF_GATEWAYS,
    ),
    Mutation(
        "two gateways behind one address",
        GATEWAYS,
        "            if len(found) > count:\n",
        "            if False:\n",
        OF_GATEWAYS,
    ),
    Mutation(
        "a gateway that does not say how many workers it has",
        GATEWAYS,
        "    if not one.workers:\n",
        "    if False:\n",
        OF_GATEWAYS,
    ),
    Mutation(
        "an older word of a worker",
        GATEWAYS,
        "    if before is None or _age(before) <= _age(one):\n",
        "    if True:\n",
        OF_GATEWAYS,
    ),
    Mutation(
        "a gateway has as many workers as it says",
        COMPLETE,
        "_number(sample, MOST_WORKERS)",
        "_number(sample)",
        OF_COMPLETE,
    ),
    Mutation(
        "a number is what int makes of it",
        COMPLETE,
        "    if not (0 <= sample.value <= most and sample.value == int(sample.value)):\n",
        "    if sample.value > most and most != _MOST:\n",
        OF_COMPLETE,
    ),
    Mutation(
        "a gateway's journal has any name",
        COMPLETE,
        "    if _JOURNAL.fullmatch(journal) is None:\n",
        "    if False:\n",
        OF_COMPLETE,
    ),
    Mutation(
        "offsets that a file's name says are walked",
        "audit/auditor/gather.py",
        "            if at == len(offsets) or offsets[at] >= file.end:\n",
        "            if not any(offset in waiting for offset in range(file.first, file.end)):\n",
        "tests/unit/audit/auditor/test_evidence_chains.py -k walked",
    ),
    Mutation(
        "an index is waited for without an end",
        "audit/auditor/busy.py",
        "            if patience.clock() >= deadline:\n",
        "            if False:\n",
        OF_INDEX,
    ),
    Mutation(
        "where the index says it is, it is",
        RECORDS,
        "            if record_of(proved.entry) == record:\n",
        "            if True:\n",
        OF_RECORDS,
    ),
    Mutation(
        "a receipt need not hold",
        RECORDS,
        "        opened = verify_receipt(receipt, tree.tree.key(trust.public_key()), trust.witnesses, trust.quorum)\n",
        "        opened = self.heads[tree].opened\n",
        OF_RECORDS,
    ),
    Mutation(
        "rows are listed unproved",
        RECORDS,
        "        if name in told and told[name] != value:\n",
        "        if False:\n",
        OF_RECORDS,
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
