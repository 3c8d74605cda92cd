"""Each strict check of the proof library, and each guard of a verification, is taken out once, in a copy."""

# ruff: noqa: E501 — a check and what takes it out, on a line

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

PROOF = "tests/unit/audit/proof"
ATTACKS = "tests/fault/attacks/test_attacks.py"
LOST = "tests/fault/attacks/test_lost_records.py"
FLOODS = "tests/fault/attacks/test_floods.py"
STATISTICS = "tests/fault/attacks/test_statistics.py"
COPIED = (
    "audit",
    "docs/sealed-log.md",
    "scripts",
    "tests/__init__.py",
    "tests/conftest.py",
    "tests/components",
    "tests/fault/__init__.py",
    "tests/fault/attacks",
    "tests/golden/journal",
    "tests/golden/proof",
    PROOF,
)


def check(
    name: str,
    file: str,
    old: str,
    new: str,
    tests: str,
    *,
    short: bool = False,
    also: tuple[str, str] | None = None,
) -> Mutation:
    tests = tests if "/" in tests else f"{PROOF}/test_{tests}.py"
    return Mutation(name, f"audit/{file}.py", old, new, tests, also, short)


MUTATIONS = (
    # ---------------------------------------------------------------- the proof library
    check("surplus hashes", "proof/merkle", '            raise NotProved("inclusion: the proof is too long")',
          "            break", "merkle", short=True),
    check("too few hashes", "proof/merkle", '        raise NotProved("inclusion: the proof is too short")', "        pass", "merkle"),
    check("a proof that should be empty", "proof/merkle", '        raise NotProved("consistency: the proof should be empty")',
          "        pass", "merkle"),
    check("the old root", "proof/merkle", "    if _climb(old, new, hashes) != (old_root, new_root):",
          "    if _climb(old, new, hashes)[1] != new_root:", "merkle", short=True),
    check("wrong partials", "proof/tiles", "    if len(raw) != width * HASH_SIZE:", "    if len(raw) < width * HASH_SIZE:", "tiles"),
    check("surplus entries", "proof/tiles", "    if len(entries) != width or at != end:", "    if len(entries) != width:", "tiles"),
    check("duplicate signature lines", "proof/note",
          "    if len({(each.name, each.key_id) for each in signatures}) != len(signatures):", "    if False:", "note"),
    check("control characters", "proof/note",
          '    if any(ord(letter) < 32 and letter != "\\n" for letter in whole):', "    if False:", "note"),
    check("one form of base64", "proof/note", "    if base64.b64encode(raw).decode() != text:", "    if False:", "note"),
    check("wrong key ids", "proof/note", "        if key_id != key.key_id.hex():", "        if False:", "note"),
    check("leading zeroes", "proof/checkpoint", " or str(int(text)) != text:", ":", "checkpoint"),
    check("another log", "proof/checkpoint", "    if checkpoint.origin != key.name:", "    if False:", "checkpoint"),
    check("the log's own signature", "proof/checkpoint", "    if not any(each.key == key for each in verified):",
          "    if False:", "checkpoint"),
    check("the quorum", "proof/checkpoint", "    if len(cosignatures) < quorum:", "    if False:", "checkpoint"),
    check("a key's signature", "proof/keys", "    except (FormatError, InvalidSignature):\n        return False",
          "    except (FormatError, InvalidSignature):\n        return True", "keys"),
    check("a key off its curve", "proof/keys", '                raise FormatError("public key: no point of its curve") from error',
          "                raise AssertionError from error", "keys"),
    check("the one form of a point", "proof/keys", "if len(form) == size and form[0] == _UNCOMPRESSED:",
          "if len(form) in (size, size // 2 + 1):", "keys"),
    check("the hash of a curve", "proof/keys", "_CURVES[key.curve.name][3]", "SHA256()", "keys"),
    check("the curves of keys", "proof/keys", "isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES",
          "isinstance(key, EllipticCurvePublicKey)", "keys"),
    check("headers of one form", "proof/members",
          "            if raw[at : at + len(central)] != central or raw[place : place + len(local)] != local:",
          "            if False:", "members"),
    check("members of one name", "proof/members",
          "            if self._places and header.name <= next(reversed(self._places)):", "            if False:", "members"),
    check("bytes of no member", "proof/members",
          "        if place != start or at != len(raw) - _END.size:", "        if False:", "members"),
    check("a bomb", "proof/members", "        if size > MAX_MEMBER or total > MAX_TOTAL:", "        if False:", "members"),
    check("surplus members", "proof/bundle", "    if surplus := set(contents) - known:", "    if surplus := set():", "bundle"),
    check("the manifest's one form", "proof/bundle", "    if not same or not isinstance(manifest, dict):",
          "    if not isinstance(manifest, dict):", "bundle"),
    check("inclusion of each record", "proof/evidence",
          "        verify_inclusion(leaf_hash(entry.raw), kept.offset, tree.size, kept.proof, tree.root)", "        pass", "bundle"),
    check("payloads", "proof/evidence", "    if record.payload and not payload_holds(record):", "    if False:", "bundle"),
    check("a whole range", "proof/evidence", "        if count == end - first:", "        if True:", "bundle"),
    check("whose tree", "proof/evidence",
          "    if not origin.startswith(key.name) or not _PART.fullmatch(origin[len(key.name) :]):", "    if False:", "bundle"),
    check("a package's digest", "proof/evidence",
          "        if sha256(package.manifest).hexdigest() != digest:", "        if False:", "bundle"),
    # ---------------------------------------------------------------- what a bundle does not show
    check("what nobody has signed", "proof/evidence", '"that the report, the time of making and the maker\'s name are true: nothing signed covers them"', '""', "bundle"),
    check("what may be left out", "proof/evidence", "        if not self.complete:\n            said", "        if False:\n            said", "bundle"),
    check("records without payloads", "proof/evidence", "        if self.without_payload:\n", "        if False:\n", "bundle"),
    check("records that no gateway has signed", "proof/evidence", "        if left := self.journals.without:\n", "        if False:\n", "bundle"),
    check("signatures without a key", "proof/evidence", "        if left := self.journals.unchecked:\n", "        if False:\n", "bundle"),
    check("whose the journals are", "proof/evidence", "        if self.journals.signers:\n", "        if False:\n", "bundle"),
    check("models that are not there", "proof/evidence", "        if self.missing_packages:\n", "        if False:\n", "bundle"),
    check("trees without a witness", "proof/evidence", "        if alone or not self.trees:", "        if len(alone) == len(self.trees):", "bundle"),
    check("which trees have no witness", "proof/evidence", 'else f": {\', \'.join(alone)}"', 'else ""', "bundle"),
    # ---------------------------------------------------------------- a log without its store
    check("the root of the edge", "proof/whole",
          "            Edge(self._size, [each or [] for each in levels]).root() == self._root", "            True", "whole"),
    check("entries of a tile", "proof/whole",
          '            entry if sha256(b"\\x00" + entry).digest() == expected else None', "            entry", "whole"),
    # ---------------------------------------------------------------- the auditor's verification
    check("a state that is behind", "auditor/heads", "        if size < state.size:", "        if False:", ATTACKS),
    check("a head that was kept", "auditor/heads", "        if found.size > newest.size:", "        if False:", ATTACKS),
    check("offsets that no file has", "auditor/archived", "            if file.first > at:", "            if False:", ATTACKS,
          also=("        if before is not None and at < before.archived:", "        if False:")),
    check("offsets beyond the head", "auditor/archived", "        if last.end > size:", "        if False:", ATTACKS),
    check("tiles beyond the head", "auditor/leftovers", "    if not beyond:", "    if True:", ATTACKS),
    check("a notary that is not there", "auditor/leftovers", "    if alive and not far:", "    if not far:", ATTACKS),
    check("columns of a range", "auditor/archived",
          "                if made.equals(table):", "                if made.equals(table) or not whole:", ATTACKS),
    check("the archive's bytes", "auditor/archived", "            if whole and encode_entries(made) == content:",
          "            if True:", ATTACKS),
    check("a byte that says nothing of the rows", "auditor/archived", "        if writer == WRITER and content", "        if False and content",
          "tests/fault/attacks/test_every_byte.py -k nothing_of_the_rows"),
    check("statistics of another writer", "auditor/claims",
          "    if any(right.get(_OLDER.get(id_, id_)) != found for id_, found in said.items()):", "    if False:", STATISTICS),
    check("what could be held to nothing", "auditor/claims", "    for id_ in sorted(fields.keys() - known):",
          "    for id_ in ():", STATISTICS),
    check("where row groups are", "auditor/claims", "        if group.get(id_, found) != found", "        if False",
          STATISTICS),
    check("a bound of flaws", "auditor/verified", "        room = max(0, MAX_FLAWS - len(self.flaws))",
          "        room = len(flaws)", FLOODS),
    check("where it stopped", "auditor/verify", "            self.verified.stopped_at = looked",
          "            pass", FLOODS),
    check("holes one by one", "auditor/runs", "offset != self._last + 1", "True", FLOODS),
    check("whose key a journal has", "proof/journals", "known = None if key is None else key.hex()", 'known = "00"', "bundle"),
    check("where payloads are missing", "auditor/said", "            self._nowhere(first + start, found, absent)", "            pass", LOST),
    check("a record without its payload", "auditor/logged", "        if not payload and has_payload(entry):", "        if False:", LOST),
    check("a payload that was left out", "notary/holes", " if length and not entry.get(Key.EXTERNAL) else", " if False else", LOST),
    check("the log's records", "auditor/logged", "            if entry is not None and made.entry != entry:",
          "            if False:", ATTACKS),
    check("the end of a part of the log", "auditor/logged", "        self._gap(expected, end, first, entries)\n", "", LOST),
    check("what was sealed as a hole", "auditor/logged",
          "            if entries[offset - first] != hole_at(Hole.GONE, self._topic, self._partition, offset).entry\n", "", LOST),
    check("the log's end", "auditor/logged", "        if self._end < size:", "        if False:", ATTACKS),
    check("the log's times", "auditor/logged",
          "        if logged is not None and logged != read.timestamp:", "        if False:", ATTACKS),
    check("payloads of the archive", "auditor/said",
          "        elif sha256(payload).digest() != digest or len(payload) != fields[_LENGTH]:", "        elif False:", ATTACKS),
    check("a silent journal", "auditor/said",
          "        for flaw in self._follow.overdue(self._newest, self._tree.partition):", "        for flaw in ():", ATTACKS),
)  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("tests", sorted({mutation.tests for mutation in MUTATIONS}))
def test_without_a_mutation_the_tests_pass(copy: Path, tests: str) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, tests)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One check less, one failing test at least."""
    assert_caught(copy, mutation)
