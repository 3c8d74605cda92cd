"""The counting monitor: each rule taken out of a copy, and the tests that hold the panes to the log fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

HEADS = "monitoring/read/heads.py"
BLOCKS = "monitoring/read/blocks.py"
PACKAGES = "monitoring/read/packages.py"
COUNTS = "monitoring/panes/counts.py"
BUILD = "monitoring/panes/build.py"
REACHED = "monitoring/panes/reached.py"
COLLECTOR = "monitoring/panes/collector.py"
CODEC = "monitoring/panes/codec.py"
WORKER = "monitoring/worker.py"
FILE = "monitoring/store/file.py"

ON_COLLECTOR = "tests/unit/monitoring/test_collector.py"
ON_POISONED = "tests/unit/monitoring/test_poisoned.py"
ON_FOLLOWING = "tests/unit/monitoring/test_following.py"
ON_STORES = "tests/integration/test_pane_stores.py"
ON_BYTES = "tests/golden/pane/test_golden_pane.py"

COPIED = (
    "audit",
    "monitoring",
    "registry",
    "tests/__init__.py",
    "tests/components",
    "tests/golden/pane",
    "tests/integration/test_pane_stores.py",
    "tests/property/test_panes.py",
    "tests/unit/monitoring/test_collector.py",
    "tests/unit/monitoring/test_following.py",
    "tests/unit/monitoring/test_poisoned.py",
)

MUTATIONS = (
    Mutation(
        "a payload's digest",
        BLOCKS,
        "            if sum_ != digest:\n",
        "            if not payload:\n",
        ON_POISONED,
        short=True,
    ),
    Mutation(
        "an encrypted payload", BLOCKS, "            if suite == PLAIN:", "            if True:", ON_POISONED
    ),
    Mutation("the parts' end", BLOCKS, "if end != len(payload):", "if end < 0:", ON_POISONED),
    Mutation("the schema", BLOCKS, "if schema != self._schema or columns", "if columns", ON_POISONED),
    Mutation("rows and columns", BLOCKS, "        if not whole:\n", "        if False:\n", ON_POISONED),
    Mutation(
        "a fetched payload's digest",
        BLOCKS,
        "found if sha256(found).digest() == digest else Reason.WRONG",
        "found",
        ON_POISONED,
    ),
    Mutation("a large payload", BLOCKS, "if heads.length[at] > MAX_PAYLOAD:", "if False:", ON_POISONED),
    Mutation("long headers", BLOCKS, "if len(head) <= _USUAL_HEAD:", "if True:", ON_POISONED),
    Mutation(
        "many headers", BLOCKS, "                self._known.clear()\n", "                pass\n", ON_POISONED
    ),
    Mutation("the record's format", HEADS, "head >> 16 == FORMAT and ", "", ON_POISONED),
    Mutation(
        "a clock that was set back",
        HEADS,
        "np.where(committing > arrived, committing - arrived, 0)",
        "committing - arrived",
        ON_COLLECTOR,
    ),
    Mutation("a slot that is none", HEADS, "    if whose[2] >= SLOTS:\n", "    if False:\n", ON_POISONED),
    Mutation(
        "what nobody named",
        PACKAGES,
        "if self._named is None or each in self._known else None for each in whose]",
        "for each in whose]",
        ON_FOLLOWING,
    ),
    Mutation(
        "what the store lost",
        PACKAGES,
        "            if self._named is None:\n",
        "            if True:\n",
        ON_FOLLOWING,
    ),
    Mutation(
        "second deliveries",
        REACHED,
        "            return False\n",
        "            return True\n",
        ON_COLLECTOR,
    ),
    Mutation(
        "a forged sequence",
        REACHED,
        "if reached - BEHIND < sequence <= reached:",
        "if sequence <= reached:",
        ON_COLLECTOR,
    ),
    Mutation(
        "many journals",
        REACHED,
        "            if len(newest) >= MOST:\n",
        "            if False:\n",
        ON_POISONED,
    ),
    Mutation(
        "one journal, one after another", BUILD, "and (np.diff(sequences) == 1).all()", "", ON_COLLECTOR
    ),
    Mutation("the time before", COLLECTOR, "np.maximum(times, self.time)", "times", ON_COLLECTOR),
    Mutation(
        "explanations",
        COLLECTOR,
        "places[answered & (heads.protocol[places] != _EXPLAIN)]",
        "places[answered]",
        ON_POISONED,
    ),
    Mutation(
        "names of strangers",
        COLLECTOR,
        'places[~answered], At("", SLOTS[slot])',
        "places[~answered], At(service, SLOTS[slot])",
        ON_POISONED,
    ),
    Mutation(
        "a canary that has answered nothing",
        BUILD,
        "if of_service[of.service] > 1 or of not in self.counting",
        "if of_service[of.service] > 1",
        ON_COLLECTOR,
    ),
    Mutation(
        "canaries that are not told apart",
        BUILD,
        "if of_service[of.service] > 1 or of not in self.counting",
        "if of not in self.counting",
        ON_COLLECTOR,
    ),
    Mutation(
        "canaries that do not add up",
        CODEC,
        'if at.slot != "canary" or dict(total) != statuses.get(at):',
        "if False:",
        ON_BYTES,
    ),
    Mutation("one canary twice", CODEC, "if not others and of in tallies:", "if False:", ON_BYTES),
    Mutation(
        "partial panes",
        COLLECTOR,
        "range(self._number, self.offset // self._size)",
        "range(self._number, self.offset // self._size + 1)",
        ON_COLLECTOR,
    ),
    Mutation(
        "widths",
        COUNTS,
        "        if narrow != _width(int(gaps.max())) or wide != _width(int(numbers.max())):\n",
        "        if False:\n",
        "tests/property/test_panes.py",
    ),
    Mutation(
        "the one form", CODEC, "    if encode_pane(pane) != bytes(data):\n", "    if False:\n", ON_BYTES
    ),
    Mutation("counts that do not agree", CODEC, "tally.latency.total != requests or ", "", ON_BYTES),
    Mutation(
        "kept before it is told",
        WORKER,
        "                self._store.put(self.partition, finished)\n",
        "                pass\n",
        ON_FOLLOWING,
    ),
    Mutation(
        "half a count",
        WORKER,
        "        except BaseException:\n            self._collector = self._collect()\n            raise\n",
        "        finally:\n            pass\n",
        ON_FOLLOWING,
    ),
    Mutation(
        "whole panes after a loss",
        WORKER,
        "-(-first // self._size) * self._size",
        "first // self._size * self._size",
        ON_FOLLOWING,
    ),
    Mutation(
        "a frame's checksum",
        FILE,
        " or google_crc32c.value(body) != checksum",
        "",
        f"{ON_STORES} -m not(kafka)",
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
